"""`marquee demo`: loads the real data, then walks the main job as two buyers would live it, over HTTP alone."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import segno
from rich.console import Console

from marquee.faults import StackError
from marquee.seed.command import Bars, SeedOptions, seed
from service_kit.clock import SystemClock
from service_kit.ids import new_id

Json = dict[str, Any]
PLACE = "Paris"
# How long the index may lag behind a fresh load of 20,000 showtimes, and a payment behind its webhook.
INDEXED_SECONDS = 120.0
CONFIRMED_SECONDS = 20.0
PAUSE_SECONDS = 0.1
TICKETS = 2


@dataclass(frozen=True)
class Addresses:
    """What the walk needs of the running stack."""

    url: str
    sandbox_url: str
    admin_token: str


async def load(stack: Addresses, console: Console) -> None:
    """The real data; what is there already is not loaded again."""
    options = SeedOptions(stack.url, stack.admin_token, SystemClock().now())
    with Bars(console) as bars:
        report = await seed(options, bars)
    if report.failed:
        raise StackError("\n".join([f"{report.failed} items were refused:", *report.failures]))
    told = ", ".join(
        f"{count.created:,} {kind}s loaded ({count.existing:,} were there)" for kind, count in report.counts.items()
    )
    console.print(f"[bold]Data[/]  {told}, {report.seconds:.1f} s")


class Walk:
    """The story, step by step; each step prints what it did and how long it took."""

    def __init__(self, stack: Addresses, console: Console, client: httpx2.AsyncClient) -> None:
        self._stack = stack
        self._console = console
        self._client = client
        self._step = 0

    async def run(self) -> None:
        show = await self._search()
        seats = await self._seat_map(show)
        buyer, rival = await self._guests()
        booking = await self._hold(show, seats, buyer)
        await self._rival_is_refused(show, seats, rival)
        await self._pay(booking, buyer)
        await self._confirmed(booking, buyer)
        await self._ticket(booking, buyer)

    async def _search(self) -> Json:
        async with self._timed("search") as say:
            query = {"near": PLACE, "distance": "10km", "seatsTogether": TICKETS, "sort": "soonest", "limit": 50}
            found = await self._until(
                lambda: self._get("/api/v1/search/shows", params=query),
                lambda answer: any(_sellable(item) for item in answer["items"]),
                INDEXED_SECONDS,
                "the search finds no bookable show",
            )
            show: Json = next(item for item in found["items"] if _sellable(item))
            total = found["total"]
            say(
                f"{'over ' if total['relation'] == 'gte' else ''}{total['value']:,} shows within 10 km of {PLACE} "
                f"with {TICKETS} seats together; taking “{show['event']['name']}” at {show['venue']['name']}, "
                f"{show['startsAt']}, {show['distanceMeters'] / 1000:.1f} km away"
            )
        return show

    async def _seat_map(self, show: Json) -> list[str]:
        async with self._timed("seat map") as say:
            path = f"/api/v1/showtimes/{show['showtimeId']}"
            seen = await self._get(f"{path}/inventory")
            best = await self._get(f"{path}/seats/best", params={"count": TICKETS})
            seats: list[str] = best["seatIds"]
            say(
                f"{seen['summary']['available']} of {seen['summary']['total']} seats are free; best: {', '.join(seats)}"
            )
        return seats

    async def _guests(self) -> tuple[Json, Json]:
        async with self._timed("guest tokens") as say:
            buyer, rival = [await self._post("/api/v1/users/guest", None, {}) for _ in range(2)]
            say("two buyers, without registering")
        return _bearer(buyer), _bearer(rival)

    async def _hold(self, show: Json, seats: list[str], buyer: Json) -> Json:
        async with self._timed("hold") as say:
            headers = {**buyer, "Idempotency-Key": new_id()}
            path = f"/api/v1/showtimes/{show['showtimeId']}/seats/reserve"
            booking = await self._post(path, {"seatIds": seats}, headers)
            say(f"booking {booking['bookingId']}, {_money(booking)}, held until {booking['heldUntil']}")
        return booking

    async def _rival_is_refused(self, show: Json, seats: list[str], rival: Json) -> None:
        async with self._timed("a second buyer") as say:
            path = f"/api/v1/showtimes/{show['showtimeId']}/seats/reserve"
            answer = await self._client.post(path, json={"seatIds": seats[:1]}, headers=rival)
            if answer.status_code != 409:
                raise StackError(f"a held seat was not refused to a second buyer: {answer.status_code} {answer.text}")
            say(f"409 {answer.json()['title']}: {', '.join(answer.json()['seatIds'])}")

    async def _pay(self, booking: Json, buyer: Json) -> None:
        async with self._timed("payment") as say:
            amount = {"finalAmount": booking["finalAmount"], "currency": booking["currency"]}
            path = f"/api/v1/bookings/{booking['bookingId']}/preparePayment"
            intent = await self._post(path, amount, buyer)
            # The buyer's own browser would do this, with Stripe.js and the client secret.
            confirm = f"{self._stack.sandbox_url}/v1/payment_intents/{intent['paymentIntent']}/confirm"
            card = {"payment_method": "pm_card_visa", "client_secret": intent["clientSecret"]}
            paid = await self._client.post(confirm, data=card, headers={"Authorization": "Bearer pk_test_demo"})
            if not paid.is_success:
                raise StackError(f"the gateway refused the card: {paid.text}")
            say(f"intent {intent['paymentIntent']} {paid.json()['status']}; the gateway now sends its signed webhook")

    async def _confirmed(self, booking: Json, buyer: Json) -> None:
        async with self._timed("webhook → booked") as say:
            await self._until(
                lambda: self._get(f"/api/v1/bookings/{booking['bookingId']}", headers=buyer),
                lambda answer: answer["status"] == "confirmed",
                CONFIRMED_SECONDS,
                "the payment did not confirm the booking",
            )
            say("the booking is confirmed, its seats are booked")

    async def _ticket(self, booking: Json, buyer: Json) -> None:
        async with self._timed("ticket") as say:
            ticket = await self._get(f"/api/v1/bookings/{booking['bookingId']}/ticket", headers=buyer)
            seats = "; ".join(f"{seat['section']}, row {seat['row']}, seat {seat['label']}" for seat in ticket["seats"])
            say(f"“{ticket['event']}”, {ticket['venue']['name']}, {ticket['venue']['hall']}: {seats}")
        code = io.StringIO()
        segno.make(ticket["code"], error="m").terminal(out=code, compact=True)
        self._console.print(code.getvalue(), markup=False, highlight=False)

    @asynccontextmanager
    async def _timed(self, title: str) -> AsyncIterator[Callable[[str], None]]:
        self._step += 1
        told: list[str] = []
        started = time.perf_counter()
        yield told.append
        milliseconds = (time.perf_counter() - started) * 1000
        self._console.print(f"[bold]{self._step}. {title}[/] [dim]{milliseconds:,.0f} ms[/]  {' '.join(told)}")

    async def _get(self, path: str, **arguments: Any) -> Json:
        return _answer(await self._client.get(path, **arguments))

    async def _post(self, path: str, body: Json | None, headers: Json) -> Json:
        return _answer(await self._client.post(path, json=body, headers=headers))

    async def _until(
        self, probe: Callable[[], Awaitable[Json]], done: Callable[[Json], bool], seconds: float, otherwise: str
    ) -> Json:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                answer = await probe()
            except Busy as busy:
                await asyncio.sleep(busy.retry_after)
                continue
            if done(answer):
                return answer
            await asyncio.sleep(PAUSE_SECONDS)
        raise StackError(f"{otherwise} within {seconds:.0f} s")


async def walk(stack: Addresses, console: Console) -> None:
    """Walks the main job once. Raises StackError where a step does not do what it should."""
    async with httpx2.AsyncClient(base_url=stack.url, timeout=30) as client:
        try:
            await Walk(stack, console, client).run()
        except httpx2.HTTPError as error:
            raise StackError(f"The stack does not answer: {error!r}") from error


class Busy(StackError):
    """The stack asks to come again: right after the load it is still indexing."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def _answer(response: httpx2.Response) -> Json:
    if response.status_code == 503:
        raise Busy(response.text, int(response.headers.get("Retry-After", "1")))
    if not response.is_success:
        raise StackError(f"{response.request.method} {response.url.path}: {response.status_code} {response.text}")
    body: Json = response.json()
    return body


def _bearer(token: Json) -> Json:
    return {"Authorization": f"Bearer {token['accessToken']}"}


def _sellable(item: Json) -> bool:
    availability = item.get("availability")
    return bool(availability and availability["largestBlock"] >= TICKETS)


def _money(booking: Json) -> str:
    return f"{booking['finalAmount']} minor units of {booking['currency']}"
