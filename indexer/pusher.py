"""Rows and entries of the read model that changed, brought to Elasticsearch in bulk."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from prometheus_client import Counter, Gauge, Histogram

from indexer.domain import Kind, Push, made_of, marks
from indexer.index import Batch, Indices
from indexer.rebuild import ensure_served, entry_batch
from indexer.store.rows import ReadModel, Row
from search_index.document import Document, Parts, is_listed, to_document
from search_index.entries import entry_id
from search_index.mapping import REFRESH_SECONDS
from service_kit.clock import Clock
from service_kit.logs import get_logger
from service_kit.tasks import woken

log = get_logger(__name__)
BATCH = 1_000
# Each may have to add up thousands of showtimes.
ENTRIES_AT_ONCE = 100
POLL_SECONDS = 0.1
ENTRIES_POLL_SECONDS = 0.5
PUSHED = Counter("marquee_index_pushed", "Rows and entries brought to Elasticsearch", ["outcome"])
LAG = Gauge("marquee_index_lag_seconds", "How long the row pushed last had been due", multiprocess_mode="mostrecent")
FRESHNESS = Histogram(
    "marquee_index_freshness_seconds",
    "From the moment that availability is of (asOf) until searches see it, at the latest: when it was pushed, plus the"
    " refresh interval of the index",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5),
)


class Pusher:
    def __init__(self, model: ReadModel, indices: Indices, clock: Clock) -> None:
        self._model = model
        self._indices = indices
        self._clock = clock
        self._parts = Parts()
        self._filling = asyncio.Lock()
        self._woken = asyncio.Event()
        self._marked = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Push rows for ever. While Elasticsearch is away they stay due, so nothing is lost."""
        await self._ensure_served()
        while True:
            self._woken.clear()
            if await self.push_due() < BATCH:
                # Polled too, since rows held back by their pause, and rows merged by other processes, wake nobody.
                await woken(self._woken, POLL_SECONDS)

    async def run_entries(self) -> None:
        """Push entries for ever, beside the rows: adding up a hot event must not hold up a single showtime."""
        await self._ensure_served()
        while True:
            self._marked.clear()
            if await self.push_entries() < ENTRIES_AT_ONCE:
                await woken(self._marked, ENTRIES_POLL_SECONDS)

    async def _ensure_served(self) -> None:
        async with self._filling:
            await ensure_served(self._model, self._indices, self._clock)

    async def push_due(self) -> int:
        """Push one batch of the rows that are due; returns how many that were.

        Rows are read before the targets: a rebuild first announces its index and then reads the rows. So whoever read
        a row too early to know of the new index read it before the rebuild did, and the rebuild brings that change.
        What the entries have to learn is noted before a row is: a crash in between tells them once more.
        """
        rows = await self._model.due(BATCH)
        if not rows:
            return 0
        batch, now = Batch(), self._clock.now()
        targets = await self._indices.shows.targets()
        for row in rows:
            if "facts" in row:
                batch.add(row["_id"], row["revision"], partial(self._document, row, now))
            else:
                batch.pushes[row["_id"]] = Push(row["_id"], row["revision"], listed=False)
        built = [row for row in rows if "facts" in row and not batch.pushes[row["_id"]].error]
        changes = marks((row, batch.pushes[row["_id"]].listed) for row in built)
        await asyncio.gather(batch.bring(self._indices.shows, targets), self._model.entries.mark(changes))
        for row in built:
            batch.pushes[row["_id"]] = replace(batch.pushes[row["_id"]], noted={"made": made_of(row)})
        await self._model.pushed(list(batch.pushes.values()))
        self._marked.set()
        self._report(rows, batch.pushes)
        return len(rows)

    def _document(self, row: Row, now: datetime) -> Document | None:
        return to_document(row, self._parts) if is_listed(row, now) else None

    async def push_entries(self) -> int:
        """Push entries that are due, each added up from its rows; returns how many.

        An entry is read before its rows are: whatever changes in them later counts its revision up once more.
        """
        entries = await self._model.entries.due(ENTRIES_AT_ONCE)
        if not entries:
            return 0
        targets = await self._indices.entries.targets()
        began = time.perf_counter()
        shows = await self._model.entries.shows(entries)
        took = timedelta(seconds=time.perf_counter() - began)
        batch = entry_batch(entries, shows)
        await batch.bring(self._indices.entries, targets)
        pushes: list[tuple[Kind, Push]] = []
        for entry in entries:
            push = batch.pushes[entry_id(entry.kind, entry.id)]
            sums = shows.get((entry.kind, entry.id))
            noted = {"remaining": sums.count if sums else 0}
            pushes.append((entry.kind, replace(push, id=entry.id, noted=noted)))
        await self._model.entries.pushed(pushes, took)
        _count("entry_refused", batch.pushes)
        return len(entries)

    def _report(self, rows: Sequence[Row], pushes: Mapping[str, Push]) -> None:
        _count("row_refused", pushes)
        now = self._clock.now()
        LAG.set(max(0.0, (now - rows[-1]["pushAt"]).total_seconds()))
        for row in rows:
            version = row.get("availabilityVersion")
            if pushes[row["_id"]].listed and version is not None and version != row.get("made", {}).get("seats"):
                FRESHNESS.observe((now - row["availability"]["asOf"]).total_seconds() + REFRESH_SECONDS)


def _count(refused: str, pushes: Mapping[str, Push]) -> None:
    for push in pushes.values():
        if push.error:
            log.error(refused, id=push.id, error=push.error)
            PUSHED.labels("refused").inc()
    PUSHED.labels("done").inc(sum(push.error is None for push in pushes.values()))
