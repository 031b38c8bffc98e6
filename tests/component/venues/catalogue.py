"""A catalogue under test: the client, an admin's token, and short ways to put things in."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import httpx2

from service_kit.clock import ManualClock
from service_kit.mongo import Database
from tests.support import TokenMint

_numbers: Iterator[int] = count(1)


def seat(seat_id: str, x: float, y: float = 0, seat_type: str = "standard") -> dict[str, Any]:
    return {"id": seat_id, "label": seat_id, "coordinates": {"x": x, "y": y}, "seatType": seat_type}


def layout(*, seats: int = 6, section: str = "stalls", seat_type: str = "standard") -> dict[str, Any]:
    """One section with one row."""
    row = {"label": "A", "seats": [seat(f"{section}-A{n}", n, 0, seat_type) for n in range(seats)]}
    return {"sections": [{"id": section, "name": section.title(), "rows": [row]}]}


@dataclass
class Catalogue:
    client: httpx2.AsyncClient
    clock: ManualClock
    database: Database
    mint: TokenMint
    admin: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.admin = self.mint.headers("admin")

    async def send(self, method: str, path: str, json: Any = None, **headers: str) -> httpx2.Response:
        """As admin."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, f"/api/v1{path}", json=json, headers={**self.admin, **named})

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """As anybody."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.get(f"/api/v1{path}", headers=named)

    async def venue(self, **fields: Any) -> dict[str, Any]:
        body = {"name": f"Venue {next(_numbers)}", "city": "Paris", "address": {"country": "FR"}, **fields}
        return await self._made(await self.send("POST", "/venue", body))

    async def hall(self, venue_id: str, seat_layout: dict[str, Any] | None = None) -> dict[str, Any]:
        body = {"name": f"Hall {next(_numbers)}", "seatLayout": seat_layout or layout()}
        return await self._made(await self.send("POST", f"/venue/{venue_id}/hall", body))

    async def event(self, **fields: Any) -> dict[str, Any]:
        body = {"name": f"Event {next(_numbers)}", "category": "movie", "keywords": [], "metadata": {}, **fields}
        return await self._made(await self.send("POST", "/events", body))

    async def stage(self, **hall: Any) -> "Stage":
        """A venue with a hall, and an event of two hours."""
        venue = await self.venue()
        made = await self.hall(venue["venueId"], **hall)
        event = await self.event(metadata={"durationMinutes": 120})
        return Stage(self, venue["venueId"], made["hallId"], event["eventId"])

    def at(self, **ahead: float) -> str:
        return (self.clock.now() + timedelta(**ahead)).isoformat()

    async def _made(self, answer: httpx2.Response) -> dict[str, Any]:
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


@dataclass
class Stage:
    """Where and what: showtimes are put on it."""

    catalogue: Catalogue
    venue_id: str
    hall_id: str
    event_id: str

    def body(self, starts_at: str | datetime, **fields: Any) -> dict[str, Any]:
        return {
            "venueId": self.venue_id,
            "hallId": self.hall_id,
            "startsAt": starts_at if isinstance(starts_at, str) else starts_at.isoformat(),
            "pricing": {"currency": "EUR", "tiers": {"standard": 1_200}},
            **fields,
        }

    async def try_showtime(self, starts_at: str | datetime, **fields: Any) -> httpx2.Response:
        body = self.body(starts_at, **fields)
        return await self.catalogue.send("POST", f"/events/{self.event_id}/showtimes", body)

    async def showtime(self, starts_at: str | datetime, **fields: Any) -> dict[str, Any]:
        answer = await self.try_showtime(starts_at, **fields)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


def pointers(answer: httpx2.Response) -> set[str]:
    """The JSON pointers of a 422."""
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {fault["pointer"] for fault in answer.json()["errors"] if "pointer" in fault}
