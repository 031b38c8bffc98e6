"""What the sweeper does: holds that ran out, and steps that a crash cut short.

An expired hold is claimable at once by whoever wants its seats; sweeping only makes that visible and tells the buyer.
"""

from collections.abc import Awaitable
from datetime import timedelta

from inventory_service.domain.booking import Booking
from inventory_service.domain.seat_map import Hold, Mark, SeatMap
from inventory_service.handlers.attempts import Contended
from inventory_service.handlers.cancel import cancel
from inventory_service.handlers.confirm import confirm
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.evict import evict
from inventory_service.handlers.leave import finish_leaving
from service_kit.logs import get_logger
from service_kit.problems import is_outage

log = get_logger(__name__)
MAPS_A_ROUND = 50
BOOKINGS_A_ROUND = 200
# Rounds that may follow each other at once while there is more than one can take.
MOST_ROUNDS = 20
LAG = timedelta(seconds=5)


async def sweep(inventory: Inventory) -> None:
    """Deal with all that is due, round after round."""
    for _ in range(MOST_ROUNDS):
        if not await _round(inventory):
            return


async def _round(inventory: Inventory) -> bool:
    """Deal with as much as one round takes; returns whether there may be more."""
    now = inventory.now()
    maps = await inventory.seat_maps.with_expired_holds(now, MAPS_A_ROUND)
    for seat_map in maps:
        await _guarded(_sweep_map(inventory, seat_map), showtime_id=seat_map.showtime_id)
    lagging = await inventory.bookings.lagging(now - LAG, BOOKINGS_A_ROUND)
    for booking in lagging:
        await _guarded(_catch_up(inventory, booking), booking_id=booking.id)
    cut_short = await inventory.bookings.half_left(now - LAG, BOOKINGS_A_ROUND)
    for booking in cut_short:
        await _guarded(finish_leaving(inventory, booking), booking_id=booking.id)
    let_go = await inventory.bookings.half_let_go(now - LAG, BOOKINGS_A_ROUND)
    for booking in let_go:
        await _guarded(_cancel(inventory, booking), booking_id=booking.id)
    await _guarded(inventory.tallying.reconcile())
    return len(maps) == MAPS_A_ROUND or BOOKINGS_A_ROUND in {len(lagging), len(cut_short), len(let_go)}


async def _guarded(work: Awaitable[None], **about: str) -> None:
    """One document that can't be dealt with must not keep the sweeper from the rest."""
    try:
        await work
    except Contended:
        log.warning("sweep_contended", **about)  # somebody else is at it; the next round looks again
    except Exception as error:
        if is_outage(error):
            raise
        log.exception("sweep_failed", **about)


async def _cancel(inventory: Inventory, booking: Booking) -> None:
    await cancel(inventory, booking)


async def _sweep_map(inventory: Inventory, seat_map: SeatMap) -> None:
    marks = [hold for hold in seat_map.holds.values() if hold.mark is not Mark.HOLD]
    if marks:
        found = {one.id: one for one in await inventory.bookings.some([mark.booking_id for mark in marks])}
        for mark in marks:
            await _finish(inventory, mark, found.get(mark.booking_id))
    await evict(inventory.seat_maps, seat_map, inventory.now(), inventory.expire_bookings)


async def _finish(inventory: Inventory, mark: Hold, booking: Booking | None) -> None:
    """Bring the booking of a mark to where the seat map is already."""
    if booking is None:
        # Only a damaged database gets here: a mark is made for a booking that was read.
        log.error("mark_without_booking", booking_id=mark.booking_id, mark=mark.mark)
    elif mark.mark is Mark.BOOKED and booking.at_partner:
        return  # the mark stays until the theatre has answered; what is being let go is found by itself
    elif mark.mark is Mark.BOOKED:
        await confirm(inventory, booking.id, mark.payment_id)
    elif booking.at_partner:
        await cancel(inventory, booking)
    else:
        await finish_leaving(inventory, booking)


async def _catch_up(inventory: Inventory, booking: Booking) -> None:
    """A booking that still waits although its hold's time is over."""
    standing = await inventory.standing(booking)
    hold = standing.entry
    now = inventory.now()
    if hold is None:
        await inventory.settle(booking, "expired", ["BookingExpired", "SeatsReleased"])
    elif hold.mark is not Mark.HOLD:
        await _finish(inventory, hold, booking)
    elif hold.live(now) and hold.until:
        await inventory.bookings.extended(booking, hold.until, now)
    elif await inventory.seat_maps.release(booking.showtime_id, standing.layout, [hold], now):
        await inventory.expire_bookings([hold])
