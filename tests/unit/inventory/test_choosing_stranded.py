"""The rule against leaving a single seat."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_service.domain.bits import mask_of, positions
from inventory_service.domain.choosing.stranded import Stranded, stranded
from inventory_service.domain.layout import Layout
from tests.unit.inventory.choosing_halls import Hall, drawn


@pytest.mark.parametrize(
    ("row", "chosen", "left", "instead"),
    [
        ("oooo", "A2 A3", "A1 A4", "A1 A2"),
        ("oooooo", "A2 A3", "A1", "A3 A4"),
        ("oooooo", "A4 A5", "A6", "A3 A4"),
        ("xooooox", "A3 A4 A5", "A2 A6", "A2 A3 A4"),
        ("oooooo oooo", "A4 A5", "A6", "A5 A6"),
        ("oooo oooo", "A6 A7", "A5 A8", "A5 A6"),
        ("ooo", "A2", "A1 A3", "A1"),
        ("oooooo", "A1 A3", "A2", "A1 A2"),
        ("oooooo", "A1 A2 A4", "A3", "A1 A2 A3"),
        ("pppooo", "A4 A5", "A6", "A5 A6"),
        ("woooo", "A3 A4", "A2 A5", "A2 A3"),
    ],
    ids=[
        "both neighbours",
        "the left one",
        "the right one",
        "between taken seats",
        "at the end of a row with an aisle",
        "at an aisle",
        "a person alone in the middle",
        "the seat between two friends",
        "a gap in a party",
        "beside another type",
        "next to a wheelchair space",
    ],
)
def test_a_choice_that_leaves_a_single_seat_is_told_with_that_seat_and_another_choice(
    row: str, chosen: str, left: str, instead: str
) -> None:
    hall = drawn(row)
    found = stranded(hall.layout, hall.free, hall.seats(*chosen.split()))
    assert found == Stranded(hall.seats(*left.split()), hall.seats(*instead.split()))


@pytest.mark.parametrize(
    ("row", "chosen"),
    [
        ("oooo", "A1 A2"),
        ("oooo", "A1 A2 A3 A4"),
        ("ooo", "A1 A2"),
        ("ooo", "A1 A3"),
        ("oo", "A2"),
        ("oxoooo", "A3 A4"),
        ("oooo", "A2 A3 A4"),
        ("oppo", "A2 A3"),
        ("ooowc", "A2 A3"),
        ("owco", "A2 A3"),
        ("oowc", "A2 A3"),
        ("wcwc", "A2"),
        ("wcooo", "A2 A3"),
        ("ooo", ""),
    ],
    ids=[
        "two are left",
        "none is left",
        "two of three always leave one",
        "even apart",
        "one of two always leaves one",
        "a seat that was single before",
        "three of four always leave one",
        "no two premium seats leave none",
        "two of three beside a wheelchair space",
        "a wheelchair user and a companion",
        "a wheelchair user and a friend",
        "a companion",
        "a companion and a friend",
        "nothing chosen",
    ],
)
def test_a_choice_that_leaves_none_or_cannot_help_it_is_fine(row: str, chosen: str) -> None:
    hall = drawn(row)
    assert stranded(hall.layout, hall.free, hall.seats(*chosen.split())) is None


def test_each_row_is_judged_by_itself_and_the_alternative_keeps_what_was_fine() -> None:
    hall = drawn("oooooo", "oooooo", "ooo")
    found = stranded(hall.layout, hall.free, hall.seats("A2", "A3", "B1", "B2", "C1", "C2"))
    assert found == Stranded(hall.seats("A1"), hall.seats("A3", "A4", "B1", "B2", "C1", "C2"))


def test_the_alternative_keeps_the_price_of_the_choice() -> None:
    """The pair one seat to the right is as near, but one of it is dearer."""
    hall = drawn("ooooopp")
    found = stranded(hall.layout, hall.free & ~hall.seats("A7"), hall.seats("A4", "A5"))
    assert found == Stranded(hall.seats("A6"), hall.seats("A3", "A4"))


def test_who_holds_the_seat_does_not_matter_only_whether_it_is_free() -> None:
    """Seats of the choice itself count as free before, whether or not `free` has them."""
    hall = drawn("oooooo")
    chosen = hall.seats("A2", "A3")
    assert stranded(hall.layout, hall.free & ~chosen, chosen) == stranded(hall.layout, hall.free, chosen)


rows = st.lists(st.text("oooopxwc ", min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=3)


@given(rows, st.data())
def test_the_rule_agrees_with_trying_every_other_place(texts: list[str], data: st.DataObject) -> None:
    hall = drawn(*texts)
    free = list(positions(hall.free))
    chosen = data.draw(st.sets(st.sampled_from(free), max_size=5)) if free else set()
    found = stranded(hall.layout, hall.free, mask_of(chosen))
    refused = slowly_stranded(hall, chosen)
    assert (set(positions(found.seats)) if found else set()) == refused
    if found:
        instead = set(positions(found.alternative))
        assert found.alternative & ~hall.free == 0
        assert kinds(hall.layout, instead) == kinds(hall.layout, chosen)
        assert not slowly_stranded(hall, instead)


def kinds(layout: Layout, seats: set[int]) -> Counter[str]:
    return Counter(layout.seats[at].row + layout.seats[at].seat_type for at in seats)


def slowly_stranded(hall: Hall, chosen: set[int]) -> set[int]:
    """The rule in its own words: the seats left single in runs where another block would leave none."""
    types = [seat.seat_type for seat in hall.layout.seats]
    if any(types[at] in {"wheelchair", "companion", "accessible"} for at in chosen):
        return set()
    left: set[int] = set()
    for run in slow_runs(hall):
        mine = [at for at in run if at in chosen]
        alone = lonely(run, set(mine))
        blocks = [run[n : n + len(mine)] for n in range(len(run) - len(mine) + 1)] if mine and alone else []
        same = [block for block in blocks if Counter(types[at] for at in block) == Counter(types[at] for at in mine)]
        if any(not lonely(run, set(block)) for block in same):
            left |= alone
    return left


def lonely(run: list[int], taken: set[int]) -> set[int]:
    if len(run) == 1:
        return set()
    rest = [at for at in run if at not in taken]
    return {at for at in rest if at - 1 not in rest and at + 1 not in rest}


def slow_runs(hall: Hall) -> list[list[int]]:
    """Runs of free ordinary neighbours, seat by seat: neighbours are one step apart, or (no usual gap) consecutive."""
    runs: list[list[int]] = []
    ends = set(positions(hall.layout.segment_ends))
    goes_on = False
    for at, seat in enumerate(hall.layout.seats):
        usable = hall.free >> at & 1 and seat.seat_type not in {"wheelchair", "companion", "accessible"}
        if usable and goes_on:
            runs[-1].append(at)
        elif usable:
            runs.append([at])
        goes_on = bool(usable) and at not in ends
    return runs
