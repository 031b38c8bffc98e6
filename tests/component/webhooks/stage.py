"""The webhooks service with everything around it, as tests of it use it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from messaging.envelope import Event, new_event
from messaging.events import BookingState, EventData, PaymentState
from messaging.publisher import Publisher
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from service_kit.mongo import Database
from service_kit.resolving import Resolve
from tests.servers.other_service import OtherService
from tests.servers.receiver import Received, Receiver
from tests.support import TokenMint, eventually
from webhooks_service.app import worker
from webhooks_service.config import Settings

Json = dict[str, Any]
PLACE = "/api/v1/webhook-endpoints"


class Names:
    """A resolver that tests change: what a name leads to, the next time it is asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []

    def lead(self, name: str, *addresses: str) -> None:
        self.answers[name] = [list(addresses)]

    def lead_in_turn(self, name: str, *answers: Sequence[str]) -> None:
        """One answer after the other; the last one stays."""
        self.answers[name] = [list(answer) for answer in answers]

    def forget(self) -> None:
        self.answers.clear()
        self.asked.clear()

    async def resolve(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        answers = self.answers.get(host)
        if answers is None:
            raise OSError("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


@dataclass
class Stage:
    settings: Settings
    client: httpx2.AsyncClient
    database: Database
    clock: ManualClock
    mint: TokenMint
    receiver: Receiver
    names: Names
    publisher: Publisher
    catalogue: OtherService

    def venues(self, *venue_ids: str) -> None:
        """These alone are there."""
        self.catalogue.known = {f"/api/v1/venue/{venue_id}": {"venueId": venue_id} for venue_id in venue_ids}

    @asynccontextmanager
    async def working(self, resolve: Resolve | None = None) -> AsyncIterator[None]:
        """A worker of the service, in this process."""
        async with worker(self.settings, self.clock, resolve or self.names.resolve):
            yield

    async def call(self, method: str, path: str = "", *, role: Any = "admin", **more: Any) -> httpx2.Response:
        headers = {**self.mint.headers(role, "the-admin"), **more.pop("headers", {})}
        return await self.client.request(method, PLACE + path, headers=headers, **more)

    async def endpoint(self, path: str = "/hook", **more: Any) -> Json:
        """A new endpoint at the receiver."""
        body = {"url": self.receiver.url + path, "eventTypes": ["*"], **more}
        answer = await self.call("POST", json=body)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    async def read(self, endpoint: Json) -> Json:
        answer = await self.call("GET", f"/{endpoint['endpointId']}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def log(self, endpoint: Json, **query: Any) -> list[Json]:
        answer = await self.call("GET", f"/{endpoint['endpointId']}/deliveries", params={"limit": 100, **query})
        assert answer.status_code == 200, answer.text
        items: list[Json] = answer.json()["items"]
        return items

    async def until(self, endpoint: Json, condition: Callable[[list[Json]], Any], seconds: float = 15) -> list[Json]:
        return await eventually(lambda: self.log(endpoint), until=condition, seconds=seconds)

    async def received(self, path: str = "/hook", count: int = 1) -> list[Received]:
        async def found() -> list[Received]:
            return self.receiver.of(path)

        return await eventually(found, until=lambda them: len(them) >= count)

    async def publish(self, event: Event[Any]) -> None:
        await self.publisher.publish(event.to_document())

    async def tell(self, type_: str = "BookingConfirmed", data: EventData | None = None) -> Event[Any]:
        """Something happened: as the other services publish it."""
        event = self.event(type_, data or booking())
        await self.publish(event)
        return event

    def event(self, type_: str, data: EventData) -> Event[Any]:
        return new_event(type_, source="tests", subject=new_id(), version=1, data=data, clock=self.clock)


def booking(**more: Any) -> BookingState:
    values: Json = {
        "booking_id": new_id(),
        "version": 2,
        "showtime_id": "s1",
        "event_id": "e1",
        "venue_id": "v1",
        "user_id": "the-user",
        "seat_ids": ["A1", "A2"],
        "status": "confirmed",
        "amount": 2400,
        "currency": "EUR",
    }
    return BookingState(**values | more)


def refund(booking_id: str) -> PaymentState:
    return PaymentState(
        payment_id=new_id(),
        version=3,
        booking_id=booking_id,
        user_id="the-user",
        status="refunded",
        amount=2400,
        refunded=2400,
        currency="EUR",
        provider="stripe",
    )


def states(log: list[Json]) -> list[str]:
    return [each["state"] for each in log]
