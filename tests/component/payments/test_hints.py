"""Webhooks as hints: the worker asks the gateway for what a webhook is about, and takes in that."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from messaging.topology import Topology
from payment_service.app import worker
from payment_service.domain.payment import Payment
from payment_service.domain.reports import WebhookEvent
from payment_service.handlers.payments import Order, Payments
from payment_service.store.events import WebhookEvents
from payment_service.store.payments import Store
from payment_service.stripe_provider import open_stripe
from service_kit.clock import SystemClock
from service_kit.ids import new_id
from service_kit.mongo import open_database
from tests.component.payments.conftest import House, Json
from tests.component.payments.signing import event
from tests.servers.broker import remove_topology
from tests.support import eventually


@dataclass
class Doubting:
    """A worker that believes the gateway alone, in a namespace of its own; the sandbox's webhooks go elsewhere."""

    house: House
    store: Store
    inbox: WebhookEvents
    payments: Payments
    events: Any

    async def open(self, amount: int = 900) -> Payment:
        payment, _ = await self.payments.open(Order(new_id(), new_id(), amount, "EUR"), new_id())
        return payment

    async def pay(self, payment: Payment, method: str = "pm_card_visa") -> None:
        buyer = {"paymentIntent": payment.reference, "clientSecret": payment.client_secret}
        assert (await self.house.confirm(buyer, method)).status_code == 200

    async def hear(self, type_: str, thing: Json, state: str = "applied") -> Json:
        """A webhook whose signature was good, once the worker has dealt with it."""
        body = event(type_, thing)
        event_id = json.loads(body)["id"]
        assert await self.inbox.keep(WebhookEvent(event_id, type_, body.decode()), SystemClock().now())
        stored: Json = await eventually(
            lambda: self.events.find_one({"_id": event_id}), until=lambda it: it["state"] != "received", seconds=20
        )
        assert stored["state"] == state, stored
        return stored

    async def now(self, payment: Payment) -> Payment:
        found = await self.store.get(payment.id)
        assert found is not None
        return found


@pytest.fixture(scope="module")
async def whole(whole_house: House) -> AsyncIterator[Doubting]:
    settings = whole_house.settings.model_copy(
        update={
            "namespace": f"{whole_house.settings.namespace}_hints",
            "webhooks_are_hints": True,
            "reconcile_after_seconds": 3600,  # nothing is learnt but by webhooks
        }
    )
    async with (
        removed_afterwards(settings.amqp_url.get_secret_value(), settings.namespace),
        open_database(settings, "payments") as database,
        open_stripe(settings) as provider,
        worker(settings),
    ):
        store = Store(database)
        payments = Payments(store, provider, SystemClock(), settings.reconcile_after)
        yield Doubting(whole_house, store, WebhookEvents(database), payments, database["webhook_events"])
        await database.client.drop_database(database.name)


@asynccontextmanager
async def removed_afterwards(amqp_url: str, namespace: str) -> AsyncIterator[None]:
    yield
    await remove_topology(amqp_url, Topology(namespace))


@pytest.fixture
async def doubting(whole: Doubting) -> AsyncIterator[Doubting]:
    yield whole
    await whole.house.sandbox.delete("/sandbox/faults")


async def test_a_success_that_the_gateway_knows_nothing_of_is_not_believed(doubting: Doubting) -> None:
    payment = await doubting.open()
    claim = {"id": payment.reference, "amount": 900, "currency": "eur", "status": "succeeded"}
    await doubting.hear("payment_intent.succeeded", claim)
    assert (await doubting.now(payment)).status == "pending"


async def test_any_webhook_about_an_intent_makes_one_ask_how_it_stands(doubting: Doubting) -> None:
    payment = await doubting.open()
    await doubting.pay(payment)
    await doubting.hear("payment_intent.processing", {"id": payment.reference})
    assert (await doubting.now(payment)).status == "completed"


async def test_a_refund_is_as_large_as_the_gateway_says(doubting: Doubting) -> None:
    payment = await doubting.open()
    await doubting.pay(payment)
    await doubting.hear("payment_intent.processing", {"id": payment.reference})
    made = await doubting.house.gateway.v1.refunds.create_async(
        {"payment_intent": payment.reference or "", "amount": 300}
    )
    claim = {
        "id": made.id,
        "amount": 900,
        "currency": "eur",
        "status": "succeeded",
        "payment_intent": payment.reference,
    }
    await doubting.hear("refund.updated", claim)
    assert (await doubting.now(payment)).refunded == 300


async def test_the_total_of_a_charge_only_makes_one_read_the_list_of_refunds(doubting: Doubting) -> None:
    payment = await doubting.open()
    await doubting.pay(payment)
    await doubting.hear("payment_intent.processing", {"id": payment.reference})
    await doubting.house.gateway.v1.refunds.create_async({"payment_intent": payment.reference or "", "amount": 200})
    claim = {"payment_intent": payment.reference, "amount_refunded": 900, "currency": "eur"}
    await doubting.hear("charge.refunded", claim)
    read = await eventually(lambda: doubting.now(payment), until=lambda it: not it.unread_refunds)
    assert (read.status, read.refunded) == ("completed", 200)


async def test_a_dispute_stands_as_the_gateway_says(doubting: Doubting) -> None:
    payment = await doubting.open()
    await doubting.pay(payment, "pm_card_createDispute")
    await doubting.hear("payment_intent.processing", {"id": payment.reference})
    disputes = doubting.house.gateway.v1.disputes

    async def open_disputes() -> list[Json]:
        found = await disputes.list_async({"payment_intent": payment.reference or ""})
        return [each.to_dict() for each in found.data]

    [dispute] = await eventually(open_disputes)
    await doubting.hear("charge.dispute.closed", dispute | {"status": "lost"})
    assert [each.status for each in (await doubting.now(payment)).disputes] == ["needs_response"]


async def test_what_the_gateway_does_not_know_is_for_people_to_see(doubting: Doubting) -> None:
    stored = await doubting.hear("payment_intent.canceled", {"id": "pi_invented"}, "failed")
    assert "GatewayRefused" in stored["error"]
    claim = {"id": "re_invented", "amount": 1, "currency": "eur", "status": "succeeded", "payment_intent": "pi_x"}
    await doubting.hear("refund.created", claim, "failed")


async def test_while_the_gateway_is_down_the_webhook_waits(doubting: Doubting) -> None:
    payment = await doubting.open()
    await doubting.pay(payment)
    await doubting.house.faults(fail=4)
    stored = await doubting.hear("payment_intent.processing", {"id": payment.reference})
    assert stored["tries"] > 1
    assert (await doubting.now(payment)).status == "completed"
