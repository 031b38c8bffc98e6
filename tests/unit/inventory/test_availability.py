"""What search is told of a seat map is what can be booked of it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_service.domain.availability import summarize
from inventory_service.domain.choosing.best import best
from inventory_service.domain.layout import MOST_SEATS_PER_BOOKING, Layout
from inventory_service.domain.pricing import class_prices
from messaging.events import Availability, Pricing
from tests.unit.inventory.choosing_halls import drawn
from tests.unit.inventory.test_seat_map import seat_map

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PRICING = Pricing(
    currency="EUR", tiers={"standard": 1_000, "premium": 1_500, "wheelchair": 800, "companion": 0, "s1": 2_000}
)
signs = st.text("opwcOPWC x", min_size=1, max_size=14).filter(lambda row: row.strip())


def told(layout: Layout, free: int) -> Availability:
    return summarize(seat_map(taken=layout.everything & ~free), layout, PRICING, NOW)


@given(st.lists(signs, min_size=1, max_size=4), st.lists(signs, min_size=0, max_size=2))
@settings(max_examples=150)
def test_so_many_together_at_that_price_are_exactly_what_the_best_block_is_found_for(
    first: list[str], second: list[str]
) -> None:
    hall = drawn(*first, "|", *second) if second else drawn(*first)
    layout, summary = hall.layout, told(hall.layout, hall.free)
    prices = class_prices(layout, PRICING)
    for seat_type in (None, *summary.by_seat_type):
        together = summary.by_seat_type[seat_type].together if seat_type else summary.together
        assert together == sorted(together)
        for count in range(1, MOST_SEATS_PER_BOOKING + 1):
            for limit in sorted(set(prices.values())):
                choice = best(layout, hall.free, count, seat_type=seat_type, prices=prices, max_price=limit)
                one_block = choice is not None and choice.together
                assert one_block == (count <= len(together) and together[count - 1] <= limit), (seat_type, count, limit)


def test_a_party_around_a_wheelchair_space_counts_its_companions_and_the_seats_beside_them() -> None:
    hall = drawn("oowc o")
    wheelchair = told(hall.layout, hall.free).by_seat_type["wheelchair"]
    assert (wheelchair.available, wheelchair.largest_block) == (1, 4)
    assert wheelchair.together == [800, 800, 1_000, 1_000]


def test_seats_across_an_aisle_are_not_together() -> None:
    hall = drawn("ooo ooo")
    assert told(hall.layout, hall.free).largest_block == 3


@pytest.mark.parametrize("seats", [1, 10, 100_000])
def test_a_place_without_rows_tells_how_many_are_free_whatever_its_size(seats: int) -> None:
    layout = Layout.from_json(
        drawn("o").layout.key, {"sections": [{"id": "floor", "capacity": seats, "seatType": "standard"}]}
    )
    summary = told(layout, layout.everything)
    assert (summary.largest_block, len(summary.together)) == (seats, min(seats, MOST_SEATS_PER_BOOKING))


def standing_hall(capacity: int) -> Layout:
    return Layout.from_json(
        drawn("o").layout.key,
        {
            "sections": [
                {"id": "s0", "rows": [{"label": "A", "seats": [{"id": "A1", "seatType": "standard"}]}]},
                {"id": "floor", "capacity": capacity, "seatType": "standing"},
            ]
        },
    )


@given(st.sets(st.integers(0, 11)), st.integers(1, 10))
def test_any_free_places_of_a_standing_section_meet_a_party_the_lowest_first(places: set[int], count: int) -> None:
    layout = standing_hall(12)
    free = layout.mask([f"floor:{place + 1}" for place in places])
    standing = told(layout, free).by_seat_type["standing"]
    assert (standing.available, standing.largest_block) == (len(places), len(places))
    choice = best(layout, free, count, section="floor")
    expected = [f"floor:{place + 1}" for place in sorted(places)[:count]] if len(places) >= count else []
    assert (layout.ids(choice.seats) if choice else []) == expected
    assert len(standing.together) == min(len(places), MOST_SEATS_PER_BOOKING)
