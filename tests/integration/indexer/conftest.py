"""A read model and an index of their own for each test, on real engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from indexer.config import Settings
from indexer.handlers import Handlers
from indexer.index import Indices, SearchIndex
from indexer.pusher import Pusher
from indexer.rebuild import ensure_served
from indexer.store.rows import ReadModel
from marquee.engines import EngineUrls
from search_index.client import open_elasticsearch
from search_index.mapping import Kind, alias
from service_kit.clock import Clock, ManualClock
from service_kit.ids import new_id
from service_kit.mongo import Database, open_database
from tests.support import eventually


@pytest.fixture
def settings(engine_urls: EngineUrls, namespace: str) -> Settings:
    return Settings.model_validate(
        {
            "mongo_url": engine_urls.mongo_url,
            "amqp_url": engine_urls.amqp_url,
            "elasticsearch_url": engine_urls.elasticsearch_url,
            "namespace": f"{namespace}_{new_id()[-8:]}",
        }
    )


@dataclass
class Bench:
    """The parts of an indexer, driven step by step."""

    settings: Settings
    database: Database
    client: AsyncElasticsearch
    model: ReadModel
    indices: Indices
    handlers: Handlers
    pusher: Pusher

    @property
    def index(self) -> SearchIndex:
        return self.indices.shows

    async def push_all(self) -> None:
        """Rows, and the entries that they call for."""
        await self.push_rows()
        while await self.pusher.push_entries():
            pass

    async def push_rows(self) -> None:
        while await self.pusher.push_due():
            pass

    async def rows(self) -> dict[str, dict[str, Any]]:
        return {row["_id"]: row async for row in self.database["showtimes"].find()}

    async def documents(self, kind: Kind = "shows") -> dict[str, dict[str, Any]]:
        """What searches see, by id."""
        name = alias(self.settings.namespace, kind)
        await self.client.indices.refresh(index=name, ignore_unavailable=True)
        found = await self.client.search(index=name, size=10_000, version=True, ignore_unavailable=True)
        return {hit["_id"]: {**hit["_source"], "version": hit["_version"]} for hit in found["hits"]["hits"]}


@asynccontextmanager
async def open_bench(settings: Settings, clock: Clock) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, "search"))
        client = await stack.enter_async_context(open_elasticsearch(settings.elasticsearch_url, seconds=20))
        model = ReadModel(database, clock)
        await model.prepare()
        indices = Indices(client, settings.namespace)
        pusher = Pusher(model, indices, clock)
        await ensure_served(model, indices, clock)
        yield Bench(settings, database, client, model, indices, Handlers(model, pusher.wake), pusher)
        for index in (indices.shows, indices.entries):
            await index.drop(await index.others(None))
        await database.client.drop_database(database.name)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def bench(settings: Settings, clock: ManualClock) -> AsyncIterator[Bench]:
    async with open_bench(settings, clock) as bench:
        yield bench


async def documents_become(bench: Bench, expected: set[str]) -> None:
    """Wait until searches see exactly these showtimes."""
    await eventually(bench.documents, until=lambda found: set(found) == expected, seconds=30)
