"""One showtime's sale: what each step does to the house, and what is known afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2

from inventory_service.handlers.give_back import Wish, cancel_by_owner
from inventory_service.handlers.pay import prepare_payment
from inventory_service.handlers.reserve import Reserve, reserve
from inventory_service.handlers.showtimes import follow_showtimes
from messaging.envelope import Event, new_event
from messaging.events import Pricing, ShowtimeState
from partners_service.handlers.partners import SANDBOX
from payment_service.handlers.payments import Order, Payments
from payment_service.store.payments import Store
from service_kit.errors import DomainError
from service_kit.ids import new_id
from service_kit.models import rfc3339
from tests.component.inventory.crashes import Killed, mortal
from tests.component.inventory.stage import seat_layout, showtime_state
from tests.component.payments.signing import signed_at
from tests.saga.books import Causes
from tests.saga.house import House
from tests.saga.mortal import Fuse, mortal_database
from tests.saga.steps import Moment, Step

# The balcony is free of charge: a booking of nothing else costs nothing.
PRICING = Pricing(currency="EUR", tiers={"standard": 1_000, "vip": 2_500, "balcony": 0}, fee=0)
Json = dict[str, Any]


@dataclass
class Attempt:
    """What one buyer knows. `booking_id` is None until a hold was answered."""

    user_id: str
    headers: dict[str, str]
    key: str
    wanted: Json
    # Whether he asked over HTTP, with his key.
    asked: bool = False
    booking_id: str | None = None
    amount: int = 0
    intent: Json | None = None
    given_up: bool = False
    given_back: bool = False
    gave: list[str] = field(default_factory=list)


class Sale:
    """`at_theatre`: a partner theatre has the last word."""

    def __init__(self, house: House, *, at_theatre: bool = False) -> None:
        self.house = house
        self.attempts: list[Attempt] = []
        self.called_off = False
        now = house.clock.now()
        state = showtime_state(now, starts_at=now + timedelta(days=60), pricing=PRICING)
        partner = {"adapter": "http", "id": SANDBOX} if at_theatre else None
        self.showtime = state.model_copy(update={"venue": state.venue.model_copy(update={"partner": partner})})

    async def open(self) -> None:
        state, near = self.showtime, self.house.near
        near.layouts[state.venue.venue_id, state.hall_id, "1"] = seat_layout()
        near.showtimes.add(state.showtime_id)
        await follow_showtimes(self.house.inventory, [self._event("ShowtimeCreated", state)])

    async def live_through(self, moments: Sequence[Moment]) -> None:
        for moment in moments:
            await asyncio.gather(*(self._do(step) for step in moment))
            for worker in self.house.workers.values():
                await worker.revive()

    def causes(self) -> Causes:
        known = [each for each in self.attempts if each.booking_id]
        return Causes(
            frozenset(str(each.booking_id) for each in known if each.given_up),
            frozenset(str(each.booking_id) for each in known if each.given_back),
            self.called_off,
        )

    async def _do(self, step: Step) -> None:
        kind, *arguments = step
        await getattr(self, kind)(*arguments)

    # --- buyers ------------------------------------------------------------------------------------------------------

    async def buy(self, seats: list[str], card: str) -> None:
        """All that a buyer does, one after the other."""
        await self._ask_for_seats(attempt := self._new_attempt(seats, 600))
        await self._prepare(attempt)
        await self._pay(attempt, card)

    async def hold(self, seats: list[str], seconds: int, dies: int) -> None:
        attempt = self._new_attempt(seats, seconds)
        if not dies:
            await self._ask_for_seats(attempt)
            return
        attempt.booking_id = new_id()
        command = Reserve(attempt.booking_id, attempt.user_id, self.showtime.showtime_id, seats, seconds)
        with suppress(Killed, DomainError):
            await reserve(mortal(self.house.inventory, dies), command)

    async def come_again(self, number: int) -> None:
        """The same request again, with the same key."""
        if (attempt := self._pick(number)) and attempt.asked:
            await self._ask_for_seats(attempt)

    def _new_attempt(self, seats: list[str], seconds: int) -> Attempt:
        user_id = new_id()
        headers = self.house.mint.headers("user", user_id)
        attempt = Attempt(user_id, headers, new_id(), {"seatIds": seats, "holdTimeoutSeconds": seconds})
        self.attempts.append(attempt)
        return attempt

    async def _ask_for_seats(self, attempt: Attempt) -> None:
        headers = attempt.headers | {"Idempotency-Key": attempt.key}
        path = f"/api/v1/showtimes/{self.showtime.showtime_id}/seats/reserve"
        attempt.asked = True
        answer = _sane(await self.house.api.post(path, json=attempt.wanted, headers=headers))
        if answer.status_code == 201:
            attempt.booking_id, attempt.amount = answer.json()["bookingId"], answer.json()["finalAmount"]

    async def prepare(self, number: int, dies: int) -> None:
        attempt = await self._known(number)
        if attempt is None:
            return
        if not dies:
            await self._prepare(attempt)
            return
        booking = await self.house.inventory.booking(str(attempt.booking_id))
        with suppress(Killed, DomainError):
            await prepare_payment(mortal(self.house.inventory, dies), booking, attempt.amount, "EUR")

    async def _prepare(self, attempt: Attempt) -> None:
        if attempt.booking_id is None:
            return
        body = {"finalAmount": attempt.amount, "currency": "EUR"}
        path = f"/api/v1/bookings/{attempt.booking_id}/preparePayment"
        answer = _sane(await self.house.api.post(path, json=body, headers=attempt.headers))
        if answer.status_code == 200 and answer.json()["paymentIntent"]:
            attempt.intent = answer.json()

    async def open_and_die(self, number: int, dies: int) -> None:
        """The payment service dies while it opens the payment that inventory asked it for."""
        attempt = await self._known(number)
        if attempt is None or not attempt.amount:
            return
        house = self.house
        store = Store(mortal_database(house.money, fuse := Fuse()))
        fuse.light(dies)
        payments = Payments(store, house.provider, house.clock, house.settings.reconcile_after)
        booking = await house.inventory.booking(str(attempt.booking_id))
        if booking.status == "pending":
            with suppress(Killed, DomainError):
                await payments.open(Order(booking.id, booking.user_id, booking.amount, "EUR"), new_id())

    async def pay(self, number: int, card: str) -> None:
        if attempt := await self._known(number, with_intent=True):
            await self._pay(attempt, card)

    async def _pay(self, attempt: Attempt, card: str) -> None:
        if attempt.intent is None:
            return
        data = {"payment_method": card, "client_secret": attempt.intent["clientSecret"]}
        await self._at_gateway(f"/v1/payment_intents/{attempt.intent['paymentIntent']}/confirm", data)

    async def authenticate(self, number: int, outcome: str) -> None:
        attempt = await self._known(number, with_intent=True)
        if attempt and attempt.intent:
            path = f"/sandbox/authenticate/{attempt.intent['paymentIntent']}"
            await self._at_gateway(path, {"outcome": outcome})

    async def extend(self, number: int) -> None:
        if attempt := await self._known(number):
            path = f"/api/v1/bookings/{attempt.booking_id}/extend"
            _sane(await self.house.api.post(path, json={"additionalMinutes": 5}, headers=attempt.headers))

    async def cancel(self, number: int, dies: int) -> None:
        attempt = await self._known(number)
        if attempt is None:
            return
        attempt.given_up = True
        if not dies:
            path = f"/api/v1/bookings/{attempt.booking_id}/cancel"
            _sane(await self.house.api.put(path, headers=attempt.headers))
            return
        booking = await self.house.inventory.booking(str(attempt.booking_id))
        with suppress(Killed, DomainError):
            await cancel_by_owner(mortal(self.house.inventory, dies), booking)

    async def give_back(self, number: int, dies: int) -> None:
        """One of his seats, if he has several."""
        attempt = await self._known(number)
        if attempt is None:
            return
        booking = await self.house.inventory.booking(str(attempt.booking_id))
        if len(booking.seat_ids) < 2:
            return
        some = list(booking.seat_ids[:1])
        attempt.gave.append(some[0])
        if not dies:
            path, body = f"/api/v1/bookings/{booking.id}/cancel", {"seatIds": some}
            _sane(await self.house.api.put(path, json=body, headers=attempt.headers))
            return
        with suppress(Killed, DomainError):
            await cancel_by_owner(mortal(self.house.inventory, dies), booking, Wish(some))

    async def keep(self, number: int) -> None:
        """Agree to the time that the show was moved to."""
        if attempt := await self._known(number):
            path, body = f"/api/v1/bookings/{attempt.booking_id}/keep", {"startsAt": rfc3339(self.showtime.starts_at)}
            _sane(await self.house.api.put(path, json=body, headers=attempt.headers))

    async def refund_outside(self, number: int, amount: int) -> None:
        """By hand, at the gateway; 0: all that is left."""
        attempt = await self._known(number, with_intent=True)
        if attempt is None or attempt.intent is None:
            return
        attempt.given_back = True
        data = {"payment_intent": attempt.intent["paymentIntent"], **({"amount": amount} if amount else {})}
        await self._at_gateway("/v1/refunds", data)

    async def answer_bank(self, number: int, evidence: str) -> None:
        """A buyer's bank has objected: what the house has to say."""
        attempt = await self._known(number, with_intent=True)
        if attempt is None or attempt.intent is None:
            return
        found = await self.house.sandbox.get("/v1/disputes", params={"payment_intent": attempt.intent["paymentIntent"]})
        if found.status_code == 200:
            for dispute in found.json()["data"]:
                await self._at_gateway(f"/v1/disputes/{dispute['id']}", {"evidence[uncategorized_text]": evidence})

    # --- the house ---------------------------------------------------------------------------------------------------

    async def refund(self, number: int, amount: int) -> None:
        """By an admin; 0: all that is left."""
        attempt = await self._known(number, with_intent=True)
        if attempt is None or attempt.intent is None:
            return
        headers = self.house.mint.headers("admin")
        path, body = f"/api/v1/payments/{attempt.intent['paymentId']}/refund", {"amount": amount} if amount else {}
        attempt.given_back = attempt.given_back or not amount
        _sane(await self.house.pay_api.post(path, json=body, headers=headers))

    async def call_off(self) -> None:
        self.called_off = True
        self.showtime = self.showtime.model_copy(update={"status": "cancelled", "version": self.showtime.version + 1})
        await self.house.publisher.publish(self._event("ShowtimeCancelled", self.showtime).to_document())

    async def move(self) -> None:
        """The show begins a day later."""
        if self.called_off:
            return
        later = {"starts_at": self.showtime.starts_at + timedelta(days=1), "version": self.showtime.version + 1}
        self.showtime = self.showtime.model_copy(update=later)
        await self.house.publisher.publish(self._event("ShowtimeUpdated", self.showtime).to_document())

    async def theatre(self, faults: Json) -> None:
        answer = await self.house.theatre.post("/sandbox/faults", json=faults)
        assert answer.status_code == 200, answer.text

    async def time_passes(self, seconds: int) -> None:
        self.house.clock.leap(timedelta(seconds=seconds))

    async def wait(self, milliseconds: int) -> None:
        """How long everything else has to get on before the next step."""
        await asyncio.sleep(milliseconds / 1_000)

    # --- what goes wrong ---------------------------------------------------------------------------------------------

    async def gateway(self, faults: Json) -> None:
        await self.house.faults(**faults)

    async def cut(self) -> None:
        self.house.cable.cut()

    async def kill(self, name: str) -> None:
        await self.house.workers[name].revive(killed=True)

    async def doom(self, name: str, writes: int) -> None:
        self.house.workers[name].doom(writes)

    async def tell_again(self, number: int) -> None:
        """An old webhook once more, or one that was dropped, whatever came after it."""
        answer = await self.house.sandbox.get("/v1/events", params={"limit": 50})
        if answer.status_code == 200 and (events := answer.json()["data"]):
            assert (await self._webhook(events[number % len(events)])).status_code in {200, 503}

    async def forge(self, number: int) -> None:
        """A success that nobody signed."""
        attempt = await self._known(number, with_intent=True)
        if attempt and attempt.intent:
            thing = {"id": attempt.intent["paymentIntent"], "status": "succeeded", "amount": attempt.amount}
            event = {"id": f"evt_{new_id()}", "type": "payment_intent.succeeded", "data": {"object": thing}}
            assert (await self._webhook(event, secret="whsec_forged")).status_code == 400

    async def deliver_again(self, number: int) -> None:
        if self.house.published:
            await self.house.publisher.publish(self.house.published[-1 - number % len(self.house.published)])

    # --- helpers -----------------------------------------------------------------------------------------------------

    def _pick(self, number: int) -> Attempt | None:
        return self.attempts[-1 - number % len(self.attempts)] if self.attempts else None

    async def _known(self, number: int, *, with_intent: bool = False) -> Attempt | None:
        """An attempt that has a booking, as the buyer's own list would show him."""
        known = [each for each in self.attempts if each.booking_id and (each.intent or not with_intent)]
        if not known:
            return None
        attempt = known[-1 - number % len(known)]
        booking = await self.house.inventory.bookings.get(str(attempt.booking_id))
        if booking is None:  # its hold died before it was written
            return None
        attempt.amount = booking.amount
        return attempt

    async def _at_gateway(self, path: str, data: Json) -> None:
        with suppress(httpx2.TimeoutException):
            await self.house.sandbox.post(path, data=data, timeout=1.0)

    async def _webhook(self, event: Json, secret: str | None = None) -> httpx2.Response:
        body = json.dumps(event).encode()
        signature = signed_at(body, int(self.house.clock.now().timestamp()), *([secret] if secret else []))
        headers = {"Stripe-Signature": signature}
        return await self.house.pay_api.post("/api/v1/payments/webhook", content=body, headers=headers)

    def _event(self, type_: str, state: ShowtimeState) -> Event[ShowtimeState]:
        clock = self.house.clock
        return new_event(
            type_, source="venues", subject=state.showtime_id, version=state.version, data=state, clock=clock
        )


def _sane(answer: httpx2.Response) -> httpx2.Response:
    """Refusals and outages are answers, failures of ours are not."""
    assert answer.status_code < 500 or answer.status_code == 503, f"{answer.request.url}: {answer.text}"
    return answer
