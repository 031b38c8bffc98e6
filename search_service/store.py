"""Showtimes in Elasticsearch; beside `entry_store` the only file here that talks to it."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from elasticsearch import AsyncElasticsearch, NotFoundError

from search_index.client import index_there
from search_index.mapping import alias
from service_kit.errors import Unavailable

Body = dict[str, Any]
# Every search ends by then, here and (as the closed connection cancels it) there.
SEARCH_SECONDS = 2.0
# How long a page may be looked at before the next one is asked for; each page prolongs it.
KEPT = "5m"
# Searches of one moment share a snapshot. Short, since a hold must be seen within a second.
SNAPSHOT_SECONDS = 0.2


@asynccontextmanager
async def deadline() -> AsyncIterator[None]:
    """One answer may take several searches, but no longer than one may. Raises Unavailable."""
    try:
        async with asyncio.timeout(SEARCH_SECONDS):
            yield
    except TimeoutError as error:
        raise Unavailable("The index takes too long to answer") from error


@dataclass(slots=True)
class _Snapshot:
    id: str
    taken_at: float
    handed_out: bool = False


class ShowStore:
    def __init__(self, client: AsyncElasticsearch, namespace: str) -> None:
        self._client = client
        self._alias = alias(namespace)
        self._snapshot: _Snapshot | None = None
        self._taking = asyncio.Lock()

    async def snapshot(self) -> str:
        """A point in time, the latest or one of just now. Raises Unavailable while there is no index yet."""
        async with self._taking:
            last = self._snapshot
            if last is None or time.monotonic() - last.taken_at > SNAPSHOT_SECONDS:
                taken_at = time.monotonic()
                answer, _ = await asyncio.gather(self._open(), self._close(last))
                self._snapshot = last = _Snapshot(answer, taken_at)
            return last.id

    def hand_out(self, snapshot: str) -> None:
        """Somebody was told of this one, so it stays until nobody has asked for it for a while."""
        if self._snapshot and self._snapshot.id == snapshot:
            self._snapshot.handed_out = True

    async def _open(self) -> str:
        with index_there():
            answer = await self._client.open_point_in_time(index=self._alias, keep_alive=KEPT)
        id_: str = answer["id"]
        return id_

    async def _close(self, old: _Snapshot | None) -> None:
        if old and not old.handed_out:
            # Gone already where the index was replaced or Elasticsearch restarted.
            await self._client.options(ignore_status=404).close_point_in_time(id=old.id)

    async def close(self) -> None:
        await self._close(self._snapshot)

    async def search(self, *bodies: Body, snapshot: str | None = None) -> list[Body]:
        """Several searches of one moment in one request, in the order of `bodies`.

        A snapshot that is no more is replaced by the present. Raises Unavailable while there is no index yet; the
        client's own errors say that the cluster is away.
        """
        at = {"pit": {"id": snapshot, "keep_alive": KEPT}} if snapshot else {}
        found = await self._search([{**body, **at} for body in bodies], bool(snapshot))
        if found is None:
            found = await self._search(list(bodies), False)
        if found is None:
            raise Unavailable("The index is being filled")
        return found

    async def _search(self, bodies: Sequence[Body], at_snapshot: bool) -> list[Body] | None:
        """None where there is no such index or snapshot.

        Half an answer is none; and where parts would do, a dropped index is told as one that is away for the moment.
        """
        index = None if at_snapshot else self._alias
        try:
            if len(bodies) == 1:
                one = await self._client.search(
                    index=index, body=bodies[0], filter_path="-pit_id", allow_partial_search_results=False
                )
                return [one.body]
            lines = [line for body in bodies for line in ({"allow_partial_search_results": False}, body)]
            answer = await self._client.msearch(index=index, searches=lines, filter_path="responses,-**.pit_id")
        except NotFoundError:
            return None
        found: list[Body] = answer["responses"]
        failed = [one for one in found if "error" in one]
        if any(one["status"] == 404 for one in failed):
            return None
        if failed:
            raise Unavailable(f"The index does not answer: {failed[0]['error'].get('type')}")
        return found
