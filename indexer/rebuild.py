"""Filling new indices from the read model while searches and live writes go on, then changing over to them.

How far it is stands in its lease, so a rebuild that was killed is gone on with by whoever starts the next one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from indexer.config import Settings
from indexer.domain import KINDS, Kind, Part
from indexer.index import Batch, Indices
from indexer.pipeline import pipelined
from indexer.store.entries import Entry
from indexer.store.leases import Leases, Plan, RebuildRunning
from indexer.store.rows import ReadModel, Row
from search_index.client import open_elasticsearch
from search_index.document import Document, Parts, is_listed, to_document
from search_index.entries import Shows, entry_id, to_entry
from service_kit.clock import Clock, SystemClock
from service_kit.errors import Unavailable
from service_kit.ids import new_id
from service_kit.logs import get_logger
from service_kit.mongo import open_database
from service_kit.tasks import every, stopped

log = get_logger(__name__)
BATCH = 1_000
# Each may have to add up thousands of showtimes.
ENTRIES = 200
BULK_SECONDS = 30.0
RENEW_SECONDS = 2.0
LOOK_SECONDS = 0.5

Progress = Callable[[int, int], None]


async def rebuild(settings: Settings, progress: Progress | None = None, clock: Clock | None = None) -> int:
    """Rebuild the indices of a running or resting system; returns how many showtimes the new one was filled with.

    `progress` is called with (rows with a show to come that were read, how many there are). Raises RebuildRunning, or
    Unavailable; then the next call goes on where this one stopped.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, "search"))
        client = await stack.enter_async_context(open_elasticsearch(settings.elasticsearch_url, seconds=BULK_SECONDS))
        model = ReadModel(database, clock)
        await model.prepare()
        await _until_free(model.leases)
        return await refill(model, Indices(client, settings.namespace), clock, progress)


async def _until_free(leases: Leases) -> None:
    """One that was killed has its right for a few seconds more; one that lives renews it."""
    first = await leases.held_until()
    while (until := await leases.held_until()) is not None:
        if until != first:
            raise RebuildRunning
        await asyncio.sleep(LOOK_SECONDS)


async def refill(model: ReadModel, indices: Indices, clock: Clock, progress: Progress | None = None) -> int:
    """Fill new indices and serve them, or go on with those of a rebuild that did not end. One at a time."""
    owner = new_id()
    async with _leased(model.leases, owner) as left:
        if left is not None and await indices.are_served(left.names):
            # It died between changing over and tidying up.
            plan = left
            await indices.drop_others(plan.names)
        else:
            goes_on = left is not None and await indices.can_go_on(left.names)
            plan = left if left is not None and goes_on else Plan(await indices.create())
            await model.leases.keep(owner, plan)
            await _Filling(model, indices, clock, owner, plan).run(progress or _untold)
            await model.leases.keep(owner, plan)
            await indices.serve(plan.names)
        await model.leases.finish(owner)
    log.info("index_served", indices=plan.names, showtimes=plan.filled)
    return plan.filled


@asynccontextmanager
async def _leased(leases: Leases, owner: str) -> AsyncIterator[Plan | None]:
    """The right to rebuild while entered, with what one that did not end has left."""
    plan = await leases.take(owner)
    renewing = asyncio.create_task(every(RENEW_SECONDS, partial(leases.renew, owner)))
    try:
        yield plan
    finally:
        # That it could not be renewed is noticed at the next batch, which notes how far it is.
        await stopped(renewing)
        await leases.release(owner)


def _untold(done: int, total: int) -> None:
    pass


