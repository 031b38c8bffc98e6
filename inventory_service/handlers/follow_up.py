"""What a change of a showtime means to its bookings: called off, they end and the money goes back; moved to another
time, their buyers are told and may choose.

The seat map says that its bookings are behind, from the write that followed the showtime on until this is done: so it
is gone on with after a crash, and no consumer waits for thousands of bookings.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from inventory_service.domain.booking import Booking
from inventory_service.domain.seat_map import Mark, SeatMap
from inventory_service.handlers.cancel import cancel
from inventory_service.handlers.context import Inventory
from messaging.events import BookingStatus
from service_kit.logs import get_logger
from service_kit.problems import is_outage

log = get_logger(__name__)
ROUND_SECONDS = 0.5
MAPS_AT_ONCE = 8
BOOKINGS_A_ROUND = 128
# Of all showtimes together: who buys and pays meanwhile finds connections and batches free.
BOOKINGS_AT_ONCE = 32
SEATED: tuple[BookingStatus, ...] = ("pending", "confirmed")
# A booking that could not be dealt with is tried again then.
AGAIN = timedelta(seconds=5)


async def follow_up(inventory: Inventory) -> None:
    """Bring the bookings of all showtimes that have changed up with them."""
    places = asyncio.Semaphore(BOOKINGS_AT_ONCE)
    while behind := await inventory.seat_maps.behind(inventory.now(), MAPS_AT_ONCE):
        await asyncio.gather(*(_follow_up_one(inventory, seat_map, places) for seat_map in behind))


async def _follow_up_one(inventory: Inventory, seat_map: SeatMap, places: asyncio.Semaphore) -> None:
    step = call_off if seat_map.status == "cancelled" else tell_of_move
    try:
        whole = await step(inventory, seat_map, places)
    except Exception as error:
        if is_outage(error):
            raise
        log.exception("follow_up_failed", showtime_id=seat_map.showtime_id)
        whole = False
    await inventory.seat_maps.caught_up(seat_map, None if whole else inventory.now() + AGAIN)


async def call_off(inventory: Inventory, seat_map: SeatMap, places: asyncio.Semaphore) -> bool:
    """Cancel every booking of a showtime that won't take place; the paid ones are refunded in full.

    False where some could not be dealt with, or late money is just getting its seats: a mark of the time before the
    show was called off is on its way to make its booking a confirmed one. Can be repeated.
    """
    marks = (await inventory.seat_map(seat_map.showtime_id)).holds.values()
    on_its_way = any(entry.mark is Mark.BOOKED for entry in marks)

    async def end(booking: Booking) -> None:
        await inventory.turnstile.give_back(await cancel(inventory, booking, reason="showtime-cancelled"))

    find = inventory.bookings.of_showtime
    whole = await _each(
        lambda after: find(seat_map.showtime_id, SEATED, after=after, limit=BOOKINGS_A_ROUND), end, places
    )
    return whole and not on_its_way


async def tell_of_move(inventory: Inventory, seat_map: SeatMap, places: asyncio.Semaphore) -> bool:
    """Tell every buyer of the showtime's new time, once. False where some could not be told."""
    starts_at = seat_map.starts_at

    async def tell(booking: Booking) -> None:
        moved_to = None if booking.starts_at == starts_at else starts_at
        told = replace(booking, version=booking.version + 1, moved_to=moved_to)
        event = inventory.booking_event("BookingRescheduled", told)
        # Who changed the booking meanwhile may have agreed to the time by that; the next look will tell.
        if not await inventory.bookings.tell_move(booking, starts_at, [event], inventory.now()):
            raise Overtaken

    find = inventory.bookings.not_told
    return await _each(lambda after: find(seat_map.showtime_id, starts_at, after, BOOKINGS_A_ROUND), tell, places)


class Overtaken(Exception):
    """The booking was changed by somebody else."""


async def _each(
    find: Callable[[str], Awaitable[list[Booking]]],
    step: Callable[[Booking], Awaitable[None]],
    places: asyncio.Semaphore,
) -> bool:
    """Take `step` for each booking, as many at once as there are places; False where one could not be dealt with.

    Such a one doesn't stop the others. An outage does, once those that were begun have ended: it is raised then.
    """
    whole, outages, last = True, list[Exception](), ""

    async def taken(booking: Booking) -> bool:
        async with places:
            if outages:
                return False
            try:
                await step(booking)
            except Exception as error:
                if is_outage(error):
                    outages.append(error)
                else:
                    log.warning("booking_left_behind", booking_id=booking.id, error=repr(error))
                return False
            return True

    while found := await find(last):
        whole = all(await asyncio.gather(*map(taken, found))) and whole
        if outages:
            raise outages[0]
        last = found[-1].id
    return whole
