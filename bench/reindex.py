"""The rebuild of the index: `python -m bench.reindex [--showtimes 100000] [--rounds 3]`.

How many showtimes a second it brings into a new index, next to plain `_bulk` requests of the same documents, which are
ready as JSON and sent just as many at once.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

import uvloop
from elasticsearch import AsyncElasticsearch

from bench import engines
from bench.engines import Engine
from bench.figures import Figures, Meter, spent, typical
from bench.search.catalogue import Catalogue
from bench.table import Report, machine
from indexer.config import Settings
from indexer.index import requests, write
from indexer.pipeline import SENT_AT_ONCE
from indexer.rebuild import rebuild
from indexer.store.rows import ReadModel
from search_index.client import open_elasticsearch
from search_index.document import Parts, to_document
from search_index.mapping import MAPPINGS, SETTINGS, index_pattern
from service_kit.clock import SystemClock
from service_kit.ids import new_id
from service_kit.logs import configure_logging
from service_kit.mongo import open_database

T = TypeVar("T")

BATCH = 1_000
BAR = 0.7
SECONDS = 120.0
OURS, RAW = "rebuild", "plain _bulk of the same documents"


@dataclass(frozen=True)
class Site:
    settings: Settings
    client: AsyncElasticsearch
    rows: Sequence[dict[str, Any]]
    report: Report
    meter: Meter


async def measure(elastic: Engine, mongo: Engine, showtimes: int, rounds: int, report: Report) -> None:
    """Both in turn, so many times; the median counts. The data goes afterwards."""
    settings = Settings.model_validate(
        {"elasticsearch_url": elastic.url, "mongo_url": mongo.url, "namespace": f"bench_{new_id()[-8:]}"}
    )
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ranks = {"eventRank": 2, "venueRank": 2, "revision": 1}
    rows = [{**row, **ranks} for row in Catalogue(midnight).rows(0, showtimes)]
    meter = Meter({"callers": os.getpid(), **({"engine": elastic.pid} if elastic.pid else {})})
    async with (
        open_database(settings, "search") as database,
        open_elasticsearch(settings.elasticsearch_url, seconds=SECONDS) as client,
    ):
        site = Site(settings, client, rows, report, meter)
        try:
            await ReadModel(database, SystemClock()).prepare()
            for batch in _cut(rows, BATCH):
                await database["showtimes"].insert_many(batch)
            # A rebuild has a process of its own, which does not hold a catalogue for the collector to walk through.
            gc.collect()
            gc.freeze()
            for _ in range(rounds):
                for name, run in ((OURS, _rebuild), (RAW, _bulk)):
                    print(f"  {name}", file=sys.stderr, flush=True)
                    report.ways.setdefault(name, []).append(await run(site))
        finally:
            await database.client.drop_database(database.name)
            await _drop(site)
    report.ratio("r", "rows of a rebuild to plain bulk requests", OURS, RAW, BAR)


async def _rebuild(site: Site) -> Figures:
    """With the entries, and until it is served. No index is before it, so none has to rest before it goes."""
    before, began = site.meter.read(), time.perf_counter()
    filled = await rebuild(site.settings)
    took = time.perf_counter() - began
    figures = Figures(filled, took, cpu=spent(before, site.meter.read()))
    await _drop(site)
    return figures


async def _bulk(site: Site) -> Figures:
    parts = Parts()
    writes = [write(row["_id"], row["revision"], to_document(row, parts)) for row in site.rows]
    name = f"{site.settings.namespace}-shows-v0-raw"
    await site.client.indices.create(
        index=name, mappings=MAPPINGS["shows"], settings={**SETTINGS, "refresh_interval": "-1"}
    )
    bodies = iter([body for batch in _cut(writes, BATCH) for _, body in requests(batch)])
    before, began = site.meter.read(), time.perf_counter()
    await asyncio.gather(*(_send(site.client, name, bodies) for _ in range(SENT_AT_ONCE)))
    await site.client.indices.refresh(index=name)
    took = time.perf_counter() - began
    figures = Figures(len(site.rows), took, cpu=spent(before, site.meter.read()))
    await _drop(site)
    return figures


async def _send(client: AsyncElasticsearch, name: str, bodies: Iterator[list[bytes]]) -> None:
    for body in bodies:
        answer = await client.bulk(index=name, operations=body, filter_path="errors")  # type: ignore[arg-type]
        if answer["errors"]:
            raise RuntimeError("Elasticsearch refused a document")


async def _drop(site: Site) -> None:
    for kind in MAPPINGS:
        found = await site.client.indices.get_alias(index=index_pattern(site.settings.namespace, kind))
        for name in found:
            await site.client.indices.delete(index=name)


def _cut(many: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(many)
    while batch := list(islice(rest, size)):
        yield batch


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.reindex", description=__doc__)
    parser.add_argument("--showtimes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    configure_logging("bench", log_format="console", level="WARNING")
    report = Report(conditions=machine())
    with ExitStack() as stack:
        elastic, mongo = stack.enter_context(engines.elasticsearch()), stack.enter_context(engines.mongo())
        uvloop.run(measure(elastic, mongo, given.showtimes, given.rounds, report))
    ours, raw = (typical(report.ways[way]).rate for way in (OURS, RAW))
    print("\n".join(report.conditions))
    print(f"{given.showtimes:,} showtimes: rebuild {ours:,.0f}/s, plain _bulk {raw:,.0f}/s, ratio {ours / raw:.2f}")


if __name__ == "__main__":
    main()
