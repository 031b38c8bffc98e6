"""An organiser's own system hears of what is sold at his venue, and of nothing else."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from tests.journeys.story import Story
from tests.servers.receiver import receiving
from tests.servers.stack import Stack
from tests.support import eventually


async def test_an_organiser_hears_of_a_booking_its_end_and_its_refund(stack: Stack) -> None:
    async with receiving() as receiver, httpx2.AsyncClient(base_url=stack.url, timeout=30) as client:
        story = Story(stack, client)
        show, elsewhere = await story.showtime(), await story.showtime()
        wanted: dict[str, Any] = {
            "url": f"{receiver.url}/hook",
            "eventTypes": ["booking.confirmed", "booking.cancelled", "payment.refunded"],
            "venueIds": [show["venue"]["venueId"]],
        }
        endpoint = await story.call("POST", "/api/v1/webhook-endpoints", 201, json=wanted, headers=stack.admin)
        buyer = await story.guest()
        bookings = []
        for each in (elsewhere, show):
            booking = await story.hold(each["showtimeId"], ["A1", "A2"], buyer)
            await story.pay(await story.prepare(booking, buyer))
            await story.becomes(booking, "confirmed", buyer)
            await story.call("PUT", f"/api/v1/bookings/{booking['bookingId']}/cancel", headers=buyer)
            bookings.append(booking["bookingId"])

        async def heard() -> set[str]:
            return {json.loads(request.body)["type"] for request in receiver.of("/hook")}

        await eventually(heard, until=lambda types: types == set(wanted["eventTypes"]), seconds=30)
        for request in receiver.of("/hook"):
            assert request.signed_by(endpoint["secret"])
            assert json.loads(request.body)["data"]["bookingId"] == bookings[1]
        path = f"/api/v1/webhook-endpoints/{endpoint['endpointId']}"
        log = await story.call("GET", f"{path}/deliveries", headers=stack.admin)
        assert len(log["items"]) == 3
        await story.call("DELETE", path, 204, headers=stack.admin)
