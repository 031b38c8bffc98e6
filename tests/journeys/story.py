"""The steps that journeys are made of, each one HTTP call or a wait for what follows from it."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from service_kit.ids import new_id
from tests.servers.stack import Stack
from tests.support import eventually

Json = dict[str, Any]
PLACE = {"lat": 48.8606, "lon": 2.3376}


def layout(rows: int = 3, seats: int = 6) -> Json:
    """A hall of standard seats, the last row premium."""
    return {
        "sections": [
            {
                "id": "main",
                "name": "Main",
                "rows": [
                    {
                        "label": chr(65 + row),
                        "seats": [
                            {
                                "id": f"{chr(65 + row)}{seat + 1}",
                                "label": str(seat + 1),
                                "coordinates": {"x": seat, "y": row},
                                "seatType": "premium" if row == rows - 1 else "standard",
                            }
                            for seat in range(seats)
                        ],
                    }
                    for row in range(rows)
                ],
            }
        ]
    }


PATIENCE = 10


class Story:
    """A client of the stack that knows how to onboard, find, hold and pay."""

    def __init__(self, stack: Stack, client: httpx2.AsyncClient) -> None:
        self.stack = stack
        self.client = client

    async def call(self, method: str, path: str, expected: int = 200, **arguments: Any) -> Json:
        answer = await self.client.request(method, path, **arguments)
        for _ in range(PATIENCE):
            if method != "GET" or answer.status_code != 503:
                break
            # A machine at its limit says so; who only reads asks again when it says.
            await asyncio.sleep(float(answer.headers["Retry-After"]))
            answer = await self.client.request(method, path, **arguments)
        assert answer.status_code == expected, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else {}

    async def venue(self, **more: Any) -> Json:
        body = {
            "name": f"Théâtre {secrets.token_hex(4)}",
            "city": "Paris",
            "country": "FR",
            "address": {
                "street": "1 rue de Rivoli",
                "district": "1er",
                "state": "",
                "postalCode": "75001",
                "country": "FR",
            },
            "location": PLACE,
            **more,
        }
        return await self.call("POST", "/api/v1/venue", 201, json=body, headers=self.stack.admin)

    async def hall(self, venue_id: str, seat_layout: Json | None = None) -> Json:
        body = {"name": f"Salle {secrets.token_hex(3)}", "seatLayout": seat_layout or layout()}
        return await self.call("POST", f"/api/v1/venue/{venue_id}/hall", 201, json=body, headers=self.stack.admin)

    async def event(self, name: str | None = None) -> Json:
        body = {
            "name": name or f"Fidelio {secrets.token_hex(4)}",
            "category": "opera",
            "description": "An opera in two acts.",
            "keywords": ["Beethoven"],
            "metadata": {"genre": "opera", "language": "de", "durationMinutes": 130},
        }
        return await self.call("POST", "/api/v1/events", 201, json=body, headers=self.stack.admin)

    async def showtime(
        self,
        *,
        starts_in: timedelta = timedelta(days=2),
        seat_layout: Json | None = None,
        standard: int = 1250,
        **venue_fields: Any,
    ) -> Json:
        """A new venue, hall, event and showtime; waits until its seat map is open."""
        venue = await self.venue(**venue_fields)
        hall = await self.hall(venue["venueId"], seat_layout)
        event = await self.event()
        starts = (datetime.now(UTC) + starts_in).replace(microsecond=0)
        body = {
            "venueId": venue["venueId"],
            "hallId": hall["hallId"],
            "startsAt": starts.isoformat(),
            "pricing": {"currency": "EUR", "tiers": {"standard": standard, "premium": 1900}, "fee": 100},
        }
        path = f"/api/v1/events/{event['eventId']}/showtimes"
        showtime = await self.call("POST", path, 201, json=body, headers=self.stack.admin)
        await eventually(
            lambda: self.client.get(f"/api/v1/showtimes/{showtime['showtimeId']}/inventory"),
            until=lambda answer: answer.status_code == 200,
        )
        return {**showtime, "event": event, "venue": venue, "hall": hall}

    async def guest(self) -> dict[str, str]:
        token = await self.call("POST", "/api/v1/users/guest", 201)
        return {"Authorization": f"Bearer {token['accessToken']}"}

    async def hold(self, showtime_id: str, seat_ids: list[str], buyer: dict[str, str]) -> Json:
        headers = {**buyer, "Idempotency-Key": new_id()}
        path = f"/api/v1/showtimes/{showtime_id}/seats/reserve"
        return await self.call("POST", path, 201, json={"seatIds": seat_ids}, headers=headers)

    async def prepare(self, booking: Json, buyer: dict[str, str], **more: Any) -> Json:
        body = {"finalAmount": booking["finalAmount"], "currency": booking["currency"], **more}
        return await self.call(
            "POST", f"/api/v1/bookings/{booking['bookingId']}/preparePayment", 200, json=body, headers=buyer
        )

    async def pay(self, intent: Json, card: str = "pm_card_visa") -> httpx2.Response:
        """What the buyer's browser does at the gateway."""
        url = f"{self.stack.info['sandboxUrl']}/v1/payment_intents/{intent['paymentIntent']}/confirm"
        data = {"payment_method": card, "client_secret": intent["clientSecret"]}
        return await self.client.post(url, data=data, headers={"Authorization": "Bearer pk_test_journey"})

    async def payment(self, booking: Json) -> Json:
        """That of a booking which was prepared for payment."""
        query = {"bookingId": booking["bookingId"]}
        found = await self.call("GET", "/api/v1/payments", params=query, headers=self.stack.service)
        payment: Json = found["items"][0]
        return payment

    async def booking(self, booking_id: str, buyer: dict[str, str]) -> Json:
        return await self.call("GET", f"/api/v1/bookings/{booking_id}", headers=buyer)

    async def becomes(self, booking: Json, status: str, buyer: dict[str, str], seconds: float = 20) -> Json:
        return await eventually(
            lambda: self.booking(booking["bookingId"], buyer),
            until=lambda found: found["status"] == status,
            seconds=seconds,
        )

    async def seats(self, showtime_id: str) -> dict[str, str]:
        answer = await self.call("GET", f"/api/v1/showtimes/{showtime_id}/inventory")
        return {seat["seatId"]: seat["status"] for seat in answer["seatMap"]["seats"]}

    async def offer(self, show: Json, **query: Any) -> Json | None:
        """The show as a search for its name gives it; others may share a word of the name, so it is told by its id."""
        query = {**PLACE, "distance": "5km", "query": show["event"]["name"], **query}
        answer = await self.call("GET", "/api/v1/search/shows", params=query)
        return next((item for item in answer["items"] if item["showtimeId"] == show["showtimeId"]), None)
