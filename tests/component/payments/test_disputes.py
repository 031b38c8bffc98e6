"""Disputes from the gateway to whoever has to know, and to the refusal to pay twice."""

import asyncio
from functools import partial
from typing import Any

import pytest
import stripe

from payment_service.handlers.payments import Order
from service_kit.ids import new_id
from tests.component.payments.conftest import House, Json
from tests.component.payments.quiet import Quiet
from tests.component.payments.signing import event, post
from tests.component.payments.test_refunds import refund_requested
from tests.support import eventually


async def disputed(house: House, method: str = "pm_card_createDispute", status: str = "needs_response") -> Json:
    """A payment of 1000 that the buyer's bank disputes a moment after it."""
    payment = await house.open(amount=1000)
    assert (await house.confirm(payment, method)).status_code == 200
    return await until(house, payment, status)


async def until(house: House, payment: Json, status: str) -> Json:
    return await house.until(
        payment, lambda it: it["status"] == "completed" and [each["status"] for each in it["disputes"]] == [status]
    )


async def evidence(house: House, payment: Json, text: str) -> None:
    dispute_id = payment["disputes"][0]["disputeId"]
    await house.gateway.v1.disputes.update_async(dispute_id, {"evidence": {"uncategorized_text": text}})


async def news_of(house: House, payment: Json, status: str) -> Json:
    """The published event that tells of a dispute in that status."""

    async def found() -> list[Json]:
        return [
            each["data"]
            for each in house.published
            if each["type"] == "PaymentDisputed"
            and each["subject"] == payment["paymentId"]
            and each["data"]["disputes"][0]["status"] == status
        ]

    return (await eventually(found))[-1]


async def test_a_chargeback_is_recorded_announced_and_not_refunded_as_well(house: House) -> None:
    payment = await disputed(house)
    [dispute] = payment["disputes"]
    assert (dispute["amount"], dispute["taken"], dispute["reason"]) == (1000, 1000, "fraudulent")
    assert (dispute["openedAt"] is not None, dispute["closedAt"]) == (True, None)
    told = await news_of(house, payment, "needs_response")
    assert (told["disputed"], told["refunded"], told["status"]) == (1000, 0, "completed")
    assert told["disputes"][0]["reference"] == dispute["disputeId"]
    refused = await house.refund(payment)
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["type"].endswith("payment-disputed")
    assert (problem["refundable"], problem["disputed"]) == (0, 1000)
    assert (await house.get(payment["paymentId"]))["refunds"] == []


async def test_only_admins_and_services_see_disputes(house: House) -> None:
    payment = await disputed(house, "pm_card_createDisputeProductNotReceived")
    path = f"/api/v1/payments/{payment['paymentId']}"
    payer = await house.api.get(path, headers=house.mint.headers("user", payment["userId"]))
    admin = await house.api.get(path, headers=house.mint.headers("admin"))
    assert payer.json()["disputes"] is None
    assert admin.json()["disputes"][0]["reason"] == "product_not_received"


async def test_money_that_was_won_back_can_be_refunded(house: House) -> None:
    payment = await disputed(house)
    await evidence(house, payment, "winning_evidence")
    won = await until(house, payment, "won")
    assert (won["disputes"][0]["taken"], won["disputes"][0]["closedAt"] is not None) == (0, True)
    assert (await news_of(house, payment, "won"))["disputed"] == 0
    assert (await house.refund(payment)).status_code == 201


@pytest.mark.parametrize("by", ["losing_evidence", "accepting"])
async def test_money_that_was_lost_stays_lost(house: House, by: str) -> None:
    payment = await disputed(house)
    if by == "accepting":
        await house.gateway.v1.disputes.close_async(payment["disputes"][0]["disputeId"])
    else:
        await evidence(house, payment, by)
    await until(house, payment, "lost")
    assert (await news_of(house, payment, "lost"))["disputed"] == 1000
    assert (await house.refund(payment)).status_code == 409


async def asked_back(house: House, payment: Json, amount: int) -> Json:
    """As inventory asks for the refund of a booking that was cancelled; told twice, as brokers do."""
    request = refund_requested(payment, amount)
    for _ in range(2):
        await house.publisher.publish(request)
    return await house.until(payment, lambda it: [each["status"] for each in it["refunds"]] == ["waiting"])


async def test_what_is_asked_back_during_a_dispute_is_refunded_once_it_is_won(house: House) -> None:
    payment = await disputed(house)
    await asked_back(house, payment, 1000)
    await evidence(house, payment, "winning_evidence")
    done = await house.until(payment, lambda it: it["status"] == "refunded")
    assert [(each["amount"], each["status"]) for each in done["refunds"]] == [(1000, "succeeded")]
    made = await house.gateway.v1.refunds.list_async({"payment_intent": payment["paymentIntent"]})
    assert [each.amount for each in made.data] == [1000]


