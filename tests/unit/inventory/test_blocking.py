"""Which seats an admin means."""

import pytest

from inventory_service.domain.blocking import TooFewFree, Which
from inventory_service.domain.layout import Layout, UnknownSeats
from service_kit.errors import Invalid
from tests.unit.inventory.halls import KEY

ROWS = [
    {"label": "A", "seats": [{"id": f"A{n}", "seatType": "vip" if n < 3 else "standard"} for n in range(1, 5)]},
]
HALL = Layout.from_json(
    KEY,
    {"sections": [{"id": "stalls", "rows": ROWS}, {"id": "floor", "capacity": 5, "seatType": "standard"}]},
)


@pytest.mark.parametrize(
    ("which", "seats"),
    [
        (Which(seat_ids=["A4", "A1"]), ["A1", "A4"]),
        (Which(section="stalls"), ["A1", "A2", "A3", "A4"]),
        (Which(seat_type="vip"), ["A1", "A2"]),
        (Which(section="stalls", seat_type="standard"), ["A3", "A4"]),
        (Which(section="floor", count=2), ["floor:4", "floor:5"]),
    ],
)
def test_the_seats_that_are_meant(which: Which, seats: list[str]) -> None:
    which.require_one_way()
    assert HALL.ids(which.pick(HALL, 0)) == seats


def test_what_is_named_is_meant_although_somebody_has_it() -> None:
    assert Which(section="stalls").pick(HALL, HALL.everything) == HALL.mask(["A1", "A2", "A3", "A4"])


def test_places_without_numbers_are_the_last_ones_that_are_free() -> None:
    unavailable = HALL.mask(["floor:5", "floor:2"])
    assert HALL.ids(Which(section="floor", count=2).pick(HALL, unavailable)) == ["floor:3", "floor:4"]


def test_more_places_than_are_free_are_refused_with_the_number_of_free_ones() -> None:
    with pytest.raises(TooFewFree) as refused:
        Which(section="floor", count=5).pick(HALL, HALL.mask(["floor:1"]))
    assert refused.value.extras == {"available": 4}


@pytest.mark.parametrize(
    "which",
    [
        Which(),
        Which(seat_ids=["A1"], section="stalls"),
        Which(seat_ids=["A1"], seat_type="vip"),
        Which(seat_ids=["A1"], count=1),
        Which(seat_ids=["A1", "A1"]),
        Which(seat_type="vip", count=1),
        Which(section="floor", seat_type="standard", count=1),
        Which(count=1),
    ],
)
def test_seats_are_named_in_one_way(which: Which) -> None:
    with pytest.raises(Invalid):
        which.require_one_way()


@pytest.mark.parametrize(
    ("which", "pointers"),
    [
        (Which(section="pit"), ["/section"]),
        (Which(seat_type="sofa"), ["/seatType"]),
        (Which(section="pit", seat_type="sofa"), ["/section", "/seatType"]),
        (Which(section="floor", seat_type="vip"), ["/seatType"]),
        (Which(section="stalls", count=1), ["/count"]),
    ],
)
def test_what_the_hall_has_not_is_refused_with_its_place(which: Which, pointers: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        which.pick(HALL, 0)
    assert [pointer for pointer, _ in refused.value.faults] == pointers


def test_unknown_seats_are_named() -> None:
    with pytest.raises(UnknownSeats) as refused:
        Which(seat_ids=["A1", "Z1", "Z2"]).pick(HALL, 0)
    assert refused.value.extras == {"seat_ids": ["Z1", "Z2"]}
