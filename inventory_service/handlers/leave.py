"""Seats leaving a confirmed booking: all of them, which ends it, or a part, after which it goes on with the others.

First the booking says which seats leave and what comes back for them, then they are free in the seat map, under a mark,
then the booking is without them, with its events, then the mark is tidied. Each step finishes what a crash left.
"""

from dataclasses import replace
from typing import Any

from inventory_service.domain.booking import Booking, NotCancellable
from inventory_service.domain.pricing import total_of
from inventory_service.domain.refunds import Leaving, Part
from inventory_service.domain.seat_map import Hold, Mark, Standing
from inventory_service.handlers.context import Inventory, new_refund


async def leave(
    inventory: Inventory, standing: Standing, booking: Booking, wanted: Leaving, *, unless_scanned: bool
) -> Booking | None:
    """The booking without the seats that were leaving it: those `wanted`, or those of a step that was cut short.

    None where something changed in between. Raises NotCancellable.
    """
    entry = standing.entry
    if booking.leaving is None:
        if entry:  # of the confirmation, or of a part that left before
            await inventory.seat_maps.tidy(booking.showtime_id, booking.id, entry.mark, entry.mask)
            return None
        if unless_scanned and booking.scanned_at:
            raise NotCancellable("The ticket was used already")
        started = await inventory.bookings.start_leaving(
            booking, wanted, inventory.now(), unless_scanned=unless_scanned
        )
        if started is None:
            return None
        booking = started
    return await _finish(inventory, standing, booking)


async def finish_leaving(inventory: Inventory, booking: Booking) -> None:
    """See through what a crash left of a booking some of whose seats were leaving. Nothing where others were faster."""
    standing = await inventory.resting_standing(booking)
    booking = await inventory.booking(booking.id)
    entry = standing.entry
    if booking.leaving:
        await _finish(inventory, standing, booking)
    elif entry and entry.mark is Mark.RELEASED:
        await inventory.seat_maps.tidy(booking.showtime_id, booking.id, Mark.RELEASED, entry.mask)


async def _finish(inventory: Inventory, standing: Standing, booking: Booking) -> Booking | None:
    assert booking.leaving is not None  # noqa: S101 - the callers saw to it
    entry = standing.entry
    layout = await inventory.layouts.get(booking.venue_id, standing.layout)
    # A later layout may do without seats that are free already.
    released = Hold(booking.id, Mark.RELEASED, None, layout.known(booking.leaving.seat_ids))
    if entry and (entry.mark, entry.mask) != (Mark.RELEASED, released.mask):  # as above
        await inventory.seat_maps.tidy(booking.showtime_id, booking.id, entry.mark, entry.mask)
        return None
    if entry is None and not await inventory.seat_maps.unbook(standing, released, inventory.now()):
        return None
    left = await _left(inventory, booking, booking.leaving)
    if left:
        await inventory.seat_maps.tidy(booking.showtime_id, booking.id, Mark.RELEASED, released.mask)
    return left


async def _left(inventory: Inventory, booking: Booking, leaving: Leaving) -> Booking | None:
    if leaving.rest is not None:
        return await _reduce(inventory, booking, leaving, leaving.rest)
    values: dict[str, Any] = {}
    # An admin may have given money back since this was begun.
    amount = min(leaving.refund, booking.left)
    if amount > 0 and booking.payment_id:
        values["refund"] = new_refund(booking, booking.payment_id, amount, leaving.reason, leaving.refund_id)
    # Or an audit could not tell what the policy keeps from what was lost, nor a late repeat that all is settled.
    values["kept"] = booking.left - amount
    return await inventory.settle(booking, "cancelled", ["BookingCancelled", "SeatsReleased"], **values)


async def _reduce(inventory: Inventory, booking: Booking, leaving: Leaving, rest: dict[str, Any]) -> Booking | None:
    """The booking goes on with the seats that stay, at what they cost."""
    total = total_of(rest)
    amount = min(leaving.refund, booking.left)
    part = Part(leaving.seat_ids, booking.amount - total, amount, leaving.refund_id, leaving.reason, inventory.now())
    reduced = replace(
        booking,
        version=booking.version + 1,
        seat_ids=[seat_id for seat_id in booking.seat_ids if seat_id not in leaving.seat_ids],
        price=rest,
        amount=total,
        parts=[*booking.parts, part],
        leaving=None,
    )
    events = [
        inventory.booking_event("BookingReduced", reduced),
        inventory.booking_event("SeatsReleased", replace(reduced, seat_ids=list(leaving.seat_ids))),
    ]
    if amount > 0 and booking.payment_id:
        refund = new_refund(booking, booking.payment_id, amount, leaving.reason, leaving.refund_id)
        events.append(inventory.refund_event(reduced, refund))
    return await inventory.bookings.reduce(reduced, events, inventory.now())