async def test_what_is_asked_back_during_a_dispute_that_is_lost_was_given_by_the_bank(house: House) -> None:
    payment = await disputed(house)
    await asked_back(house, payment, 1000)
    await house.gateway.v1.disputes.close_async(payment["disputes"][0]["disputeId"])
    done = await house.until(payment, lambda it: it["status"] == "refunded")
    assert (done["refunded"], done["disputes"][0]["status"]) == (1000, "lost")
    assert [(each["amount"], each["byDispute"]) for each in done["refunds"]] == [(1000, True)]
    assert (await house.gateway.v1.refunds.list_async({"payment_intent": payment["paymentIntent"]})).data == []
    types = await house.events_of(payment, 5)
    assert types.count("PaymentRefunded") == 1


async def test_an_inquiry_takes_nothing_and_ends_with_a_full_refund(house: House) -> None:
    payment = await disputed(house, "pm_card_createDisputeInquiry", "inquiry")
    assert payment["disputes"][0]["taken"] == 0
    assert (await house.refund(payment)).status_code == 201
    done = await house.until(payment, lambda it: it["disputes"][0]["status"] == "closed")
    assert (done["status"], done["refunded"]) == ("refunded", 1000)


async def test_an_inquiry_may_become_a_chargeback(house: House) -> None:
    payment = await disputed(house, "pm_card_createDisputeInquiry", "inquiry")
    await evidence(house, payment, "escalate_inquiry_evidence")
    await until(house, payment, "needs_response")
    assert (await house.refund(payment)).status_code == 409
    await evidence(house, payment, "winning_evidence")
    await until(house, payment, "won")


async def test_after_a_part_was_refunded_only_the_rest_is_disputed(house: House) -> None:
    payment = await house.open(amount=1000)
    await house.confirm(payment, "pm_card_createDispute")
    await house.until(payment, lambda it: it["status"] == "completed")
    assert (await house.refund(payment, {"amount": 300})).status_code == 201
    now = await house.until(payment, lambda it: it["disputes"])
    assert (now["refunded"], now["disputes"][0]["amount"]) == (300, 700)
    refused = await house.refund(payment, {"amount": 1})
    assert (refused.status_code, refused.json()["refundable"]) == (409, 0)


async def test_a_chargeback_that_we_have_not_heard_of_is_refused_by_the_gateway_and_the_claim_given_back(
    house: House,
) -> None:
    payment = await house.paid(amount=1000)
    other = await house.open(amount=1000)
    await house.confirm(other, "pm_card_createDispute")
    await house.until(other, lambda it: it["status"] == "completed")
    await house.faults(drop=True)
    await eventually(lambda: disputes_of(house, other))
    refused = await house.refund(other)
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("refund-refused")
    assert [each["status"] for each in (await house.get(other["paymentId"]))["refunds"]] == ["failed"]
    assert (await house.refund(payment)).status_code == 201


async def disputes_of(house: House, payment: Json) -> list[stripe.Dispute]:
    return (await house.gateway.v1.disputes.list_async({"payment_intent": payment["paymentIntent"]})).data


async def test_repeated_and_reordered_news_of_disputes_come_to_the_same_end(house: House) -> None:
    await house.faults(repeat=2, reorder=True)
    payments = await asyncio.gather(*(disputed(house) for _ in range(3)))
    for payment in payments:
        await evidence(house, payment, "winning_evidence")
    for payment in payments:
        now = await until(house, payment, "won")
        assert now["disputes"][0]["taken"] == 0


async def test_news_of_a_dispute_of_an_unknown_payment_is_kept_and_marked(house: House) -> None:
    thing: dict[str, Any] = {
        "id": "du_x",
        "amount": 5,
        "currency": "eur",
        "status": "lost",
        "reason": "general",
        "created": 1_790_000_000,
        "payment_intent": "pi_of_somebody",
    }
    body = event("charge.dispute.closed", thing, "evt_dispute_of_somebody")
    assert (await post(house, body)).status_code == 200
    stored = await eventually(
        lambda: house.stored_event("evt_dispute_of_somebody"), until=lambda it: it and it["state"] != "received"
    )
    assert stored is not None
    assert stored["state"] == "unmatched"


