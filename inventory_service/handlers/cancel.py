"""Giving seats back: a hold that is not wanted, a booking that is cancelled, a payment that failed."""

from collections.abc import Callable
from dataclasses import replace

from inventory_service.domain.booking import Booking
from inventory_service.domain.refunds import IN_FULL, Leaving
from inventory_service.domain.seat_map import Mark, Standing
from inventory_service.handlers.attempts import ATTEMPTS, Contended
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.leave import leave
from inventory_service.handlers.let_go import let_go
from inventory_service.handlers.other_seats import as_marked
from messaging.events import BookingStatus
from service_kit.ids import new_id

RELEASED_EVENTS = {"cancelled": "BookingCancelled", "failed": "BookingFailed"}


Due = Callable[[Booking], int]


def nothing(_: Booking) -> int:
    """For a booking whose money has come back already."""
    return 0


def in_full(booking: Booking) -> int:
    """For who gives up his booking through no wish of his own."""
    return booking.due(IN_FULL)


async def cancel(
    inventory: Inventory,
    booking: Booking,
    *,
    reason: str = "cancelled",
    due: Due = in_full,
    unless_scanned: bool = False,
) -> Booking:
    """The cancelled booking: a hold is released; a confirmed booking's seats are, and what is `due` goes back.

    One that had ended before (expired, failed) is given as it is. Repeats are harmless.
    Raises NotCancellable for a scanned ticket, where that is asked for.
    """
    for _ in range(ATTEMPTS):
        standing = await inventory.resting_standing(booking)
        booking = await inventory.booking(booking.id)  # after the map: what is tidied there is settled here
        entry = standing.entry
        match booking.status:
            case "pending":
                done = await _give_up(inventory, standing, booking, reason, due)
            case "confirmed":
                wanted = Leaving(booking.seat_ids, due(booking), new_id(), reason)
                done = await leave(inventory, standing, booking, wanted, unless_scanned=unless_scanned)
            case _:
                if entry and entry.mark is Mark.RELEASED:
                    await inventory.seat_maps.tidy(booking.showtime_id, booking.id, Mark.RELEASED, entry.mask)
                done = booking
        if done and done.status != "confirmed":  # another had begun to give up a part of it: that is done now
            return done
    raise Contended


async def _give_up(inventory: Inventory, standing: Standing, booking: Booking, reason: str, due: Due) -> Booking | None:
    """Cancel a pending booking; None where the next look must decide.

    Its seats may be booked already, by a confirmation that is under way or was cut short: that is finished first, so
    that what follows is the cancelling of a confirmed booking. Unless the money is back: then the seats are too.
    """
    entry = standing.entry
    if booking.partner and (booking.at_partner or (entry and entry.mark is Mark.BOOKED)):
        return await let_go(inventory, standing, booking, booking.partner, reason, refund=due(booking))
    if entry is None or entry.mark is Mark.HOLD:
        return await _release(inventory, standing, booking, "cancelled")
    if entry.mark is Mark.BOOKED and not booking.money_back:
        values = await as_marked(inventory, standing.layout, booking, entry)
        if entry.payment_id:
            values["paymentId"] = entry.payment_id
        await inventory.settle(booking, "confirmed", ["BookingConfirmed"], **values)
        return None
    if entry.mark is Mark.BOOKED:
        released = replace(entry, mark=Mark.RELEASED)
        await inventory.seat_maps.unbook(standing, released, inventory.now())
        return None
    return await inventory.settle(booking, "cancelled", ["BookingCancelled", "SeatsReleased"])


async def fail(inventory: Inventory, booking_id: str, payment_id: str | None) -> Booking:
    """The payment failed: the hold is released. A booking that is past waiting stays as it is."""
    booking = await _fail(inventory, booking_id, payment_id)
    if booking.status == "failed":
        await inventory.turnstile.give_back(booking)
    return booking


async def _fail(inventory: Inventory, booking_id: str, payment_id: str | None) -> Booking:
    for _ in range(ATTEMPTS):
        booking = await inventory.booking(booking_id)
        if booking.status == "expired" and payment_id and booking.payment_id == payment_id:
            return await inventory.bookings.note_unpaid(booking, inventory.now()) or booking
        if booking.status != "pending" or (payment_id and booking.payment_id not in {None, payment_id}):
            return booking
        standing = await inventory.resting_standing(booking)
        if standing.entry and standing.entry.mark is not Mark.HOLD:
            return booking  # money had come, and what it led to is being finished
        done = await _release(inventory, standing, booking, "failed")
        if done:
            return done
    raise Contended


async def _release(inventory: Inventory, standing: Standing, booking: Booking, status: BookingStatus) -> Booking | None:
    """Give up a hold, then tell the booking; None when something changed in between (a payment may have come)."""
    release, entry = inventory.seat_maps.release, standing.entry
    if entry and not await release(booking.showtime_id, standing.layout, [entry], inventory.now()):
        return None
    return await inventory.settle(booking, status, [RELEASED_EVENTS[status], "SeatsReleased"])


async def refunded(inventory: Inventory, booking_id: str, amount: int) -> Booking:
    """Money came back. In full, it ends the booking: one that still has seats gives them back first."""
    booking = await inventory.booking(booking_id)
    noted = await inventory.bookings.note_refunded(booking, amount, inventory.now())
    booking = noted or booking
    if not booking.all_back:
        return booking
    if booking.status in {"pending", "confirmed"}:
        booking = await cancel(inventory, booking, due=nothing)
    return await inventory.settle(booking, "refunded", []) or booking
