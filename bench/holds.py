"""Holds in process: the product's use case against one update per request, and as houses grow and fill."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from bson.int64 import Int64

from bench.asks import Ask, Asks, Contended, Distinct, pairs_of
from bench.figures import Figures
from bench.halls import open_houses, seat_ids
from bench.peers.mongo_bits import MongoBits
from bench.peers.mongo_map import MongoMap
from bench.race import Hold, race
from bench.site import Site
from bench.table import Run
from inventory_service.domain.bits import mask_of, to_words, word_count
from inventory_service.domain.seat_map import SeatsTaken
from inventory_service.handlers.reserve import Reserve, reserve
from service_kit.clock import SystemClock
from service_kit.ids import new_id

HOT_SEATS, SMALL, LARGE, VAST = 2_000, 240, 100_000, 200_000
CALLERS, RAW_CALLERS, FEW, MANY = 256, 32, 8, 512
SOLD = 0.9
LIVE_HOLDS, FILLING_SECONDS = 50_000, 60.0
HOLD_SECONDS = 1_800
# More than any way was ever seen to hold in a second: only so many houses are opened.
PRODUCT_RATE, RAW_RATE = 40_000, 4_000

MakeAsks = Callable[[Sequence[str], Sequence[int]], Asks]
RawPeer = MongoMap | MongoBits


async def measure(site: Site) -> None:
    """Rows 1, 4 and 5, as far as they are in process."""
    await _hot(site)
    await _sizes(site)
    await _many_live_holds(site)


async def _hot(site: Site) -> None:
    peers: dict[str, RawPeer] = {"map": MongoMap(site.database), "bits": MongoBits(site.database)}
    loads: dict[str, MakeAsks] = {"": Distinct, ", contended": Contended}
    ways: dict[str, Run] = {}
    for load, make in loads.items():
        for name, peer in peers.items():
            ways[f"in process: {name}{load}, {RAW_CALLERS} callers"] = _raw(site, peer, make)
        ways[f"in process: product{load}, {CALLERS} callers"] = _product(site, CALLERS, make)
    for callers in (FEW, MANY):
        ways[_name(callers)] = _product(site, callers)
    await site.compare(ways)
    for rows, load in zip(("ab", "cd"), loads, strict=True):
        for row, peer_name, bar in zip(rows, peers, (40, 15), strict=True):
            site.report.ratio(
                f"1{row}",
                f"hot showtime in process{load}: product ÷ {peer_name}, one at a time",
                f"in process: product{load}, {CALLERS} callers",
                f"in process: {peer_name}{load}, {RAW_CALLERS} callers",
                bar,
            )
    what = f"hot showtime in process: {MANY} callers ÷ {FEW} callers"
    site.report.ratio("4a", what, _name(MANY), _name(FEW), 0.95)


def _name(callers: int) -> str:
    return f"in process: product, {callers} callers"


def _raw(site: Site, peer: RawPeer, make: MakeAsks) -> Run:
    """The peer's update alone, without a booking."""

    async def run() -> Figures:
        pairs = pairs_of(HOT_SEATS)
        houses = [new_id() for _ in range(site.houses(RAW_RATE, len(pairs)))]
        await peer.prepare(houses, HOT_SEATS)
        return await race(RAW_CALLERS, site.seconds, make(houses, pairs), taking(peer), site.meter())

    return run


def taking(peer: RawPeer) -> Hold:
    async def take(ask: Ask) -> bool:
        return await peer.take(ask.house, ask.first, new_id(), SystemClock().now() + timedelta(seconds=HOLD_SECONDS))

    return take


def _product(site: Site, callers: int, make: MakeAsks = Distinct, seats: int = HOT_SEATS) -> Run:
    async def run() -> Figures:
        pairs = pairs_of(seats)
        houses = await open_houses(site.inventory, seats, site.houses(PRODUCT_RATE, len(pairs)))
        return await race(callers, site.seconds, make(houses, pairs), reserving(site), site.meter())

    return run


def reserving(site: Site) -> Hold:
    """The whole use case: hold, price, booking; all answers complete."""

    async def hold(ask: Ask) -> bool:
        command = Reserve(new_id(), new_id(), ask.house, seat_ids(ask.first), HOLD_SECONDS)
        try:
            await reserve(site.inventory, command)
        except SeatsTaken:
            return False
        return True

    return hold


async def _sizes(site: Site) -> None:
    small, large = f"in process: {SMALL} seats, empty", f"in process: {LARGE:,} seats, {SOLD:.0%} sold"
    await site.compare({small: _product(site, CALLERS, seats=SMALL), large: _nearly_sold_out(site)})
    what = f"in process, {CALLERS} callers: {LARGE:,} seats {SOLD:.0%} sold ÷ {SMALL} seats empty"
    site.report.ratio("5a", what, large, small, 0.4)


def _nearly_sold_out(site: Site) -> Run:
    async def run() -> Figures:
        pairs = pairs_of(LARGE)
        free = random.sample(pairs, round(len(pairs) * (1 - SOLD)))
        houses = await open_houses(site.inventory, LARGE, site.houses(PRODUCT_RATE, len(free)))
        await _sell_all_but(site, houses, free)
        return await race(CALLERS, site.seconds, Distinct(houses, free), reserving(site), site.meter())

    return run


async def _sell_all_but(site: Site, houses: Sequence[str], free: Sequence[int]) -> None:
    """By one update of the maps themselves: selling 90,000 seats one booking after the other would take minutes."""
    sold = to_words(((1 << LARGE) - 1) & ~mask_of(free) & ~mask_of(first + 1 for first in free))
    blocks = [Int64(sold.get(number, 0)) for number in range(word_count(LARGE))]
    change = {"$set": {"taken": blocks, "booked": blocks}, "$inc": {"version": 1}}
    await site.database["seat_maps"].update_many({"_id": {"$in": list(houses)}}, change)
    somebodys = next(first for first in pairs_of(LARGE) if first not in free)
    if await reserving(site)(Ask(houses[0], somebodys)):
        raise RuntimeError("a seat that was sold could be had: the maps are kept differently now")


async def _many_live_holds(site: Site) -> None:
    """One house that fills with holds for as long as it may take, and what it still gives then. Not repeated."""
    (house,) = await open_houses(site.inventory, VAST, 1)
    asks, hold = Distinct([house], pairs_of(VAST), share=1.0), reserving(site)
    deadline, live = time.perf_counter() + FILLING_SECONDS, 0

    async def fill() -> None:
        nonlocal live
        while live < LIVE_HOLDS and time.perf_counter() < deadline and (ask := asks.next()):
            had = await hold(ask)
            live += had

    await asyncio.gather(*(fill() for _ in range(CALLERS)))
    name = f"in process: {VAST:,} seats, {live:,} live holds"
    site.report.ways[name] = [await race(CALLERS, site.seconds, asks, hold, site.meter())]
    small = f"in process: {SMALL} seats, empty"
    what = f"in process, {CALLERS} callers: {VAST:,} seats with {live:,} live holds ÷ {SMALL} seats empty"
    site.report.ratio("5b", what, name, small)
