"""Auditing a live system: every seat map against the bookings of its showtime."""

import asyncio
from collections.abc import Mapping, Sequence

from inventory_service.domain.booking import Booking
from inventory_service.domain.invariants import broken_invariants
from inventory_service.domain.seat_map import SeatMap
from inventory_service.handlers.context import Inventory

MAPS_A_ROUND = 200
# A step takes a few writes. What is still broken after this many looks is not a step under way.
LOOKS = 4
PAUSE_SECONDS = 0.25


async def audit(inventory: Inventory) -> list[str]:
    """Each rule that is broken, as a sentence; empty where all is well. May run beside sales."""
    findings: list[str] = []
    last = ""
    while maps := await inventory.seat_maps.page(last, MAPS_A_ROUND):
        suspects = await _check(inventory, maps)
        confirmed = await asyncio.gather(*(_look_again(inventory, id_, found) for id_, found in suspects.items()))
        for sentences in confirmed:
            findings += sentences
        last = maps[-1].showtime_id
    return findings + await _bookings_without_map(inventory)


async def _check(inventory: Inventory, maps: Sequence[SeatMap]) -> dict[str, list[str]]:
    """The findings of these maps, by showtime; those of maps without any are left out."""
    bookings = await _bookings(inventory, maps)
    findings = {}
    for seat_map in maps:
        showtime = await inventory.showtimes.get(seat_map.showtime_id)
        if showtime is None:
            findings[seat_map.showtime_id] = [f"The seat map of {seat_map.showtime_id} has no showtime"]
            continue
        layout = await inventory.layouts.get(showtime.venue.venue_id, seat_map.layout)
        found = list(broken_invariants(seat_map, layout, bookings[seat_map.showtime_id], inventory.now()))
        if found:
            findings[seat_map.showtime_id] = found
    return findings


async def _bookings(inventory: Inventory, maps: Sequence[SeatMap]) -> Mapping[str, Mapping[str, Booking]]:
    """Bookings that ought to have seats, and those that entries of the maps name, by showtime and id."""
    named = [booking_id for seat_map in maps for booking_id in seat_map.holds]
    found = await inventory.bookings.concerned([seat_map.showtime_id for seat_map in maps], named)
    grouped: dict[str, dict[str, Booking]] = {seat_map.showtime_id: {} for seat_map in maps}
    for booking in found:
        grouped.setdefault(booking.showtime_id, {})[booking.id] = booking
    return grouped


async def _look_again(inventory: Inventory, showtime_id: str, found: list[str]) -> list[str]:
    """Of these findings those that stay: the others were steps under way between two readings."""
    for _ in range(LOOKS):
        await asyncio.sleep(PAUSE_SECONDS)
        seat_map = await inventory.seat_maps.get(showtime_id)
        again = (await _check(inventory, [seat_map])).get(showtime_id, []) if seat_map else []
        found = [sentence for sentence in found if sentence in again]
        if not found:
            break
    return found


async def _bookings_without_map(inventory: Inventory) -> list[str]:
    showtimes = await inventory.bookings.showtimes_without(inventory.seat_maps.collection.name)
    return [f"There are bookings of showtime {showtime_id} but it has no seat map" for showtime_id in showtimes]
