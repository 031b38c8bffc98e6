"""Seat layouts: every fault is found, none is made up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from service_kit.errors import Invalid
from venues_service.domain.differences import difference
from venues_service.domain.layouts import SEAT_TYPES, Layout, LayoutDraft, checked

DRAFT: TypeAdapter[Any] = TypeAdapter(LayoutDraft)


def seat(seat_id: str, seat_type: str = "standard", x: float = 0, y: float = 0) -> dict[str, Any]:
    return {"id": seat_id, "label": seat_id, "coordinates": {"x": x, "y": y}, "seatType": seat_type}


def plan(*rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One section, its rows labelled by number."""
    return {"sections": [{"id": "s", "name": "S", "rows": [{"label": str(n), "seats": r} for n, r in enumerate(rows)]}]}


def check(raw: dict[str, Any]) -> Layout:
    return checked(DRAFT.validate_python(raw))


def faults(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(Invalid) as caught:
        check(raw)
    return [at for at, _ in caught.value.faults]


def test_a_duplicate_seat_is_faulted_at_the_second_place_wherever_it_is() -> None:
    raw = plan([seat("a"), seat("b")], [seat("c"), seat("a")])
    raw["sections"].append({"id": "t", "rows": [{"label": "0", "seats": [seat("b")]}]})
    assert faults(raw) == ["/seatLayout/sections/0/rows/1/seats/1/id", "/seatLayout/sections/1/rows/0/seats/0/id"]


def test_a_row_label_may_come_again_in_another_section_only() -> None:
    raw = plan([seat("a")], [seat("b")])
    raw["sections"].append({"id": "t", "rows": [{"label": "0", "seats": [seat("c")]}]})
    check(raw)
    raw["sections"][0]["rows"][1]["label"] = "0"
    assert faults(raw) == ["/seatLayout/sections/0/rows/1/label"]


def test_nothing_in_it_is_a_fault_at_every_level() -> None:
    assert faults({"sections": []}) == ["/seatLayout/sections"]
    assert faults({"sections": [{"id": "s", "rows": []}]}) == ["/seatLayout/sections/0/rows"]
    assert faults(plan([])) == ["/seatLayout/sections/0/rows/0/seats"]


@given(st.sampled_from(sorted(SEAT_TYPES)), st.sampled_from([str.upper, str.title, str.lower]))
def test_seat_types_are_taken_in_any_case_and_kept_lower(seat_type: str, spelled: Any) -> None:
    layout = check(plan([seat("a", spelled(seat_type))]))
    assert layout.types_by_section == {"s": {seat_type: 1}}


@given(st.lists(st.lists(st.text("ab", min_size=1, max_size=3), max_size=4), min_size=1, max_size=4))
def test_a_layout_is_sound_exactly_when_rows_have_seats_and_ids_are_unique(ids: list[list[str]]) -> None:
    raw = plan(*([seat(one) for one in row] for row in ids))
    every = [one for row in ids for one in row]
    if all(ids) and len(set(every)) == len(every):
        assert check(raw).seat_count == len(every)
    else:
        repeated = len(every) - len(set(every))
        assert len(faults(raw)) == repeated + sum(not row for row in ids)


def test_equal_layouts_have_equal_digests_and_others_have_not() -> None:
    one = check(plan([seat("a", "VIP", 1)]))
    assert check(plan([seat("a", "vip", 1.0)])).digest == one.digest
    assert check(plan([seat("a", "vip", 1.5)])).digest != one.digest
    assert from_json(one.text)["sections"][0]["rows"][0]["seats"] == [seat("a", "vip", 1)]


def warnings(raw: dict[str, Any]) -> list[str]:
    return [at.removeprefix("/seatLayout/sections/0/rows/0/seats") for at, _ in check(raw).warnings]


def test_a_wheelchair_space_wants_a_companion_beside_it() -> None:
    alone = [seat("a", "wheelchair", 0), seat("b", "standard", 1), seat("c", "companion", 2)]
    assert warnings(plan(alone)) == ["/0/seatType"]
    together = [seat("a", "companion", 0), seat("b", "accessible", 1), seat("c", "standard", 2)]
    assert warnings(plan(together)) == []


def test_two_seats_in_one_place_and_a_label_twice_in_a_row_are_warned_of() -> None:
    assert warnings(plan([seat("a"), seat("b")])) == ["/1/coordinates"]
    assert warnings(plan([seat("a", x=1), {**seat("b"), "label": "a"}])) == ["/1/label"]


def test_places_left_out_are_made_up_and_told_once() -> None:
    raw = plan([{"id": "a", "seatType": "vip"}, {"id": "b", "seatType": "vip"}], [{"id": "c", "seatType": "vip"}])
    layout = check(raw)
    assert [at for at, _ in layout.warnings] == ["/seatLayout"]
    rows = from_json(layout.text)["sections"][0]["rows"]
    assert [one["coordinates"] for row in rows for one in row["seats"]] == [
        {"x": 0.0, "y": 0.0},
        {"x": 1.0, "y": 0.0},
        {"x": 0.0, "y": 1.0},
    ]


def test_a_difference_names_each_seat_by_what_happened_to_it() -> None:
    old = check(plan([seat("a"), seat("b", x=1), seat("c", x=2), seat("d", x=3)]))
    new = check(plan([seat("b", x=9), seat("c", "vip", 2), seat("d", x=3), seat("e", x=4)]))
    assert difference(old.text, new.text).seats == {"added": ["e"], "removed": ["a"], "moved": ["b"], "changed": ["c"]}


@given(st.sets(st.sampled_from("abcdefgh"), min_size=1), st.sets(st.sampled_from("abcdefgh"), min_size=1))
def test_added_and_removed_are_the_difference_of_the_sets(before: set[str], after: set[str]) -> None:
    old, new = (check(plan([seat(one) for one in sorted(ids)])) for ids in (before, after))
    changes = difference(old.text, new.text).seats
    assert set(changes["added"]) == after - before
    assert set(changes["removed"]) == before - after
    assert changes["moved"] == changes["changed"] == []


def standing(section_id: str, capacity: Any = 50, **more: Any) -> dict[str, Any]:
    return {"id": section_id, "capacity": capacity, **more}


def test_general_admission_counts_as_seats_of_its_type() -> None:
    raw = plan([seat("a")])
    raw["sections"] += [standing("floor"), standing("lawn", 3, name="Lawn", seatType="VIP")]
    layout = check(raw)
    assert layout.seat_count == 54
    assert layout.types_by_section == {"s": {"standard": 1}, "floor": {"standing": 50}, "lawn": {"vip": 3}}
    sections = from_json(layout.text)["sections"]
    assert sections[1:] == [
        {"id": "floor", "name": "floor", "seatType": "standing", "capacity": 50},
        {"id": "lawn", "name": "Lawn", "seatType": "vip", "capacity": 3},
    ]
    assert check({"sections": sections}).digest == layout.digest


def test_a_house_may_be_of_general_admission_only() -> None:
    assert check({"sections": [standing("floor", 100_000)]}).seat_count == 100_000


@pytest.mark.parametrize(
    ("section", "at"),
    [
        (standing("g", rows=[{"label": "A", "seats": [seat("a")]}]), "/0/capacity"),
        (standing("g", rows=[]), "/0/capacity"),
        (standing("g", seatType="throne"), "/0/seatType"),
        ({"id": "g"}, "/0/rows"),
        ({"id": "g", "capacity": None}, "/0/rows"),
        ({"id": "g", "seatType": "vip", "rows": [{"label": "A", "seats": [seat("a")]}]}, "/0/seatType"),
    ],
)
def test_a_section_has_either_rows_or_a_capacity_and_its_type(section: dict[str, Any], at: str) -> None:
    assert faults({"sections": [section]}) == [f"/seatLayout/sections{at}"]


@pytest.mark.parametrize("capacity", [0, -1, 100_001, 1.5, "50", True])
def test_a_capacity_is_a_whole_number_up_to_a_full_house(capacity: Any) -> None:
    with pytest.raises(ValidationError):
        check({"sections": [standing("g", capacity)]})


def test_general_admission_counts_towards_the_limit_of_seats_and_sections_have_one_of_their_own() -> None:
    assert faults({"sections": [standing("g", 100_000), *plan([seat("a")])["sections"]]}) == ["/seatLayout/sections"]
    check({"sections": [standing(str(n), 1) for n in range(10_000)]})
    assert faults({"sections": [standing(str(n), 1) for n in range(10_001)]}) == ["/seatLayout/sections"]


def test_a_difference_names_each_capacity_that_changed() -> None:
    old = check({"sections": [standing("a", 1), standing("b", 2), standing("c", 3), *plan([seat("x")])["sections"]]})
    new = check({"sections": [standing("a", 1), standing("b", 5, seatType="vip"), standing("s", 4)]})
    changes = difference(old.text, new.text)
    assert changes.seats["removed"] == ["x"]
    was = {one.section_id: one.before and (one.before.capacity, one.before.seat_type) for one in changes.capacities}
    now = {one.section_id: one.after and (one.after.capacity, one.after.seat_type) for one in changes.capacities}
    assert was == {"b": (2, "standing"), "c": (3, "standing"), "s": None}
    assert now == {"b": (5, "vip"), "c": None, "s": (4, "standing")}
