"""Who sits next to whom, which row is behind which, and how good a seat is."""

import pytest

from inventory_service.domain.bits import longest_run, positions
from inventory_service.domain.choosing.plan import ONE
from inventory_service.domain.layout import Layout
from tests.unit.inventory.choosing_halls import drawn, real
from tests.unit.inventory.halls import KEY, hall


def _row(*across: float, label: str = "A", y: float = 0.0) -> dict[str, object]:
    seats = [{"id": f"{label}{x}", "seatType": "standard", "coordinates": {"x": x, "y": y}} for x in across]
    return {"label": label, "seats": seats}


def _layout(*rows: dict[str, object]) -> Layout:
    return Layout.from_json(KEY, {"sections": [{"id": "stalls", "rows": rows}]})


def test_an_aisle_ends_a_segment_as_the_end_of_a_row_does() -> None:
    layout = drawn("ooo ooo", "oooooo").layout
    assert layout.ids(layout.segment_ends) == ["A3", "A6", "B6"]
    assert layout.ids(layout.row_ends) == ["A6", "B6"]


def test_the_longest_run_ends_at_an_aisle() -> None:
    layout = drawn("ooo oooo").layout
    assert longest_run(layout.everything, layout.segment_ends) == 4


def test_a_gap_a_little_wider_than_usual_is_no_aisle() -> None:
    assert _layout(_row(0, 1, 2, 3.6, 4.6)).segment_ends == 0b10000
    assert _layout(_row(0, 1, 2, 3.7, 4.7)).segment_ends == 0b10100


def test_a_row_too_short_to_have_a_usual_gap_is_measured_by_its_section() -> None:
    assert _layout(_row(0, 9)).segment_ends == 0b10
    assert _layout(_row(0, 9), _row(0, 1, 2, 3, label="B", y=1)).segment_ends == 0b100011


def test_without_coordinates_all_seats_of_a_row_are_neighbours() -> None:
    layout = hall(5, 3)
    assert layout.segment_ends == layout.row_ends
    assert Layout(layout.key, layout.seats, layout.row_ends).segment_ends == layout.row_ends


def test_where_all_seats_have_one_place_all_of_a_row_are_neighbours() -> None:
    layout = _layout(_row(5, 5, 5), _row(5, 5, label="B"))
    assert layout.segment_ends == layout.row_ends
    assert layout.plan.behind == (3, 4, 4, -1, -1)
    assert set(layout.plan.costs) == {0}


def test_an_empty_layout_has_no_plan_to_fail_on() -> None:
    layout = Layout(KEY, (), 0)
    assert layout.segment_ends == 0
    assert layout.plan.totals == (0,)


def test_the_row_behind_is_matched_seat_by_seat_even_when_it_is_numbered_the_other_way() -> None:
    forwards, backwards = _row(0, 1, 2), _row(2, 1, 0, label="B", y=1)
    assert _layout(forwards, backwards).plan.behind == (5, 4, 3, -1, -1, -1)


def test_a_row_of_another_section_or_far_behind_is_no_neighbour() -> None:
    apart = _layout(*(_row(0, 1, label=label, y=y) for label, y in [("A", 0), ("B", 1), ("C", 2), ("D", 5)]))
    assert apart.plan.behind == (2, 3, 4, 5, -1, -1, -1, -1)
    assert drawn("oo", "|", "oo").layout.plan.behind == (-1,) * 4


def test_costs_grow_from_the_best_spot_to_the_farthest_seat() -> None:
    layout = drawn(*["oooo ooooo oooo"] * 7).layout
    costs = layout.plan.costs
    assert min(costs) == costs[layout.position["C7"]] == 0
    assert max(costs) == costs[layout.position["G1"]] == costs[layout.position["G13"]] == ONE


def test_the_front_is_where_the_row_labels_begin() -> None:
    rows = [_row(*range(9), label=label, y=y) for y, label in enumerate("GFEDCBA")]
    layout = _layout(*rows)
    assert layout.seats[layout.plan.costs.index(0)].row == "C"


def test_seats_with_a_bad_view_come_after_all_others() -> None:
    layout = drawn("oorooo").layout
    assert max(layout.plan.costs) == layout.plan.costs[2] > ONE


@pytest.mark.parametrize(
    ("name", "seats", "rows", "segments"),
    [("hall-576", 576, 72, 72), ("hall-738", 738, 90, 90), ("theatre-1491", 1491, 79, 79)],
)
def test_real_plans_have_the_aisles_their_blocks_have(name: str, seats: int, rows: int, segments: int) -> None:
    """Their rows end at the aisles; the widest gap within a row, 1.58 of the usual, is between tables."""
    layout = real(name)
    counts = (len(layout.seats), len(layout.plan.rows), len(layout.plan.segments))
    assert counts == (seats, rows, segments)
    assert layout.segment_ends == layout.row_ends


@pytest.mark.parametrize("name", ["hall-576", "theatre-1491"])
def test_a_real_row_with_seats_taken_out_is_divided_there(name: str) -> None:
    """Without its fourth and fifth seat a row has a gap of three times the usual."""
    layout = real(name)
    row = next(row for row in layout.plan.rows if len(row) >= 12 and layout.seats[row[0]].seat_type != "vip")
    left = [at for at in row if at not in {row[3], row[4]}]
    cut = Layout(
        KEY, tuple(layout.seats[at] for at in left), 1 << len(left) - 1, tuple(layout.places[at] for at in left)
    )
    assert list(positions(cut.segment_ends)) == [2, len(left) - 1]


def test_the_theatres_stage_is_before_row_a_of_the_stalls() -> None:
    """In this plan the stage is at the bottom; the best seat is in the middle of the floor, not in the balcony."""
    layout = real("theatre-1491")
    best = layout.seats[layout.plan.costs.index(min(layout.plan.costs))]
    assert best.section == "102"


def test_blocks_drawn_far_apart_in_one_section_are_no_neighbours() -> None:
    """In hall-738 rows F and L of block 1 follow one another in the list, at opposite ends of the hall."""
    layout = real("hall-738")
    by_row = {(layout.seats[row[0]].section, layout.seats[row[0]].row): row for row in layout.plan.rows}
    block = "Ground-floor-block-1"
    assert layout.plan.behind[by_row[block, "E"][3]] == by_row[block, "F"][3]
    assert {layout.plan.behind[at] for at in by_row[block, "F"]} == {-1}
