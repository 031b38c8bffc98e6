"""What there is to buy in a soak: showtimes in one large hall, some of which are called off while they sell."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tests.journeys.story import layout
from tests.servers.stack import Stack
from tests.soak.client import Client, Json
from tests.support import eventually

SEATS_A_ROW = 20
VENUE = {
    "name": "Théâtre de l'Endurance",
    "city": "Paris",
    "country": "FR",
    "address": {
        "street": "1 rue de Rivoli",
        "district": "1er",
        "state": "",
        "postalCode": "75001",
        "country": "FR",
    },
    "location": {"lat": 48.8606, "lon": 2.3376},
}
EVENT = {
    "name": "Fidelio",
    "category": "opera",
    "description": "An opera in two acts.",
    "keywords": ["Beethoven"],
    "metadata": {"genre": "opera", "language": "de", "durationMinutes": 130},
}


@dataclass
class Hall:
    """A showtime and its seats."""

    showtime: str
    rows: int
    off: bool = False

    def seats(self, chance: random.Random) -> list[str]:
        """A few neighbours."""
        wanted = chance.randint(1, 3)
        row, first = chr(65 + chance.randrange(self.rows)), chance.randint(1, SEATS_A_ROW - wanted + 1)
        return [f"{row}{number}" for number in range(first, first + wanted)]


@dataclass
class House:
    stack: Stack
    client: Client
    halls: list[Hall]

    async def call_off(self, hall: Hall) -> None:
        """As an admin does it; the version is that which he has seen."""
        hall.off = True
        url = f"{self.stack.url}/api/v1/showtimes/{hall.showtime}"
        seen = await self.client.ask("GET", url)
        headers = {**self.stack.admin, "If-Match": seen.headers["etag"]}
        answer = await self.client.ask("DELETE", url, headers=headers)
        assert answer.status_code in {200, 412}, answer.text


async def open_house(stack: Stack, client: Client, halls: int, rows: int) -> House:
    """So many showtimes, whose seats may be bought when this returns."""

    async def made(path: str, body: Json) -> Any:
        answer = await client.ask("POST", f"{stack.url}{path}", json=body, headers=stack.admin)
        assert answer.status_code == 201, answer.text
        return answer.json()

    venue = await made("/api/v1/venue", VENUE)
    seat_layout = layout(rows=rows, seats=SEATS_A_ROW)
    hall = await made(f"/api/v1/venue/{venue['venueId']}/hall", {"name": "Grande salle", "seatLayout": seat_layout})
    event = await made("/api/v1/events", EVENT)
    opened = []
    for number in range(halls):
        starts = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2, hours=3 * number)
        body = {
            "venueId": venue["venueId"],
            "hallId": hall["hallId"],
            "startsAt": starts.isoformat(),
            "pricing": {"currency": "EUR", "tiers": {"standard": 1_250, "premium": 1_900}, "fee": 137},
            "singleSeatRule": False,
        }
        showtime = await made(f"/api/v1/events/{event['eventId']}/showtimes", body)
        opened.append(Hall(showtime["showtimeId"], rows))
    for one in opened:
        looking = partial(client.ask, "GET", f"{stack.url}/api/v1/showtimes/{one.showtime}/inventory?view=compact")
        await eventually(looking, until=lambda answer: answer.status_code == 200, seconds=30)
    return House(stack, client, opened)