class _Filling:
    def __init__(self, model: ReadModel, indices: Indices, clock: Clock, owner: str, plan: Plan) -> None:
        self._model = model
        self._indices = indices
        self._clock = clock
        self._owner = owner
        self._plan = plan
        self._parts = Parts()

    async def run(self, progress: Progress) -> None:
        """Showtimes first: they tell which entries there have to be."""
        total = await self._model.count_scheduled()
        rows = self._model.all_scheduled(BATCH, after=self._plan.done.get("showtimes", ""))
        read = self._plan.read
        async for batch, last, count in pipelined(rows, self._rows, partial(self._bring, "shows")):
            read += count
            await self._note("showtimes", last, read=read, filled=_taken(batch, "row_refused"))
            progress(read, max(total, read))
        for kind in KINDS:
            entries = self._model.entries.all(kind, ENTRIES, after=self._plan.done.get(kind, ""))
            async for batch, last, _ in pipelined(entries, self._entries, partial(self._bring, "entries")):
                _taken(batch, "entry_refused")
                await self._note(kind, last)

    async def _rows(self, rows: Sequence[Row]) -> tuple[Batch, str, int]:
        """Documents of rows. Where a live write is faster the version conflict says so, and the newer stays."""
        now, batch = self._clock.now(), Batch()
        for row in await self._completed(rows):
            if is_listed(row, now):
                batch.add(row["_id"], row["revision"], partial(to_document, row, self._parts))
        return batch, rows[-1]["_id"], len(rows)

    async def _completed(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Rows of which no part is unknown: one of each unknown event and venue is read whole, and introduces it."""
        lacking = self._lacking(rows)
        if not lacking:
            return rows
        samples = {(kind, row[kind][f"{kind}Id"]): row for kind, row in lacking}
        whole = await self._whole(list(samples.values()))
        # Another version than its sample has: it, or its sample, has just changed.
        whole.update(await self._whole([row for _, row in self._lacking(rows)]))
        return [whole.get(row["_id"], row) for row in rows]

    def _lacking(self, rows: Sequence[Row]) -> list[tuple[Kind, Row]]:
        return [(kind, row) for row in rows for kind in KINDS if self._lacks(kind, row)]

    def _lacks(self, kind: Kind, row: Row) -> bool:
        return not self._parts.has(kind, row)

    async def _whole(self, rows: Sequence[Row]) -> dict[str, Row]:
        if not rows:
            return {}
        found = await self._model.some(list({row["_id"] for row in rows}))
        new: dict[tuple[Kind, str], Part] = {}
        for row in found:
            for kind in KINDS:
                if self._lacks(kind, row) and (part := self._learnt(kind, row)):
                    new[kind, part.id] = part
        # Those of before there were entries have none.
        await self._model.entries.introduce(new.values())
        return {row["_id"]: row for row in found}

    def _learnt(self, kind: Kind, row: Row) -> Part | None:
        try:
            self._parts.get(kind, row)
        except (ValueError, KeyError, TypeError):
            # Its documents can't be built: told with each of them.
            return None
        return Part(kind, row[kind][f"{kind}Id"], row[f"{kind}Rank"], row[kind])

    async def _entries(self, entries: Sequence[Entry]) -> tuple[Batch, str, int]:
        return entry_batch(entries, await self._model.entries.shows(entries)), entries[-1].id, len(entries)

    async def _bring(self, kind: str, built: tuple[Batch, str, int]) -> None:
        index = self._indices.shows if kind == "shows" else self._indices.entries
        await built[0].bring(index, [self._plan.names[index.kind]])

    async def _note(self, collection: str, last: str, read: int | None = None, filled: int = 0) -> None:
        self._plan.done[collection] = last
        self._plan.read = self._plan.read if read is None else read
        self._plan.filled += filled
        await self._model.leases.keep(self._owner, self._plan)


def _taken(batch: Batch, refused: str) -> int:
    """How many the index has taken."""
    faults = [push for push in batch.pushes.values() if push.error]
    for push in faults:
        log.error(refused, id=push.id, error=push.error)
    return len(batch.pushes) - len(faults)


def entry_batch(entries: Sequence[Entry], shows: Mapping[tuple[Kind, str], Shows]) -> Batch:
    """The documents of these entries; the deletion of those that have nothing to show any more."""
    batch = Batch()
    for entry in entries:
        batch.add(
            entry_id(entry.kind, entry.id),
            entry.revision,
            partial(to_entry_of, entry, shows.get((entry.kind, entry.id))),
        )
    return batch


def to_entry_of(entry: Entry, shows: Shows | None) -> Document | None:
    return to_entry(entry.kind, entry.state, shows) if shows else None


async def ensure_served(model: ReadModel, indices: Indices, clock: Clock) -> None:
    """Have indices of the present mapping served; until new ones are full the old ones stay."""
    if await indices.are_current():
        return
    try:
        await refill(model, indices, clock)
    except RebuildRunning as error:
        raise Unavailable("Another process is filling the index") from error
