"""The two services that inventory calls: venues for layouts, payments for intents."""

import re
from typing import Any

import httpx2

from inventory_service.domain.booking import Booking, GatewayRefused, PaymentClosed
from inventory_service.domain.layout import LayoutKey
from service_kit.clients import call, is_there

Document = dict[str, Any]
OUR_ID = re.compile("[0-9A-Za-z_-]{1,64}")


class Venues:
    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def layout(self, venue_id: str, key: LayoutKey) -> Document:
        """A layout version, with its `sections`. Raises Unavailable; NotFound for a layout that never was."""
        path = f"/api/v1/venue/{venue_id}/hall/{key.hall_id}/layout/{key.version}"
        layout: Document = await call(self._client, "GET", path)
        return layout

    async def has_showtime(self, showtime_id: str) -> bool:
        if not OUR_ID.fullmatch(showtime_id):  # it comes from a path, and would become one
            return False
        return await is_there(self._client, f"/api/v1/showtimes/{showtime_id}")


class Payments:
    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def create(self, booking: Booking, *, retry_declined: bool = False) -> Document:
        """The payment of a booking with its intent; the same again on a repeat.

        With `retry_declined` a declined card leaves it open. Raises GatewayRefused, PaymentClosed, Unavailable.
        """
        answer: Document = await call(
            self._client,
            "POST",
            "/api/v1/payments",
            refusals=(GatewayRefused, PaymentClosed),
            json={
                "bookingId": booking.id,
                "userId": booking.user_id,
                "amount": booking.amount,
                "currency": booking.currency,
                "retryDeclined": retry_declined,
            },
        )
        return answer
