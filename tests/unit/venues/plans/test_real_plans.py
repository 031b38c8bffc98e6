"""The real plans come in whole, go out as pretix would have them, and come back the same."""

import json
import math
from collections import Counter
from typing import Any

import jsonschema
import pytest

from tests.unit.venues.plans.pretix_facts import PLAN_SCHEMA
from tests.unit.venues.plans.samples import REAL_PLANS, assert_takes, codes, found, ids, points, real_plan
from venues_service.domain.layouts import checked
from venues_service.domain.plans import read_plan, write_plan

SEATS = {"hall-738.json": 738, "hall-738-original-dup-guids.json": 738, "theatre-1491.json": 1_491}


def pretix_seats(body: bytes) -> list[dict[str, Any]]:
    """The seats of a plan as whoever reads pretix's format by its rules sees them."""
    return [
        {
            "guid": seat["seat_guid"],
            "number": seat["seat_number"],
            "row": row["row_number"],
            "zone": zone["name"],
            "category": seat["category"],
            "x": sum(part["position"]["x"] for part in (zone, row, seat)),
            "y": sum(part["position"]["y"] for part in (zone, row, seat)),
        }
        for zone in json.loads(body)["zones"]
        for row in zone["rows"]
        for seat in row["seats"]
    ]


@pytest.mark.parametrize("name", REAL_PLANS)
def test_every_seat_of_a_real_plan_is_taken_in(name: str) -> None:
    plan = read_plan("pretix", real_plan(name))
    assert_takes(plan.layout)
    assert len(set(ids(plan.layout))) == SEATS[name]


@pytest.mark.parametrize("name", REAL_PLANS)
@pytest.mark.parametrize("with_extras", [True, False])
def test_pretix_to_ours_to_pretix_to_ours_loses_nothing(name: str, with_extras: bool) -> None:
    first = read_plan("pretix", real_plan(name))
    exported = write_plan("pretix", first.layout, first.extras if with_extras else None)
    second = read_plan("pretix", exported)
    assert second.layout == first.layout
    assert write_plan("pretix", second.layout, second.extras if with_extras else None) == exported


@pytest.mark.parametrize("name", ["hall-738.json", "theatre-1491.json"])
def test_an_export_has_the_seats_rows_zones_categories_and_places_of_the_original(name: str) -> None:
    original = real_plan(name)
    exported = write_plan("pretix", read_plan("pretix", original).layout)
    before = {seat.pop("guid"): seat for seat in pretix_seats(original)}
    after = {seat.pop("guid"): seat for seat in pretix_seats(exported)}
    assert before.keys() == after.keys()
    for guid, seat in before.items():
        words = {key: value for key, value in seat.items() if key not in "xy"}
        assert words == {key: value for key, value in after[guid].items() if key not in "xy"}
        assert math.dist((seat["x"], seat["y"]), (after[guid]["x"], after[guid]["y"])) < 0.01
    zones = [zone["name"] for zone in json.loads(original)["zones"]]
    assert [zone["name"] for zone in json.loads(exported)["zones"]] == zones


def test_colours_size_areas_and_the_plans_name_go_out_as_they_came_in() -> None:
    original = real_plan("hall-738-original-dup-guids.json")
    plan = read_plan("pretix", original)
    kept = json.loads(json.dumps(plan.extras))
    before, after = json.loads(original), json.loads(write_plan("pretix", plan.layout, kept))
    for key in ("name", "size", "categories"):
        assert after[key] == before[key]
    area = before["zones"][0]["areas"][0]
    assert [zone["areas"] for zone in after["zones"] if zone["areas"]] == [
        [{**area, "rectangle": {"width": 847, "height": 350}}]
    ]
    radii = [seat["radius"] for z in after["zones"] for row in z["rows"] for seat in row["seats"] if "radius" in seat]
    assert radii == [10] * 42


@pytest.mark.parametrize("name", REAL_PLANS)
@pytest.mark.parametrize("with_extras", [True, False])
def test_an_export_is_valid_by_the_published_schema(name: str, with_extras: bool) -> None:
    plan = read_plan("pretix", real_plan(name))
    exported = json.loads(write_plan("pretix", plan.layout, plan.extras if with_extras else None))
    jsonschema.Draft7Validator(PLAN_SCHEMA).validate(exported)
    defined = {category["name"] for category in exported["categories"]}
    assert {s["category"] for z in exported["zones"] for row in z["rows"] for s in row["seats"]} <= defined


@pytest.mark.parametrize("name", REAL_PLANS)
def test_a_real_hall_survives_a_spreadsheet(name: str) -> None:
    layout = read_plan("pretix", real_plan(name)).layout
    assert read_plan("csv", write_plan("csv", layout)).layout == layout


def test_the_broken_plan_is_repaired_and_tells_each_new_id() -> None:
    body = real_plan("hall-738-original-dup-guids.json")
    plan = read_plan("pretix", body)
    guids = [seat["guid"] for seat in pretix_seats(body)]
    assert len(set(guids)) == 318
    repaired = {finding.seat_ids[0] for finding in found(plan, "repaired-id")}
    assert len(repaired) == 738 - 318
    assert set(ids(plan.layout)) == set(guids) | repaired
    assert found(plan, "duplicate-seat-id")[0].message.startswith("420 of 738")
    assert read_plan("pretix", body) == plan


def test_the_broken_plan_is_the_same_hall_as_the_mended_one() -> None:
    broken, mended = (_places("hall-738-original-dup-guids.json"), _places("hall-738.json"))
    assert {words: len(places) for words, places in broken.items()} == {
        words: len(places) for words, places in mended.items()
    }
    for words, places in broken.items():
        assert all(min(math.dist(place, other) for other in mended[words]) < 0.02 for place in places)


def _places(name: str) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Where the seats of each row and number stand, from the hall's corner."""
    layout = read_plan("pretix", real_plan(name)).layout
    left, top = (min(places) for places in zip(*points(layout), strict=True))
    found_at: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for section in layout["sections"]:
        for row in section["rows"]:
            for seat in row["seats"]:
                place = (seat["coordinates"]["x"] - left, seat["coordinates"]["y"] - top)
                found_at.setdefault((row["label"], seat["label"]), []).append(place)
    return found_at


def test_floors_drawn_one_upon_the_other_are_told_once_for_each_pair_of_sections() -> None:
    plan = read_plan("pretix", real_plan("hall-738.json"))
    overlaps = found(plan, "overlapping-seats")
    assert len(overlaps) == 4
    assert overlaps[0].where == "/zones/8/rows/0/seats/0"
    assert overlaps[0].message.startswith("42 seat(s) of section 'First Floor block 1 · Category I'")
    assert overlaps[0].seat_ids[:2] == ["First_Floor_block_1-A-1", "Ground_floor_block_1-A-1"]


def test_nothing_is_wrong_with_the_large_theatre() -> None:
    assert codes(read_plan("pretix", real_plan("theatre-1491.json"))) == {"named-category"}


def test_each_category_of_the_theatre_can_be_priced_by_its_sections() -> None:
    body = real_plan("theatre-1491.json")
    counts = checked_sections(read_plan("pretix", body).layout)
    by_category: Counter[str] = Counter()
    for section, seats in counts.items():
        by_category[section.rpartition(" · ")[2]] += seats
    assert by_category == Counter(seat["category"] for seat in pretix_seats(body))


def checked_sections(layout: Any) -> dict[str, int]:
    return {section: sum(counts.values()) for section, counts in checked(layout).types_by_section.items()}
