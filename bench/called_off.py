"""A show that is called off: how fast its bookings end and their money is asked back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from bench.asks import pairs_of
from bench.figures import Figures, spent
from bench.halls import created, seat_ids
from bench.site import Site
from bench.table import Finding, Run
from inventory_service.handlers.confirm import confirm
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.follow_up import follow_up
from inventory_service.handlers.reserve import Reserve, reserve
from inventory_service.handlers.showtimes import follow_showtimes
from messaging.events import ShowtimeState
from service_kit.ids import new_id

BOOKINGS, SEATS = 2_000, 4_000
BUYERS = 64
WAY = f"called off: a showtime with {BOOKINGS:,} paid bookings"


async def measure(site: Site) -> None:
    await site.compare({WAY: _calling_off(site)})
    site.report.findings.append(Finding("called off", "paid bookings ended", site.report.rate(WAY), unit="/s"))


def _calling_off(site: Site) -> Run:
    async def run() -> Figures:
        showtime = await _sold(site.inventory)
        off = showtime.model_copy(update={"version": 2, "status": "cancelled"})
        await site.inventory.seat_maps.follow([off], site.inventory.now())
        meter = site.meter()
        before, began = meter.read(), time.perf_counter()
        await follow_up(site.inventory)
        took = time.perf_counter() - began
        cpu = spent(before, meter.read())
        asked = await site.database["bookings"].count_documents(
            {"showtimeId": showtime.showtime_id, "status": "cancelled", "outbox.type": "RefundRequested"}
        )
        return Figures(asked, took, failed=BOOKINGS - asked, cpu=cpu)

    return run


async def _sold(inventory: Inventory) -> ShowtimeState:
    """A showtime all of whose seats were paid for, in pairs."""
    news = created(SEATS)
    await follow_showtimes(inventory, [news])
    pairs = iter(pairs_of(SEATS))

    async def buy(pairs: Iterator[int]) -> None:
        for first in pairs:
            booking_id = new_id()
            await reserve(inventory, Reserve(booking_id, new_id(), news.data.showtime_id, seat_ids(first), 600))
            await confirm(inventory, booking_id, new_id())

    await asyncio.gather(*(buy(pairs) for _ in range(BUYERS)))
    return news.data
