"""One buyer of a soak, as a browser would do it: hold, pay at the gateway, wait for what becomes of it."""

import asyncio
import random
import time
from contextlib import aclosing
from datetime import UTC, datetime

from service_kit.ids import new_id
from tests.soak import plan as shares
from tests.soak.buyers import Purchase, Shop, look
from tests.soak.client import Json, Unanswered
from tests.soak.house import CODE, Hall
from tests.soak.plan import drawn
from tests.soak.returns import cancel_unasked, give_back, give_back_some

WAIT_SECONDS = 20.0
RIVAL_SECONDS = 4.0
# What ends the waiting of somebody who paid.
SETTLED = {"confirmed", "refunded", "failed", "cancelled"}
MOST_TRIES = 40


async def sell(shop: Shop) -> None:
    """Buyers come until there are enough bookings or time is up; those who will pay late make room for others."""
    async with asyncio.TaskGroup() as group:
        for _ in range(shop.plan.at_once):
            group.create_task(_serve(shop, group))


async def _serve(shop: Shop, group: asyncio.TaskGroup) -> None:
    while not shop.over:
        fate = drawn(shop.chance, shares.FATES)
        if fate == "late":
            group.create_task(_visit(shop, fate))
            await asyncio.sleep(0.1)
        else:
            await _visit(shop, fate)


async def _visit(shop: Shop, fate: str) -> None:
    """One buyer, whatever becomes of him. That nobody answers him is told in the end."""
    visit = Visit(shop, random.Random(shop.chance.random()))
    try:
        await visit.make(fate)
    except Unanswered as fault:
        shop.unanswered.append(str(fault))


