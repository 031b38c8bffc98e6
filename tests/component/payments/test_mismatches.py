"""Money that came and was not what was asked for: somebody changed the intent at the gateway. All of it goes back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import stripe

from marquee.balance import Pair, Patience, faults_of
from payment_service.audit import charge_faults
from payment_service.domain.errors import RefundRefused
from payment_service.domain.payment import Payment
from payment_service.handlers.payments import MISMATCHES, REFUNDS_FAILED, Order
from payment_service.provider import Provider
from service_kit.ids import new_id
from tests.component.payments.conftest import House, Json
from tests.component.payments.quiet import Fuse, Killed, Quiet
from tests.component.payments.test_refunds import at_gateway
from tests.support import eventually

CHANGES: list[Json] = [{"amount": 1}, {"amount": 5000}, {"currency": "usd"}]


async def changed_and_paid(house: House, payment: Json, **change: Any) -> None:
    """The intent asks for something else, and the buyer pays that."""
    await house.gateway.v1.payment_intents.update_async(payment["paymentIntent"], change)  # type: ignore[arg-type]
    assert (await house.confirm(payment)).status_code == 200


@pytest.mark.parametrize("change", CHANGES, ids=str)
async def test_other_money_than_was_asked_for_books_nothing_and_goes_back(house: House, change: Json) -> None:
    counted = MISMATCHES._value.get()
    payment = await house.open(amount=2400)
    await house.faults(repeat=2, reorder=True)
    await changed_and_paid(house, payment, **change)
    now = await house.until(payment, lambda it: it["mismatch"] and it["mismatch"]["status"] == "succeeded")
    assert (now["status"], now["failure"], now["refunded"], now["refunds"]) == ("failed", "amount-differs", 0, [])
    came = {"amount": 2400, "currency": "eur"} | change
    assert (now["mismatch"]["amount"], now["mismatch"]["currency"].lower()) == (came["amount"], came["currency"])
    (refund,) = await at_gateway(house, payment)
    assert (refund.amount, refund.currency, refund.status) == (came["amount"], came["currency"], "succeeded")
    assert await house.events_of(payment, 2) == ["PaymentRequested", "PaymentFailed"]
    assert MISMATCHES._value.get() == counted + 1
    assert (await house.refund(payment)).status_code == 409


async def test_a_lost_webhook_about_other_money_is_made_up_for(house: House) -> None:
    payment = await house.open(amount=2400)
    await house.faults(drop=True)
    await changed_and_paid(house, payment, amount=100)
    await house.until(payment, lambda it: it["mismatch"] and it["mismatch"]["status"] == "succeeded")
    assert [refund.amount for refund in await at_gateway(house, payment)] == [100]


@pytest.mark.parametrize(
    ("card", "end"), [("pm_card_pendingRefund", "succeeded"), ("pm_card_refundFail", "failed")], ids=str
)
async def test_a_slow_return_is_waited_for_and_one_that_fails_is_told(house: House, card: str, end: str) -> None:
    payment = await house.open(amount=2400)
    await house.gateway.v1.payment_intents.update_async(payment["paymentIntent"], {"amount": 7})
    await house.confirm(payment, card)
    now = await house.until(payment, lambda it: it["mismatch"] and it["mismatch"]["status"] == end)
    assert (now["mismatch"]["amount"], len(await at_gateway(house, payment))) == (7, 1)


async def test_what_a_bank_takes_back_of_other_money_is_returned_by_that(house: House) -> None:
    payment = await house.open(amount=2400)
    await house.gateway.v1.payment_intents.update_async(payment["paymentIntent"], {"amount": 5000})
    await house.faults(drop=True)
    await house.confirm(payment, "pm_card_createDispute")
    listed = house.gateway.v1.disputes
    found = await eventually(
        lambda: listed.list_async({"payment_intent": payment["paymentIntent"]}), until=lambda it: it.data
    )
    await house.until(payment, lambda it: it["mismatch"])
    await house.sandbox.delete("/sandbox/faults")
    await listed.close_async(found.data[0].id)
    await house.until(payment, lambda it: it["mismatch"]["status"] == "succeeded")
    assert await at_gateway(house, payment) == []


# --- in processes that die -------------------------------------------------------------------------------------------


async def mismatched(quiet: Quiet) -> Order:
    order = Order(new_id(), new_id(), 2400, "EUR")
    payment, _ = await quiet.process().open(order, new_id())
    buyer = {"paymentIntent": payment.reference, "clientSecret": payment.client_secret}
    await quiet.house.gateway.v1.payment_intents.update_async(str(payment.reference), {"amount": 99})
    assert (await quiet.house.confirm(buyer)).status_code == 200
    return order


async def books_of(quiet: Quiet, payment: Payment) -> list[str]:
    """What the audits find wrong, an hour later."""
    charges, _ = await quiet.provider.list_charges(intent=payment.reference)
    faults = [fault for charge in charges for fault in charge_faults(charge, payment)]
    later = quiet.clock.now() + timedelta(hours=1)
    return faults + [fault for fault in faults_of(Pair(None, payment), later, Patience()) if "not there" not in fault]


async def test_a_death_at_any_step_neither_loses_nor_doubles_what_goes_back(quiet: Quiet) -> None:
    deaths = 0
    for calls in range(30):
        order = await mismatched(quiet)
        quiet.clock.advance(timedelta(minutes=1))
        try:
            await quiet.process(Fuse(calls)).attend()
        except Killed:
            deaths += 1
        payment = await quiet.end_of(order)
        assert payment.mismatch is not None
        assert (payment.status, payment.mismatch.status, payment.mismatch.amount) == ("failed", "succeeded", 99)
        assert [refund.amount for refund in await at_gateway(quiet.house, {"paymentIntent": payment.reference})] == [99]
        assert await books_of(quiet, payment) == []
        assert not await quiet.store.count_due(quiet.clock.now() + timedelta(days=1))
        if deaths <= calls:
            break
    assert deaths > 5


class Refusing:
    """The gateway, as long as it gives nothing back."""

    def __init__(self, provider: Provider, times: int) -> None:
        self._provider = provider
        self.times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    async def return_all(self, payment: Payment, key: str) -> Any:
        return await self._refuse(lambda: self._provider.return_all(payment, key))

    async def create_refund(self, payment: Payment, refund: Any) -> Any:
        return await self._refuse(lambda: self._provider.create_refund(payment, refund))

    async def _refuse(self, do: Callable[[], Any]) -> Any:
        self.times -= 1
        if self.times >= 0:
            raise RefundRefused
        return await do()


@pytest.fixture
async def refusing(quiet: Quiet) -> tuple[Quiet, Refusing]:
    gateway = Refusing(quiet.provider, 3)
    quiet.provider = gateway
    return quiet, gateway


async def attended_for(quiet: Quiet, time: timedelta) -> None:
    """What workers do in that time."""
    end = quiet.clock.now() + time
    while quiet.clock.now() < end:
        quiet.clock.advance(timedelta(minutes=30))
        while await quiet.process().attend():
            pass


async def test_what_the_gateway_refuses_to_return_is_tried_again_and_then_told(
    refusing: tuple[Quiet, Refusing],
) -> None:
    quiet, gateway = refusing
    order = await mismatched(quiet)
    await attended_for(quiet, timedelta(hours=6))
    payment = await quiet.end_of(order)
    assert payment.mismatch is not None
    assert (payment.mismatch.status, payment.mismatch.refusals) == ("succeeded", 3)
    gateway.times = 1_000
    order = await mismatched(quiet)
    await attended_for(quiet, timedelta(hours=2))
    waiting = await quiet.store.of_booking(order.booking_id)
    assert waiting is not None
    assert any("has not all gone back" in fault for fault in await books_of(quiet, waiting))
    await attended_for(quiet, timedelta(hours=26))
    lost = await quiet.end_of(order)
    assert lost.mismatch is not None
    assert lost.mismatch.status == "failed"
    assert any("can't be given back" in fault for fault in await books_of(quiet, lost))
    failed, version = REFUNDS_FAILED._value.get(), lost.version
    for _ in range(3):
        await quiet.process().read_gateway()
        await attended_for(quiet, timedelta(hours=1))
    assert (REFUNDS_FAILED._value.get(), (await quiet.end_of(order)).version) == (failed, version)


async def test_a_refund_that_waited_for_a_dispute_and_is_refused_then_is_tried_again(
    refusing: tuple[Quiet, Refusing],
) -> None:
    quiet, _ = refusing
    order = Order(new_id(), new_id(), 900, "EUR")
    payment, _ = await quiet.process().open(order, new_id())
    buyer = {"paymentIntent": payment.reference, "clientSecret": payment.client_secret}
    assert (await quiet.house.confirm(buyer, "pm_card_createDispute")).status_code == 200
    listed = quiet.house.gateway.v1.disputes
    (dispute,) = await eventually(
        lambda: listed.list_async({"payment_intent": str(payment.reference)}), until=lambda found: len(found.data) == 1
    )
    await quiet.settle()
    await quiet.process().read_gateway()
    refund_id = new_id()
    await quiet.process().refund_rest(payment.id, refund_id, 900, "cancelled")
    waiting = await quiet.store.of_booking(order.booking_id)
    assert waiting is not None
    assert [refund.status for refund in waiting.refunds] == ["waiting"]
    await listed.update_async(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    await eventually(lambda: listed.retrieve_async(dispute.id), until=lambda it: it.status == "won")
    await quiet.process().read_gateway()
    await attended_for(quiet, timedelta(hours=6))
    done = await quiet.end_of(order)
    assert [(refund.status, refund.refusals) for refund in done.refunds] == [("succeeded", 3)]
    assert (done.status, done.refunded) == ("refunded", 900)


@pytest.mark.parametrize("by_worker", [False, True], ids=["asked for again", "by the worker"])
async def test_a_refund_of_all_is_of_what_is_left_where_somebody_refunded_a_part_at_the_gateway(
    quiet: Quiet, by_worker: bool
) -> None:
    order = Order(new_id(), new_id(), 2000, "EUR")
    payment, _ = await quiet.process().open(order, new_id())
    buyer = {"paymentIntent": payment.reference, "clientSecret": payment.client_secret}
    assert (await quiet.house.confirm(buyer)).status_code == 200
    await quiet.settle()
    outside: stripe.params.RefundCreateParams = {"payment_intent": str(payment.reference), "amount": 300}
    await quiet.house.gateway.v1.refunds.create_async(outside)
    refund_id = new_id()
    if by_worker:
        await quiet.house.faults(failStatus=500)
        await quiet.process().refund_rest(payment.id, refund_id, 2000, "cancelled")
        await quiet.house.sandbox.delete("/sandbox/faults")
        await attended_for(quiet, timedelta(minutes=30))
    else:
        with pytest.raises(RefundRefused):
            await quiet.process().refund_rest(payment.id, refund_id, 2000, "cancelled")
    await quiet.process().read_gateway()
    if not by_worker:
        await quiet.process().refund_rest(payment.id, refund_id, 2000, "cancelled")
    await attended_for(quiet, timedelta(hours=2))
    done = await quiet.end_of(order)
    assert (done.status, done.refunded) == ("refunded", 2000)
    assert sorted(refund.amount for refund in done.refunds) == [300, 1700]


async def test_a_refund_that_was_refused_holds_up_no_other(refusing: tuple[Quiet, Refusing]) -> None:
    quiet, gateway = refusing
    order = Order(new_id(), new_id(), 900, "EUR")
    payment, _ = await quiet.process().open(order, new_id())
    buyer = {"paymentIntent": payment.reference, "clientSecret": payment.client_secret}
    assert (await quiet.house.confirm(buyer)).status_code == 200
    await quiet.settle()
    await quiet.house.faults(failStatus=500)
    gateway.times = 0
    for _ in range(2):
        await quiet.process().refund(payment.id, new_id(), 100, "")
    await quiet.house.sandbox.delete("/sandbox/faults")
    gateway.times = 1
    await attended_for(quiet, timedelta(minutes=30))
    now = await quiet.store.get(payment.id)
    assert now is not None
    assert [(refund.status, refund.refusals) for refund in now.refunds] == [("pending", 1), ("succeeded", 0)]
    await attended_for(quiet, timedelta(minutes=60))
    assert (await quiet.end_of(order)).refunded == 200
