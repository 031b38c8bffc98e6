"""Telling search what can still be booked: the summary of each map that changed, at most once a round."""

import asyncio

from inventory_service.domain.availability import summarize
from inventory_service.domain.seat_map import SeatMap
from inventory_service.handlers.context import SOURCE, Inventory
from messaging.envelope import new_event
from messaging.outbox import outbox_entry
from messaging.publisher import Publisher

MAPS_A_ROUND = 500
ROUND_SECONDS = 0.25


async def announce_changes(inventory: Inventory, publisher: Publisher) -> None:
    """Publish AvailabilityChanged for every dirty map, each once.

    The summary is state, not a step, so it needs no outbox: a map stays dirty until the broker has confirmed the
    summary of the very version it is at.
    """
    last = ""
    while dirty := await inventory.seat_maps.dirty(last, MAPS_A_ROUND):
        await asyncio.gather(*(_announce(inventory, publisher, seat_map) for seat_map in dirty))
        await inventory.seat_maps.announced(dirty)
        last = dirty[-1].showtime_id


async def _announce(inventory: Inventory, publisher: Publisher, seat_map: SeatMap) -> None:
    showtime = await inventory.showtimes.get(seat_map.showtime_id, at_least=seat_map.showtime_version)
    if showtime is None:
        return
    layout = await inventory.layouts.get(showtime.venue.venue_id, seat_map.layout)
    event = new_event(
        "AvailabilityChanged",
        source=SOURCE,
        subject=seat_map.showtime_id,
        version=seat_map.version,
        data=summarize(seat_map, layout, showtime.pricing, inventory.now()),
        clock=inventory.clock,
    )
    await publisher.publish(outbox_entry(event))
