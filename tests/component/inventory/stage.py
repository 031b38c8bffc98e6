"""What the tests of inventory stand on: a hall, showtimes in it, buyers, and the two services that inventory calls."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from inventory_service.handlers.audit import audit
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.follow_up import follow_up
from inventory_service.handlers.showtimes import follow_showtimes
from messaging.envelope import Event, new_event
from messaging.events import EventState, GeoPoint, Pricing, ShowtimeState, VenueState
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from service_kit.mongo import Database
from tests.support import TokenMint, eventually

ROWS, SEATS_A_ROW = 6, 10
DAY = timedelta(days=1)
PRICING = Pricing(currency="EUR", tiers={"standard": 1_000, "vip": 2_500, "balcony": 800}, fee=150)


def seat_layout() -> dict[str, Any]:
    """Rows A to F of ten: A is vip, B to D standard, E and F a balcony of standard seats with its own tier."""

    def rows(letters: str, seat_type: str) -> list[dict[str, Any]]:
        return [
            {
                "label": letter,
                "seats": [
                    {
                        "id": f"{letter}{number}",
                        "label": str(number),
                        "coordinates": {"x": number, "y": ord(letter)},
                        "seatType": seat_type,
                    }
                    for number in range(1, SEATS_A_ROW + 1)
                ],
            }
            for letter in letters
        ]

    return {
        "sections": [
            {"id": "stalls", "name": "Stalls", "rows": rows("A", "vip") + rows("BCD", "standard")},
            {"id": "balcony", "name": "Balcony", "rows": rows("EF", "standard")},
        ]
    }


ALL_SEATS = [f"{letter}{number}" for letter in "ABCDEF" for number in range(1, SEATS_A_ROW + 1)]


@dataclass
class Neighbours:
    """The venues and payments services as inventory sees them, over real HTTP."""

    url: str = ""
    layouts: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    showtimes: set[str] = field(default_factory=set)
    payments: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    down: bool = False

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.middleware("http")
        async def note(request: Request, call_next: Any) -> Response:
            self.asked.append(request.url.path)
            if self.down:
                return JSONResponse({"detail": "down for a moment"}, 503)
            answer: Response = await call_next(request)
            return answer

        @app.get("/api/v1/venue/{venue_id}/hall/{hall_id}/layout/{version}")
        async def layout(venue_id: str, hall_id: str, version: str) -> Response:
            found = self.layouts.get((venue_id, hall_id, version))
            if found is None:
                return JSONResponse({"detail": "There is no such layout"}, 404)
            return JSONResponse({"hallId": hall_id, "layoutVersion": int(version), **found})

        @app.get("/api/v1/showtimes/{showtime_id}")
        async def showtime(showtime_id: str) -> Response:
            known = showtime_id in self.showtimes
            return JSONResponse({"showtimeId": showtime_id}, 200 if known else 404)

        @app.post("/api/v1/payments")
        async def payment(request: Request) -> Response:
            body = await request.json()
            made = self.payments.setdefault(
                body["bookingId"],
                {
                    "paymentId": new_id(),
                    "paymentIntent": f"pi_{len(self.payments)}",
                    "clientSecret": f"pi_{len(self.payments)}_secret",
                    "provider": "sandbox",
                    "status": "pending",
                    **body,
                },
            )
            return JSONResponse(made, 201)

        return app


@asynccontextmanager
async def neighbours() -> AsyncIterator[Neighbours]:
    """Served on a free port of loopback, in this loop."""
    near = Neighbours()
    listening = socket.create_server(("127.0.0.1", 0))
    near.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(near.app(), log_config=None, lifespan="off"))
    server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]  # the signals are pytest's
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await eventually(lambda: _started(server))
        yield near
    finally:
        server.should_exit = True
        await task
        listening.close()


async def _started(server: uvicorn.Server) -> bool:
    return server.started


@dataclass
class Buyer:
    """Somebody with a token, calling one process of the service."""

    client: httpx2.AsyncClient
    subject: str
    headers: dict[str, str]

    @property
    def token(self) -> str:
        return self.headers["Authorization"].removeprefix("Bearer ")

    async def get(self, path: str, **arguments: Any) -> httpx2.Response:
        return await self._call("GET", path, arguments)

    async def post(self, path: str, json: Any = None, **arguments: Any) -> httpx2.Response:
        return await self._call("POST", path, {"json": json, **arguments})

    async def put(self, path: str, json: Any = None, **arguments: Any) -> httpx2.Response:
        return await self._call("PUT", path, {"json": json, **arguments})

    async def delete(self, path: str, **arguments: Any) -> httpx2.Response:
        return await self._call("DELETE", path, arguments)

    async def _call(self, method: str, path: str, arguments: dict[str, Any]) -> httpx2.Response:
        headers = {**self.headers, **arguments.pop("headers", {})}
        return await self.client.request(method, f"/api/v1{path}", headers=headers, **arguments)

    async def reserve(
        self, showtime: ShowtimeState, *seat_ids: str, key: str | None = None, **body: Any
    ) -> httpx2.Response:
        headers = {"Idempotency-Key": key} if key else {}
        path = f"/showtimes/{showtime.showtime_id}/seats/reserve"
        return await self.post(path, {"seatIds": list(seat_ids), **body}, headers=headers)


@dataclass
class Stage:
    """One test's view of the house: empty collections, a clock to move, people to be."""

    client: httpx2.AsyncClient
    app: FastAPI
    inventory: Inventory
    database: Database
    near: Neighbours
    clock: ManualClock
    mint: TokenMint

    def buyer(self, role: Any = "user", subject: str | None = None, client: httpx2.AsyncClient | None = None) -> Buyer:
        subject = subject or new_id()
        return Buyer(client or self.client, subject, self.mint.headers(role, subject))

    def showtime(self, **changes: Any) -> ShowtimeState:
        """A new showtime tomorrow evening, known to the catalogue; its event has not been told yet."""
        state = showtime_state(self.clock.now(), **changes)
        self.near.layouts[state.venue.venue_id, state.hall_id, str(state.layout_version)] = seat_layout()
        self.near.showtimes.add(state.showtime_id)
        return state

    async def open(self, **changes: Any) -> ShowtimeState:
        """A new showtime with its seat map."""
        state = self.showtime(**changes)
        await self.tell("ShowtimeCreated", state)
        return state

    async def tell(self, type_: str, *states: ShowtimeState) -> None:
        """As the worker does it: the seat maps follow, then their bookings."""
        await follow_showtimes(self.inventory, [self.event(type_, state) for state in states])
        await follow_up(self.inventory)

    def event(self, type_: str, state: ShowtimeState) -> Event[ShowtimeState]:
        return new_event(
            type_,
            source="venues",
            subject=state.showtime_id,
            version=state.version,
            data=state,
            clock=self.clock,
        )

    async def hold(self, showtime: ShowtimeState, *seat_ids: str, buyer: Buyer | None = None, **body: Any) -> str:
        """The id of a new pending booking."""
        answer = await (buyer or self.buyer()).reserve(showtime, *seat_ids, **body)
        assert answer.status_code == 201, answer.text
        booking_id: str = answer.json()["bookingId"]
        return booking_id

    async def block(self, showtime: ShowtimeState, *seat_ids: str, **body: Any) -> str:
        """The id of a new block."""
        wanted = {"seatIds": list(seat_ids), **body}
        answer = await self.buyer("admin").post(f"/showtimes/{showtime.showtime_id}/blocks", wanted)
        assert answer.status_code == 201, answer.text
        block_id: str = answer.json()["blockId"]
        return block_id

    async def prepared(self, booking_id: str) -> str:
        """The id of the payment that was prepared for a booking."""
        booking = await self.inventory.booking(booking_id)
        body = {"finalAmount": booking.amount, "currency": booking.currency}
        owner = self.buyer(subject=booking.user_id)
        answer = await owner.post(f"/bookings/{booking_id}/preparePayment", body)
        assert answer.status_code == 200, answer.text
        payment_id: str = answer.json()["paymentId"]
        return payment_id

    async def bought(self, showtime: ShowtimeState, *seat_ids: str, buyer: Buyer | None = None) -> tuple[str, str]:
        """A confirmed booking: its id and that of its payment."""
        booking_id = await self.hold(showtime, *seat_ids, buyer=buyer)
        payment_id = await self.prepared(booking_id)
        answer = await self.settle(booking_id, payment_id)
        assert answer.json()["status"] == "confirmed", answer.text
        return booking_id, payment_id

    async def settle(self, booking_id: str, payment_id: str, status: str = "succeeded") -> httpx2.Response:
        """Tell the outcome of a payment, as the payments service may."""
        service = self.buyer("service", "payments")
        return await service.put(f"/bookings/{booking_id}/confirm", {"paymentStatus": status, "paymentId": payment_id})

    async def document(self, booking_id: str) -> dict[str, Any]:
        found = await self.database["bookings"].find_one({"_id": booking_id})
        assert found is not None
        return found

    async def seat_map(self, showtime: ShowtimeState) -> dict[str, Any]:
        found = await self.database["seat_maps"].find_one({"_id": showtime.showtime_id})
        assert found is not None
        return found

    async def holds(self, showtime: ShowtimeState) -> dict[str, Any]:
        """The entries of the seat map, by booking."""
        buckets = (await self.seat_map(showtime))["holds"].values()
        return {booking_id: entry for bucket in buckets for booking_id, entry in bucket.items()}

    async def events(self, booking_id: str, type_: str | None = None) -> list[dict[str, Any]]:
        """What waits in the outbox of a booking, in order."""
        outbox = (await self.document(booking_id)).get("outbox", [])
        return [event for event in outbox if type_ is None or event["type"] == type_]

    async def taken(self, showtime: ShowtimeState) -> dict[str, str]:
        """Seats that are not available, with their status, as anybody sees them."""
        answer = await self.client.get(f"/api/v1/showtimes/{showtime.showtime_id}/inventory")
        seats: Sequence[dict[str, Any]] = answer.json()["seatMap"]["seats"]
        return {seat["seatId"]: seat["status"] for seat in seats if seat["status"] != "available"}

    async def sound(self) -> None:
        """Every invariant holds."""
        assert await audit(self.inventory) == []


def problem(answer: httpx2.Response, status: int, slug: str) -> dict[str, Any]:
    """The body of a problem of this kind."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"].endswith(f"/{slug}"), body
    return body


def showtime_state(now: datetime, **changes: Any) -> ShowtimeState:
    hall_id = changes.pop("hall_id", None) or new_id()
    starts_at = changes.pop("starts_at", None) or (now + DAY).replace(hour=19, minute=30, second=0, microsecond=0)
    fields: dict[str, Any] = {
        "showtime_id": new_id(),
        "version": 1,
        "status": "scheduled",
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(minutes=120),
        "hall_id": hall_id,
        "hall_name": "Great Hall",
        "layout_version": 1,
        "seat_count": ROWS * SEATS_A_ROW,
        "pricing": PRICING,
        # Most tests take seats as they please; those of the rule turn it on.
        "single_seat_rule": False,
        "event": EventState(event_id=new_id(), version=1, name="Die Zauberflöte", category="opera"),
        "venue": VenueState(
            venue_id=new_id(),
            version=1,
            name="Opera House",
            city="Vienna",
            country="AT",
            timezone="Europe/Vienna",
            location=GeoPoint(lat=48.2, lon=16.37),
        ),
    }
    return ShowtimeState(**{**fields, **changes})
