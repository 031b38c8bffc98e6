"""Holds and seat maps over HTTP, next to routes of the same app that do less or do it otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx2

from bench.api import Api, running_api
from bench.asks import Asks, Contended, Distinct, Scattered, pairs_of
from bench.engines import Engine
from bench.figures import Figures, Meter
from bench.halls import open_houses
from bench.holds import FEW, HOT_SEATS, MANY, RAW_CALLERS, SMALL, MakeAsks, reserving, taking
from bench.load import Source, closed_loop, open_loop
from bench.peers import Peer
from bench.peers.mongo_bits import MongoBits
from bench.peers.mongo_map import MongoMap
from bench.peers.postgres import open_postgres
from bench.peers.redis import open_redis
from bench.race import race
from bench.requests import get_request, reserve_requests
from bench.site import Site
from bench.table import Finding, Run
from service_kit.ids import new_id

CALLERS = 128
PEOPLE = 200
COOL_HOUSES = 2_000
# More than any way was ever seen to hold in a second: only so many houses are opened.
HTTP_RATE = 10_000
# Enough connections that none is waited for at half the peak rate.
OPEN_LOOP_CALLERS = 256
HELD_IN_SEAT_MAP = 300
PRODUCT = "/api/v1"


@dataclass(frozen=True)
class Shop:
    """The API process and what its callers need. `pids`: of the engines behind the peers."""

    site: Site
    api: Api
    tokens: Sequence[str]
    peers: Mapping[str, Peer]
    pids: Mapping[str, int]

    def meter(self, peer: str = "") -> Meter:
        return self.site.meter(API=self.api.pid, engine=self.pids.get(peer, self.site.mongo_pid))

    async def hold(
        self, prefix: str, asks: Asks, callers: int = CALLERS, *, keyed: bool = False, peer: str = ""
    ) -> Figures:
        source, seconds = self.requests(prefix, asks, keyed=keyed), self.site.seconds
        return await closed_loop(self.api.address, callers, source, seconds, self.meter(peer), had=asks.held)

    def requests(self, prefix: str, asks: Asks, *, keyed: bool = False) -> Source:
        return reserve_requests(prefix, asks, self.tokens, keyed=keyed)


async def measure(site: Site, engines: Mapping[str, Engine | None]) -> None:
    """Rows 2, 3, 4, 6, 7 and 9. `engines`: name → where it is, None where it is not installed."""
    async with _open_shop(site, {name: engine for name, engine in engines.items() if engine}) as shop:
        await _hot(shop)
        await _latency(shop)
        await _cool(shop)
        await _reads(shop)


@asynccontextmanager
async def _open_shop(site: Site, engines: Mapping[str, Engine]) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        peers: dict[str, Peer] = {"map": MongoMap(site.database), "bits": MongoBits(site.database)}
        if "postgres" in engines:
            peers["postgres"] = await stack.enter_async_context(open_postgres(engines["postgres"].url))
        if "redis" in engines:
            peers["redis"] = await stack.enter_async_context(open_redis(engines["redis"].url))
        urls = {name: engine.url for name, engine in engines.items()}
        api = await stack.enter_async_context(running_api(site, urls))
        tokens = [site.near.token() for _ in range(PEOPLE)]
        yield Shop(site, api, tokens, peers, {name: engine.pid for name, engine in engines.items()})


# --- a hot showtime -------------------------------------------------------------------------------------------------

PEAK = f"HTTP: product, {CALLERS} callers"


async def _hot(shop: Shop) -> None:
    empty, keyed, contended = "HTTP: empty route", "HTTP: product, Idempotency-Key", "HTTP: product, contended"
    peers = {name: f"HTTP: {name}" for name in ("map", "postgres", "redis") if name in shop.peers}
    ways: dict[str, Run] = {empty: _empty(shop), PEAK: _product(shop)}
    ways |= {way: _peer(shop, name) for name, way in peers.items()}
    ways |= {_name(callers): _product(shop, callers) for callers in (FEW, MANY)}
    ways |= {keyed: _product(shop, keyed=True), contended: _product(shop, make=Contended)}
    await shop.site.compare(ways)
    report = shop.site.report
    report.ratio("2a", "hot showtime over HTTP: product ÷ empty route", PEAK, empty, 0.8)
    for row, name, what, bar in (
        ("3a", "map", "map keyed by seat id, one at a time", 5),
        ("3b", "postgres", "PostgreSQL, a row per seat", 2),
        ("3c", "redis", "Redis, one script", 0.9),
    ):
        report.ratio(row, f"hot showtime over HTTP: product ÷ {what}", PEAK, peers.get(name, ""), bar)
    report.ratio("4b", f"hot showtime over HTTP: {MANY} callers ÷ {FEW} callers", _name(MANY), _name(FEW), 0.95)
    report.ratio("2b", "hot showtime over HTTP: with Idempotency-Key ÷ without", keyed, PEAK)


def _name(callers: int) -> str:
    return f"HTTP: product, {callers} callers"


def _empty(shop: Shop) -> Run:
    async def run() -> Figures:
        houses = [new_id() for _ in range(shop.site.houses(HTTP_RATE, len(pairs_of(HOT_SEATS))))]
        return await shop.hold("/bench/empty", Distinct(houses, pairs_of(HOT_SEATS)))

    return run


def _product(shop: Shop, callers: int = CALLERS, *, make: MakeAsks = Distinct, keyed: bool = False) -> Run:
    async def run() -> Figures:
        return await shop.hold(PRODUCT, await _open_hot(shop, make), callers, keyed=keyed)

    return run


async def _open_hot(shop: Shop, make: MakeAsks) -> Asks:
    pairs = pairs_of(HOT_SEATS)
    return make(await open_houses(shop.site.inventory, HOT_SEATS, shop.site.houses(HTTP_RATE, len(pairs))), pairs)


def _peer(shop: Shop, name: str) -> Run:
    async def run() -> Figures:
        pairs = pairs_of(HOT_SEATS)
        houses = [new_id() for _ in range(shop.site.houses(HTTP_RATE, len(pairs)))]
        await shop.peers[name].prepare(houses, HOT_SEATS)
        return await shop.hold(f"/bench/{name}", Distinct(houses, pairs), peer=name)

    return run


# --- latency --------------------------------------------------------------------------------------------------------


async def _latency(shop: Shop) -> None:
    site = shop.site
    per_second = site.report.rate(PEAK) / 2
    name = "HTTP: product, open loop at half the peak"

    async def run() -> Figures:
        source = shop.requests(PRODUCT, await _open_hot(shop, Distinct))
        address, meter = shop.api.address, shop.meter()
        return await open_loop(address, OPEN_LOOP_CALLERS, source, site.seconds, meter, per_second=per_second)

    await site.compare({name: run})
    p99 = sorted(run.percentile(99) for run in site.report.ways[name])[site.repeats // 2]
    what = f"hot showtime over HTTP: p99 of a hold at {per_second:,.0f} a second, median of the runs"
    site.report.findings.append(Finding("7", what, p99 * 1_000, 50, "ms", most=True))


# --- many showtimes, none of them hot -------------------------------------------------------------------------------


async def _cool(shop: Shop) -> None:
    product, raw, shell = (f"cool: {way}" for way in ("product over HTTP", "bits in process", "bits over HTTP"))
    ours = await _cool_product(shop)
    await ours()  # not counted: a process knows its showtimes by then, as it mostly does
    await shop.site.compare({product: ours, raw: _cool_raw(shop), shell: _cool_peer(shop)})
    what = f"{COOL_HOUSES:,} cool showtimes: product over HTTP ÷ bit blocks one at a time"
    shop.site.report.ratio("6a", f"{what}, in process", product, raw, 0.6)
    shop.site.report.ratio("6b", f"{what}, in the same shell", product, shell)


async def _cool_product(shop: Shop) -> Run:
    asks = Scattered(await open_houses(shop.site.inventory, SMALL, COOL_HOUSES), pairs_of(SMALL))

    async def run() -> Figures:
        return await shop.hold(PRODUCT, asks)

    return run


def _cool_raw(shop: Shop) -> Run:
    async def run() -> Figures:
        bits = MongoBits(shop.site.database)
        houses = [new_id() for _ in range(COOL_HOUSES)]
        await bits.prepare(houses, SMALL)
        asks = Scattered(houses, pairs_of(SMALL))
        return await race(RAW_CALLERS, shop.site.seconds, asks, taking(bits), shop.site.meter())

    return run


def _cool_peer(shop: Shop) -> Run:
    async def run() -> Figures:
        houses = [new_id() for _ in range(COOL_HOUSES)]
        await shop.peers["bits"].prepare(houses, SMALL)
        return await shop.hold("/bench/bits", Scattered(houses, pairs_of(SMALL)))

    return run


# --- reading seat maps ----------------------------------------------------------------------------------------------


async def _reads(shop: Shop) -> None:
    """Of a hall of 2,000 seats with some of them held."""
    (house,) = await open_houses(shop.site.inventory, HOT_SEATS, 1)
    asks, hold = Distinct([house], pairs_of(HOT_SEATS)), reserving(shop.site)
    for _ in range(HELD_IN_SEAT_MAP):
        if ask := asks.next():
            await hold(ask)
    path = f"/showtimes/{house}/inventory"
    tag = await _etag(shop, f"{PRODUCT}{path}")
    empty, unchanged, compact = "read: empty route", "read: unchanged (304)", "read: compact"
    await shop.site.compare(
        {
            empty: _reading(shop, get_request(f"/bench/empty{path}")),
            unchanged: _reading(shop, get_request(f"{PRODUCT}{path}", if_none_match=tag)),
            compact: _reading(shop, get_request(f"{PRODUCT}{path}?view=compact")),
        }
    )
    shop.site.report.ratio("9a", "seat map over HTTP: unchanged (304) ÷ empty route", unchanged, empty, 0.8)
    shop.site.report.ratio("9b", "seat map over HTTP: compact ÷ empty route", compact, empty, 0.5)


async def _etag(shop: Shop, path: str) -> str:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(shop.api.url + path)
        return str(answer.raise_for_status().headers["etag"])


def _reading(shop: Shop, request: bytes) -> Run:
    async def run() -> Figures:
        return await closed_loop(shop.api.address, CALLERS, lambda: request, shop.site.seconds, shop.meter())

    return run
