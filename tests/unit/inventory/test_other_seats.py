"""Which seats are as good as those a booking has lost."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inventory_service.domain.layout import Layout
from inventory_service.domain.other_seats import equal_seats, reseated
from inventory_service.domain.pricing import price_of_rest, total_of
from messaging.events import Pricing
from tests.unit.inventory.halls import KEY, sections

HALL = sections(("stalls", "standard", [6, 6]), ("boxes", "vip", [4]), ("balcony", "standard", [6]))
PRICING = Pricing(currency="EUR", tiers={"standard": 1_000, "vip": 3_000, "balcony": 700})


def lines(*seat_ids: str, layout: Layout = HALL, pricing: Pricing = PRICING) -> list[dict[str, Any]]:
    found = []
    for seat_id in seat_ids:
        seat = layout.seats[layout.position[seat_id]]
        amount = pricing.tiers.get(seat.section, pricing.tiers.get(seat.seat_type, 0))
        found.append(
            {
                "seat_id": seat_id,
                "label": seat_id,
                "seat_type": seat.seat_type,
                "section": seat.section_name,
                "amount": amount,
            }
        )
    return found


def given_for(lost: list[str], free: list[str], pricing: Pricing = PRICING, layout: Layout = HALL) -> list[str] | None:
    mask = equal_seats(layout, layout.mask(free), lines(*lost, layout=layout), pricing)
    return None if mask is None else layout.ids(mask)


def test_a_pair_gets_a_pair_of_its_own_type_and_price() -> None:
    assert given_for(["A1", "A2"], ["C1", "C2", "D1", "D2", "B4", "B5"]) == ["B4", "B5"]
    assert given_for(["A1", "A2"], ["C1", "C2", "D1", "D2"]) is None
    assert given_for(["D3", "D4"], ["A1", "A2", "D5", "D6"]) == ["D5", "D6"]


def test_who_sat_together_is_not_torn_apart() -> None:
    assert given_for(["A1", "A2"], ["A4", "B4", "A6"]) is None
    assert given_for(["A1", "A3"], ["A4", "A6", "B4"]) is not None


def test_each_band_gets_a_block_of_its_own_or_nobody_gets_any() -> None:
    free = ["B1", "B2", "C3", "C4", "D1", "D2"]
    assert given_for(["A1", "A2", "C1", "C2"], free) == ["B1", "B2", "C3", "C4"]
    assert given_for(["A1", "A2", "C1", "C2"], ["B1", "B2", "C3", "D1", "D2"]) is None


def test_what_costs_another_price_today_is_not_equal() -> None:
    dearer = PRICING.model_copy(update={"tiers": {"standard": 1_200, "vip": 3_000, "balcony": 1_000}})
    mask = equal_seats(HALL, HALL.mask(["B1", "B2", "D1", "D2"]), lines("A1", "A2"), dearer)
    assert mask == HALL.mask(["D1", "D2"])


def test_a_seat_without_a_price_is_not_taken_for_one_that_is_free_of_charge() -> None:
    gratis = Pricing(currency="EUR", tiers={"stalls": 0})
    assert equal_seats(HALL, HALL.mask(["D1"]), lines("A1", pricing=gratis), gratis) is None
    assert equal_seats(HALL, HALL.mask(["B1"]), lines("A1", pricing=gratis), gratis) == HALL.mask(["B1"])


def test_places_of_wheelchair_users_and_companions_have_no_equal() -> None:
    layout = sections(("stalls", "wheelchair", [2]), ("side", "companion", [2]), ("rest", "standard", [4]))
    pricing = Pricing(currency="EUR", tiers={"wheelchair": 1_000, "companion": 1_000, "standard": 1_000})
    free = layout.mask(["A2", "B2", "C3"])
    for lost in (["A1"], ["B1"], ["A1", "C1"]):
        assert equal_seats(layout, free, lines(*lost, layout=layout, pricing=pricing), pricing) is None
    ordinary = lines("C1", layout=layout, pricing=pricing)
    assert equal_seats(layout, free, ordinary, pricing) == layout.mask(["C3"])
    assert equal_seats(layout, layout.mask(["A2", "B2"]), ordinary, pricing) is None


def test_who_stands_goes_on_standing_and_who_sits_goes_on_sitting() -> None:
    seats = [{"id": f"A{n}", "label": str(n), "seatType": "standard"} for n in range(1, 5)]
    layout = Layout.from_json(
        KEY,
        {
            "sections": [
                {"id": "stalls", "rows": [{"label": "A", "seats": seats}]},
                {"id": "floor", "capacity": 10, "seatType": "standard"},
            ]
        },
    )
    everything = [seat.id for seat in layout.seats]
    free = [seat_id for seat_id in everything if seat_id not in {"floor:1", "floor:2", "A1", "A2"}]
    assert given_for(["floor:1", "floor:2"], free, layout=layout) == ["floor:3", "floor:4"]
    assert given_for(["A1", "A2"], free, layout=layout) == ["A3", "A4"]
    assert given_for(["A1", "A2"], ["floor:3", "floor:4"], layout=layout) is None


def test_the_price_of_other_seats_names_them_and_keeps_every_amount() -> None:
    price = {"currency": "EUR", "lines": lines("A1", "A2", "C1"), "discounts": [], "fee": 50}
    moved = reseated(price, HALL, HALL.mask(["B5", "B6", "C4"]), PRICING)
    assert [(line["seat_id"], line["label"], line["section"], line["amount"]) for line in moved["lines"]] == [
        ("B5", "B5", "Stalls", 1_000),
        ("B6", "B6", "Stalls", 1_000),
        ("C4", "C4", "Boxes", 3_000),
    ]
    assert total_of(price_of_rest(moved, ["C4"])) == 3_050


def test_lines_find_seats_of_their_type_although_prices_have_changed_since() -> None:
    price = {"currency": "EUR", "lines": lines("A1", "C1", "D1"), "discounts": [], "fee": 0}
    dearer = PRICING.model_copy(update={"tiers": {"standard": 5_000, "vip": 6_000, "balcony": 7_000}})
    moved = reseated(price, HALL, HALL.mask(["B1", "C2", "D2"]), dearer)
    assert {line["seat_id"]: line["amount"] for line in moved["lines"]}["C2"] == 3_000
    assert total_of(moved) == total_of(price)


@given(
    lost=st.sets(st.sampled_from([seat.id for seat in HALL.seats]), min_size=1, max_size=6),
    free=st.sets(st.sampled_from([seat.id for seat in HALL.seats])),
)
def test_other_seats_are_free_as_many_and_of_the_same_bands(lost: set[str], free: set[str]) -> None:
    price: dict[str, Any] = {"currency": "EUR", "lines": lines(*sorted(lost)), "discounts": [], "fee": 0}
    mask = equal_seats(HALL, HALL.mask(free), price["lines"], PRICING)
    if mask is None:
        return
    found = HALL.ids(mask)
    assert set(found) <= free
    bands = sorted((line["seat_type"], line["amount"]) for line in price["lines"])
    assert sorted((line["seat_type"], line["amount"]) for line in lines(*found)) == bands
    moved = reseated(price, HALL, mask, PRICING)
    assert [(line["seat_id"], line["amount"]) for line in moved["lines"]] == [
        (line["seat_id"], line["amount"]) for line in lines(*found)
    ]
