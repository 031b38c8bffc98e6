"""What there is to buy in a soak: showtimes of three venues. One keeps a part of what is given back, one is a partner
theatre's. Some showtimes are called off or moved while they sell."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

from tests.journeys.story import layout
from tests.servers.stack import Stack
from tests.soak.client import Client, Json
from tests.soak.plan import Plan
from tests.support import eventually

SEATS_A_ROW = 20
CODE = "ENDURANCE"
CODE_PERCENT = 15
Kind = Literal["open", "keeping", "partner"]
# All showtimes begin later than a day from now: three fifths of a ticket come back, and nothing of the fee.
VENUES: dict[Kind, Json] = {
    "open": {},
    "keeping": {"refundPolicy": {"rules": [{"hoursBefore": 24, "percent": 60}], "keepFee": True}},
    "partner": {"partner": {"adapter": "http", "id": "sandbox"}},
}
MOVED_BY = timedelta(minutes=20)
EVENT = {
    "name": "Fidelio",
    "category": "opera",
    "description": "An opera in two acts.",
    "keywords": ["Beethoven"],
    "metadata": {"genre": "opera", "language": "de", "durationMinutes": 130},
}


@dataclass
class Hall:
    """A showtime and its seats. `told`: bookings that were confirmed when it was moved."""

    showtime: str
    rows: int
    off: bool = False
    kind: Kind = "open"
    starts: datetime | None = None
    moved: bool = False
    told: set[str] = field(default_factory=set)

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

    def of(self, kind: Kind) -> list[Hall]:
        return [hall for hall in self.halls if hall.kind == kind]

    async def call_off(self, hall: Hall) -> None:
        """As an admin does it; the version is that which he has seen."""
        hall.off = True
        await self._change(hall, "DELETE")

    async def move(self, hall: Hall) -> None:
        assert hall.starts is not None
        hall.moved = True
        hall.starts += MOVED_BY
        await self._change(hall, "PATCH", json={"startsAt": hall.starts.isoformat()})

    async def _change(self, hall: Hall, method: str, **arguments: Any) -> None:
        url = f"{self.stack.url}/api/v1/showtimes/{hall.showtime}"
        seen = await self.client.ask("GET", url)
        headers = {**self.stack.admin, "If-Match": seen.headers["etag"]}
        answer = await self.client.ask(method, url, headers=headers, **arguments)
        # 412 where the answer to the first try was lost.
        assert answer.status_code in {200, 412}, answer.text


async def open_house(stack: Stack, client: Client, plan: Plan) -> House:
    """Showtimes whose seats may be bought when this returns."""

    async def made(path: str, body: Json) -> Any:
        answer = await client.ask("POST", f"{stack.url}{path}", json=body, headers=stack.admin)
        assert answer.status_code == 201, answer.text
        return answer.json()

    event = await made("/api/v1/events", EVENT)
    opened = []
    for kind, number in _numbers(plan).items():
        venue = await made("/api/v1/venue", {**_venue(kind), **VENUES[kind]})
        seat_layout = layout(rows=plan.rows, seats=SEATS_A_ROW)
        hall = await made(f"/api/v1/venue/{venue['venueId']}/hall", {"name": "Grande salle", "seatLayout": seat_layout})
        for at in range(number):
            starts = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2, hours=3 * at)
            place = {"venueId": venue["venueId"], "hallId": hall["hallId"], "startsAt": starts.isoformat()}
            showtime = await made(f"/api/v1/events/{event['eventId']}/showtimes", {**place, **_terms(plan)})
            opened.append(Hall(showtime["showtimeId"], plan.rows, kind=kind, starts=starts))
    for one in opened:
        looking = partial(client.ask, "GET", f"{stack.url}/api/v1/showtimes/{one.showtime}/inventory?view=compact")
        await eventually(looking, until=lambda answer: answer.status_code == 200, seconds=30)
    return House(stack, client, opened)


def _numbers(plan: Plan) -> dict[Kind, int]:
    """How many showtimes of each venue; two at least, so that one may be called off."""
    keeping = max(2, round(plan.halls * plan.shares.keeping)) if plan.shares.keeping else 0
    partner = max(2, round(plan.halls * plan.shares.partner)) if plan.shares.partner else 0
    return {"open": max(2, plan.halls - keeping - partner), "keeping": keeping, "partner": partner}


def _venue(kind: Kind) -> Json:
    return {
        "name": f"Théâtre de l'Endurance ({kind})",
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


def _terms(plan: Plan) -> Json:
    code = {
        "kind": "code",
        "code": CODE,
        "percent": CODE_PERCENT,
        "limit": plan.code_limit,
        "limitPerPerson": plan.code_limit_per_person,
        "campaign": "endurance",
    }
    return {
        "pricing": {"currency": "EUR", "tiers": {"standard": 1_250, "premium": 1_900}, "fee": 137},
        "promotions": [code],
        "singleSeatRule": False,
    }
