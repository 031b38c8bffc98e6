"""What a price becomes when a part of a booking is given back."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inventory_service.domain.pricing import Purchase, price_of_rest, quote, total_of
from messaging.events import Pricing
from tests.unit.inventory.halls import sections

# 15:00 in Vienna: a matinee.
STARTS_AT = datetime(2026, 11, 21, 14, tzinfo=UTC)
NOW = STARTS_AT - timedelta(days=20)
HALL = sections(("stalls", "standard", [10]), ("boxes", "vip", [10]), ("balcony", "standard", [10]))


def frozen(
    seat_ids: list[str],
    promotions: list[dict[str, Any]],
    tiers: dict[str, int] | None = None,
    fee: int = 0,
    code: str | None = None,
) -> dict[str, Any]:
    pricing = Pricing(currency="EUR", tiers=tiers or {"standard": 1_000, "vip": 3_000}, fee=fee)
    purchase = Purchase(STARTS_AT, "Europe/Vienna", NOW, code)
    return quote(HALL, HALL.mask(seat_ids), pricing, promotions, purchase).as_document()


def cuts(price: dict[str, Any]) -> list[tuple[str, int]]:
    return [(cut["kind"], cut["amount"]) for cut in price["discounts"]]


def test_the_lines_that_stay_and_the_fee_are_as_they_were_frozen() -> None:
    price = frozen(["A1", "A2", "B1"], [], fee=150)
    rest = price_of_rest(price, ["A2", "B1"])
    assert rest["lines"] == price["lines"][1:]
    assert (rest["currency"], rest["fee"], total_of(rest)) == ("EUR", 150, 4_150)


def test_discounts_are_worked_out_again_for_what_is_left() -> None:
    promotions: list[dict[str, Any]] = [{"kind": "matinee"}, {"kind": "third-ticket"}]
    price = frozen(["A1", "A2", "A3", "B1"], promotions)
    assert cuts(price) == [("matinee", -1_200), ("third-ticket", -400)]
    assert cuts(price_of_rest(price, ["A1", "A2", "B1"])) == [("matinee", -1_000), ("third-ticket", -400)]
    assert cuts(price_of_rest(price, ["A1", "B1"])) == [("matinee", -800)]


def test_a_discount_whose_number_of_tickets_is_not_reached_any_more_falls_away() -> None:
    price = frozen(
        ["A1", "A2", "A3", "A4"], [{"kind": "code", "code": "FOUR", "percent": 25, "minTickets": 4}], code="four"
    )
    assert total_of(price) == 3_000
    assert cuts(price_of_rest(price, ["A1", "A2"])) == []


def test_a_discount_whose_amount_is_not_reached_any_more_falls_away() -> None:
    price = frozen(["A1", "A2", "B1"], [{"kind": "code", "code": "BIG", "percent": 10, "minAmount": 5_000}], code="big")
    assert total_of(price) == 4_500
    rest = price_of_rest(price, ["A2", "B1"])
    assert (cuts(rest), total_of(rest)) == ([], 4_000)


def test_the_rest_never_costs_more_than_all_did_though_a_discount_fell_away() -> None:
    price = frozen(
        ["A1", "A2", "A3", "A4"], [{"kind": "code", "code": "FOUR", "percent": 50, "minTickets": 4}], code="four"
    )
    rest = price_of_rest(price, ["A1", "A2", "A3"])
    assert (cuts(rest), total_of(rest)) == ([("cap", -1_000)], 2_000)
    smaller = price_of_rest(rest, ["A1"])
    assert (cuts(smaller), total_of(smaller)) == ([], 1_000)


SEATS = [f"{row}{n}" for row in "ABC" for n in range(1, 11)]
promotion_lists = st.lists(
    st.builds(
        lambda kind, percent, tickets, amount: {
            **kind,
            "percent": percent,
            "minTickets": tickets,
            "minAmount": amount,
        },
        st.sampled_from([{"kind": "matinee"}, {"kind": "third-ticket"}, {"kind": "code", "code": "GO"}]),
        st.integers(1, 100),
        st.none() | st.integers(1, 10),
        st.none() | st.integers(0, 30_000),
    ),
    max_size=5,
)


@st.composite
def frozen_prices(draw: st.DrawFn) -> dict[str, Any]:
    promotions = draw(promotion_lists)
    promotions.append({"kind": "code", "code": "GO", "percent": draw(st.integers(1, 100))})
    tiers = draw(st.fixed_dictionaries({name: st.integers(0, 5_000) for name in ("standard", "vip", "balcony")}))
    seat_ids = draw(st.sets(st.sampled_from(SEATS), min_size=1, max_size=10))
    return frozen(sorted(seat_ids), promotions, tiers, draw(st.integers(0, 500)), draw(st.sampled_from([None, "GO"])))


def kept_of(data: st.DataObject, price: dict[str, Any]) -> list[str]:
    seat_ids = [line["seat_id"] for line in price["lines"]]
    return data.draw(st.lists(st.sampled_from(seat_ids), unique=True, min_size=1))


@given(price=frozen_prices())
def test_the_rest_of_all_is_the_same_price(price: dict[str, Any]) -> None:
    assert price_of_rest(price, [line["seat_id"] for line in price["lines"]]) == price


@given(price=frozen_prices(), data=st.data())
def test_giving_back_seats_step_by_step_never_costs_anything(price: dict[str, Any], data: st.DataObject) -> None:
    for _ in range(3):
        kept = kept_of(data, price)
        rest = price_of_rest(price, kept)
        assert {line["seat_id"] for line in rest["lines"]} == set(kept)
        assert rest["fee"] <= total_of(rest) <= total_of(price)
        assert all(cut["amount"] < 0 for cut in rest["discounts"])
        assert price_of_rest(rest, kept) == rest
        price = rest


@given(price=frozen_prices(), data=st.data())
def test_only_where_a_discount_fell_away_is_the_rest_capped(price: dict[str, Any], data: st.DataObject) -> None:
    kept = kept_of(data, price)
    amounts = [line["amount"] for line in price["lines"] if line["seat_id"] in kept]
    held = all(
        len(amounts) >= cut.get("min_tickets", 1) and sum(amounts) >= cut.get("min_amount", 0)
        for cut in price["discounts"]
    )
    rest = price_of_rest(price, kept)
    assert not (held and any(cut["kind"] == "cap" for cut in rest["discounts"]))


@given(
    tiers=st.fixed_dictionaries({name: st.integers(0, 5_000) for name in ("standard", "vip", "balcony")}),
    percents=st.lists(st.integers(1, 100), min_size=3, max_size=3),
    seat_ids=st.sets(st.sampled_from(SEATS), min_size=1, max_size=10),
    data=st.data(),
)
def test_without_minimums_the_rest_costs_what_it_would_have_cost_alone(
    tiers: dict[str, int], percents: list[int], seat_ids: set[str], data: st.DataObject
) -> None:
    kinds: list[dict[str, Any]] = [{"kind": "matinee"}, {"kind": "third-ticket"}, {"kind": "code", "code": "GO"}]
    promotions = [{**kind, "percent": percent} for kind, percent in zip(kinds, percents, strict=True)]
    price = frozen(sorted(seat_ids), promotions, tiers, 100, "GO")
    kept = data.draw(st.sets(st.sampled_from(sorted(seat_ids)), min_size=1))
    alone = frozen(sorted(kept), promotions, tiers, 100, "GO")
    dropped = {cut["kind"] for cut in alone["discounts"]} - {cut["kind"] for cut in price["discounts"]}
    if not dropped:  # what took nothing off before is not frozen
        assert price_of_rest(price, kept) == alone
