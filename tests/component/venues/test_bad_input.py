"""Whatever is sent, the answer is a problem of the sender, never one of ours, and nothing stays."""

import json

import pytest

from tests.component.venues.catalogue import Catalogue, layout

BODIES = {
    "nothing": b"",
    "cut off": b'{"name": "x"',
    "not text": b"\xff\xfe\x00",
    "a list": b"[]",
    "a number": b"1e999",
    "null": b"null",
    "deep list": b"[" * 100_000 + b"]" * 100_000,
    "deep object": b'{"a":' * 900 + b"1" + b"}" * 900,
    "deep field": b'{"name":' + b"[" * 900 + b"]" * 900 + b"}",
    "not a number": b'{"name": NaN, "startsAt": Infinity}',
    "lone surrogate": b'{"name": "\\ud800", "city": "\\udfff", "category": "x"}',
    "surrogate field": b'{"\\ud800": 1}',
    "null byte": b'{"name": "a\\u0000b", "city": "Paris", "category": "x", "startsAt": "\\u0000"}',
    "operator": b'{"$where": "1", "name": {"$gt": ""}}',
    "dotted": b'{"address.street": 1, "metadata.genre": 2, "pricing.tiers": 3}',
    "huge number": b'{"name": 1' + b"0" * 5_000 + b"}",
    "huge text": json.dumps({"name": "x" * 1_000_000}).encode(),
    "wrong types": b'{"name": [], "city": {}, "category": 1, "seatLayout": "x", "pricing": [], "items": {}}',
}


@pytest.mark.parametrize("name", BODIES)
async def test_no_body_breaks_a_route(catalogue: Catalogue, name: str) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    routes = [
        ("POST", "/venue"),
        ("PATCH", f"/venue/{stage.venue_id}"),
        ("POST", f"/venue/{stage.venue_id}/hall"),
        ("PUT", f"/venue/{stage.venue_id}/hall/{stage.hall_id}/layout"),
        *(
            (method, f"/venue/{stage.venue_id}/hall/{path}?format={plan_format}&name=N")
            for method, path in (("POST", "import"), ("PUT", f"{stage.hall_id}/layout/import"))
            for plan_format in ("pretix", "csv", "grid")
        ),
        ("POST", "/events"),
        ("PATCH", f"/events/{stage.event_id}"),
        ("POST", f"/events/{stage.event_id}/showtimes"),
        ("PATCH", f"/showtimes/{showtime['showtimeId']}"),
        ("POST", "/catalogue/import"),
        ("POST", "/catalogue/lookup"),
    ]
    collections = ("venues", "halls", "layouts", "layout_extras", "events", "showtimes")
    before = [await catalogue.database[one].find({}).to_list() for one in collections]
    for method, path in routes:
        answer = await catalogue.client.request(
            method,
            f"/api/v1{path}",
            content=BODIES[name],
            headers={**catalogue.admin, "Content-Type": "application/json"},
        )
        assert 400 <= answer.status_code < 500, (method, path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        answer.json()
    assert [await catalogue.database[one].find({}).to_list() for one in collections] == before


ODD = [
    "%00",
    "%ff%fe",
    "%ud800",
    "$gt",
    "a.b",
    "%7b%22$ne%22:1%7d",
    "'",
    "%0d%0aX: y",
    "x" * 4_000,
    "%F0%9F%8E%AD",
]


@pytest.mark.parametrize("odd", ODD)
async def test_no_address_breaks_a_route(catalogue: Catalogue, odd: str) -> None:
    stage = await catalogue.stage()
    paths = [
        f"/venue/{odd}",
        f"/venue/{odd}/halls",
        f"/venue/{stage.venue_id}/hall/{odd}",
        f"/venue/{stage.venue_id}/hall/{odd}/layout/1",
        f"/venue/{stage.venue_id}/hall/{stage.hall_id}/layout/{odd}",
        f"/events/{odd}",
        f"/events/{odd}/showtimes",
        f"/showtimes/{odd}",
    ]
    for path in paths:
        assert (await catalogue.get(path)).status_code == 404, path
    assert (await catalogue.get(f"/cities/{odd}/events")).status_code in {200, 404, 422}
    names = (
        "city",
        "text",
        "near",
        "distance",
        "cursor",
        "limit",
        "category",
        "venueId",
        "hallId",
        "date",
        "from",
        "to",
    )
    for path in ("/venues", "/events", "/showtimes", "/cities", f"/events/{stage.event_id}/showtimes"):
        for name in names:
            answer = await catalogue.get(f"{path}?{name}={odd}")
            assert answer.status_code in {200, 422}, (path, name, answer.text)


@pytest.mark.parametrize("key", ["", "k" * 256, "\x07"])
async def test_a_key_that_is_none_is_refused(catalogue: Catalogue, key: str) -> None:
    body = {"name": "H", "seatLayout": layout()}
    stage = await catalogue.stage()
    answer = await catalogue.send("POST", f"/venue/{stage.venue_id}/hall", body, idempotency_key=key)
    assert answer.status_code == 422
