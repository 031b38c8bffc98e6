"""The initializer: a seat map for each new showtime, kept in step with its changes (`follow_up` tells its bookings)."""

import asyncio
from collections.abc import Sequence
from typing import Any

from inventory_service.domain.availability import summarize
from inventory_service.domain.seat_map import SeatMap
from inventory_service.handlers.context import SOURCE, Inventory
from messaging.envelope import Event, new_event
from messaging.events import ShowtimeState
from messaging.outbox import outbox_entry


async def follow_showtimes(inventory: Inventory, events: Sequence[Event[ShowtimeState]]) -> None:
    """Open the maps of showtimes seen for the first time, take over newer states.

    Any order and any repeat give the same: whatever event of a showtime comes first opens its map, and only a newer
    version changes it.
    """
    newest: dict[str, ShowtimeState] = {}
    for event in events:
        known = newest.get(event.data.showtime_id)
        if known is None or event.data.version > known.version:
            newest[event.data.showtime_id] = event.data
    states = list(newest.values())
    await inventory.showtimes.keep(states)
    opened = await asyncio.gather(*(_opening(inventory, state) for state in states))
    await inventory.seat_maps.open(list(zip(states, opened, strict=True)), inventory.now())
    await inventory.seat_maps.follow(states, inventory.now())


async def _opening(inventory: Inventory, state: ShowtimeState) -> dict[str, Any]:
    """The event SeatMapOpened with everything free; it is published only if the map is really inserted."""
    layout = await inventory.layout(state)
    now = inventory.now()
    key = inventory.layout_key(state)
    empty = SeatMap(state.showtime_id, 1, "open", state.starts_at, now, key, state.version, 0, 0, {}, {})
    return outbox_entry(
        new_event(
            "SeatMapOpened",
            source=SOURCE,
            subject=state.showtime_id,
            version=1,
            data=summarize(empty, layout, state.pricing, now),
            clock=inventory.clock,
        )
    )
