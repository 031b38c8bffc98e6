"""The worst texts on thousands of shows whose names are as alike as can be: each is answered in time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product
from typing import Any

import httpx2
import pytest

from indexer.config import Settings as IndexerSettings
from search_service import app, store
from search_service.config import Settings
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.component.search.conftest import Programme, load, venue
from tests.component.search.strings import LONGEST_QUERY, WORST
from tests.integration.indexer.conftest import open_bench
from tests.support import running

SHOWS = 3_000
# The longest of them takes some 0.5 s on two idle cores, and users are told after two seconds. What has thousands of
# terms takes longer than this on any machine, and what has not is done by then on one that is busy with other tests.
ENOUGH_SECONDS = 15.0
# Each is like every other, so that a typo may mean dozens of words.
ALIKE = ["spider" + "".join(end) for end in product("aeioumnrst", repeat=2)]
ALIKE += ["zurich" + "".join(end) for end in product("aeioumnrst", repeat=2)]
TYPOS = (
    " ".join(f"spiderx{letter}" for letter in "abcdefghijklmnopqrst"),
    " ".join(f"spi-derx{letter}'s" for letter in "abcdefghijklmnopqrst"),
    " ".join(f"zürichx{letter}" for letter in "abcdefghijklmnopqrst"),
    " ".join(ALIKE[:25]),
    " ".join(word[:3] for word in ALIKE[:50]),
)


@pytest.fixture(scope="module")
async def client(search_settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    programme = Programme(ManualClock())
    place = venue("Spider Palace", "Zürich", 47.37, 8.54, timezone="Europe/Zurich")
    for number in range(SHOWS):
        name = " ".join(ALIKE[(number * step) % len(ALIKE)] for step in (1, 7, 11, 13, 17, 19))
        programme.add(f"{number}", f"{name} {number % 500}", place, programme.clock.now() + timedelta(hours=number + 1))
    settings = search_settings.model_copy(update={"namespace": f"{search_settings.namespace}_{new_id()[-8:]}"})
    with pytest.MonkeyPatch.context() as patch:
        for module in (app, store):
            patch.setattr(module, "SEARCH_SECONDS", ENOUGH_SECONDS)
        async with (
            open_bench(IndexerSettings.model_validate(settings.model_dump()), programme.clock) as bench,
            running(app.create_app(settings, programme.clock)) as client,
        ):
            await load(bench, programme)
            yield client


async def test_the_worst_texts_are_answered_in_time(client: httpx2.AsyncClient) -> None:
    found = await client.get("/api/v1/search/shows", params={"query": "spiderxa"})
    assert found.json()["total"]["value"] > SHOWS / 10
    for text in (*TYPOS, *WORST):
        query = {"query": text[:LONGEST_QUERY], "facets": "true", "lat": 47.37, "lon": 8.54, "distance": "20000km"}
        for more in ({}, {"sort": "price", "groupBy": "event"}, {"asTyped": "true", "sort": "soonest"}):
            await answered(client, "shows", {**query, **more})
        await answered(client, "suggest", {"q": text[:LONGEST_QUERY], "lat": 47.37, "lon": 8.54})
        await answered(client, "places", {"q": text[:LONGEST_QUERY], "lat": 47.37, "lon": 8.54})


async def test_the_fullest_address_is_answered_in_time(client: httpx2.AsyncClient) -> None:
    """Every list full, up to what a server takes as an address."""
    lists: dict[str, Any] = {
        name: ["".join(ALIKE[at : at + 20])[:LONGEST_QUERY] for at in range(50)]
        for name in ("category", "genre", "language", "certificate", "city", "venueId")
    }
    await answered(client, "shows", {**lists, "query": TYPOS[1][:LONGEST_QUERY], "facets": "true"})


async def answered(client: httpx2.AsyncClient, path: str, params: dict[str, Any]) -> None:
    answer = await client.get(f"/api/v1/search/{path}", params=params)
    assert answer.status_code == 200, f"{params} {answer.text[:500]}"
