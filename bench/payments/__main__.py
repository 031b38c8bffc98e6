"""The speed of payments over HTTP, gateway, broker and database: `python -m bench.payments [PART …] [--old N]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass

import uvloop

from bench import engines
from bench.asks import Asks, Distinct, Scattered, pairs_of
from bench.engines import Engine
from bench.figures import MACHINE, Figures, spent, typical
from bench.halls import open_houses
from bench.load import closed_loop, open_loop
from bench.options import parser_of, read_options
from bench.payments.buyers import Booked, Buyers, Prepared, clock, watching
from bench.payments.hooks import hook, succeeded
from bench.payments.old import add_old
from bench.payments.shop import Shop, open_shop
from bench.payments.wire import line_to
from bench.race import WARM_SECONDS
from bench.table import Finding, Report, Run, machine
from service_kit.ids import new_id
from service_kit.runtime import spare_collector

PER_SECOND, HOOK_CALLERS = 100, 64
ENDPOINT_CALLERS = 64
BUYERS = 32
HOUSES, SEATS = 60, 240
HOT_SEATS = 20_000
MISSING_SECONDS = 30.0
WEBHOOK, EMPTY = "/api/v1/payments/webhook", "/api/v1/payments/empty"
FEW = 1_000


@dataclass(frozen=True)
class Bench:
    mongo: Engine
    amqp: Engine
    report: Report
    seconds: float
    repeats: int
    old: int

    async def compare(self, ways: dict[str, Run]) -> None:
        await self.report.compare(ways, self.repeats)

    def inform(self, row: str, what: str, value: float, unit: str) -> None:
        self.report.findings.append(Finding(row, what, value, unit=unit))


# --- from webhook to booking ----------------------------------------------------------------------------------------


async def _webhooks(bench: Bench) -> None:
    """Row 1."""
    scattered, hot = "webhook to booked, 60 showtimes", "webhook to booked, one showtime"
    async with open_shop(bench.mongo, bench.amqp) as shop:
        await bench.compare({scattered: _to_booked(bench, shop, _scattered), hot: _to_booked(bench, shop, _hot)})
    for row, way in (("1a", scattered), ("1b", hot)):
        _add_tail(bench, row, way)


def _add_tail(bench: Bench, row: str, way: str) -> None:
    for percent, bar in ((50, None), (99, 500)):
        runs = sorted(run.percentile(percent) for run in bench.report.ways[way])
        value = runs[(len(runs) - 1) // 2] * 1_000
        what = f"{way}: p{percent} at {PER_SECOND} a second, median of the runs"
        bench.report.findings.append(Finding(row, what, value, bar, "ms", most=True))


async def _scattered(shop: Shop) -> Asks:
    return Scattered(await open_houses(shop.inventory, SEATS, HOUSES), pairs_of(SEATS))


async def _hot(shop: Shop) -> Asks:
    return Distinct(await open_houses(shop.inventory, HOT_SEATS, 1), pairs_of(HOT_SEATS))


def _to_booked(bench: Bench, shop: Shop, make: Callable[[Shop], Awaitable[Asks]]) -> Run:
    async def run() -> Figures:
        buyers = Buyers(shop, await make(shop))
        prepared = await buyers.prepared(int(PER_SECOND * (WARM_SECONDS + bench.seconds) * 1.3))
        return await _told(bench, shop, prepared)

    return run


async def _told(bench: Bench, shop: Shop, prepared: list[Prepared]) -> Figures:
    """Webhooks at random times that no answer delays; a latency is from when one was due until its booking is sold."""
    sent: dict[str, float] = {}
    waiting = iter(prepared)

    def next_hook() -> bytes | None:
        if (each := next(waiting, None)) is None:
            return None
        sent[each.booking_id] = clock()
        ids = {"paymentId": each.payment_id, "bookingId": each.booking_id}
        return hook(WEBHOOK, succeeded(each.intent, each.amount, ids))

    async with watching(shop.seats) as booked:
        begun = clock() + WARM_SECONDS
        meter = shop.meter()
        answers = await open_loop(shop.api, HOOK_CALLERS, next_hook, bench.seconds, meter, per_second=PER_SECOND)
        wanted = [id_ for id_, at in sent.items() if at >= begun]
        await _all_of(booked, wanted)
        latencies = sorted(booked.at[id_] - sent[id_] for id_ in wanted if id_ in booked.at)
    failed = answers.failed + len(wanted) - len(latencies)
    return Figures(len(latencies), answers.seconds, failed=failed, latencies=latencies, cpu=answers.cpu)


async def _all_of(booked: Booked, wanted: list[str]) -> None:
    """Returns when all are booked, or have had their time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(MISSING_SECONDS):
            await asyncio.gather(*(booked.until(id_) for id_ in wanted))


# --- the webhook's route --------------------------------------------------------------------------------------------


