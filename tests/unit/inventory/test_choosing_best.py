"""The best free seats for a party."""

from functools import partial
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_service.domain.bits import mask_of, positions
from inventory_service.domain.choosing.best import best
from inventory_service.domain.choosing.blocks import LEAVING_ONE, Choice
from inventory_service.domain.choosing.plan import ONE
from inventory_service.domain.choosing.stranded import stranded
from tests.unit.inventory.choosing_halls import Hall, drawn, real
from tests.unit.inventory.test_choosing_stranded import slowly_stranded

WIDE = "oooooooooo"


def chosen(hall: Hall, count: int, seat_type: str | None = None, section: str | None = None) -> str:
    """The ids of the best seats, rows parted by a bar."""
    found = best(hall.layout, hall.free, count, seat_type=seat_type, section=section)
    return " | ".join(" ".join(hall.ids(block)) for block in found.blocks) if found else "none"


def test_the_best_block_is_in_the_middle_a_third_of_the_way_back() -> None:
    assert chosen(drawn(*[WIDE] * 7), 4) == "C4 C5 C6 C7"


def test_what_is_sold_moves_the_next_party_to_the_nearest_block() -> None:
    assert chosen(drawn(*[WIDE] * 2, "oooxxxxooo", *[WIDE] * 4), 4) == "B4 B5 B6 B7"


def test_of_two_equal_blocks_the_first_of_the_layout_is_taken() -> None:
    assert chosen(drawn("oooooo"), 1) == "A3"


def test_a_party_does_not_sit_across_an_aisle() -> None:
    assert chosen(drawn("ooo ooo", "oooo oo"), 4) == "B1 B2 B3 B4"


def test_a_block_leaves_no_single_seat_where_that_can_be_helped() -> None:
    assert chosen(drawn("xooooox"), 2) in {"A2 A3", "A5 A6"}
    assert chosen(drawn("ooooooo"), 3) == "A3 A4 A5"
    assert chosen(drawn("oooo"), 2) == "A1 A2"


def test_a_block_that_cannot_help_leaving_one_is_better_than_none_or_a_far_one() -> None:
    assert chosen(drawn("xxoooxx"), 2) == "A3 A4"
    assert chosen(drawn("xxxxxxxxoooxooxxxxxxxx"), 2) == "A13 A14"
    sold = "x" * 20
    middle = drawn(*[sold] * 9, "xxxxxxxxxoooxxxxxxxx", *[sold] * 13, "ooxxxxxxxxxxxxxxxxxx")
    assert chosen(middle, 2) == "J10 J11"


def test_a_party_too_big_for_any_row_is_split_evenly_over_neighbouring_rows() -> None:
    assert chosen(drawn("oooo", "oooo"), 6) == "A1 A2 A3 | B1 B2 B3"
    assert chosen(drawn("ooooo", "ooo", "ooooo"), 7) == "A1 A2 A3 A4 | B1 B2 B3"


def test_the_second_part_sits_as_straight_behind_the_first_as_it_can() -> None:
    assert chosen(drawn("xxxxooxxxx", "ooxxxooxxx"), 4) == "A5 A6 | B6 B7"
    assert chosen(drawn("xxxxooxxxx", "ooxxxxxxoo"), 4) == "none"


def test_a_split_leaves_no_single_seat_where_that_can_be_helped() -> None:
    assert chosen(drawn("xoooxx", "ooooox"), 6) == "A2 A3 A4 | B1 B2 B3"
    assert chosen(drawn("ooooox", "xoooxx"), 6) == "A3 A4 A5 | B2 B3 B4"
    assert chosen(drawn("xooooox", "xxoooxx"), 6) == "A2 A3 A4 | B3 B4 B5"


def test_a_split_takes_two_rows_before_three_and_three_before_giving_up() -> None:
    assert chosen(drawn("oo", "oooo", "oo"), 6) == "A1 A2 | B1 B2 B3 B4"
    assert chosen(drawn("oo", "oo", "oo"), 6) == "A1 A2 | B1 B2 | C1 C2"
    assert chosen(drawn("oo", "oo", "oo", "oo"), 8) == "none"


def test_a_split_keeps_to_one_section_and_to_rows_next_to_each_other() -> None:
    assert chosen(drawn("oo", "|", "oo"), 4) == "none"
    assert chosen(drawn("oo", "xx", "oo"), 4) == "none"


def test_single_seats_are_no_party_but_two_behind_each_other_are() -> None:
    assert chosen(drawn("oxox", "xxxx", "oxox"), 2) == "none"
    assert chosen(drawn("xoxx", "xoxx"), 2) == "A2 | B2"
    assert chosen(drawn("xoox", "xoxx"), 3) == "A2 A3 | B2"
    assert chosen(drawn("oooxo", "xxxox"), 4) == "none"


