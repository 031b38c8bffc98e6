"""Holds on one hot showtime: what coalescing gains over one update at a time, in one run on one engine.

`python -m bench.holds` with MARQUEE_MONGO_URL set, or through `make bench`. Every way writes with majority and journal.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import uvloop
from bson.int64 import Int64
from rich.console import Console
from rich.table import Table

from inventory_service.app import open_inventory
from inventory_service.config import Settings
from inventory_service.domain.bits import word_count
from inventory_service.domain.layout import LayoutKey
from inventory_service.domain.seat_map import SeatsTaken
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.reserve import Reserve, reserve
from inventory_service.handlers.showtimes import follow_showtimes
from messaging.envelope import Event
from messaging.events import EventState, GeoPoint, Pricing, ShowtimeState, VenueState
from service_kit.clock import SystemClock
from service_kit.ids import new_id
from service_kit.mongo import Database, open_database
from tests.servers.engines import running_engines

ROW = 40
# A house is left once so much of it is held: beyond that, random pairs measure refusals.
FULL = 0.6


@dataclass
class Score:
    held: int = 0
    refused: int = 0


Try = Callable[[], Awaitable[bool]]


async def race(callers: int, seconds: float, attempt: Try) -> tuple[float, float, Score]:
    """Holds per second and CPU milliseconds of this process per hold, of `callers` that try again and again."""
    score = Score()
    end = time.perf_counter() + seconds

    async def caller() -> None:
        while time.perf_counter() < end:
            if await attempt():
                score.held += 1
            else:
                score.refused += 1

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    took = time.perf_counter() - started
    return score.held / took, (time.process_time() - cpu) * 1000 / max(1, score.held), score


def layout(seats: int) -> dict[str, Any]:
    rows = [
        {
            "label": str(row),
            "seats": [{"id": f"{row}-{n}", "label": str(n), "seatType": "standard"} for n in range(ROW)],
        }
        for row in range(seats // ROW)
    ]
    return {"sections": [{"id": "main", "name": "Main", "rows": rows}]}


class Houses:
    """As many equal showtimes as a run needs; a new one is opened when the present one is full."""

    def __init__(self, inventory: Inventory, seats: int) -> None:
        self._inventory = inventory
        self._seats = seats
        self._opening = asyncio.Lock()
        self.current = ""
        self.left = 0

    async def next(self, full: str) -> None:
        async with self._opening:
            if self.current != full:
                return
            state = _showtime(self._seats)
            event = Event(new_id(), "ShowtimeCreated", "/bench", state.showtime_id, 1, _now(), "", state)
            await follow_showtimes(self._inventory, [event])
            self.current, self.left = state.showtime_id, int(self._seats * FULL) // 2


async def product(inventory: Inventory, seats: int) -> Try:
    """The product's own use case: hold, booking with price and event, all answers complete."""
    houses = Houses(inventory, seats)
    await houses.next("")

    async def attempt() -> bool:
        house = houses.current
        row, number = random.randrange(seats // ROW), random.randrange(ROW // 2) * 2
        command = Reserve(new_id(), new_id(), house, [f"{row}-{number}", f"{row}-{number + 1}"], 600)
        try:
            await reserve(inventory, command)
        except SeatsTaken:
            return False
        houses.left -= 1
        if houses.left <= 0:
            await houses.next(house)
        return True

    return attempt


async def raw_map(database: Database, seats: int) -> Try:
    """One update at a time on a map keyed by seat id."""
    maps = database["raw_map"]
    current: dict[str, Any] = {"id": "", "left": 0}

    async def fresh() -> None:
        document = {"_id": new_id(), "seats": {f"s{n}": {"status": "available"} for n in range(seats)}}
        await maps.insert_one(document)
        current.update(id=document["_id"], left=int(seats * FULL) // 2)

    await fresh()

    async def attempt() -> bool:
        first = random.randrange(seats // 2) * 2
        names = [f"seats.s{first}", f"seats.s{first + 1}"]
        found = await maps.find_one_and_update(
            {"_id": current["id"], **{f"{name}.status": "available" for name in names}},
            {"$set": {name: {"status": "held", "by": new_id(), "until": _now()} for name in names}},
            {"_id": 1},
        )
        return await _count(found is not None, current, fresh)

    return attempt


async def raw_bits(database: Database, seats: int) -> Try:
    """One update at a time on bit blocks with live holds beside."""
    maps = database["raw_bits"]
    current: dict[str, Any] = {"id": "", "left": 0}

    async def fresh() -> None:
        document = {"_id": new_id(), "taken": [Int64(0)] * word_count(seats), "holds": {}}
        await maps.insert_one(document)
        current.update(id=document["_id"], left=int(seats * FULL) // 2)

    await fresh()

    async def attempt() -> bool:
        first = random.randrange(seats // 2) * 2
        block, bit = divmod(first, 32)
        booking = new_id()
        found = await maps.find_one_and_update(
            {"_id": current["id"], f"taken.{block}": {"$bitsAllClear": [bit, bit + 1]}},
            {
                "$bit": {f"taken.{block}": {"or": Int64(3 << bit)}},
                "$set": {f"holds.{booking}": {"until": _now(), "seats": {str(block): Int64(3 << bit)}}},
            },
            {"_id": 1},
        )
        return await _count(found is not None, current, fresh)

    return attempt


async def _count(held: bool, current: dict[str, Any], fresh: Callable[[], Awaitable[None]]) -> bool:
    if held:
        current["left"] -= 1
        if current["left"] == 0:
            await fresh()
    return held


def _now() -> datetime:
    return SystemClock().now()


def _showtime(seats: int) -> ShowtimeState:
    return ShowtimeState(
        showtime_id=new_id(),
        version=1,
        status="scheduled",
        starts_at=_now() + timedelta(days=1),
        ends_at=_now() + timedelta(days=1, hours=2),
        hall_id=f"bench-{seats}",
        hall_name="Bench",
        layout_version=1,
        seat_count=seats,
        pricing=Pricing(currency="EUR", tiers={"standard": 1_000}, fee=100),
        event=EventState(event_id=new_id(), version=1, name="Bench", category="concert"),
        venue=VenueState(
            venue_id=new_id(),
            version=1,
            name="Bench",
            city="Bench",
            timezone="Europe/Paris",
            location=GeoPoint(lat=0, lon=0),
        ),
    )


async def run(mongo_url: str, seconds: float, seats: int) -> Table:
    """Each way in turn, on a database of its own that is dropped at the end."""
    settings = Settings.model_validate(
        {"mongo_url": mongo_url, "namespace": f"bench{new_id()[-8:]}", "ticket_secret": "a secret for benchmarks"}
    )
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, "inventory"))
        stack.push_async_callback(database.client.drop_database, database.name)
        inventory = await stack.enter_async_context(open_inventory(settings, database))
        inventory.layouts.remember(LayoutKey(f"bench-{seats}", 1), layout(seats))
        ways: list[tuple[str, int, Try]] = [
            ("map keyed by seat id, one at a time", 32, await raw_map(database, seats)),
            ("bit blocks, one at a time", 32, await raw_bits(database, seats)),
            ("the product, coalesced, bookings written", 8, await product(inventory, seats)),
            ("the product, coalesced, bookings written", 256, await product(inventory, seats)),
            ("the product, coalesced, bookings written", 512, await product(inventory, seats)),
        ]
        table = Table(
            "way", "callers", "holds/s", "÷ map", "÷ bits", "CPU ms/hold", title=f"{seats} seats, one showtime"
        )
        rates: list[float] = []
        for name, callers, attempt in ways:
            rate, cpu, _ = await race(callers, seconds, attempt)
            rates.append(rate)
            ratios = [f"{rate / rates[base]:.1f}" if len(rates) > base else "" for base in (0, 1)]
            table.add_row(name, str(callers), f"{rate:,.0f}", *ratios, f"{cpu:.2f}")
        return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.holds")
    parser.add_argument("--seconds", type=float, default=8, help="how long each way is run")
    parser.add_argument("--seats", type=int, default=2_000)
    options = parser.parse_args()
    with running_engines() as urls:
        Console(width=120).print(uvloop.run(run(urls.mongo_url, options.seconds, options.seats)))


if __name__ == "__main__":
    main()