async def _endpoint(bench: Bench) -> None:
    """Row 2, without a worker: what is stored is not applied yet."""
    empty, ours = "empty POST route", "webhook route"
    async with open_shop(bench.mongo, bench.amqp, working=False) as shop:
        await bench.compare({empty: _posting(bench, shop, EMPTY), ours: _posting(bench, shop, WEBHOOK)})
    what = f"webhook route ÷ empty POST route of the same app, {ENDPOINT_CALLERS} callers"
    bench.report.ratio("2", what, ours, empty, 0.4)


def _posting(bench: Bench, shop: Shop, path: str) -> Run:
    def request() -> bytes:
        return hook(path, succeeded(f"pi_{new_id()}", 2_100, {"paymentId": new_id(), "bookingId": new_id()}))

    async def run() -> Figures:
        return await closed_loop(shop.api, ENDPOINT_CALLERS, request, bench.seconds, shop.meter())

    return run


# --- all of it ------------------------------------------------------------------------------------------------------


async def _sales(bench: Bench) -> None:
    """Row 3."""
    way = f"hold to ticket, {BUYERS} buyers"
    async with open_shop(bench.mongo, bench.amqp) as shop:
        await bench.compare({way: _selling(bench, shop)})
    what = f"confirmed bookings through gateway, webhook, broker and database, {BUYERS} buyers"
    bench.inform("3", what, bench.report.rate(way), "/s")
    run = typical(bench.report.ways[way])
    for group in [name for name in run.cpu if name != MACHINE]:
        bench.inform("3", f"CPU of a confirmed booking: {group}", run.cpu_per_thousand(group), "ms")


def _selling(bench: Bench, shop: Shop) -> Run:
    async def run() -> Figures:
        return await _sold(bench, shop, Buyers(shop, await _scattered(shop)))

    return run


async def _sold(bench: Bench, shop: Shop, buyers: Buyers) -> Figures:
    """Each buyer holds, prepares, pays at the gateway, waits for the booking, and begins again."""
    done: list[tuple[float, float]] = []
    begins = clock() + WARM_SECONDS
    ends = begins + bench.seconds
    meter = shop.meter()

    async with watching(shop.seats) as booked:

        async def buyer() -> None:
            async with line_to(shop.api) as line, line_to(shop.gateway) as gateway:
                while (began := clock()) < ends:
                    prepared = await buyers.prepare(line)
                    await buyers.pay(gateway, prepared)
                    await booked.until(prepared.booking_id)
                    done.append((began, clock()))

        async def read_at(moment: float) -> dict[str, float]:
            await asyncio.sleep(max(0.0, moment - clock()))
            return meter.read()

        readings = asyncio.gather(read_at(begins), read_at(ends))
        await asyncio.gather(*(buyer() for _ in range(BUYERS)))
        before, after = await readings
    latencies = sorted(end - began for began, end in done if begins <= end < ends)
    return Figures(len(latencies), bench.seconds, latencies=latencies, cpu=spent(before, after))


# --- many old ones --------------------------------------------------------------------------------------------------


async def _sizes(bench: Bench) -> None:
    """Row 4: the same after few sales and after many."""
    ways = {}
    async with AsyncExitStack() as stack:
        for count in (FEW, bench.old):
            shop = await stack.enter_async_context(open_shop(bench.mongo, bench.amqp))
            await _sold(bench, shop, Buyers(shop, await _scattered(shop)))
            await add_old(shop, count)
            ways[f"hold to ticket, {count:,} old"] = _selling(bench, shop)
            ways[f"webhook to booked, {count:,} old"] = _to_booked(bench, shop, _scattered)
        await bench.compare(ways)
    few, many = (f"hold to ticket, {count:,} old" for count in (FEW, bench.old))
    what = f"confirmed bookings a second: {bench.old:,} old payments, bookings, events ÷ {FEW:,}"
    bench.report.ratio("4a", what, many, few)
    _add_tail(bench, "4b", f"webhook to booked, {bench.old:,} old")


PARTS = {"webhooks": _webhooks, "endpoint": _endpoint, "sales": _sales, "sizes": _sizes}


async def _run(bench: Bench, parts: list[str]) -> None:
    for part in parts:
        print(part, file=sys.stderr, flush=True)
        await PARTS[part](bench)


def main() -> None:
    parser = parser_of("bench.payments", PARTS)
    parser.add_argument("--repeats", type=int, default=3, help="how often; the run with the median rate counts")
    parser.add_argument("--old", type=int, default=300_000, help="payments, bookings and events of part sizes")
    options: argparse.Namespace = read_options(parser, PARTS)
    report = Report(conditions=machine())
    spare_collector()
    with ExitStack() as stack:
        mongo, amqp = stack.enter_context(engines.mongo()), stack.enter_context(engines.rabbitmq())
        report.conditions += [mongo.terms, amqp.terms]
        bench = Bench(mongo, amqp, report, options.seconds, options.repeats, options.old)
        uvloop.run(_run(bench, options.parts))
    report.tell(options.markdown)


if __name__ == "__main__":
    main()
