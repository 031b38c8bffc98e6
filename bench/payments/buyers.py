"""Buyers who hold, prepare and pay, and the moment at which each booking is confirmed in the database."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench.asks import Ask, Asks
from bench.halls import seat_ids
from bench.payments.shop import Shop
from bench.payments.wire import Line, form_post, json_post, line_to
from service_kit.mongo import Database
from service_kit.tasks import stopped

PEOPLE = 100
PREPARING = 16
clock = time.perf_counter


@dataclass(frozen=True)
class Prepared:
    booking_id: str
    amount: int
    payment_id: str
    intent: str
    client_secret: str


class Booked:
    """When each booking was seen to be confirmed, by a change stream."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self._waited: dict[str, asyncio.Future[None]] = {}

    async def until(self, booking_id: str) -> None:
        if booking_id not in self.at:
            self._waited[booking_id] = asyncio.get_running_loop().create_future()
            await self._waited[booking_id]

    def note(self, booking_id: str) -> None:
        self.at.setdefault(booking_id, clock())
        if waiter := self._waited.pop(booking_id, None):
            waiter.set_result(None)


@asynccontextmanager
async def watching(seats: Database) -> AsyncIterator[Booked]:
    booked = Booked()
    confirmed = {"operationType": "update", "updateDescription.updatedFields.status": "confirmed"}
    pipeline: list[dict[str, Any]] = [{"$match": confirmed}, {"$project": {"documentKey": 1}}]
    async with await seats["bookings"].watch(pipeline, max_await_time_ms=1_000) as stream:

        async def follow() -> None:
            async for change in stream:
                booked.note(change["documentKey"]["_id"])

        task = asyncio.create_task(follow())
        try:
            yield booked
        finally:
            await stopped(task)


class Buyers:
    """They ask over HTTP for what `asks` has next, by tokens in turn."""

    def __init__(self, shop: Shop, asks: Asks) -> None:
        self._shop = shop
        self._asks = asks
        self._tokens = [shop.near.token() for _ in range(PEOPLE)]
        self._count = 0

    async def prepared(self, count: int) -> list[Prepared]:
        """So many bookings that are held and whose payment is prepared. Raises RuntimeError where seats run out."""
        found: list[Prepared] = []

        async def some() -> None:
            async with line_to(self._shop.api) as line:
                while len(found) < count:
                    found.append(await self.prepare(line))

        await asyncio.gather(*(some() for _ in range(PREPARING)))
        return found[:count]

    async def prepare(self, line: Line) -> Prepared:
        ask, token = self._next()
        path = f"/api/v1/showtimes/{ask.house}/seats/reserve"
        held = await _asked(line, json_post(path, token, {"seatIds": seat_ids(ask.first)}), 201)
        price = {"finalAmount": held["finalAmount"], "currency": held["currency"]}
        path = f"/api/v1/bookings/{held['bookingId']}/preparePayment"
        payment = await _asked(line, json_post(path, token, price), 200)
        return Prepared(
            held["bookingId"],
            held["finalAmount"],
            payment["paymentId"],
            payment["paymentIntent"],
            payment["clientSecret"],
        )

    async def pay(self, line: Line, prepared: Prepared) -> None:
        """At the gateway, as the buyer's browser does."""
        path = f"/v1/payment_intents/{prepared.intent}/confirm"
        request = form_post(path, payment_method="pm_card_visa", client_secret=prepared.client_secret)
        await _asked(line, request, 200)

    def _next(self) -> tuple[Ask, str]:
        ask = self._asks.next()
        if ask is None:
            raise RuntimeError("all seats are sold: open more houses")
        self._count += 1
        return ask, self._tokens[self._count % PEOPLE]


async def _asked(line: Line, request: bytes, expected: int) -> dict[str, Any]:
    status, body = await line.ask(request)
    if status != expected:
        raise RuntimeError(f"{request.split(b' ', 2)[1].decode()} was answered {status}: {body[:300]!r}")
    answer: dict[str, Any] = json.loads(body)
    return answer