class Visit:
    """One buyer and his booking."""

    def __init__(self, shop: Shop, chance: random.Random) -> None:
        self._shop = shop
        self._client = shop.client
        self._chance = chance
        self._code = chance.random() < shop.plan.shares.codes
        regular = self._code and chance.random() < shares.IS_REGULAR
        self._buyer = chance.choice(shop.regulars) if regular else shop.somebody()

    async def make(self, fate: str) -> None:
        purchase = await self._hold(late=fate in {"late", "leave"})
        if purchase is None:
            return
        purchase.ways.add(fate)
        objects = False
        match fate:
            case "leave":
                if self._chance.random() < 0.5:
                    await self._prepare(purchase)
            case "hasty":
                await self._pay_and_cancel(purchase)
            case "late":
                await self._pay_late(purchase)
            case _:
                objects = self._chance.random() < self._shop.plan.shares.disputes
                await self._pay(purchase, drawn(self._chance, shares.OBJECTING if objects else shares.CARDS))
        await self._wait(purchase)
        if purchase.heard[-1:] == ["confirmed"]:
            await self._think_again(purchase, shares.OBJECTS_AND_GIVES_BACK if objects else shares.GIVES_BACK)

    async def _think_again(self, purchase: Purchase, gives_back: float) -> None:
        if self._chance.random() < self._shop.plan.shares.parts:
            await give_back_some(self._client, self._shop.api, purchase, self._chance)
            gives_back = shares.GIVES_REST
        if self._chance.random() < gives_back:
            await give_back(self._client, self._shop.api, purchase)

    # --- getting seats -----------------------------------------------------------------------------------------------

    async def _hold(self, *, late: bool) -> Purchase | None:
        for _ in range(MOST_TRIES):
            hall = self._chance.choice([hall for hall in self._shop.house.halls if not hall.off])
            held = await self.reserve(hall, hall.seats(self._chance), late=late)
            if held is not None:
                return held
        return None

    async def reserve(self, hall: Hall, seats: list[str], *, late: bool) -> Purchase | None:
        """None where somebody else has them, the show is off, or the code was used up: he comes again without it."""
        body: Json = {"seatIds": seats} if late else {"seatIds": seats, "holdTimeoutSeconds": 60}
        if self._code:
            body["promoCode"] = CODE
        headers = {**self._buyer, "Idempotency-Key": new_id()}
        url = f"{self._shop.api}/showtimes/{hall.showtime}/seats/reserve"
        answer = await self._client.ask("POST", url, json=body, headers=headers)
        if answer.status_code != 201:
            if answer.json()["type"].endswith("/promo-code-used-up"):
                self._shop.used_up += 1
                self._code = False
            else:
                self._shop.refused += 1
            return None
        made = answer.json()
        until = datetime.fromisoformat(made["heldUntil"]) if "heldUntil" in made else datetime.now(UTC)
        purchase = Purchase(made["bookingId"], self._buyer, hall, made["finalAmount"], until)
        purchase.hear(made["status"])
        if self._code:
            purchase.ways.add("by code")
        self._shop.made.append(purchase)
        return purchase

    # --- paying ------------------------------------------------------------------------------------------------------

    async def _prepare(self, purchase: Purchase) -> bool:
        body = {"finalAmount": purchase.amount, "currency": "EUR"}
        url = f"{self._shop.api}/bookings/{purchase.booking}/preparePayment"
        answer = await self._client.ask("POST", url, json=body, headers=self._buyer)
        if answer.status_code == 200:
            purchase.intent = answer.json()
            return True
        purchase.ways.add(f"not payable: {answer.json()['type'].rpartition('/')[2]}")
        return False

    async def _pay(self, purchase: Purchase, card: str) -> None:
        if await self._prepare(purchase):
            await self._charge(purchase, card)

    async def _charge(self, purchase: Purchase, card: str) -> None:
        """The buyer's browser at the gateway."""
        assert purchase.intent is not None
        intent = f"{self._shop.gateway}/v1/payment_intents/{purchase.intent['paymentIntent']}"
        secret = {"client_secret": purchase.intent["clientSecret"]}
        headers = {"Idempotency-Key": new_id()}
        answer = await self._client.ask(
            "POST", f"{intent}/confirm", data={**secret, "payment_method": card}, headers=headers
        )
        told = answer.json()
        if answer.status_code == 402:
            purchase.ways.add("declined")
            if self._chance.random() < shares.TRIES_AGAIN:
                await self._charge(purchase, "pm_card_visa")
        elif answer.status_code == 200 and told["status"] == "requires_action":
            purchase.ways.add("3-D Secure")
            outcome = "failure" if self._chance.random() < shares.FAILS_3DS else "success"
            url = told["next_action"]["redirect_to_url"]["url"]
            await self._client.ask("POST", url, data={"outcome": outcome})
            told = (await self._client.ask("GET", intent, params=secret)).json()
        if told.get("status") in {"succeeded", "processing"}:
            purchase.ways.add("paid")
        elif answer.status_code == 400:
            purchase.ways.add("too late to pay")

    async def _pay_late(self, purchase: Purchase) -> None:
        """At the very end of the hold or after it, when somebody else may be after the seats."""
        slow = self._chance.random() < 0.5
        lead = self._chance.uniform(-1.2, 0.6) - (1.0 if slow else 0.0)
        ready = await self._prepare(purchase)
        await self._until(purchase.held_until, lead)
        rival = self._rival(purchase) if self._chance.random() < shares.HAS_RIVAL else _nothing()
        paying = self._charge(purchase, shares.SLOW if slow else "pm_card_visa") if ready else _nothing()
        await asyncio.gather(rival, paying)

    async def _rival(self, purchase: Purchase) -> None:
        """Takes the same seats as soon as they are free, and pays at once."""
        other = Visit(self._shop, random.Random(self._chance.random()))
        url = f"{self._shop.api}/bookings/{purchase.booking}"
        seats = (await self._client.ask("GET", url, headers=self._buyer)).json()["seatIds"]
        end = time.monotonic() + RIVAL_SECONDS
        while time.monotonic() < end:
            taken = await other.reserve(purchase.hall, seats, late=False)
            if taken is not None:
                taken.ways.add("rival")
                await other._pay(taken, "pm_card_visa")
                await other._wait(taken)
                return
            await asyncio.sleep(0.2)

    async def _until(self, moment: datetime, lead: float) -> None:
        await asyncio.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds() + lead))

    async def _pay_and_cancel(self, purchase: Purchase) -> None:
        """Changes his mind while he pays."""
        if await self._prepare(purchase):
            paying = self._charge(purchase, "pm_card_visa")
            await asyncio.gather(paying, self._cancel_soon(purchase))

    async def _cancel_soon(self, purchase: Purchase) -> None:
        await asyncio.sleep(self._chance.uniform(0, 0.3))
        await cancel_unasked(self._client, self._shop.api, purchase)

    # --- hearing -----------------------------------------------------------------------------------------------------

    async def _wait(self, purchase: Purchase) -> None:
        """For what becomes of it, as long as people wait; those who did not pay look once."""
        end = time.monotonic() + (WAIT_SECONDS if "paid" in purchase.ways else 0.0)
        listens = self._chance.random() < shares.LISTENS
        while True:
            if listens and time.monotonic() < end:
                await self._listen(purchase, end)
            await look(self._client, self._shop.api, purchase)
            if purchase.heard[-1] in SETTLED or time.monotonic() >= end:
                return
            await asyncio.sleep(0.5)

    async def _listen(self, purchase: Purchase, end: float) -> None:
        url = f"{self._shop.api}/bookings/{purchase.booking}/status/stream"
        async with aclosing(self._client.listen(url, self._buyer, end)) as told:
            async for booking in told:
                purchase.hear(booking["status"])
                if booking["status"] in SETTLED:
                    return


async def _nothing() -> None:
    pass
