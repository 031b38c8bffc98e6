"""pretix plans: how positions add up, and each fault with its pointer."""

import json
from typing import Any

import pytest

from tests.unit.venues.plans.samples import (
    assert_takes,
    faults_of,
    labels,
    places_of,
    plan,
    points,
    row,
    seat,
    zone,
)
from venues_service.domain.layouts import MOST_SEATS
from venues_service.domain.plans import read_plan, write_plan


def test_a_place_is_that_of_zone_row_and_seat_together() -> None:
    seats = row(seat("1", x=0.1, y=5), position={"x": 0.2, "y": 50})
    body = plan(zone(seats, row(seat("2", x=7, y=-8), label="B")) | {"position": {"x": 100, "y": 500}})
    assert points(read_plan("pretix", body).layout) == [(100.3, 555.0), (107.0, 492.0)]


def test_words_are_trimmed_and_a_byte_order_mark_is_no_fault() -> None:
    body = b"\xef\xbb\xbf" + plan(zone(row(seat(" 1 "), label=" A "), name=" Stalls "))
    layout = read_plan("pretix", body).layout
    assert (layout["sections"][0]["id"], layout["sections"][0]["rows"][0]["label"]) == ("Stalls", "A")
    assert labels(layout) == [["1"]]


def test_a_zone_without_id_goes_by_its_name_and_one_without_name_by_its_number() -> None:
    body = plan(
        {"position": {"x": 0, "y": 0}, "rows": [row(seat("1"))]},
        {"name": "Gallery", "position": {"x": 0, "y": 9}, "rows": [row(seat("1", x=1))]},
    )
    sections = read_plan("pretix", body).layout["sections"]
    assert [(section["id"], section["name"]) for section in sections] == [("Zone 1", "Zone 1"), ("Gallery", "Gallery")]


def test_fields_that_pretix_may_add_one_day_are_no_fault() -> None:
    body = plan(zone(row(seat(uuid="u", tooltip="new"), curved=True)), futures=[])
    assert_takes(read_plan("pretix", body).layout)


def test_what_pretix_says_of_rows_and_seats_goes_out_again() -> None:
    said = {"row_label": "Row A (left)", "seat_label": "Seat %s", "row_number_position": "end"}
    first = read_plan("pretix", plan(zone(row(seat(radius=12, start_direction="<>"), **said))))
    (zone_out,) = json.loads(write_plan("pretix", first.layout, first.extras))["zones"]
    assert {key: zone_out["rows"][0][key] for key in said} == said
    assert zone_out["rows"][0]["seats"][0]["radius"] == 12
    assert zone_out["rows"][0]["seats"][0]["start_direction"] == "<>"


def test_areas_are_moved_with_their_zone() -> None:
    area = {"shape": "text", "position": {"x": 1, "y": 2}, "text": {"text": "Stage", "position": {"x": 0, "y": 0}}}
    body = plan(zone(row(seat()), areas=[area]) | {"position": {"x": 100, "y": 10}}, zone(name="Bar", areas=[area]))
    first = read_plan("pretix", body)
    zones = json.loads(write_plan("pretix", first.layout, first.extras))["zones"]
    assert [(each["name"], each["areas"][0]["position"]) for each in zones] == [
        ("Stalls", {"x": 101.0, "y": 12.0}),
        ("Bar", {"x": 1.0, "y": 2.0}),
    ]


def test_an_export_spells_categories_as_the_plan_did() -> None:
    body = plan(zone(row(seat(category="vip"))), categories=("vip", "Unused"))
    first = read_plan("pretix", body)
    plain, spelled = (json.loads(write_plan("pretix", first.layout, extras)) for extras in (None, first.extras))
    assert [category["name"] for category in plain["categories"]] == ["VIP"]
    assert [category["name"] for category in spelled["categories"]] == ["vip", "Unused"]


