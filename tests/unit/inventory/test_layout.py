"""Layouts as the seat map sees them."""

import pytest

from inventory_service.domain.layout import Layout, LayoutKey, UnknownSeats, require_valid_selection
from service_kit.errors import Invalid
from tests.unit.inventory.halls import KEY, hall, sections


def test_neighbours_in_a_row_have_neighbouring_positions() -> None:
    layout = hall(3, 2)
    assert layout.position == {"A1": 0, "A2": 1, "A3": 2, "B1": 3, "B2": 4}


def test_row_ends_are_the_last_seats_of_the_rows() -> None:
    assert hall(3, 2).row_ends == 0b10100


def test_a_mask_gives_back_the_ids_in_the_order_of_the_hall() -> None:
    layout = hall(3, 2)
    assert layout.ids(layout.mask(["B2", "A2"])) == ["A2", "B2"]


def test_everything_has_a_bit_for_each_seat() -> None:
    assert hall(40, 40).everything == (1 << 80) - 1


def test_classes_and_types_share_all_seats_among_them() -> None:
    layout = sections(("stalls", "standard", [4]), ("boxes", "vip", [2]), ("balcony", "standard", [3]))
    assert set(layout.classes) == {("stalls", "standard"), ("boxes", "vip"), ("balcony", "standard")}
    assert sum(layout.classes.values()) == layout.everything
    assert layout.types == {"standard": 0b111001111, "vip": 0b110000}


def test_unknown_seats_are_named_each_with_its_place_in_the_request() -> None:
    with pytest.raises(UnknownSeats) as refused:
        hall(3).mask(["A1", "Z9", "A3", "nowhere"])
    assert refused.value.extras["seat_ids"] == ["Z9", "nowhere"]
    assert [where for where, _ in refused.value.faults] == ["/seatIds/1", "/seatIds/3"]


def test_a_seat_without_label_and_a_section_without_name_are_called_by_their_ids() -> None:
    content = {"sections": [{"id": "s", "rows": [{"label": "A", "seats": [{"id": "A1", "seatType": "vip"}]}]}]}
    (seat,) = Layout.from_json(KEY, content).seats
    assert (seat.label, seat.section_name) == ("A1", "s")


@pytest.mark.parametrize(
    ("seat_ids", "where"),
    [([], "/seatIds"), (["A1", "A2", "A1"], "/seatIds/2"), ([f"A{n}" for n in range(11)], "/seatIds")],
    ids=["none", "a duplicate", "eleven"],
)
def test_a_selection_that_breaks_a_rule_is_refused_with_the_place(seat_ids: list[str], where: str) -> None:
    with pytest.raises(Invalid) as refused:
        require_valid_selection(seat_ids)
    assert [place for place, _ in refused.value.faults] == [where]


def test_one_and_ten_seats_are_a_selection() -> None:
    require_valid_selection(["A1"])
    require_valid_selection([f"A{n}" for n in range(10)])


def test_a_section_with_a_capacity_has_numbered_places() -> None:
    sections = [
        {"id": "stalls", "name": "Stalls", "rows": [{"label": "A", "seats": [{"id": "A1", "seatType": "standard"}]}]},
        {"id": "floor", "name": "Floor", "seatType": "standing", "capacity": 3},
    ]
    layout = Layout.from_json(LayoutKey("hall", 1), {"sections": sections})
    assert [seat.id for seat in layout.seats] == ["A1", "floor:1", "floor:2", "floor:3"]
    assert layout.types == {"standard": 0b0001, "standing": 0b1110}