def test_a_type_and_a_section_are_kept_to() -> None:
    hall = drawn("ooooo", "ppppp", "|", "ooooo", "ppppp")
    assert chosen(hall, 2, seat_type="premium", section="s1") in {"E1 E2", "E2 E3", "E3 E4", "E4 E5"}
    assert chosen(hall, 2, seat_type="vip") == chosen(hall, 2, section="balcony") == "none"


def test_no_seat_costs_more_than_was_asked_for() -> None:
    hall = drawn("ooo", "ppp", "ooo")
    prices = {("s0", "standard"): 1000, ("s0", "premium"): 1500}
    dearest = best(hall.layout, hall.free, 2, prices=prices)
    cheaper = best(hall.layout, hall.free, 2, prices=prices, max_price=1499)
    assert dearest
    assert dearest.seats & hall.layout.types["premium"]
    assert cheaper
    assert cheaper.seats & hall.layout.types["premium"] == 0
    assert best(hall.layout, hall.free, 2, prices=prices, max_price=999) is None


def test_wheelchair_and_companion_seats_are_not_given_to_who_did_not_ask() -> None:
    assert chosen(drawn("xwcawc"), 2) == chosen(drawn("xwcawc"), 1) == "none"
    assert chosen(drawn("oowcoo"), 2) in {"A1 A2", "A5 A6"}
    assert chosen(drawn("owco"), 2) == "none"


@pytest.mark.parametrize(
    ("row", "count", "seats"),
    [
        ("ooowcooo", 1, "A4"),
        ("ooowcooo", 2, "A4 A5"),
        ("ooowcooo", 3, "A3 A4 A5"),
        ("oowoowco", 2, "A6 A7"),
        ("wwcooooo", 2, "A2 A3"),
        ("owcwxx", 3, "A1 A2 A3"),
        ("oowCoo", 2, "A2 A3"),
        ("xxwxxo", 2, "none"),
        ("xxWcxx", 1, "none"),
        ("xxxwc cxx", 3, "none"),
    ],
    ids=[
        "alone",
        "with a companion",
        "with a friend as well",
        "the space that has a companion seat",
        "the space beside the companion seat",
        "no more spaces than needed",
        "the companion seat is sold",
        "no neighbour is free",
        "the space is sold",
        "never across an aisle",
    ],
)
def test_a_wheelchair_party_gets_a_space_with_the_rest_beside_it(row: str, count: int, seats: str) -> None:
    assert chosen(drawn(row), count, seat_type="wheelchair") == seats


def test_accessible_and_companion_seats_can_be_asked_for_too() -> None:
    hall = drawn("oowcacoo")
    assert chosen(hall, 2, seat_type="accessible") in {"A4 A5", "A5 A6"}
    assert chosen(hall, 1, seat_type="companion") == "A4"


def test_a_party_of_nobody_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="one person"):
        best(drawn("ooo").layout, 0b111, 0)


def test_there_is_nothing_best_in_a_full_or_empty_hall() -> None:
    hall = drawn("ooo")
    assert best(hall.layout, 0, 1) is None
    assert best(hall.layout, hall.free, 4) is None


def test_the_cost_is_told_as_a_mean_over_the_seats() -> None:
    hall = drawn(*[WIDE] * 4)
    found = best(hall.layout, hall.free, 3)
    assert found
    costs = [hall.layout.plan.costs[at] for at in positions(found.seats)]
    assert found.cost == sum(costs) / ONE / 3


@pytest.mark.parametrize("name", ["hall-576", "hall-738", "theatre-1491"])
def test_a_real_hall_fills_up_with_parties_who_never_strand_anybody(name: str) -> None:
    """Until it can't seat four neighbours; every party is in free seats, together, and passes the rule."""
    layout = real(name)
    free, parties = layout.everything, 0
    while (found := best(layout, free, 4)) and found.together:
        assert found.seats & ~free == 0
        assert found.seats.bit_count() == 4
        assert len({(layout.seats[at].section, layout.seats[at].row) for at in positions(found.seats)}) == 1
        assert stranded(layout, free, found.seats) is None
        free &= ~found.seats
        parties += 1
    assert parties * 4 > len(layout.seats) * 0.5


@pytest.mark.parametrize("sold", [0.6, 0.8])
@pytest.mark.parametrize("name", ["hall-738", "theatre-1491"])
def test_nothing_in_a_real_hall_is_cheaper_than_the_best(name: str, sold: float) -> None:
    layout = real(name)
    dice = Random(name)
    free = mask_of(at for at in range(len(layout.seats)) if dice.random() > sold)
    hall = Hall(layout, free)
    for count in (1, 2, 3):
        found = best(layout, free, count)
        blocks = slow_blocks(hall, set(positions(free)), count)
        assert found
        assert _price(hall, found) == min(_price(hall, Choice(mask_of(block), (), 0)) for block in blocks)