async def test_the_official_sdk_reads_lists_and_answers_disputes(house: House) -> None:
    payment = await disputed(house)
    disputes = house.gateway.v1.disputes
    intent = await house.gateway.v1.payment_intents.retrieve_async(payment["paymentIntent"])
    [listed] = (await disputes.list_async({"charge": str(intent.latest_charge)})).data
    found = await disputes.retrieve_async(listed.id)
    assert (found.status, found.amount, found.is_charge_refundable) == ("needs_response", 1000, False)
    assert [each.amount for each in found.balance_transactions] == [-1000]
    draft = await disputes.update_async(found.id, {"evidence": {"uncategorized_text": "a letter"}, "submit": False})
    assert (draft.status, draft.evidence_details.has_evidence) == ("needs_response", True)
    closed = await disputes.close_async(found.id)
    assert closed.status == "lost"
    with pytest.raises(stripe.InvalidRequestError):
        await disputes.close_async(found.id)
    with pytest.raises(stripe.InvalidRequestError):
        await disputes.update_async(found.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await house.gateway.v1.refunds.create_async({"payment_intent": payment["paymentIntent"]})
    assert refused.value.code == "charge_disputed"
    with pytest.raises(stripe.InvalidRequestError) as missing:
        await disputes.retrieve_async("du_nothing")
    assert missing.value.code == "resource_missing"
    assert (await disputes.list_async({"charge": "ch_nothing"})).data == []


async def test_disputes_whose_webhooks_were_lost_are_read_from_the_gateways_list(quiet: Quiet) -> None:
    payments = quiet.process()
    opened = []
    for amount in (900, 901, 902):
        payment, _ = await payments.open(Order(new_id(), new_id(), amount, "EUR"), new_id())
        buyer = {"paymentIntent": payment.reference, "clientSecret": payment.client_secret}
        assert (await quiet.house.confirm(buyer, "pm_card_createDispute")).status_code == 200
        opened.append(payment)
    for payment in opened:
        await eventually(partial(disputes_of, quiet.house, {"paymentIntent": payment.reference}))
    # One that can't be believed does not hide the others.
    await quiet.store.payments.update_one({"_id": opened[1].id}, {"$set": {"currency": "USD"}})
    await payments.read_gateway()
    learnt = [await quiet.store.get(payment.id) for payment in opened]
    assert [[each.status for each in payment.disputes] for payment in learnt if payment] == [
        ["needs_response"],
        [],
        ["needs_response"],
    ]


@pytest.mark.parametrize("verdict", ["winning_evidence", "losing_evidence"])
@pytest.mark.parametrize("by_worker", [False, True], ids=["asked for", "by the worker"])
async def test_a_refund_refused_for_a_dispute_that_nobody_told_of_waits_for_its_end(
    quiet: Quiet, verdict: str, by_worker: bool
) -> None:
    order = Order(new_id(), new_id(), 900, "EUR")
    payment, _ = await quiet.process().open(order, new_id())
    buyer = {"paymentIntent": payment.reference, "clientSecret": payment.client_secret}
    assert (await quiet.house.confirm(buyer, "pm_card_createDispute")).status_code == 200
    await quiet.settle()
    (dispute,) = await eventually(partial(disputes_of, quiet.house, {"paymentIntent": payment.reference}))
    refund_id = new_id()
    if by_worker:
        await quiet.house.faults(failStatus=500)
    await quiet.process().refund_rest(payment.id, refund_id, 900, "cancelled")
    if by_worker:
        await quiet.house.sandbox.delete("/sandbox/faults")
        await quiet.settle()
    waiting = await quiet.store.get(payment.id)
    assert waiting is not None
    assert [(each.id, each.status) for each in waiting.refunds] == [(refund_id, "waiting")]
    listed = quiet.house.gateway.v1.disputes
    await listed.update_async(dispute.id, {"evidence": {"uncategorized_text": verdict}})
    await eventually(lambda: listed.retrieve_async(dispute.id), until=lambda it: it.status in {"won", "lost"})
    await quiet.process().read_gateway()
    done = await quiet.end_of(order)
    assert (done.status, done.refunded) == ("refunded", 900)
    assert [each.by_dispute for each in done.refunds] == [verdict == "losing_evidence"]


async def test_refunds_made_at_the_gateway_whose_webhooks_were_lost_are_read_from_its_list(quiet: Quiet) -> None:
    payments = quiet.process()
    paid = []
    for amount in (900, 901):
        payment, _ = await payments.open(Order(new_id(), new_id(), amount, "EUR"), new_id())
        buyer = {"paymentIntent": payment.reference, "clientSecret": payment.client_secret}
        assert (await quiet.house.confirm(buyer)).status_code == 200
        paid.append(payment)
        outside: stripe.params.RefundCreateParams = {"payment_intent": str(payment.reference)}
        if amount != 900:
            outside["amount"] = 1
        await quiet.house.gateway.v1.refunds.create_async(outside)
    await quiet.settle()
    for _ in range(2):
        await payments.read_gateway()
    learnt = [await quiet.store.get(payment.id) for payment in paid]
    assert [(each.status, each.refunded, len(each.refunds)) for each in learnt if each] == [
        ("refunded", 900, 1),
        ("completed", 1, 1),
    ]


async def test_a_gateway_that_is_down_puts_the_reading_of_disputes_off(quiet: Quiet) -> None:
    await quiet.house.faults(failStatus=500)
    await quiet.process().read_gateway()
