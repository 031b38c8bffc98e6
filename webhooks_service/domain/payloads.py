"""What organisers are told of an event: types and fields of our own, so that what services tell each other may change.

Every field is named here. Nothing of the buyer goes out but a pseudonym, and nothing of a venue's or promotion's codes.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic_core import to_json

from messaging.envelope import Event
from messaging.events import BookingState, PaymentState, ShowtimeState
from service_kit.models import rfc3339
from webhooks_service.domain.deliveries import Message

Json = dict[str, Any]
TEST_TYPE = "webhook.test"
PublicType = Literal[
    "showtime.created",
    "showtime.updated",
    "showtime.cancelled",
    "booking.confirmed",
    "booking.reduced",
    "booking.rescheduled",
    "booking.cancelled",
    "booking.expired",
    "booking.failed",
    "payment.refunded",
]
# By the type within the house.
PUBLIC_TYPES: Mapping[str, PublicType] = {
    "ShowtimeCreated": "showtime.created",
    "ShowtimeUpdated": "showtime.updated",
    "ShowtimeCancelled": "showtime.cancelled",
    "BookingConfirmed": "booking.confirmed",
    "BookingReduced": "booking.reduced",
    "BookingRescheduled": "booking.rescheduled",
    "BookingCancelled": "booking.cancelled",
    "BookingExpired": "booking.expired",
    "BookingFailed": "booking.failed",
    "PaymentRefunded": "payment.refunded",
}
PSEUDONYM_BYTES = 16


class Payloads:
    """`key` makes the pseudonyms of buyers: the same buyer has the same one, and nobody can tell who it is."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def message(self, event: Event[Any], venue_id: str | None = None) -> Message:
        """The event for the outside; `venue_id` for one that doesn't name its own."""
        data = self._data(event.data)
        type_ = PUBLIC_TYPES[event.type]
        own_venue = data.get("venueId") or data.get("venue", {}).get("venueId")
        body = to_json({"type": type_, "timestamp": rfc3339(event.time), "data": data}).decode()
        return Message(event.id, type_, event.time, own_venue or venue_id, body)

    def _data(self, state: object) -> Json:
        match state:
            case BookingState():
                return self._booking(state)
            case PaymentState():
                return _payment(state)
            case ShowtimeState():
                return _showtime(state)
        raise TypeError(f"{type(state).__name__} is not for organisers")

    def _booking(self, state: BookingState) -> Json:
        return {
            "bookingId": state.booking_id,
            "version": state.version,
            "status": state.status,
            "showtimeId": state.showtime_id,
            "eventId": state.event_id,
            "venueId": state.venue_id,
            "seatIds": state.seat_ids,
            "amount": state.amount,
            "currency": state.currency,
            "paymentId": state.payment_id,
            "startsAt": _moment(state.starts_at),
            "movedTo": _moment(state.moved_to),
            "buyer": self._pseudonym(state.user_id),
        }

    def _pseudonym(self, user_id: str) -> str:
        return hmac.digest(self._key, user_id.encode(), "sha256")[:PSEUDONYM_BYTES].hex()


def _moment(value: datetime | None) -> str | None:
    return rfc3339(value) if value else None


def _payment(state: PaymentState) -> Json:
    return {
        "paymentId": state.payment_id,
        "version": state.version,
        "status": state.status,
        "bookingId": state.booking_id,
        "amount": state.amount,
        "refunded": state.refunded,
        "currency": state.currency,
    }


def _showtime(state: ShowtimeState) -> Json:
    event, venue, pricing = state.event, state.venue, state.pricing
    return {
        "showtimeId": state.showtime_id,
        "version": state.version,
        "status": state.status,
        "startsAt": rfc3339(state.starts_at),
        "endsAt": rfc3339(state.ends_at),
        "hall": {"hallId": state.hall_id, "name": state.hall_name, "seatCount": state.seat_count},
        "pricing": {"currency": pricing.currency, "tiers": pricing.tiers, "fee": pricing.fee},
        "event": {"eventId": event.event_id, "name": event.name, "category": event.category},
        "venue": {"venueId": venue.venue_id, "name": venue.name, "city": venue.city, "timezone": venue.timezone},
    }


def trial(event_id: str, endpoint_id: str, now: datetime) -> Message:
    """A message of no event, by which an organiser tries his endpoint."""
    body = {"type": TEST_TYPE, "timestamp": rfc3339(now), "data": {"endpointId": endpoint_id}}
    return Message(event_id, TEST_TYPE, now, None, to_json(body).decode())
