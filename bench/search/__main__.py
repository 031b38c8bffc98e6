"""The speed of search: `python -m bench.search [PART …] [--showtimes 500000] [--large 2000000]`.

What is compared with each other runs in turn, several rounds, and the run with the median rate counts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from typing import Any

import uvloop

from bench import engines
from bench.api import Api
from bench.engines import Engine
from bench.figures import Figures, Meter, callers_meter
from bench.load import closed_loop
from bench.options import parser_of, read_options
from bench.requests import get_request
from bench.search import freshness
from bench.search.asks import Ask, make_asks, suggest_paths
from bench.search.catalogue import CORE, Catalogue
from bench.search.driver import driver_loop
from bench.search.index import filled
from bench.search.plain import plain_request
from bench.search.postgres import Postgres, open_postgres
from bench.search.process import running_search
from bench.search.recorder import record
from bench.search.wire import Request, Wire, in_turn
from bench.table import Finding, Report, Run, machine
from service_kit.ids import new_id

PARTS = ("full", "peer", "scale", "fresh")
ASKS = 200
CALLERS = 16
FRESH_SECONDS = 20.0
# Of a peer's answers so many must be the same as ours, and only those searches are compared.
ALIKE = 0.8


@dataclass(frozen=True)
class Desk:
    """What all parts of a run share."""

    elastic: Engine
    catalogue: Catalogue
    report: Report
    seconds: float
    rounds: int

    async def compare(self, ways: Mapping[str, Run]) -> None:
        await self.report.compare(ways, self.rounds)

    def meter(self, **groups: int) -> Meter:
        return callers_meter({"engine": self.elastic.pid, **groups})

    def p50(self, way: str) -> float:
        runs = sorted(run.percentile(50) for run in self.report.ways[way])
        return runs[(len(runs) - 1) // 2]

    def bar(self, row: str, what: str, of: str, to: str, most: float) -> None:
        self.report.findings.append(Finding(row, what, self.p50(of) / self.p50(to), most, most=True))


def _over_http(desk: Desk, api: Api, paths: Sequence[str]) -> Run:
    async def run() -> Figures:
        asks = [[Request("GET", path)] for path in paths]
        return in_turn(api.url, asks, desk.seconds, desk.meter(API=api.pid))

    return run


def _raw(desk: Desk, asks: Sequence[Sequence[Request]]) -> Run:
    async def run() -> Figures:
        return in_turn(desk.elastic.url, asks, desk.seconds, desk.meter())

    return run


def _many_over_http(desk: Desk, api: Api, paths: Sequence[str]) -> Run:
    async def run() -> Figures:
        requests = cycle([get_request(path) for path in paths])
        return await closed_loop(api.address, CALLERS, partial(next, requests), desk.seconds, desk.meter(API=api.pid))

    return run


def _many_by_driver(desk: Desk, asks: Sequence[Sequence[Request]]) -> Run:
    async def run() -> Figures:
        return await driver_loop(desk.elastic.url, CALLERS, asks, desk.seconds, desk.meter())

    return run


async def _full(desk: Desk, namespace: str, size: str) -> None:
    """Rows a, b, d and f."""
    asks = make_asks(desk.catalogue, ASKS)
    paths = [ask.full() for ask in asks]
    behind = await record(desk.elastic.url, namespace, paths)
    plain = [[plain_request(namespace, ask)] for ask in asks]
    ours, raw, plainly = "full search over HTTP", "full search, raw", "plain search, raw"
    suggest, many, driven = "suggest over HTTP", f"full search over HTTP, {CALLERS} callers", "full search, driver"
    async with running_search(desk.elastic.url, namespace) as api:
        totals = _totals(api, paths)
        await desk.compare(
            {
                ours: _over_http(desk, api, paths),
                raw: _raw(desk, behind),
                plainly: _raw(desk, plain),
                suggest: _over_http(desk, api, suggest_paths(desk.catalogue, ASKS)),
            }
        )
        await desk.compare({many: _many_over_http(desk, api, paths), driven: _many_by_driver(desk, behind)})
    desk.bar("a", f"{size} showtimes: p50 of a full search over HTTP ÷ of the same searches raw", ours, raw, 1.3)
    what = f"{size} showtimes: full searches a second, one API process ÷ one process of the driver, {CALLERS} at once"
    desk.report.ratio("b", what, many, driven, 0.7)
    desk.bar("d", f"{size} showtimes: p50 of a full search, raw ÷ of multi_match and geo_distance", raw, plainly, 2)
    found = desk.p50(suggest) * 1_000
    desk.report.findings.append(Finding("f", f"{size} showtimes: p50 of suggest", found, 15, "ms", most=True))
    searches = sum(map(len, behind)) / len(behind)
    desk.report.conditions.append(
        f"A full search is {searches:.1f} requests to Elasticsearch; {sum(map(bool, totals))} of {len(totals)} have "
        f"answers, the median one {sorted(totals)[len(totals) // 2]} events"
    )


async def _peer(desk: Desk, namespace: str, size: str, postgres: Postgres) -> None:
    """Row e."""
    async with running_search(desk.elastic.url, namespace) as api:
        all_asks = make_asks(desk.catalogue, ASKS)
        asks = await _answered_alike(api, postgres, all_asks)
        ours, theirs = "search by time over HTTP", "search by time, PostgreSQL"
        runs = {
            ours: _over_http(desk, api, [ask.ordered() for ask in asks]),
            theirs: _by_postgres(desk, postgres, asks),
        }
        await desk.compare(runs)
    what = f"{size} showtimes: p50 of words, circle, dates and seats by time over HTTP ÷ PostgreSQL"
    desk.bar("e", what, ours, theirs, 0.5)
    desk.report.conditions.append(
        f"PostgreSQL gave our answer to {len(asks)} of {len(all_asks)} searches; only these count"
    )


async def _answered_alike(api: Api, postgres: Postgres, asks: Sequence[Ask]) -> list[Ask]:
    """Raises RuntimeError where they are too few to compare."""
    wire = Wire(api.url)
    alike = []
    for ask in asks:
        ours: dict[str, Any] = json.loads(wire.ask(Request("GET", ask.ordered())))
        found = (ours["total"]["value"], [item["showtimeId"] for item in ours["items"]])
        if found == await postgres.find(ask) and found[0]:
            alike.append(ask)
    wire.close()
    if len(alike) < ALIKE * len(asks):
        raise RuntimeError(f"PostgreSQL gives other answers: only {len(alike)} of {len(asks)} are the same")
    return alike


def _by_postgres(desk: Desk, postgres: Postgres, asks: Sequence[Ask]) -> Run:
    async def run() -> Figures:
        return await postgres.one_by_one(asks, desk.seconds, desk.meter(engine=0))

    return run


async def _scale(desk: Desk, large: int) -> None:
    """Row c: the same hits among few showtimes and among many."""
    what = f"p50 of a full search over HTTP: {large:,} ÷ {CORE:,} showtimes, the same hits"
    if not large:
        desk.report.findings.append(Finding("c", "p50 of a full search over HTTP, many ÷ few", None, 2, note="not run"))
        return
    url, day = desk.elastic.url, desk.catalogue.first_day
    few, many = (f"bench{new_id()[-8:]}" for _ in range(2))
    paths = [ask.full() for ask in make_asks(desk.catalogue, ASKS)]
    few_way, many_way = f"full search over HTTP, {CORE:,} showtimes", f"full search over HTTP, {large:,} showtimes"
    with filled(url, few, day, CORE), filled(url, many, day, large):
        async with running_search(url, few) as small, running_search(url, many) as big:
            _check_alike(small, big, paths)
            await desk.compare({few_way: _over_http(desk, small, paths), many_way: _over_http(desk, big, paths)})
    desk.bar("c", what, many_way, few_way, 2)


def _check_alike(small: Api, big: Api, paths: Sequence[str]) -> None:
    """Raises RuntimeError where a search finds something else among more showtimes."""
    for path, few, many in zip(paths, _totals(small, paths), _totals(big, paths), strict=True):
        if few != many:
            raise RuntimeError(f"{path}: {few} hits among few showtimes, {many} among many")


def _totals(api: Api, paths: Sequence[str]) -> list[int]:
    """How many hits each search has."""
    wire = Wire(api.url)
    try:
        return [json.loads(wire.ask(Request("GET", path)))["total"]["value"] for path in paths]
    finally:
        wire.close()


async def _fresh(desk: Desk, mongo: Engine, amqp: Engine) -> None:
    """Row g."""
    urls = freshness.Engines(desk.elastic.url, mongo.url, amqp.url)
    run = await freshness.measure(urls, f"bench{new_id()[-8:]}", FRESH_SECONDS)
    desk.report.ways["from event to search"] = [run]
    what = f"p99 from ShowtimeCreated to found, {freshness.PER_SECOND} a second for {FRESH_SECONDS:.0f} s"
    desk.report.findings.append(Finding("g", what, run.percentile(99), 1, "s", most=True))


async def _on_many(desk: Desk, parts: Sequence[str], showtimes: int, postgres: Engine | None) -> None:
    """The parts that share one index of that size."""
    namespace, size = f"bench{new_id()[-8:]}", f"{showtimes:,}"
    with filled(desk.elastic.url, namespace, desk.catalogue.first_day, showtimes):
        if "full" in parts:
            print("full", file=sys.stderr, flush=True)
            await _full(desk, namespace, size)
        if "peer" in parts:
            print("peer", file=sys.stderr, flush=True)
            if postgres is None:
                desk.report.findings.append(Finding("e", "search ÷ PostgreSQL", None, 0.5, note="not installed"))
                return
            async with AsyncExitStack() as stack:
                peer = await stack.enter_async_context(open_postgres(postgres.url, desk.catalogue, showtimes))
                await _peer(desk, namespace, size, peer)


async def _run(desk: Desk, options: argparse.Namespace, opened: Mapping[str, Engine | None]) -> None:
    if "fresh" in options.parts and (mongo := opened["mongo"]) and (amqp := opened["rabbitmq"]):
        print("fresh", file=sys.stderr, flush=True)
        await _fresh(desk, mongo, amqp)
    if {"full", "peer"} & set(options.parts):
        await _on_many(desk, options.parts, options.showtimes, opened.get("postgres"))
    if "scale" in options.parts:
        print("scale", file=sys.stderr, flush=True)
        await _scale(desk, options.large)


def main() -> None:
    parser = parser_of("bench.search", PARTS)
    parser.add_argument("--showtimes", type=int, default=500_000, help="of the index that most is measured on")
    parser.add_argument("--large", type=int, default=2_000_000, help="of the large one of part scale; 0: not run")
    parser.add_argument("--rounds", type=int, default=3, help="how often")
    options = read_options(parser, PARTS)
    report = Report(conditions=machine())
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    with ExitStack() as stack:
        opened: dict[str, Engine | None] = {"elasticsearch": stack.enter_context(engines.elasticsearch())}
        if "peer" in options.parts:
            opened["postgres"] = stack.enter_context(engines.postgres())
        if "fresh" in options.parts:
            opened["mongo"] = stack.enter_context(engines.mongo())
            opened["rabbitmq"] = stack.enter_context(engines.rabbitmq())
        report.conditions += [engine.terms for engine in opened.values() if engine]
        elastic = opened["elasticsearch"]
        assert elastic
        desk = Desk(elastic, Catalogue(today), report, options.seconds, options.rounds)
        uvloop.run(_run(desk, options, opened))
    report.tell(options.markdown)


if __name__ == "__main__":
    main()
