"""The poles and the date line, cursors that are old or not ours, and an index that is slow to answer."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from indexer.config import Settings as IndexerSettings
from indexer.rebuild import rebuild
from marquee.engines import EngineUrls
from search_service.app import create_app
from search_service.config import Settings
from search_service.cursor import Cursor, CursorSigner
from search_service.domain import Search
from search_service.handlers import DEEPEST_GROUP
from search_service.store import SEARCH_SECONDS
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.component.search.conftest import Programme, load, venue
from tests.integration.indexer.conftest import Bench, open_bench
from tests.servers.cable import cable_to
from tests.support import running

PATH = "/api/v1/search/shows"
SECRET = "a secret of the tests"
PLACES = {
    "north": (89.99, 120.0),
    "beyond north": (89.99, -60.0),
    "south": (-89.99, 0.0),
    "east": (0.0, 179.99),
    "west": (0.0, -179.99),
    "line": (0.0, 180.0),
}


@dataclass
class Edges:
    """A programme at the edges of the world, in an index of its own that may be replaced."""

    settings: Settings
    bench: Bench
    programme: Programme
    client: httpx2.AsyncClient

    async def answer(self, **params: Any) -> dict[str, Any]:
        answer = await self.client.get(PATH, params={"limit": 100, **params})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def found(self, **params: Any) -> set[str]:
        names = {id_: name for name, id_ in self.programme.ids.items()}
        return {names[item["showtimeId"]] for item in (await self.answer(**params))["items"]}


@pytest.fixture(scope="module")
async def edges(engine_urls: EngineUrls, namespace: str) -> AsyncIterator[Edges]:
    programme = Programme(ManualClock())
    evening = programme.clock.now() + timedelta(days=1)
    for name, (lat, lon) in PLACES.items():
        programme.add(name, "Edge", venue(name, "Nowhere", lat, lon), evening)
    settings = Settings.model_validate(
        {
            "mongo_url": engine_urls.mongo_url,
            "elasticsearch_url": engine_urls.elasticsearch_url,
            "namespace": f"{namespace}_{new_id()[-8:]}",
            "cursor_secret": SECRET,
        }
    )
    async with (
        open_bench(IndexerSettings.model_validate(settings.model_dump()), programme.clock) as bench,
        running(create_app(settings, programme.clock)) as client,
    ):
        await load(bench, programme)
        yield Edges(settings, bench, programme, client)


@pytest.mark.parametrize(
    ("lat", "lon", "distance", "inside"),
    [
        (90, 0, "2km", {"north", "beyond north"}),
        (90, 180, "2km", {"north", "beyond north"}),
        (90, -180, "1km", set()),
        (89.99, 120, "3km", {"north", "beyond north"}),
        (-90, 33.3, "2km", {"south"}),
        (0, 179.99, "3km", {"east", "west", "line"}),
        (0, -179.99, "3km", {"east", "west", "line"}),
        (0, 180, "2km", {"east", "west", "line"}),
        (0, -180, "1km", {"line"}),
        (0, 0, "19900km", {"north", "beyond north", "south"}),
        (0, 0, "20000km", {"north", "beyond north", "south"}),
        (-90, 0, "20000km", set(PLACES) - {"north", "beyond north"}),
    ],
)
async def test_a_circle_is_round_at_the_poles_and_across_the_date_line(
    edges: Edges, lat: float, lon: float, distance: str, inside: set[str]
) -> None:
    body = await edges.answer(lat=lat, lon=lon, distance=distance, sort="distance")
    metres = [item["distanceMeters"] for item in body["items"]]
    assert metres == sorted(metres)
    assert await edges.found(lat=lat, lon=lon, distance=distance) == inside


@pytest.mark.parametrize(
    ("bbox", "inside"),
    [
        ("179.9,-1,-179.9,1", {"east", "west", "line"}),
        ("179.9,-1,180,1", {"east", "line"}),
        ("-180,-1,-179.9,1", {"west", "line"}),
        ("-180,89,180,90", {"north", "beyond north"}),
        ("-180,-90,180,-89", {"south"}),
        ("119,80,121,90", {"north"}),
        ("-180,-90,180,90", set(PLACES)),
        ("180,-90,-180,90", {"line"}),
        ("-1,-1,1,1", set()),
    ],
)
async def test_a_box_ends_at_its_edges_also_at_the_poles_and_across_the_date_line(
    edges: Edges, bbox: str, inside: set[str]
) -> None:
    assert await edges.found(bbox=bbox) == inside
    features = (await edges.client.get(f"/api/v1/search/map?bbox={bbox}&zoom=3")).json()["features"]
    assert {feature["properties"]["name"] for feature in features} == inside


async def test_no_distance_is_too_small_or_too_large_to_be_refused_or_answered(edges: Edges) -> None:
    for distance, status in (("0km", 422), ("0.0001m", 422), ("0.001m", 200), ("20000km", 200), ("1000000km", 422)):
        answer = await edges.client.get(PATH, params={"lat": 0, "lon": 0, "distance": distance})
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize(("distance", "wide"), [("100m", "1km"), ("300m", "2km")])
async def test_a_wider_circle_that_is_offered_finds_what_it_says(edges: Edges, distance: str, wide: str) -> None:
    here = {"lat": {"100m": 0.002, "300m": 0.009}[distance], "lon": 180}
    wider = (await edges.answer(**here, distance=distance))["nearMisses"][0]
    assert wider["parameters"] == {"distance": wide}
    body = await edges.answer(**here, **wider["parameters"])
    assert body["total"]["value"] == wider["count"] > 0


async def test_a_cursor_from_before_the_index_was_replaced_goes_on_in_the_present(edges: Edges) -> None:
    asked: list[dict[str, Any]] = [
        *({"sort": "soonest"}, {"sort": "price"}, {"query": "edge"}, {"sort": "distance", "bbox": "-180,-90,180,90"}),
        {"sort": "soonest", "facets": "true"},
    ]
    here = {"lat": 1, "lon": 1, "distance": "20000km", "limit": 2}
    first = [await edges.answer(**here, **one) for one in asked]
    await rebuild(edges.bench.settings, clock=edges.programme.clock)
    for one, page in zip(asked, first, strict=True):
        seen, cursor = [*page["items"]], page["nextCursor"]
        while cursor:
            following = await edges.answer(**here, **one, cursor=cursor)
            seen, cursor = seen + following["items"], following["nextCursor"]
        ids = [item["showtimeId"] for item in seen]
        assert len(ids) == len(set(ids)) == page["total"]["value"] > 2


async def test_a_cursor_is_refused_unless_we_signed_all_of_it_for_this_very_search(edges: Edges) -> None:
    cursor = (await edges.answer(limit=2, query="edge"))["nextCursor"]
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    forged = [
        *(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(0, len(raw), 3)),
        *(raw[:length] for length in range(0, len(raw), 7)),
        *(raw + b"x", raw[16:], bytes(16) + raw[16:]),
    ]
    for one in forged:
        await refused(edges, base64.urlsafe_b64encode(one).rstrip(b"=").decode() or "=", query="edge")
    for text in (f"{cursor}!", f" {cursor}", f"{cursor}é", cursor[:-2], cursor * 3, "\u0000", "=" * 40):
        await refused(edges, text, query="edge")
    for other in ({"query": "edges"}, {}, {"query": "edge", "sort": "soonest"}, {"query": "edge", "city": "Nowhere"}):
        await refused(edges, cursor, **other)
    assert len((await edges.answer(limit=100, query="edge", cursor=cursor))["items"]) == 4


async def refused(edges: Edges, cursor: str, **params: str) -> None:
    answer = await edges.client.get(PATH, params={**params, "cursor": cursor})
    assert answer.status_code == 422, (cursor, answer.text)
    assert answer.json()["type"].endswith("/bad-cursor")


async def test_a_larger_limit_on_the_last_page_of_groups_gives_what_there_is(edges: Edges) -> None:
    signer = CursorSigner(SECRET.encode())
    search = Search(grouped=True)
    deep = Cursor(fingerprint_of(search), edges.programme.clock.now(), "all", [DEEPEST_GROUP - 2])
    body = await edges.answer(groupBy="event", cursor=signer.write(deep))
    assert (body["items"], body["nextCursor"]) == ([], None)


def fingerprint_of(search: Search) -> str:
    """Of a search as it is read from a request: with an empty choice of each facet."""
    wanted: dict[str, list[str]] = {name: [] for name in ("category", "genre", "language", "certificate", "city")}
    return Search(wanted=wanted, grouped=search.grouped).fingerprint


async def test_several_slow_searches_take_no_longer_together_than_one_may(edges: Edges) -> None:
    async with cable_to(edges.settings.elasticsearch_url.get_secret_value()) as cable:
        settings = edges.settings.model_copy(update={"elasticsearch_url": SecretStr(cable.url)})
        async with running(create_app(settings, edges.programme.clock)) as client:
            assert (await client.get(PATH)).status_code == 200
            cable.delay = SEARCH_SECONDS * 0.4
            started = time.monotonic()
            answer = await client.get(PATH, params={"query": "nothing of that name tomorrow", "sort": "soonest"})
            assert time.monotonic() - started < SEARCH_SECONDS + 0.5
            cable.delay = 0.0
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert (await client.get(PATH)).status_code == 200
