"""Venues, films and showtimes as the other services publish them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from messaging.envelope import Event, new_event
from messaging.events import (
    Address,
    Availability,
    EventData,
    EventMetadata,
    EventState,
    GeoPoint,
    Pricing,
    ShowtimeState,
    TypeAvailability,
    VenueState,
)
from service_kit.clock import SystemClock
from service_kit.ids import new_id

CLOCK = SystemClock()


def film(name: str = "Amélie", **changes: Any) -> EventState:
    values = {
        "event_id": new_id(),
        "version": 1,
        "name": name,
        "category": "movie",
        "metadata": EventMetadata(genre="Comedy|Romance", language="fr", duration_minutes=122),
    }
    return EventState(**{**values, **changes})


def cinema(name: str = "Le Champo", city: str = "Paris", **changes: Any) -> VenueState:
    values = {
        "venue_id": new_id(),
        "version": 1,
        "name": name,
        "city": city,
        "country": "FR",
        "timezone": "Europe/Paris",
        "address": Address(street="51 rue des Écoles", district="Quartier latin", country="FR"),
        "location": GeoPoint(lat=48.8499, lon=2.3435),
    }
    return VenueState(**{**values, **changes})


def showtime(event: EventState, venue: VenueState, **changes: Any) -> ShowtimeState:
    starts_at = changes.pop("starts_at", CLOCK.now().replace(microsecond=0) + timedelta(days=2))
    values = {
        "showtime_id": new_id(),
        "version": 1,
        "status": "scheduled",
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(hours=2),
        "hall_id": new_id(),
        "hall_name": "Salle 1",
        "layout_version": 1,
        "seat_count": 120,
        "pricing": Pricing(currency="EUR", tiers={"standard": 1200, "premium": 1800}, fee=100),
        "event": event,
        "venue": venue,
    }
    return ShowtimeState(**{**values, **changes})


def seats(showtime_id: str, version: int = 1, **changes: Any) -> Availability:
    values = {
        "showtime_id": showtime_id,
        "version": version,
        "as_of": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=version),
        "total": 120,
        "available": 120 - version,
        "largest_block": 10,
        "min_price": 1200,
        "currency": "EUR",
        "by_seat_type": {
            "standard": TypeAvailability(total=100, available=100 - version, largest_block=10, price=1200),
            "premium": TypeAvailability(total=20, available=20, largest_block=4, price=1800),
        },
    }
    return Availability(**{**values, **changes})


def published(type_: str, data: EventData) -> Event[Any]:
    """The event as its service publishes it."""
    subject = next(getattr(data, name) for name in ("showtime_id", "event_id", "venue_id") if hasattr(data, name))
    return new_event(type_, source="test", subject=subject, version=getattr(data, "version", 1), data=data, clock=CLOCK)
