"""A booking as a document: the fields that the product keeps of a new one."""

from typing import Any

from inventory_service.domain.booking import Booking


def document_of(booking: Booking) -> dict[str, Any]:
    return {
        "version": booking.version,
        "status": booking.status,
        "showtimeId": booking.showtime_id,
        "eventId": booking.event_id,
        "venueId": booking.venue_id,
        "userId": booking.user_id,
        "layout": {"hallId": booking.layout.hall_id, "version": booking.layout.version},
        "seatIds": booking.seat_ids,
        "price": booking.price,
        "amount": booking.amount,
        "currency": booking.currency,
        "createdAt": booking.created_at,
        "updatedAt": booking.updated_at,
        "heldUntil": booking.held_until,
        "extensions": booking.extensions,
    }
