"""Halls from files and back, over HTTP: the real plans, what is refused, and what is stored."""

import json
from typing import Any

import httpx2
import pytest

from service_kit.ids import new_id
from tests.component.venues.catalogue import Catalogue, layout, pointers
from tests.unit.venues.plans.samples import REAL_PLANS, plan, real_plan, row, zone
from tests.unit.venues.plans.samples import seat as plan_seat

MIB = 1024 * 1024
SEATS = {"hall-738.json": 738, "hall-738-original-dup-guids.json": 738, "theatre-1491.json": 1_491}
GRID = b"[Stalls]\nA: ##_##\nB: #####\n"
CSV = "section,row,seat,type\nStalls,A,1,vip\nStalls,A,2,VIP\nCafé,B,1,\n"
STORED = ("halls", "layouts", "layout_extras")


async def send(catalogue: Catalogue, path: str, body: bytes, method: str = "POST", **headers: str) -> httpx2.Response:
    """As admin, with a content type that says nothing."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {**catalogue.admin, "Content-Type": "application/octet-stream", **named}
    return await catalogue.client.request(method, f"/api/v1{path}", content=body, headers=sent)


async def take_in(catalogue: Catalogue, body: bytes, query: str) -> tuple[str, dict[str, Any]]:
    """The path of a hall imported into a new venue, and the answer."""
    venue = await catalogue.venue()
    answer = await send(catalogue, f"/venue/{venue['venueId']}/hall/import?{query}", body)
    assert answer.status_code == 201, answer.text
    path = f"/venue/{venue['venueId']}/hall/{answer.json()['hallId']}"
    assert answer.headers["location"] == f"/api/v1{path}"
    return path, answer.json()


async def sections_of(catalogue: Catalogue, path: str, version: int = 1) -> Any:
    return (await catalogue.get(f"{path}/layout/{version}")).json()["sections"]


async def download(catalogue: Catalogue, path: str, query: str) -> httpx2.Response:
    return await catalogue.client.get(f"/api/v1{path}/export?{query}", headers=catalogue.admin)


async def stored(catalogue: Catalogue) -> list[int]:
    return [await catalogue.database[name].count_documents({}) for name in STORED]


@pytest.mark.parametrize("name", REAL_PLANS)
async def test_a_real_plan_becomes_a_hall_and_comes_out_as_the_same_hall(catalogue: Catalogue, name: str) -> None:
    body = real_plan(name)
    path, hall = await take_in(catalogue, body, "format=pretix&name=Hall")
    assert (hall["name"], hall["layoutVersion"], hall["seatCount"]) == ("Hall", 1, SEATS[name])
    assert {finding["severity"] for finding in hall["findings"]} <= {"warning", "info"}
    assert isinstance(hall["warnings"], list)
    sections = await sections_of(catalogue, path)
    for plan_format, media_type in (("pretix", "application/json"), ("csv", "text/csv; charset=utf-8")):
        file = await download(catalogue, path, f"format={plan_format}")
        assert file.status_code == 200
        assert file.headers["content-type"] == media_type
        again, _ = await take_in(catalogue, file.content, f"format={plan_format}&name=Again")
        assert await sections_of(catalogue, again) == sections


async def test_what_only_pretix_knows_goes_out_as_it_came_in(catalogue: Catalogue) -> None:
    original = real_plan("hall-738-original-dup-guids.json")
    path, _ = await take_in(catalogue, original, "format=pretix")
    exported = (await download(catalogue, path, "format=pretix")).json()
    for key in ("name", "size", "categories"):
        assert exported[key] == json.loads(original)[key]
    assert sum(len(zone["areas"]) for zone in exported["zones"]) == 1


async def test_a_dry_run_answers_the_layout_and_stores_nothing(catalogue: Catalogue) -> None:
    venue = await catalogue.venue()
    path = f"/venue/{venue['venueId']}/hall/import?format=pretix"
    answer = await send(catalogue, f"{path}&dryRun=true", real_plan("theatre-1491.json"))
    assert answer.status_code == 200
    assert answer.json().keys() == {"seatLayout", "seatCount", "findings"}
    assert (answer.json()["seatCount"], len(answer.json()["findings"])) == (1_491, 4)
    assert await stored(catalogue) == [0, 0, 0]
    made = await send(catalogue, f"{path}&dryRun=false", real_plan("theatre-1491.json"))
    assert made.status_code == 201
    hall_path = f"/venue/{venue['venueId']}/hall/{made.json()['hallId']}"
    assert await sections_of(catalogue, hall_path) == answer.json()["seatLayout"]["sections"]
    assert made.json()["findings"] == answer.json()["findings"]


async def test_a_hall_needs_a_name_that_the_plan_may_bring(catalogue: Catalogue) -> None:
    venue = await catalogue.venue()
    path = f"/venue/{venue['venueId']}/hall/import"
    assert pointers(await send(catalogue, f"{path}?format=grid", GRID)) == {"name"}
    assert (await send(catalogue, f"{path}?format=grid&dryRun=true", GRID)).status_code == 200
    assert await stored(catalogue) == [0, 0, 0]
    seats = zone(row(plan_seat("1"), plan_seat("2", 1)))
    for name, own, expected in (("", "Odeon", "Odeon"), ("&name=Rex", "Odeon", "Rex")):
        answer = await send(catalogue, f"{path}?format=pretix{name}", plan(seats, name=own))
        assert answer.json()["name"] == expected
    for unusable in (" ", "x" * 201, "a\x07", 7):
        assert pointers(await send(catalogue, f"{path}?format=pretix", plan(seats, name=unusable))) == {"name"}
    assert (await send(catalogue, f"{path}?format=grid&name=%07", GRID)).status_code == 422


async def test_a_plan_with_errors_is_shown_but_not_taken(catalogue: Catalogue) -> None:
    venue = await catalogue.venue()
    path = f"/venue/{venue['venueId']}/hall/import?format=pretix&name=N"
    body = plan(
        zone(row(plan_seat("1"), plan_seat("2", 1), plan_seat("3", 2), {**plan_seat("4", 2), "seat_guid": "g"}))
    )
    dry = await send(catalogue, f"{path}&dryRun=true", body)
    assert dry.status_code == 200
    assert dry.json()["findings"][0]["code"] == "overlapping-seats"
    refused = await send(catalogue, path, body)
    assert pointers(refused) == {"/zones/0/rows/0/seats/3"}
    assert refused.json()["type"].endswith("/faulty-plan")
    assert refused.json()["findings"] == dry.json()["findings"]
    assert await stored(catalogue) == [0, 0, 0]


async def test_a_table_and_a_drawing_become_halls(catalogue: Catalogue) -> None:
    _, hall = await take_in(catalogue, CSV.encode(), "format=csv&name=Table")
    assert hall["seatCount"] == 3
    path, hall = await take_in(catalogue, GRID, "format=grid&name=Drawing&numbering=odd-even")
    assert hall["seatCount"] == 9
    sections = await sections_of(catalogue, path)
    assert [one["label"] for one in sections[0]["rows"][0]["seats"]] == ["3", "1", "2", "4"]
    drawn = await download(catalogue, path, "format=grid")
    assert drawn.headers["content-type"] == "text/plain; charset=utf-8"
    again, _ = await take_in(catalogue, drawn.content, "format=grid&name=Again")
    assert await sections_of(catalogue, again) == sections


@pytest.mark.parametrize(
    "query", ["", "format=", "format=xml", "format=CSV", "format=csv&dryRun=perhaps", "format=csv&numbering=odd-even"]
)
async def test_a_query_that_is_none_is_refused(catalogue: Catalogue, query: str) -> None:
    stage = await catalogue.stage()
    for method, path in (("POST", "import"), ("PUT", f"{stage.hall_id}/layout/import")):
        answer = await send(catalogue, f"/venue/{stage.venue_id}/hall/{path}?name=N&{query}", CSV.encode(), method)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"


async def test_files_are_for_admins_and_for_venues_and_halls_that_are_there(catalogue: Catalogue) -> None:
    stage, other = await catalogue.stage(), await catalogue.venue()
    calls = [
        ("POST", "/hall/import?format=grid&name=N", stage.venue_id),
        ("PUT", f"/hall/{stage.hall_id}/layout/import?format=grid", stage.venue_id),
        ("GET", f"/hall/{stage.hall_id}/export?format=csv", stage.venue_id),
    ]
    for method, path, venue_id in calls:
        for role, status in ((None, 401), ("user", 403), ("service", 403)):
            headers = catalogue.mint.headers(role) if role else {}  # type: ignore[arg-type] # a Role, told by the loop
            url = f"/api/v1/venue/{venue_id}{path}"
            answer = await catalogue.client.request(method, url, content=GRID, headers=headers)
            assert answer.status_code == status
        assert (await send(catalogue, f"/venue/{new_id()}{path}", GRID, method)).status_code == 404
    for method, path, _ in calls[1:]:
        assert (await send(catalogue, f"/venue/{other['venueId']}{path}", GRID, method)).status_code == 404
    assert (await send(catalogue, f"/venue/{new_id()}{calls[0][1]}&dryRun=true", GRID)).status_code == 404


async def test_the_same_key_gives_the_same_hall(catalogue: Catalogue) -> None:
    venue = await catalogue.venue()
    path = f"/venue/{venue['venueId']}/hall/import?format=grid&name=N"
    first, again = [await send(catalogue, path, GRID, idempotency_key="k") for _ in range(2)]
    assert first.status_code == 201
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert await stored(catalogue) == [1, 1, 0]
    assert (await send(catalogue, path, GRID + b"C: ##\n", idempotency_key="k")).status_code == 422


async def test_a_file_makes_a_new_layout_version_and_each_version_is_exported_with_its_own_extras(
    catalogue: Catalogue,
) -> None:
    path, _ = await take_in(catalogue, real_plan("hall-738.json"), "format=pretix&name=Kino")
    put = f"{path}/layout/import?format=pretix"
    newer = json.loads(real_plan("hall-738.json"))
    newer["categories"][0]["color"] = "#123456"
    same = await send(catalogue, put, real_plan("hall-738.json"), "PUT")
    assert (same.json()["layoutVersion"], same.json()["version"]) == (1, 1)
    assert (await send(catalogue, put, json.dumps(newer).encode(), "PUT", if_match='"9"')).status_code == 412
    second = await send(catalogue, put, json.dumps(newer).encode(), "PUT", if_match='"1"')
    assert second.json()["layoutVersion"] == 2
    assert set(second.json()["diff"]["counts"].values()) == {0}
    assert len(second.json()["findings"]) == 8
    shown = await send(catalogue, f"{path}/layout/import?format=grid&dryRun=true", GRID, "PUT")
    assert shown.json()["seatCount"] == 9
    third = await send(catalogue, f"{path}/layout/import?format=grid", GRID, "PUT")
    assert (third.json()["layoutVersion"], third.json()["diff"]["counts"]["removed"]) == (3, 738)
    assert third.headers["etag"] == '"3"'
    colours = []
    for version in (1, 2, 3):
        file = await download(catalogue, path, f"format=pretix&version={version}")
        assert file.headers["content-disposition"] == f'attachment; filename="kino-v{version}.json"'
        colours.append(file.json()["categories"][0]["color"])
    assert colours[0] != "#123456" == colours[1] != colours[2]
    assert (await download(catalogue, path, "format=csv")).text.count("\n") == 10


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Théâtre Øst / 2", "theatre-ost-2-v1.csv"),
        ('../../etc/"passwd\\', "etc-passwd-v1.csv"),
        ("映画館", "hall-v1.csv"),
        ("x" * 200, "x" * 80 + "-v1.csv"),
    ],
)
async def test_the_name_of_a_file_fits_any_system(catalogue: Catalogue, name: str, file: str) -> None:
    venue = await catalogue.venue()
    body = {"name": name, "seatLayout": layout()}
    hall = (await catalogue.send("POST", f"/venue/{venue['venueId']}/hall", body)).json()
    answer = await download(catalogue, f"/venue/{venue['venueId']}/hall/{hall['hallId']}", "format=csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{file}"'


async def test_what_a_file_cannot_hold_is_409_and_what_is_not_there_404(catalogue: Catalogue) -> None:
    path, _ = await take_in(catalogue, real_plan("hall-738.json"), "format=pretix&name=N")
    curved = await download(catalogue, path, "format=grid")
    assert curved.status_code == 409
    assert curved.json()["type"].endswith("/not-grid-like")
    assert (await download(catalogue, path, "format=csv&version=2")).status_code == 404
    for query in ("", "format=xml", "format=csv&version=0", "format=csv&version=x", f"format=csv&version={10**30}"):
        assert (await download(catalogue, path, query)).status_code == 422
    with_floor = layout()
    with_floor["sections"].append({"id": "floor", "name": "The floor", "capacity": 300})
    stage = await catalogue.stage(seat_layout=with_floor)
    for plan_format in ("pretix", "csv", "grid"):
        refused = await download(catalogue, f"/venue/{stage.venue_id}/hall/{stage.hall_id}", f"format={plan_format}")
        assert refused.status_code == 409
        assert refused.json()["type"].endswith("/has-general-admission")
        assert "The floor" in refused.json()["detail"]


LATIN = CSV.encode("latin-1")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
BAD: dict[str, tuple[str, bytes]] = {
    f"{name} as {plan_format}": (plan_format, body)
    for plan_format in ("pretix", "csv", "grid")
    for name, body in {
        "nothing": b"",
        "blanks": b" \r\n\t\n",
        "a picture": PNG,
        "a table in Latin-1": LATIN,
        "a deep list": b"[" * 1_000_000,
        "a deep object": b'{"zones":[' * 100_000,
        "UTF-16": GRID.decode().encode("utf-16"),
        "commas": b"," * 1_000_000,
        "quotes": b'section,row,seat\n"a,b,c\n' * 1_000,
    }.items()
} | {
    "a table as pretix": ("pretix", CSV.encode()),
    "a drawing as a table": ("csv", GRID),
    "a plan as a table": ("csv", real_plan("theatre-1491.json")),
    "a plan as a drawing": ("grid", real_plan("theatre-1491.json")),
    "deep where a seat is": ("pretix", b'{"zones":[{"rows":[{"seats":' + b"[" * 150 + b"]" * 150 + b"}]}]}"),
    "a lone surrogate": ("pretix", b'{"name": "\\ud800", "zones": [], "categories": []}'),
    "a huge number": ("pretix", plan(zone(row(plan_seat("1", 10**300))))),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_file_is_refused_and_leaves_nothing(catalogue: Catalogue, name: str) -> None:
    venue = await catalogue.venue()
    plan_format, body = BAD[name]
    for dry in ("true", "false"):
        path = f"/venue/{venue['venueId']}/hall/import?format={plan_format}&name=N&dryRun={dry}"
        answer = await send(catalogue, path, body)
        assert pointers(answer)
    assert await stored(catalogue) == [0, 0, 0]


async def test_a_fault_of_a_text_is_named_by_line_and_column(catalogue: Catalogue) -> None:
    venue = await catalogue.venue()
    path = f"/venue/{venue['venueId']}/hall/import?name=N"
    assert pointers(await send(catalogue, f"{path}&format=csv", LATIN)) == {"line 4, column 4"}
    assert pointers(await send(catalogue, f"{path}&format=grid", b"A: ##\nB: #?\n")) == {"line 2, column 5"}


async def test_a_file_of_more_than_16_mib_is_413(catalogue: Catalogue) -> None:
    venue = await catalogue.venue()
    path = f"/venue/{venue['venueId']}/hall/import?format=csv&name=N"
    assert (await send(catalogue, path, b" " * (17 * MIB))).status_code == 413
    assert pointers(await send(catalogue, path, b" " * (16 * MIB))) == {"line 1"}


async def test_the_largest_house_is_taken_from_a_drawing_and_a_key_does_not_break_its_dry_run(
    catalogue: Catalogue,
) -> None:
    """The layout that a dry run answers is larger than a kept answer can be."""
    venue = await catalogue.venue()
    path = f"/venue/{venue['venueId']}/hall/import?format=grid&name=Arena"
    body = b"[" + b"s" * 90 + b"]\n" + b"500#\n" * 200
    for _ in range(2):
        answer = await send(catalogue, f"{path}&dryRun=true", body, idempotency_key="dry")
        assert answer.status_code == 200, answer.text[:300]
        assert answer.json()["seatCount"] == 100_000
        assert len(answer.content) > 16 * MIB
    made = await send(catalogue, path, body, idempotency_key="made")
    assert (made.status_code, made.json()["seatCount"]) == (201, 100_000)
    one_more = await send(catalogue, path, body + b"Z: #\n")
    assert pointers(one_more)
