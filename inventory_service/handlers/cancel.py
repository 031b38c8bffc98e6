"""Giving seats back: a hold that is not wanted, a booking that is cancelled, a payment that failed."""

from dataclasses import replace
from typing import Any

from inventory_service.domain.booking import Booking, NotCancellable
from inventory_service.domain.seat_map import Hold, Mark, SeatMap
from inventory_service.handlers.attempts import ATTEMPTS, Contended
from inventory_service.handlers.context import Inventory, new_refund
from messaging.events import BookingStatus

RELEASED_EVENTS = {"cancelled": "BookingCancelled", "failed": "BookingFailed"}


async def cancel(
    inventory: Inventory,
    booking: Booking,
    *,
    reason: str = "cancelled",
    refund: bool = True,
    unless_scanned: bool = False,
) -> Booking:
    """The cancelled booking: a hold is released; a confirmed booking's seats are, and its money goes back.

    One that had ended before (expired, failed) is given as it is. Repeats are harmless.
    Raises NotCancellable for a scanned ticket, where that is asked for.
    """
    for _ in range(ATTEMPTS):
        seat_map = await inventory.resting_map(booking.showtime_id)
        booking = await inventory.booking(booking.id)  # after the map: what is tidied there is settled here
        entry = seat_map.holds.get(booking.id)
        match booking.status:
            case "pending":
                done = await _give_up(inventory, seat_map, booking, entry)
            case "confirmed":
                done = await _unbook(inventory, seat_map, booking, reason, refund=refund, unless_scanned=unless_scanned)
            case _:
                await inventory.seat_maps.tidy(booking.showtime_id, booking.id, Mark.RELEASED) if entry else None
                done = booking
        if done:
            return done
    raise Contended


async def cancel_by_owner(inventory: Inventory, booking: Booking) -> Booking:
    """Cancel as a buyer may: not once the show has begun or the ticket was used. Raises NotCancellable."""
    if booking.status == "confirmed":
        showtime = await inventory.current_showtime(booking.showtime_id)
        if showtime.starts_at <= inventory.now():
            raise NotCancellable("The show has begun")
    done = await cancel(inventory, booking, unless_scanned=True)
    if done.status not in {"cancelled", "refunded"}:
        raise NotCancellable(f"The booking is {done.status}")
    return done


async def _give_up(inventory: Inventory, seat_map: SeatMap, booking: Booking, entry: Hold | None) -> Booking | None:
    """Cancel a pending booking; None where the next look must decide.

    Its seats may be booked already, by a confirmation that is under way or was cut short: that is finished first, so
    that what follows is the cancelling of a confirmed booking. Unless the money is back: then the seats are too.
    """
    if entry is None or entry.mark is Mark.HOLD:
        return await _release(inventory, seat_map, booking, entry, "cancelled")
    if entry.mark is Mark.BOOKED and not booking.money_back:
        paid = {"paymentId": entry.payment_id} if entry.payment_id else {}
        await inventory.settle(booking, "confirmed", ["BookingConfirmed"], **paid)
        return None
    if entry.mark is Mark.BOOKED:
        released = replace(entry, mark=Mark.RELEASED)
        await inventory.seat_maps.unbook(seat_map, released, inventory.now())
        return None
    return await inventory.settle(booking, "cancelled", ["BookingCancelled", "SeatsReleased"])


async def fail(inventory: Inventory, booking_id: str, payment_id: str | None) -> Booking:
    """The payment failed: the hold is released. A booking that is past waiting stays as it is."""
    for _ in range(ATTEMPTS):
        booking = await inventory.booking(booking_id)
        if booking.status != "pending" or (payment_id and booking.payment_id not in {None, payment_id}):
            return booking
        seat_map = await inventory.resting_map(booking.showtime_id)
        entry = seat_map.holds.get(booking_id)
        if entry and entry.mark is not Mark.HOLD:
            return booking  # money had come, and what it led to is being finished
        done = await _release(inventory, seat_map, booking, entry, "failed")
        if done:
            return done
    raise Contended


async def _release(
    inventory: Inventory, seat_map: SeatMap, booking: Booking, entry: Hold | None, status: BookingStatus
) -> Booking | None:
    """Give up a hold, then tell the booking; None when something changed in between (a payment may have come)."""
    release = inventory.seat_maps.release
    if entry and not await release(booking.showtime_id, seat_map.layout, [entry], inventory.now()):
        return None
    return await inventory.settle(booking, status, [RELEASED_EVENTS[status], "SeatsReleased"])


async def _unbook(
    inventory: Inventory, seat_map: SeatMap, booking: Booking, reason: str, *, refund: bool, unless_scanned: bool
) -> Booking | None:
    """Seats back, booking cancelled with its refund, mark tidied; each step finishes what a crash left."""
    if not booking.cancelling:
        if unless_scanned and booking.scanned_at:
            raise NotCancellable("The ticket was used already")
        started = await inventory.bookings.start_cancelling(booking, inventory.now(), unless_scanned=unless_scanned)
        if started is None:
            return None
        booking = started
    entry = seat_map.holds.get(booking.id)
    if entry is None or entry.mark is not Mark.RELEASED:
        mask = await inventory.mask_of(booking, seat_map)
        released = Hold(booking.id, Mark.RELEASED, None, mask)
        if not await inventory.seat_maps.unbook(seat_map, released, inventory.now()):
            return None
    values: dict[str, Any] = {}
    if refund and booking.payment_id and booking.amount > booking.refunded:
        values["refund"] = new_refund(booking, booking.payment_id, reason)
    cancelled = await inventory.settle(booking, "cancelled", ["BookingCancelled", "SeatsReleased"], **values)
    if cancelled:
        await inventory.seat_maps.tidy(booking.showtime_id, booking.id, Mark.RELEASED)
    return cancelled


async def refunded(inventory: Inventory, booking_id: str, amount: int) -> Booking:
    """Money came back. In full, it ends the booking: one that still has seats gives them back first."""
    booking = await inventory.booking(booking_id)
    noted = await inventory.bookings.note_refunded(booking, amount, inventory.now())
    booking = noted or booking
    if amount < booking.amount:
        return booking
    if booking.status in {"pending", "confirmed"}:
        booking = await cancel(inventory, booking, refund=False)
    return await inventory.settle(booking, "refunded", []) or booking