texts = st.lists(st.text("ooooxpw ", min_size=1, max_size=10).filter(str.strip), min_size=1, max_size=4)


@given(texts, st.integers(1, 6), st.sampled_from([None, "standard", "premium"]))
def test_the_best_is_the_cheapest_of_all_that_a_slow_search_finds(
    rows: list[str], count: int, seat_type: str | None
) -> None:
    hall = drawn(*rows)
    found = best(hall.layout, hall.free, count, seat_type=seat_type)
    eligible = {at for at in positions(hall.free) if _may_have(hall, at, seat_type)}
    blocks = slow_blocks(hall, eligible, count)
    if blocks:
        assert found
        assert found.together
        assert set(positions(found.seats)) in blocks
        assert _price(hall, found) == min(_price(hall, Choice(mask_of(block), (), 0)) for block in blocks)
    elif found:
        assert set(positions(found.seats)) <= eligible
        assert found.seats.bit_count() == count
        assert not slowly_stranded(hall, set(positions(found.seats)))
        _assert_close_together(hall, found, eligible, count)
    else:
        assert not any(_pair(hall, eligible, count))


def _may_have(hall: Hall, at: int, seat_type: str | None) -> bool:
    kind = hall.layout.seats[at].seat_type
    return kind == seat_type if seat_type else kind != "wheelchair"


def slow_blocks(hall: Hall, eligible: set[int], count: int) -> list[set[int]]:
    """Every block of neighbours that the rule against single seats lets through."""
    ends = set(positions(hall.layout.segment_ends))
    found = []
    for start in sorted(eligible):
        block = list(range(start, start + count))
        if set(block) <= eligible and not ends & set(block[:-1]) and not slowly_stranded(hall, set(block)):
            found.append(set(block))
    return found


def _price(hall: Hall, choice: Choice) -> int:
    """The cost in the score's own terms: the seats', and that of leaving a single one."""
    runs_before = _singles(hall, hall.free)
    leaves = _singles(hall, hall.free & ~choice.seats) - runs_before
    seats = set(positions(choice.seats))
    return sum(hall.layout.plan.costs[at] for at in seats) + (LEAVING_ONE * len(seats) if leaves else 0)


def _singles(hall: Hall, free: int) -> set[int]:
    ends = set(positions(hall.layout.segment_ends))
    usable = {at for at in positions(free) if _may_have(hall, at, None)}
    left = {at for at in usable if at - 1 in usable and at - 1 not in ends}
    right = {at for at in usable if at + 1 in usable and at not in ends}
    return usable - left - right


def _assert_close_together(hall: Hall, found: Choice, eligible: set[int], count: int) -> None:
    """Parts in consecutive rows of one section, each right behind the one before, and as even as can be."""
    assert 2 <= len(found.blocks) <= 3
    parts = [list(positions(block)) for block in found.blocks]
    assert min(map(len, parts)) >= (1 if count <= 3 else 2)
    behind = hall.layout.plan.behind
    for front, back in pairwise(parts):
        ahead = [behind[at] for at in front]
        assert min(ahead) <= back[-1]
        assert back[0] <= max(ahead)
    pairs = _pair(hall, eligible, count)
    if len(parts) == 2:
        uneven = min(abs(len(a) - len(b)) for a, b in pairs)
        assert abs(len(parts[0]) - len(parts[1])) == uneven
        alike = [(a, b) for a, b in pairs if abs(len(a) - len(b)) == uneven]
        assert _split_price(hall, *map(set, parts)) == min(
            _split_price(hall, front, min((b for a, b in alike if a == front), key=partial(_askew, hall, front)))
            for front, _ in alike
        )
    else:
        assert not pairs


def _split_price(hall: Hall, front: set[int], back: set[int]) -> int:
    return sum(_price(hall, Choice(mask_of(part), (), 0)) for part in (front, back))


def _askew(hall: Hall, front: set[int], back: set[int]) -> tuple[int, int]:
    """How far from straight behind the front part a back part is; of two the first in the layout counts."""
    ahead = [hall.layout.plan.behind[at] for at in front]
    return abs(min(back) + max(back) - min(ahead) - max(ahead)), min(back)


def _pair(hall: Hall, eligible: set[int], count: int) -> list[tuple[set[int], set[int]]]:
    """Every split over two rows."""
    behind = hall.layout.plan.behind
    least = 1 if count <= 3 else 2
    found = []
    for size in range(least, count - least + 1):
        for front in slow_blocks(hall, eligible, size):
            ahead = [behind[at] for at in front]
            for back in slow_blocks(hall, eligible, count - size):
                if min(ahead) >= 0 and min(ahead) <= max(back) and min(back) <= max(ahead):
                    found.append((front, back))
    return found
