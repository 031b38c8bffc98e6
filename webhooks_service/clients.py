"""The one service that this one calls: inventory, for the venue of a booking."""

import httpx2

from service_kit.clients import call
from service_kit.errors import NotFound


class Bookings:
    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def venue_of(self, booking_id: str) -> str | None:
        """None for a booking that nobody knows. Raises Unavailable."""
        try:
            booking = await call(self._client, "GET", f"/api/v1/bookings/{booking_id}")
        except NotFound:
            return None
        return str(booking["venueId"])
