"""The initializer: how fast showtimes get their seat maps."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.figures import Figures, spent
from bench.halls import BATCH, batches, created
from bench.holds import LARGE, SMALL
from bench.site import Site
from bench.table import Finding, Run
from inventory_service.app import open_inventory
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.showtimes import follow_showtimes
from messaging.envelope import Event
from messaging.events import ShowtimeState
from service_kit.ids import new_id

BATCHES = 10


async def measure(site: Site) -> None:
    """Row 8."""
    many = f"initializer: {SMALL} seats, batches of {BATCH}"
    kept, unknown = f"initializer: {LARGE:,} seats, own copy", f"initializer: {LARGE:,} seats, hall unknown"
    site.near.know(LARGE)
    await site.compare({many: _many(site), unknown: _unknown_hall(site), kept: _kept_layout(site)})
    report = site.report
    report.findings.append(Finding("8a", f"showtimes of {SMALL} seats opened", report.rate(many), 500, "/s"))
    for row, what, way in (
        ("8b", "its layout not parsed yet", kept),
        ("8c", "its hall unknown: layout fetched and kept too", unknown),
    ):
        took = 1 / report.rate(way)
        report.findings.append(Finding(row, f"one showtime of {LARGE:,} seats, {what}", took, 1, "s", most=True))


def _many(site: Site) -> Run:
    async def run() -> Figures:
        await follow_showtimes(site.inventory, [created(SMALL)])  # the layout is known from then on
        return await _opened(site, site.inventory, batches([created(SMALL) for _ in range(BATCH * BATCHES)], BATCH))

    return run


def _unknown_hall(site: Site) -> Run:
    async def run() -> Figures:
        return await _opened(site, site.inventory, [[created(LARGE, f"{new_id()}-{LARGE}")]])

    return run


def _kept_layout(site: Site) -> Run:
    """As after a restart: the service has its own copy of the layout, but not in memory."""

    async def run() -> Figures:
        await follow_showtimes(site.inventory, [created(LARGE)])
        async with open_inventory(site.settings, site.database) as restarted:
            return await _opened(site, restarted, [[created(LARGE)]])

    return run


async def _opened(site: Site, inventory: Inventory, news: Sequence[Sequence[Event[ShowtimeState]]]) -> Figures:
    meter = site.meter()
    before, began = meter.read(), time.perf_counter()
    for batch in news:
        await follow_showtimes(inventory, batch)
    took = time.perf_counter() - began
    return Figures(sum(map(len, news)), took, cpu=spent(before, meter.read()))
