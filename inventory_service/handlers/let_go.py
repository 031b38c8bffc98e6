"""Giving up a booking that was paid for and that its partner theatre has not confirmed, or has refused."""

from dataclasses import replace
from typing import Any

from inventory_service.domain.booking import Booking
from inventory_service.domain.partner import Partner
from inventory_service.domain.seat_map import Mark, Standing
from inventory_service.handlers.context import Inventory, new_refund
from inventory_service.store.booking_document import partner_document
from messaging.events import BookingStatus
from service_kit.ids import new_id


async def let_go(
    inventory: Inventory, standing: Standing, booking: Booking, partner: Partner, reason: str, *, refund: int
) -> Booking | None:
    """The booking once it has ended, with so much asked back; None where something changed in between.

    The intention, the seats, the booking with its refund, the mark: each step finishes what a crash left. `reason` is
    that of who lets it go now; one that was begun before keeps its own.
    """
    if partner.ending is None:
        withdrawn = replace(partner, ending="withdrawn", reason=reason)
        started = await inventory.bookings.start_letting_go(booking, withdrawn, inventory.now())
        if started is None or started.partner is None:
            return None
        booking, partner = started, started.partner
    entry = standing.entry
    if entry and entry.mark is Mark.BOOKED:
        released = replace(entry, mark=Mark.RELEASED)
        if not await inventory.seat_maps.unbook(standing, released, inventory.now()):
            return None
    refused = partner.ending == "refused"
    values: dict[str, Any] = {"partner": partner_document(partner.ended())}
    payment_id = booking.payment_id or (entry.payment_id if entry else None)
    if refund > 0 and payment_id and not booking.money_back:
        why = "partner-refused" if refused else partner.reason or reason
        values |= {"paymentId": payment_id, "refund": new_refund(booking, payment_id, refund, why, new_id())}
    status: BookingStatus = "failed" if refused else "cancelled"
    told = ["BookingFailed" if refused else "BookingCancelled", "SeatsReleased"]
    ended = await inventory.settle(booking, status, told, **values)
    if ended:
        await inventory.seat_maps.tidy(booking.showtime_id, booking.id, Mark.RELEASED)
    return ended
