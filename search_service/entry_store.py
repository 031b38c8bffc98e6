"""Which events and venues have a show to come, from the index of entries; beside `store` the only file that asks it."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from elasticsearch import AsyncElasticsearch

from search_index.client import index_there
from search_index.document import PartKind
from search_index.mapping import alias

# Elasticsearch would give twice as many at once.
BATCH = 5_000
KEPT = "1m"


class EntryStore:
    def __init__(self, client: AsyncElasticsearch, namespace: str, batch: int = BATCH) -> None:
        self._client = client
        self._alias = alias(namespace, "entries")
        self._batch_size = batch

    async def search(self, body: dict[str, Any]) -> dict[str, Any]:
        """Raises Unavailable while there is no index yet."""
        with index_there():
            found: dict[str, Any] = (await self._client.search(index=self._alias, body=body)).body
        return found

    async def count(self, kind: PartKind) -> int:
        """Raises Unavailable while there is no index yet."""
        with index_there():
            found = await self._client.count(index=self._alias, query=_of(kind))
        counted: int = found["count"]
        return counted

    async def ids(self, kind: PartKind, *, skip: int, most: int) -> AsyncGenerator[list[str]]:
        """In their order, in batches of one moment, from the one after `skip` others on.

        To skip them each has to be passed, which is cheap without anything being read of it.
        """
        async with self._snapshot() as snapshot:
            after: list[Any] | None = None
            left = skip + most
            while left > 0:
                size = min(self._batch_size, skip or left)
                batch = await self._batch(snapshot, kind, after, size)
                if not batch:
                    return
                if not skip:
                    yield [position[0] for position in batch]
                skip = max(skip - len(batch), 0)
                left -= len(batch)
                after = batch[-1]

    async def _batch(self, snapshot: str, kind: PartKind, after: list[Any] | None, size: int) -> list[list[Any]]:
        """Where each hit stands in the order: its id, and what makes it unique."""
        found = await self._client.search(
            pit={"id": snapshot, "keep_alive": KEPT},
            query=_of(kind),
            sort=[{"id": "asc"}],
            search_after=after,
            size=size,
            source=False,
            track_total_hits=False,
            filter_path="hits.hits.sort",
        )
        return [hit["sort"] for hit in found.body.get("hits", {}).get("hits", [])]

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[str]:
        with index_there():
            opened = await self._client.open_point_in_time(index=self._alias, keep_alive=KEPT)
        try:
            yield opened["id"]
        finally:
            await self._client.options(ignore_status=404).close_point_in_time(id=opened["id"])


def _of(kind: PartKind) -> dict[str, Any]:
    return {"bool": {"filter": [{"term": {"kind": kind}}]}}
