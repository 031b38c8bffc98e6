"""What the tests of partners stand on: the service's use cases, and the theatre at the other end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
from fastapi import FastAPI
from starlette.applications import Starlette

from messaging.events import PartnerRequest
from partners_service.domain.requests import Request
from partners_service.handlers.asking import Asking
from partners_service.theatre import Theatres
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from service_kit.mongo import Database
from tests.servers.other_service import OtherService
from tests.support import TokenMint

Json = dict[str, Any]
SEATS = ("A1", "A2")
TWO_MINUTES = timedelta(minutes=2)


def wanted(partner_id: str, now: Any, seats: Sequence[str] = SEATS, booking_id: str | None = None) -> PartnerRequest:
    """What inventory asks for."""
    return PartnerRequest(
        booking_id=booking_id or new_id(),
        partner=partner_id,
        showtime_id=new_id(),
        event_id=new_id(),
        venue_id=new_id(),
        hall_id=new_id(),
        event_name="Faust",
        venue_name="Burg",
        hall_name="Große Bühne",
        starts_at=now + timedelta(days=1),
        seat_ids=list(seats),
        amount=4_400,
        currency="EUR",
        deadline=now + TWO_MINUTES,
    )


@dataclass
class Theatre:
    """The sandbox as its own people see it."""

    address: str
    app: Starlette
    client: httpx2.AsyncClient

    async def faults(self, **faults: Any) -> None:
        answer = await self.client.post("/sandbox/faults", json=faults)
        assert answer.status_code == 200, answer.text

    async def booking(self, booking_id: str) -> Json:
        found: Json = (await self.client.get(f"/sandbox/bookings/{booking_id}")).json()
        return found

    async def status(self, booking_id: str) -> str | None:
        return (await self.booking(booking_id)).get("status")


@dataclass
class Desk:
    client: httpx2.AsyncClient
    app: FastAPI
    theatres: Theatres
    clock: ManualClock
    mint: TokenMint
    theatre: Theatre
    database: Database
    catalogue: OtherService

    @property
    def asking(self) -> Asking:
        state = self.app.state
        return Asking(state.requests, state.exchanges, state.directory, self.theatres, self.clock)

    async def call(
        self, method: str, path: str = "", json: Any = None, role: Any = "admin", **headers: str
    ) -> httpx2.Response:
        sent = {
            **self.mint.headers(role, "somebody"),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return await self.client.request(method, f"/api/v1/partners{path}", json=json, headers=sent)

    async def partner(self, **changes: Any) -> Json:
        """A new partner that is the sandbox theatre, which learns the secret."""
        body = {"name": "Burg", "url": f"http://{self.theatre.address}", "timeoutSeconds": 0.5, **changes}
        answer = await self.call("POST", json=body)
        assert answer.status_code == 201, answer.text
        partner: Json = answer.json()
        self.theatre.app.state.secret = partner["secret"]
        self.named_by(partner)
        return partner

    def named_by(self, partner: Json, *venue_ids: str) -> None:
        """As if these venues named it."""
        path = f"/api/v1/venues?partnerId={partner['partnerId']}&limit=100"
        self.catalogue.known[path] = {"items": [{"venueId": venue_id} for venue_id in venue_ids]}

    async def look(self, partner: Json) -> Json:
        answer = await self.call("GET", f"/{partner['partnerId']}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def log(self, partner: Json, booking_id: str | None = None) -> list[Json]:
        """The exchanges, oldest first."""
        query = f"?bookingId={booking_id}" if booking_id else ""
        answer = await self.call("GET", f"/{partner['partnerId']}/exchanges{query}")
        items: list[Json] = answer.json()["items"]
        return items[::-1]

    async def ask(self, partner: Json, *seats: str) -> str:
        """The id of a booking that the theatre is to be asked for."""
        request = wanted(partner["partnerId"], self.clock.now(), seats or SEATS)
        await self.asking.begin(request)
        return request.booking_id

    async def work(self, asking: Asking | None = None) -> int:
        """Attend to all that is due now; how much that was."""
        asking, steps = asking or self.asking, 0
        while request := await asking.requests.claim(self.clock.now()):
            await asking.attend(request)
            steps += 1
        return steps

    async def work_for(self, span: timedelta, step: timedelta = timedelta(seconds=5)) -> None:
        """Attend to what becomes due in that time."""
        end = self.clock.now() + span
        await self.work()
        while self.clock.now() < end:
            self.clock.advance(step)
            await self.work()

    async def request(self, booking_id: str) -> Request:
        found = await self.asking.requests.get(booking_id)
        assert found is not None
        return found

    async def events(self, booking_id: str) -> list[Json]:
        """What is told of a booking, in order."""
        document = await self.database["requests"].find_one({"_id": booking_id})
        assert document is not None
        return [{"type": event["type"], **event["data"]} for event in document["outbox"]]