def test_extras_of_an_older_layout_do_no_harm_to_a_newer_one() -> None:
    old = read_plan("pretix", plan(zone(row(seat(radius=5)), areas=[{"shape": "circle"}]), name="Old"))
    new = read_plan("grid", b"[Circle]\nA: ##\n").layout
    assert read_plan("pretix", write_plan("pretix", new, old.extras)).layout == new


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", ""),
        (b" \n ", ""),
        (b"{", ""),
        (b"[]", ""),
        (b"null", ""),
        (b"\xff\xfe{\x00}\x00", ""),
        (b"[" * 100_000, ""),
        (b'{"a":' * 100_000, ""),
        (b'{"name": NaN}', ""),
        (b'{"zones": [' + b"1" * 5_000 + b"]}", ""),
        (b'{"zones": ["\\ud800"]}', ""),
        (b'{"name": "x", "zones": {}, "categories": []}', "/zones"),
        (b'{"name": "x", "zones": [], "categories": []}', "/zones"),
        (b'{"name": "x", "zones": []}', "/categories"),
        (plan(zone(row())), "/zones"),
        (plan(zone(row(seat())), categories=("",)), "/categories/0"),
        (plan(zone(row(seat())), categories=("x" * 101,)), "/categories/0"),
        (plan("no zone"), "/zones/0"),  # type: ignore[arg-type] # the fault itself
        (plan(zone("no row")), "/zones/0/rows/0"),  # type: ignore[arg-type] # the fault itself
        (plan(zone(row("no seat"))), "/zones/0/rows/0/seats/0"),  # type: ignore[arg-type] # the fault itself
        (plan(zone(row(seat()), name="a\u0007b")), "/zones/0/name"),
        (plan(zone(row(seat()), name="$ne")), "/zones/0/zone_id"),
        (plan(zone(row(seat(), label="x" * 101))), "/zones/0/rows/0/row_number"),
        (plan(zone(row(seat(), label=7))), "/zones/0/rows/0/row_number"),  # type: ignore[arg-type] # the fault itself
        (plan(zone(row(seat(), position={"x": 1}))), "/zones/0/rows/0/position"),
        (plan(zone(row(seat(), seat("a\nb", x=1)))), "/zones/0/rows/0/seats/1/seat_number"),
        (plan(zone(row(seat(seat_guid=4)))), "/zones/0/rows/0/seats/0/seat_guid"),
        (plan(zone(row(seat(position={"x": "1", "y": 0})))), "/zones/0/rows/0/seats/0/position"),
        (plan(zone(row(seat(position={"x": True, "y": 0})))), "/zones/0/rows/0/seats/0/position"),
        (plan(zone(row(seat(position={"x": 10**400, "y": 0})))), "/zones/0/rows/0/seats/0/position"),
        (plan(zone(row(seat(position=None)))), "/zones/0/rows/0/seats/0/position"),
        (plan(zone(row(seat(x=1_000_000.5)))), "/zones/0/rows/0/seats/0"),
        (plan(zone(row(seat()))).replace(b'"x": 0', b'"x": 1e999'), "/zones/0/position"),
        (plan(zone(row(seat(category=None)))), "/zones/0/rows/0/seats/0/category"),  # type: ignore[arg-type] # the fault
        (plan(zone(row(seat(category="c" * 60)), name="z" * 60)), "/zones/0/rows/0/seats/0/category"),
    ],
)
def test_a_fault_is_told_with_its_pointer(body: bytes, where: str) -> None:
    assert where in places_of("pretix", body)


def test_all_faults_are_told_at_once() -> None:
    body = plan(zone(row(seat(seat_guid=1), label="x" * 101), row(seat("2", position=[]))))
    assert places_of("pretix", body) == [
        "/zones/0/rows/0/row_number",
        "/zones/0/rows/0/seats/0/seat_guid",
        "/zones/0/rows/1/seats/0/position",
    ]


def test_one_seat_written_twice_is_a_fault_for_it_would_be_sold_twice() -> None:
    (fault,) = faults_of("pretix", plan(zone(row(seat(), seat()))))
    assert fault == (
        "/zones/0/rows/0/seats/1",
        "Seat 'guid-1-0-0' is listed twice, first at /zones/0/rows/0/seats/0",
    )


def test_a_plan_of_too_many_seats_is_refused_at_the_first_beyond() -> None:
    seats: list[dict[str, Any]] = [seat(str(n), x=n) for n in range(MOST_SEATS + 1)]
    assert places_of("pretix", plan(zone(row(*seats)))) == [f"/zones/0/rows/0/seats/{MOST_SEATS}"]


def test_a_thousand_faults_are_enough() -> None:
    assert len(faults_of("pretix", plan(zone(row(*({} for _ in range(50_000))))))) == 1_000


def test_too_many_zones_are_refused() -> None:
    assert places_of("pretix", plan(*({} for _ in range(10_001)))) == ["/zones"]
