"""Halls and showtimes to measure with, and the venues service's answers about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from inventory_service.handlers.context import Inventory
from inventory_service.handlers.showtimes import follow_showtimes
from messaging.envelope import Event, new_event
from messaging.events import EventState, GeoPoint, Pricing, ShowtimeState, VenueState
from service_kit.clock import SystemClock
from service_kit.ids import new_id

ROW = 40
PRICING = Pricing(currency="EUR", tiers={"standard": 1_000}, fee=100)
# As the initializer takes them from its queue.
BATCH = 200
# Maps of large halls are heavy: not more seats than these in one batch.
BATCH_SEATS = 1_000_000


def seat_id(position: int) -> str:
    row, number = divmod(position, ROW)
    return f"{row}-{number}"


def seat_ids(first: int) -> list[str]:
    """The seats of a pair of neighbours."""
    return [seat_id(first), seat_id(first + 1)]


def layout(seats: int) -> dict[str, Any]:
    """One section with rows of 40."""

    def seat(row: int, number: int) -> dict[str, Any]:
        place = {"x": number, "y": row}
        return {"id": f"{row}-{number}", "label": str(number), "coordinates": place, "seatType": "standard"}

    rows = [
        {"label": str(row), "seats": [seat(row, number) for number in range(min(ROW, seats - row * ROW))]}
        for row in range(-(-seats // ROW))
    ]
    return {"sections": [{"id": "main", "name": "Main", "rows": rows}]}


def hall_of(seats: int) -> str:
    return f"bench-{seats}"


def created(seats: int, hall_id: str = "") -> Event[ShowtimeState]:
    """The news of a showtime tomorrow in a hall of so many seats."""
    clock = SystemClock()
    state = _showtime(seats, hall_id or hall_of(seats), clock.now() + timedelta(days=1))
    return new_event("ShowtimeCreated", source="venues", subject=state.showtime_id, version=1, data=state, clock=clock)


async def open_houses(inventory: Inventory, seats: int, count: int) -> list[str]:
    """So many showtimes with their seat maps, opened the way the product opens them."""
    news = [created(seats) for _ in range(count)]
    at_once = max(1, min(BATCH, BATCH_SEATS // seats))
    for batch in batches(news, at_once):
        await follow_showtimes(inventory, batch)
    return [event.data.showtime_id for event in news]


def batches(news: Sequence[Event[ShowtimeState]], size: int) -> list[Sequence[Event[ShowtimeState]]]:
    return [news[at : at + size] for at in range(0, len(news), size)]


def _showtime(seats: int, hall_id: str, starts_at: datetime) -> ShowtimeState:
    return ShowtimeState(
        showtime_id=new_id(),
        version=1,
        status="scheduled",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=2),
        hall_id=hall_id,
        hall_name="Bench",
        layout_version=1,
        seat_count=seats,
        pricing=PRICING,
        event=EventState(event_id=new_id(), version=1, name="Bench", category="concert"),
        venue=VenueState(
            venue_id=new_id(),
            version=1,
            name="Bench",
            city="Bench",
            timezone="Europe/Paris",
            location=GeoPoint(lat=0, lon=0),
        ),
    )
