"""What organisers are told, and what they are not."""

import json
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from messaging.envelope import Event, new_event
from messaging.events import (
    BookingState,
    EventData,
    EventState,
    GeoPoint,
    PaymentState,
    Pricing,
    ShowtimeState,
    VenueState,
)
from messaging.topology import SUBSCRIPTIONS
from service_kit.clock import ManualClock
from webhooks_service.domain.payloads import PUBLIC_TYPES, Payloads, PublicType, trial

NOW = datetime(2026, 11, 25, 19, 30, tzinfo=UTC)
PAYLOADS = Payloads(b"k" * 32)


def event(type_: str, data: EventData) -> Event[Any]:
    return new_event(type_, source="tests", subject="it", version=3, data=data, clock=ManualClock(NOW))


def booking(**more: Any) -> BookingState:
    values: dict[str, Any] = {
        "booking_id": "b1",
        "version": 3,
        "showtime_id": "s1",
        "event_id": "e1",
        "venue_id": "v1",
        "user_id": "the-user",
        "seat_ids": ["A1", "A2"],
        "status": "confirmed",
        "amount": 2400,
        "currency": "EUR",
        "payment_id": "p1",
    }
    return BookingState(**values | more)


def showtime() -> ShowtimeState:
    return ShowtimeState(
        showtime_id="s1",
        version=2,
        status="scheduled",
        starts_at=NOW,
        ends_at=NOW,
        hall_id="h1",
        hall_name="One",
        layout_version=1,
        seat_count=40,
        pricing=Pricing(currency="EUR", tiers={"standard": 1200}, fee=50),
        promotions=[{"code": "SECRET-CODE"}],
        event=EventState(event_id="e1", version=1, name="Heat", category="film"),
        venue=VenueState(
            venue_id="v1",
            version=1,
            name="Odeon",
            city="Bonn",
            timezone="Europe/Berlin",
            location=GeoPoint(lat=50, lon=7),
            partner={"apiKey": "partner-secret"},
        ),
    )


def payment() -> PaymentState:
    return PaymentState(
        payment_id="p1",
        version=2,
        booking_id="b1",
        user_id="the-user",
        status="refunded",
        amount=2400,
        refunded=2400,
        currency="EUR",
        provider="stripe",
        provider_reference="pi_123",
    )


def test_a_booking_is_told_whole_with_its_version_and_the_time_of_the_event() -> None:
    message = PAYLOADS.message(event("BookingConfirmed", booking()))
    body = json.loads(message.body)
    assert (message.type, message.venue_id) == ("booking.confirmed", "v1")
    assert list(body) == ["type", "timestamp", "data"]
    assert body["timestamp"] == "2026-11-25T19:30:00Z"
    buyer = body["data"].pop("buyer")
    assert body["data"] == {
        "bookingId": "b1",
        "version": 3,
        "status": "confirmed",
        "showtimeId": "s1",
        "eventId": "e1",
        "venueId": "v1",
        "seatIds": ["A1", "A2"],
        "amount": 2400,
        "currency": "EUR",
        "paymentId": "p1",
        "startsAt": None,
        "movedTo": None,
    }
    assert len(buyer) == 32


def test_a_buyer_has_one_pseudonym_per_installation() -> None:
    def buyer(payloads: Payloads, user_id: str) -> str:
        body = payloads.message(event("BookingConfirmed", booking(user_id=user_id))).body
        return str(json.loads(body)["data"]["buyer"])

    assert buyer(PAYLOADS, "one") == buyer(PAYLOADS, "one")
    assert buyer(PAYLOADS, "one") != buyer(PAYLOADS, "two")
    assert buyer(PAYLOADS, "one") != buyer(Payloads(b"x" * 32), "one")


@pytest.mark.parametrize(
    ("type_", "data"),
    [("BookingConfirmed", booking()), ("ShowtimeUpdated", showtime()), ("PaymentRefunded", payment())],
)
def test_no_user_id_code_or_key_goes_out(type_: str, data: EventData) -> None:
    body = PAYLOADS.message(event(type_, data)).body
    for secret in ("the-user", "SECRET-CODE", "partner-secret", "pi_123"):
        assert secret not in body


def test_a_showtime_names_its_venue_and_a_payment_takes_the_one_it_is_given() -> None:
    assert PAYLOADS.message(event("ShowtimeUpdated", showtime())).venue_id == "v1"
    assert PAYLOADS.message(event("PaymentRefunded", payment())).venue_id is None
    assert PAYLOADS.message(event("PaymentRefunded", payment()), "v9").venue_id == "v9"


def test_each_event_consumed_has_a_public_type_and_the_other_way_round() -> None:
    consumed = {*SUBSCRIPTIONS["webhooks.events"], *SUBSCRIPTIONS["webhooks.payments"]}
    assert consumed == set(PUBLIC_TYPES)
    assert set(PUBLIC_TYPES.values()) == set(get_args(PublicType))


def test_a_trial_says_which_endpoint_is_tried() -> None:
    assert json.loads(trial("id", "the-endpoint", NOW).body)["data"] == {"endpointId": "the-endpoint"}
