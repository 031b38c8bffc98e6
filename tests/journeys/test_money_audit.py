"""The audit of the money finds each fault planted in a house that sells, and nothing where all is well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aio_pika
import httpx2
import pytest

from inventory_service.store.bookings import Bookings
from marquee.audit import MoneyAudit, Verdict, parked_money
from marquee.balance import Patience
from messaging.queues import open_channel
from messaging.topology import Topology
from payment_service.audit import open_books
from payment_service.config import Settings
from service_kit.clock import SystemClock
from service_kit.ids import new_id
from service_kit.mongo import Database, open_database
from tests.journeys.story import Story, layout
from tests.servers.stack import Stack
from tests.support import eventually

NONE = timedelta(0)
AT_ONCE = Patience(step=NONE, pending=NONE, unsent_refund=NONE, open_refund=NONE)
Json = dict[str, Any]


@dataclass
class House:
    """A stack with the databases behind it, and a showtime to buy for."""

    story: Story
    settings: Settings
    bookings: Database
    payments: Database
    show: Json
    sold: int = 0

    async def audit(self, patience: Patience = AT_ONCE, *, gateway: bool = False) -> Verdict:
        async with open_books(self.settings) as books:
            return await MoneyAudit(Bookings(self.bookings["bookings"]), books, patience=patience).run(gateway=gateway)

    async def held(self) -> tuple[Json, dict[str, str]]:
        buyer = await self.story.guest()
        row, seat = divmod(self.sold, 20)
        self.sold += 1
        return await self.story.hold(self.show["showtimeId"], [f"{chr(65 + row)}{seat + 1}"], buyer), buyer

    async def bought(self) -> tuple[Json, dict[str, str]]:
        """A confirmed booking of one seat with its payment, and its buyer."""
        booking, buyer = await self.held()
        intent = await self.story.prepare(booking, buyer)
        assert (await self.story.pay(intent)).status_code == 200
        return {**await self.story.becomes(booking, "confirmed", buyer), **intent}, buyer

    async def cancelled(self) -> Json:
        """The same, given back, with its money back."""
        booking, buyer = await self.bought()
        await self.story.call("PUT", f"/api/v1/bookings/{booking['bookingId']}/cancel", headers=buyer)
        return {**booking, **await self.story.becomes(booking, "refunded", buyer)}

    @asynccontextmanager
    async def damaged(self, database: Database, kind: str, id_: str, change: Json) -> AsyncIterator[None]:
        """One document is otherwise for a while."""
        before = await database[kind].find_one({"_id": id_})
        assert before is not None
        assert (await database[kind].update_one({"_id": id_}, change)).modified_count == 1
        try:
            yield
        finally:
            await database[kind].replace_one({"_id": id_}, before)

    async def finding(self, *words: str, gateway: bool = False) -> None:
        verdict = await self.audit(gateway=gateway)
        assert any(all(word in sentence for word in words) for sentence in verdict.findings), verdict.findings


@pytest.fixture(scope="module")
async def house(stack: Stack, namespace: str) -> AsyncIterator[House]:
    info = stack.info
    settings = Settings.model_validate(
        {
            "mongo_url": info["mongoUrl"],
            "amqp_url": info["amqpUrl"],
            "namespace": f"{namespace}j",
            "stripe_base_url": info["sandboxUrl"],
            "stripe_api_key": "sk_test_audit",
        }
    )
    async with (
        httpx2.AsyncClient(base_url=stack.url, timeout=30) as client,
        open_database(settings, "inventory") as bookings,
        open_database(settings, "payments") as payments,
    ):
        story = Story(stack, client)
        show = await story.showtime(seat_layout=layout(rows=6, seats=20))
        yield House(story, settings, bookings, payments, show)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing is under way here, so looking again need not wait.
    monkeypatch.setattr("marquee.audit.PAUSE_SECONDS", 0.02)


async def settled(house: House) -> Verdict:
    """What other journeys left under way is over."""
    return await eventually(
        lambda: house.audit(Patience(), gateway=True), until=lambda verdict: not verdict.findings, seconds=30
    )


async def test_a_house_in_use_is_clean_and_its_money_adds_up(house: House) -> None:
    await house.bought()
    await house.cancelled()
    verdict = await settled(house)
    sums = verdict.balance.by_currency["EUR"]
    assert sums.taken == sums.tickets + sums.refunded + sums.disputed + sums.kept > sums.refunded > 0
    (line,) = verdict.balance.lines()
    assert line.startswith("EUR: ")
    assert "+ 0.00 being refunded +" in line
    assert line.endswith("+ 0.00 under way")
    (told,) = verdict.gateway
    assert f"{sums.taken / 100:.2f} taken, {sums.refunded / 100:.2f} refunded" in told


async def test_it_stays_silent_while_people_buy_and_give_back(house: House) -> None:
    async def shop(turns: int) -> None:
        for _ in range(turns):
            await house.cancelled()

    shopping = asyncio.gather(*(shop(3) for _ in range(4)))
    looked = 0
    while not shopping.done():
        verdict = await house.audit(Patience(step=timedelta(seconds=5)), gateway=True)
        assert verdict.findings == []
        looked += 1
    await shopping
    assert looked > 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"$set": {"status": "expired"}}, ["neither ticket nor refund", "13.50 EUR", "expired"]),
        ({"$set": {"status": "cancelled"}}, ["neither ticket nor refund", "cancelled"]),
        ({"$set": {"amount": 1_349}}, ["costs 13.49 EUR", "over 13.50 EUR"]),
        ({"$set": {"currency": "CHF"}}, ["costs 13.50 CHF", "over 13.50 EUR"]),
        ({"$set": {"paymentId": "another"}}, ["payment another is its own"]),
        ({"$set": {"refunded": 100}}, ["0.00 EUR came back", "booking says 1.00 EUR"]),
    ],
)
async def test_a_booking_at_odds_with_its_payment_is_found(house: House, change: Json, words: list[str]) -> None:
    booking, _ = await house.bought()
    async with house.damaged(house.bookings, "bookings", booking["bookingId"], change):
        await house.finding(*words, booking["bookingId"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"$set": {"status": "pending"}}, ["is confirmed, but its payment", "pending"]),
        ({"$set": {"status": "failed"}}, ["is confirmed, but its payment", "failed"]),
        ({"$set": {"amount": 1_000}}, ["over 10.00 EUR"]),
    ],
)
async def test_a_payment_at_odds_with_its_booking_is_found_by_the_gateway_too(
    house: House, change: Json, words: list[str]
) -> None:
    booking, _ = await house.bought()
    async with house.damaged(house.payments, "payments", booking["paymentId"], change):
        await house.finding(*words, booking["paymentId"])
        await house.finding("The gateway took 13.50 EUR", booking["paymentId"], gateway=True)


async def test_a_confirmed_booking_without_any_payment_is_found(house: House) -> None:
    booking, _ = await house.bought()
    async with house.damaged(house.payments, "payments", booking["paymentId"], {"$set": {"bookingId": new_id()}}):
        await house.finding("is confirmed and has no payment", booking["bookingId"])
        await house.finding("which is not there", booking["paymentId"])


async def test_a_refund_that_never_arrived_is_found(house: House) -> None:
    booking = await house.cancelled()
    async with house.damaged(house.payments, "payments", booking["paymentId"], {"$set": {"refunds": []}}):
        await house.finding("13.50 EUR were asked back", "knows nothing of it", booking["bookingId"])
        await house.finding("The gateway gave back 13.50 EUR", "we say 0.00", booking["paymentId"], gateway=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"$set": {"refunds.0.status": "failed"}}, ["asked back", "or it failed"]),
        ({"$set": {"refunds.0.status": "pending"}}, ["is pending since", "at the gateway"]),
        ({"$set": {"refunds.0.status": "pending", "refunds.0.reference": None}}, ["is pending since", "was not sent"]),
        ({"$set": {"refunds.0.amount": 1_351}}, ["13.51 EUR are refunded of 13.50 EUR"]),
    ],
)
async def test_a_refund_that_is_wrong_or_stuck_is_found(house: House, change: Json, words: list[str]) -> None:
    booking = await house.cancelled()
    async with house.damaged(house.payments, "payments", booking["paymentId"], change):
        await house.finding(*words, booking["paymentId"])


async def test_a_ticket_together_with_its_money_back_is_found(house: House) -> None:
    booking = await house.cancelled()
    async with house.damaged(house.bookings, "bookings", booking["bookingId"], {"$set": {"status": "confirmed"}}):
        await house.finding("a ticket and all the money back", booking["bookingId"])


async def test_money_back_that_the_booking_never_heard_of_is_found(house: House) -> None:
    booking = await house.cancelled()
    change = {"$set": {"status": "cancelled", "refunded": 0}}
    async with house.damaged(house.bookings, "bookings", booking["bookingId"], change):
        await house.finding("13.50 EUR came back", "says 0.00 EUR", booking["bookingId"])
        await house.finding("All the money came back", "which is cancelled", booking["bookingId"])


async def test_a_payment_left_pending_after_its_hold_is_found(house: House) -> None:
    booking, buyer = await house.held()
    payment_id = (await house.story.prepare(booking, buyer))["paymentId"]
    assert not [told for told in (await house.audit()).findings if payment_id in told]
    past = SystemClock().now() - timedelta(minutes=1)
    change = {"$set": {"heldUntil": past, "updatedAt": past, "status": "expired"}}
    async with house.damaged(house.bookings, "bookings", booking["bookingId"], change):
        await house.finding("still pending", payment_id)
    await house.story.call("PUT", f"/api/v1/bookings/{booking['bookingId']}/cancel", headers=buyer)


async def test_money_that_the_gateway_never_took_is_found(house: House) -> None:
    """Both services agree on it, so the gateway alone can tell."""
    booking, buyer = await house.held()
    id_, payment_id = booking["bookingId"], (await house.story.prepare(booking, buyer))["paymentId"]
    async with (
        house.damaged(house.bookings, "bookings", id_, {"$set": {"status": "confirmed"}}),
        house.damaged(house.payments, "payments", payment_id, {"$set": {"status": "completed"}}),
    ):
        # Others may have left something under way, a cancelled payment's webhook for one.
        assert not [told for told in (await house.audit()).findings if id_ in told or payment_id in told]
        await house.finding("the gateway took nothing for it", payment_id, gateway=True)
    await house.story.call("PUT", f"/api/v1/bookings/{id_}/cancel", headers=buyer)


async def test_a_charge_by_another_intent_than_the_payments_own_is_found(house: House) -> None:
    booking, _ = await house.bought()
    change = {"$set": {"reference": "pi_of_nobody"}}
    async with house.damaged(house.payments, "payments", booking["paymentId"], change):
        await house.finding("whose intent is pi_of_nobody", booking["paymentId"], gateway=True)


async def test_a_charge_for_a_payment_that_is_not_there_is_found(house: House) -> None:
    booking, _ = await house.bought()
    payments = house.payments["payments"]
    payment = await payments.find_one_and_delete({"_id": booking["paymentId"]})
    assert payment is not None
    await house.finding(f"took 13.50 EUR for payment {booking['paymentId']}, which is not there", gateway=True)
    await payments.insert_one(payment)


async def test_what_a_venue_keeps_by_its_policy_adds_up_and_what_is_lost_beside_it_is_found(house: House) -> None:
    before = (await settled(house)).balance.by_currency["EUR"].kept
    story, policy = house.story, {"rules": [{"hoursBefore": 0, "percent": 50}], "keepFee": True}
    show = await story.showtime(refundPolicy=policy)
    some, all_ = await story.guest(), await story.guest()
    for buyer, seats, returned in ((some, ["A1", "A2"], ["A2"]), (all_, ["B1"], ["B1"])):
        booking = await story.hold(show["showtimeId"], seats, buyer)
        assert (await story.pay(await story.prepare(booking, buyer))).status_code == 200
        await story.becomes(booking, "confirmed", buyer)
        path = f"/api/v1/bookings/{booking['bookingId']}/cancel"
        await story.call("PUT", path, json={"seatIds": returned}, headers=buyer)
    await story.becomes(booking, "refunded", all_)
    sums = (await settled(house)).balance.by_currency["EUR"]
    # Of the seats 12.50 each, half; of the one that gave all back also the fee.
    assert sums.kept - before == 625 + 625 + 100
    assert sums.taken == sums.tickets + sums.refunded + sums.disputed + sums.kept
    async with house.damaged(house.bookings, "bookings", booking["bookingId"], {"$unset": {"kept": ""}}):
        await house.finding("7.25 EUR were paid for", "neither ticket nor refund", booking["bookingId"])


async def test_what_a_dispute_takes_is_told_apart_and_is_not_found_wrong(house: House) -> None:
    before = (await house.audit()).balance.by_currency["EUR"].disputed
    booking, _ = await house.bought()
    dispute = {
        "reference": "dp_1",
        "amount": 1_350,
        "reason": "fraudulent",
        "status": "lost",
        "openedAt": SystemClock().now(),
        "closedAt": None,
        "funds": "withdrawn",
    }
    change = {"$set": {"disputes": [dispute]}}
    async with house.damaged(house.payments, "payments", booking["paymentId"], change):
        verdict = await house.audit()
        assert not [told for told in verdict.findings if booking["paymentId"] in told]
        assert verdict.balance.by_currency["EUR"].disputed - before == 1_350


async def test_webhooks_that_are_not_applied_are_found(house: House) -> None:
    now = SystemClock().now()
    events = house.payments["webhook_events"]
    failed = {"_id": "evt_bad", "type": "charge.refunded", "state": "failed", "receivedAt": now, "error": "no amount"}
    waiting = {"_id": "evt_slow", "type": "refund.updated", "state": "received", "receivedAt": now}
    await events.insert_many([failed, {**waiting, "dueAt": now + timedelta(hours=1), "tries": 3}])
    await house.finding("evt_bad", "charge.refunded", "no amount")
    await house.finding("evt_slow", "it waits")
    await events.delete_many({"_id": {"$in": ["evt_bad", "evt_slow"]}})


async def test_parked_news_of_money_is_told(house: House) -> None:
    amqp_url, topology = house.settings.amqp_url.get_secret_value(), Topology(house.settings.namespace)
    assert await parked_money(amqp_url, topology) == []
    async with open_channel(amqp_url, topology) as channel:
        for name in ("payments.refunds", "indexer.catalogue"):
            await channel.default_exchange.publish(aio_pika.Message(b"?"), topology.parked_queue(name))
        told = await parked_money(amqp_url, topology)
        assert told == ["1 message(s) are parked on payments.refunds: see `marquee queues show payments.refunds`"]
        for name in ("payments.refunds", "indexer.catalogue"):
            await (await channel.get_queue(topology.parked_queue(name))).purge()
