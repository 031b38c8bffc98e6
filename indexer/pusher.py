"""Rows of the read model that changed, brought to Elasticsearch in bulk."""

import asyncio

from prometheus_client import Counter, Gauge

from indexer.domain import Push
from indexer.index import ShowIndex, Write, write
from indexer.rebuild import ensure_served
from indexer.store import ReadModel, Row
from search_index.document import is_listed, to_document
from service_kit.clock import Clock
from service_kit.errors import Unavailable
from service_kit.logs import get_logger
from service_kit.tasks import woken

log = get_logger(__name__)
BATCH = 1_000
POLL_SECONDS = 0.1
PUSHED = Counter("marquee_index_pushed", "Rows brought to Elasticsearch", ["outcome"])
LAG = Gauge("marquee_index_lag_seconds", "How long the row pushed last had been due")


class Pusher:
    def __init__(self, model: ReadModel, index: ShowIndex, clock: Clock) -> None:
        self._model = model
        self._index = index
        self._clock = clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Push for ever. While Elasticsearch is away rows stay due, so nothing is lost."""
        await ensure_served(self._model, self._index, self._clock)
        while True:
            self._woken.clear()
            if await self.push_due() < BATCH:
                await self._wait()

    async def _wait(self) -> None:
        # Polled too, since rows held back by their pause, and rows merged by other processes, wake nobody.
        await woken(self._woken, POLL_SECONDS)

    async def push_due(self) -> int:
        """Push one batch of what is due; returns how many rows that were.

        Rows are read before the targets: a rebuild first announces its index and then reads the rows. So whoever read
        a row too early to know of the new index read it before the rebuild did, and the rebuild brings that change.
        """
        rows = await self._model.due(BATCH)
        if not rows:
            return 0
        targets = await self._index.targets()
        if not targets:
            raise Unavailable("There is no index to write to")
        writes, pushes = self._prepare(rows)
        refused = await self._index.write(targets, writes) if writes else {}
        for id_, reason in refused.items():
            pushes[id_] = Push(id_, pushes[id_].revision, listed=False, error=reason)
        await self._model.pushed(list(pushes.values()))
        self._report(rows, pushes)
        return len(rows)

    def _prepare(self, rows: list[Row]) -> tuple[list[Write], dict[str, Push]]:
        writes: list[Write] = []
        pushes: dict[str, Push] = {}
        now = self._clock.now()
        for row in rows:
            id_, revision = row["_id"], row["revision"]
            listed = is_listed(row, now)
            pushes[id_] = Push(id_, revision, listed)
            if listed:
                try:
                    writes.append(write(id_, revision, to_document(row)))
                except (ValueError, KeyError, TypeError) as error:
                    # One row that can't be written must not hold up the others.
                    pushes[id_] = Push(id_, revision, listed=False, error=repr(error))
            elif "facts" in row:
                writes.append(write(id_, revision, None))
        return writes, pushes

    def _report(self, rows: list[Row], pushes: dict[str, Push]) -> None:
        for push in pushes.values():
            if push.error:
                log.error("row_refused", showtime_id=push.showtime_id, error=push.error)
                PUSHED.labels("refused").inc()
        PUSHED.labels("done").inc(sum(push.error is None for push in pushes.values()))
        LAG.set(max(0.0, (self._clock.now() - rows[-1]["pushAt"]).total_seconds()))
