"""Giving seats back: a hold that is not wanted, a booking that is cancelled, a payment that failed."""

from typing import Any

from inventory_service.domain.booking import Booking, NotCancellable
from inventory_service.domain.seat_map import Hold, Mark, SeatMap
from inventory_service.handlers.context import ATTEMPTS, Contended, Inventory, new_refund
from messaging.events import BookingStatus

RELEASED_EVENTS = {"cancelled": "BookingCancelled", "failed": "BookingFailed"}


async def cancel(inventory: Inventory, booking: Booking, *, reason: str = "cancelled", refund: bool = True) -> Booking:
    """The cancelled booking: a hold is released; a confirmed booking's seats are, and its money goes back.

    Raises NotCancellable. Repeats are harmless.
    """
    for _ in range(ATTEMPTS):
        seat_map = await inventory.seat_map(booking.showtime_id)
        booking = await inventory.booking(booking.id)  # after the map: what is tidied there is settled here
        entry = seat_map.holds.get(booking.id)
        match booking.status:
            case "pending":
                done = await _release(inventory, booking, entry, "cancelled")
            case "confirmed":
                done = await _unbook(inventory, seat_map, booking, reason, refund=refund)
            case "cancelled" | "refunded":
                await inventory.seat_maps.tidy(booking.showtime_id, booking.id, Mark.RELEASED) if entry else None
                done = booking
            case _:
                raise NotCancellable(f"The booking is {booking.status}")
        if done:
            return done
    raise Contended


async def cancel_by_owner(inventory: Inventory, booking: Booking) -> Booking:
    """Cancel as a buyer may: not once the show has begun or the ticket was used. Raises NotCancellable."""
    if booking.status == "confirmed":
        showtime = await inventory.showtime(booking.showtime_id)
        if booking.scanned_at:
            raise NotCancellable("The ticket was used already")
        if showtime.starts_at <= inventory.now():
            raise NotCancellable("The show has begun")
    return await cancel(inventory, booking)


async def fail(inventory: Inventory, booking_id: str, payment_id: str | None) -> Booking:
    """The payment failed: the hold is released. A booking that is past waiting stays as it is."""
    for _ in range(ATTEMPTS):
        booking = await inventory.booking(booking_id)
        if booking.status != "pending" or (payment_id and booking.payment_id not in {None, payment_id}):
            return booking
        seat_map = await inventory.seat_map(booking.showtime_id)
        done = await _release(inventory, booking, seat_map.holds.get(booking_id), "failed")
        if done:
            return done
    raise Contended


async def _release(inventory: Inventory, booking: Booking, entry: Hold | None, status: BookingStatus) -> Booking | None:
    """Give up a hold, then tell the booking; None when something changed in between (a payment may have come)."""
    if entry and entry.mark is not Mark.HOLD:
        return None
    if entry and not await inventory.seat_maps.release(booking.showtime_id, [entry], inventory.now()):
        return None
    return await inventory.settle(booking, status, [RELEASED_EVENTS[status], "SeatsReleased"])


async def _unbook(
    inventory: Inventory, seat_map: SeatMap, booking: Booking, reason: str, *, refund: bool
) -> Booking | None:
    """Seats back, booking cancelled with its refund, mark tidied; each step finishes what a crash left."""
    if not booking.cancelling:
        started = await inventory.bookings.start_cancelling(booking, inventory.now())
        if started is None:
            if (await inventory.booking(booking.id)).scanned_at:
                raise NotCancellable("The ticket was used already")
            return None
        booking = started
    entry = seat_map.holds.get(booking.id)
    if entry is None or entry.mark is not Mark.RELEASED:
        mask = (await inventory.layout_of(booking)).mask(booking.seat_ids)
        released = Hold(booking.id, booking.user_id, Mark.RELEASED, None, mask)
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
    """Money came back. In full, it ends the booking: one that was still confirmed gives its seats back first."""
    booking = await inventory.booking(booking_id)
    noted = await inventory.bookings.note_refunded(booking, amount, inventory.now())
    booking = noted or booking
    if amount < booking.amount:
        return booking
    if booking.status == "confirmed":
        booking = await cancel(inventory, booking, refund=False)
    return await inventory.settle(booking, "refunded", []) or booking
