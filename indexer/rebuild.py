"""Filling a new index from the read model while searches and live writes go on, then changing over to it."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress

from elasticsearch import ApiError, TransportError

from indexer.config import Settings
from indexer.index import ShowIndex, write
from indexer.store import ReadModel, RebuildRunning, Row
from search_index.client import open_elasticsearch
from search_index.document import is_listed, to_document
from search_index.mapping import is_current_version
from service_kit.clock import Clock, SystemClock
from service_kit.errors import Unavailable
from service_kit.ids import new_id
from service_kit.logs import get_logger
from service_kit.mongo import open_database

log = get_logger(__name__)
BATCH = 1_000
BULK_SECONDS = 30.0

Progress = Callable[[int, int], None]


async def rebuild(settings: Settings, progress: Progress | None = None, clock: Clock | None = None) -> int:
    """Rebuild the index of a running or resting system; returns how many showtimes the new one was filled with.

    `progress` is called with (rows written, rows of the read model). Raises RebuildRunning, or Unavailable.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, "search"))
        client = await stack.enter_async_context(open_elasticsearch(settings.elasticsearch_url, seconds=BULK_SECONDS))
        model = ReadModel(database, clock)
        await model.prepare()
        return await refill(model, ShowIndex(client, settings.namespace), clock, progress)


async def refill(model: ReadModel, index: ShowIndex, clock: Clock, progress: Progress | None = None) -> int:
    """Fill a new index and serve it. One at a time: the lease is renewed with every batch."""
    owner = new_id()
    await model.lease_rebuild(owner)
    try:
        # What a rebuild that died has left behind.
        await index.drop(await index.others(await index.served()))
        name = await index.create()
        try:
            filled, total = 0, await model.count_rows()
            async for rows in model.all_scheduled(BATCH):
                await model.lease_rebuild(owner)
                filled += await _fill(index, name, rows, clock)
                if progress:
                    progress(filled, total)
            await index.serve(name)
        except BaseException:
            with suppress(ApiError, TransportError):
                await index.drop([name])
            raise
    finally:
        await model.release_rebuild(owner)
    log.info("index_served", index=name, showtimes=filled)
    return filled


async def _fill(index: ShowIndex, name: str, rows: Sequence[Row], clock: Clock) -> int:
    """Write a batch of rows. Where a live write was faster the version conflict says so, and the newer stays."""
    now = clock.now()
    writes = [write(row["_id"], row["revision"], to_document(row)) for row in rows if is_listed(row, now)]
    refused = await index.write([name], writes) if writes else {}
    for id_, reason in refused.items():
        log.error("row_refused", showtime_id=id_, error=reason)
    return len(writes) - len(refused)


async def ensure_served(model: ReadModel, index: ShowIndex, clock: Clock) -> None:
    """Have an index of the present mapping served; until a new one is full the old one stays."""
    served = await index.served()
    if served is not None and is_current_version(served, index.namespace):
        return
    try:
        await refill(model, index, clock)
    except RebuildRunning as error:
        raise Unavailable("Another process is filling the index") from error
