"""What a partner theatre answers: the booking of booked seats gets its tickets, or ends with a refund.

The booked mark of the seat map stays all the while. Whoever lets the booking go first (the buyer, a showtime that is
called off) says so in it before any seat moves. An answer that comes after that changes nothing: the partners service
hears of the cancelling and tells the theatre.
"""

from collections.abc import Mapping
from dataclasses import replace

from inventory_service.domain.booking import Booking
from inventory_service.domain.seat_map import Mark
from inventory_service.handlers.attempts import ATTEMPTS, Contended
from inventory_service.handlers.cancel import cancel
from inventory_service.handlers.context import Inventory
from inventory_service.store.booking_document import partner_document


async def partner_confirmed(inventory: Inventory, booking_id: str, ticket_ids: Mapping[str, str]) -> Booking:
    """The booking with the theatre's tickets, by seat. Repeats are harmless. Raises NotFound."""
    booking = await inventory.booking(booking_id)
    partner = booking.partner
    if partner is None or not booking.at_partner:
        return booking  # a mark that a crash left is the sweeper's
    confirmed = replace(partner, state="confirmed", ticket_ids=ticket_ids)
    settled = await inventory.settle(booking, "confirmed", ["BookingConfirmed"], partner=partner_document(confirmed))
    if settled is None:
        return await inventory.booking(booking_id)
    await inventory.tallying.follow(settled)  # before the mark goes, by which a crash is noticed
    await inventory.seat_maps.tidy(booking.showtime_id, booking_id, Mark.BOOKED)
    if (await inventory.standing(booking)).status != "open":  # called off before the theatre had answered
        return await cancel(inventory, settled, reason="showtime-cancelled")
    return settled


async def partner_refused(inventory: Inventory, booking_id: str, reason: str) -> Booking:
    """The booking without its seats and with a refund; `reason` is for the buyer. Repeats are harmless.

    Raises NotFound.
    """
    for _ in range(ATTEMPTS):
        booking = await inventory.booking(booking_id)
        if booking.partner is None or not booking.at_partner:
            return booking
        if booking.let_go:
            return await cancel(inventory, booking)
        refused = replace(booking.partner, ending="refused", reason=reason)
        await inventory.bookings.start_letting_go(booking, refused, inventory.now())
    raise Contended
