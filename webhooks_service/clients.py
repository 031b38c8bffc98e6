"""The two services that this one calls: inventory for the venue of a booking, venues for whether one is there."""

from collections.abc import Iterable

import httpx2

from service_kit.clients import call, is_there
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


class Venues:
    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def missing(self, venue_ids: Iterable[str]) -> list[str]:
        """Those that are no venue (any more), in the order given. Raises Unavailable."""
        return [id_ for id_ in venue_ids if not await is_there(self._client, f"/api/v1/venue/{id_}")]
