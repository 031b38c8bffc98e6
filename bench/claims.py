"""Holds within the limits against hoarding: what the claim before each of them costs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from bench.asks import Ask, Distinct, pairs_of
from bench.figures import Figures
from bench.halls import open_houses, seat_ids
from bench.holds import CALLERS, HOLD_SECONDS, HOT_SEATS, PRODUCT_RATE
from bench.race import race
from bench.site import Site
from bench.table import Run
from inventory_service.handlers.hoarding import reserve_within_limits
from inventory_service.handlers.reserve import Reserve
from service_kit.ids import new_id

BEHIND_ONE_ADDRESS = 150
OFF = f"in process: limits off, {CALLERS} callers"
ON = f"in process: limits on, {CALLERS} callers, each from an address of his own"
SHARED = f"in process: limits on, {CALLERS} callers, {BEHIND_ONE_ADDRESS} from one address"

Names = Callable[[], Sequence[str]]


async def measure(site: Site) -> None:
    count = itertools.count()
    ways: dict[str, Names] = {
        OFF: tuple,
        ON: lambda: (f"user:{new_id()}", f"address:{new_id()}"),
        SHARED: lambda: (f"user:{new_id()}", f"address:{next(count) // BEHIND_ONE_ADDRESS}"),
    }
    await site.compare({way: _holding(site, names) for way, names in ways.items()})
    site.report.ratio("limits", "hot showtime in process: limits on ÷ off", ON, OFF)
    site.report.ratio("limits", "hot showtime in process: limits on, shared addresses ÷ off", SHARED, OFF)


def _holding(site: Site, names: Names) -> Run:
    """The use case in these names. Each caller is somebody new, as at the start of a sale."""

    async def hold(ask: Ask) -> bool:
        seats = seat_ids(ask.first)
        command = Reserve(new_id(), new_id(), ask.house, seats, HOLD_SECONDS, holder_keys=names())
        await reserve_within_limits(site.inventory, command)
        return True

    async def run() -> Figures:
        pairs = pairs_of(HOT_SEATS)
        houses = await open_houses(site.inventory, HOT_SEATS, site.houses(PRODUCT_RATE, len(pairs)))
        return await race(CALLERS, site.seconds, Distinct(houses, pairs), hold, site.meter())

    return run
