"""Refunds: asked for over HTTP or by an event, made at the gateway, counted once."""

import asyncio

import pytest
import stripe

from messaging.envelope import new_event
from messaging.events import RefundRequest
from service_kit.clock import SystemClock
from service_kit.ids import new_id
from tests.component.payments.conftest import House, Json
from tests.component.payments.signing import event, post


async def at_gateway(house: House, payment: Json) -> list[stripe.Refund]:
    listed = await house.gateway.v1.refunds.list_async({"payment_intent": payment["paymentIntent"]})
    return listed.data


async def test_a_full_refund_gives_everything_back(house: House) -> None:
    payment = await house.paid(amount=2000)
    answer = await house.refund(payment, {"reason": "the show was cancelled"})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["amount"], made["status"], made["paymentStatus"]) == (2000, "succeeded", "refunded")
    assert [refund.amount for refund in await at_gateway(house, payment)] == [2000]
    assert await house.events_of(payment, 3) == ["PaymentRequested", "PaymentSucceeded", "PaymentRefunded"]


async def test_partial_refunds_add_up_and_never_go_above_what_was_paid(house: House) -> None:
    payment = await house.paid(amount=1000)
    first = await house.refund(payment, {"amount": 300})
    assert (first.json()["refunded"], first.json()["paymentStatus"]) == (300, "completed")
    over = await house.refund(payment, {"amount": 701})
    assert (over.status_code, over.json()["refundable"]) == (409, 700)
    assert (await house.refund(payment, {"amount": 1001})).status_code == 422
    rest = await house.refund(payment)
    assert (rest.json()["amount"], rest.json()["paymentStatus"]) == (700, "refunded")
    assert (await house.refund(payment)).status_code == 409
    assert [refund.amount for refund in await at_gateway(house, payment)] == [700, 300]


async def test_the_same_key_refunds_once(house: House) -> None:
    payment = await house.paid(amount=1000)
    key = new_id()
    first = await house.refund(payment, {"amount": 400}, key)
    again = await house.refund(payment, {"amount": 400}, key)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert (await house.refund(payment, {"amount": 500}, key)).status_code == 422
    assert len(await at_gateway(house, payment)) == 1


async def test_ten_full_refunds_at_once_give_the_money_back_once(house: House) -> None:
    payment = await house.paid(amount=1000)
    answers = await asyncio.gather(*(house.refund(payment) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert [refund.amount for refund in await at_gateway(house, payment)] == [1000]


async def test_what_was_not_paid_can_not_be_refunded(house: House) -> None:
    payment = await house.open()
    assert (await house.refund(payment)).status_code == 409


@pytest.mark.parametrize("body", [{"amount": 0}, {"amount": -1}, {"amount": 1.5}, {"amount": "1"}, {"to": "me"}])
async def test_bad_refunds_get_422(house: House, body: Json) -> None:
    payment = await house.open()
    assert (await house.refund(payment, body)).status_code == 422


async def test_only_admins_and_services_refund(house: House) -> None:
    payment = await house.paid()
    path = f"/api/v1/payments/{payment['paymentId']}/refund"
    answer = await house.api.post(path, json={}, headers=house.mint.headers("user", payment["userId"]))
    assert answer.status_code == 403
    assert (await house.refund({"paymentId": new_id()})).status_code == 404


async def test_a_refund_while_the_gateway_is_down_stays_pending_and_is_made_later(house: House) -> None:
    payment = await house.paid(amount=1000)
    await house.faults(failStatus=500)
    answer = await house.refund(payment)
    assert (answer.status_code, answer.json()["status"]) == (201, "pending")
    assert (await house.refund(payment)).status_code == 409  # the money is claimed already
    await house.sandbox.delete("/sandbox/faults")
    await make_due(house, payment)
    await house.until(payment, lambda it: it["status"] == "refunded")
    assert len(await at_gateway(house, payment)) == 1


async def test_a_refund_whose_answer_was_lost_is_made_once(house: House) -> None:
    payment = await house.paid(amount=1000)
    await house.faults(fail=2, answerLost=True)
    assert (await house.refund(payment)).status_code == 201
    await house.until(payment, lambda it: it["status"] == "refunded")
    assert len(await at_gateway(house, payment)) == 1
    assert (await house.events_of(payment, 3)).count("PaymentRefunded") == 1


async def test_a_slow_refund_is_pending_until_the_gateway_says_so(house: House) -> None:
    payment = await house.open(amount=1000)
    await house.confirm(payment, "pm_card_pendingRefund")
    await house.until(payment, lambda it: it["status"] == "completed")
    assert (await house.refund(payment)).json()["status"] == "pending"
    done = await house.until(payment, lambda it: it["status"] == "refunded")
    assert done["refunded"] == 1000
    assert (await house.events_of(payment, 3)).count("PaymentRefunded") == 1


async def test_a_refund_that_fails_at_the_gateway_can_be_asked_for_again(house: House) -> None:
    payment = await house.open(amount=1000)
    await house.confirm(payment, "pm_card_refundFail")
    await house.until(payment, lambda it: it["status"] == "completed")
    assert (await house.refund(payment)).json()["status"] == "pending"
    now = await house.until(payment, lambda it: it["refunds"][0]["status"] == "failed")
    assert (now["status"], now["refunded"]) == ("completed", 0)
    assert (await house.refund(payment)).status_code == 201


async def test_a_refund_made_at_the_gateway_itself_is_counted(house: House) -> None:
    payment = await house.paid(amount=1000)
    await house.gateway.v1.refunds.create_async({"payment_intent": payment["paymentIntent"], "amount": 250})
    now = await house.until(payment, lambda it: it["refunded"] == 250)
    assert now["status"] == "completed"
    assert (await house.refund(payment, {"amount": 751})).status_code == 409


async def test_a_refund_known_only_by_its_charge_is_looked_up(house: House) -> None:
    payment = await house.paid(amount=1000)
    await house.faults(drop=True)
    await house.gateway.v1.refunds.create_async({"payment_intent": payment["paymentIntent"]})
    charge = {"payment_intent": payment["paymentIntent"], "amount_refunded": 1000, "currency": "eur"}
    assert (await post(house, event("charge.refunded", charge))).status_code == 200
    await house.until(payment, lambda it: it["status"] == "refunded")


async def test_refund_requested_twice_makes_one_refund(house: House) -> None:
    payment = await house.paid(amount=1500)
    request = refund_requested(payment, 1500)
    for _ in range(2):
        await house.publisher.publish(request)
    await house.until(payment, lambda it: it["status"] == "refunded")
    twin = refund_requested(payment, 1500, request["data"]["refundId"])
    await house.publisher.publish(twin)
    await settled(house)
    assert [refund.amount for refund in await at_gateway(house, payment)] == [1500]
    assert (await house.events_of(payment, 3)).count("PaymentRefunded") == 1


async def test_a_request_for_more_than_a_part_refunded_meanwhile_has_left_gives_the_rest_back(house: House) -> None:
    payment = await house.paid(amount=1500)
    assert (await house.refund(payment, {"amount": 400})).status_code == 201
    request = refund_requested(payment, 1500)
    for _ in range(2):
        await house.publisher.publish(request)
    await house.until(payment, lambda it: it["status"] == "refunded")
    await house.publisher.publish(refund_requested(payment, 1500))
    await settled(house)
    assert sorted(refund.amount for refund in await at_gateway(house, payment)) == [400, 1100]


async def test_a_refund_request_without_webhooks_is_still_announced(house: House) -> None:
    payment = await house.paid(amount=1500)
    await house.faults(drop=True)
    await house.publisher.publish(refund_requested(payment, 500))
    assert (await house.events_of(payment, 3))[-1] == "PaymentRefunded"
    assert (await house.get(payment["paymentId"]))["refunded"] == 500


def refund_requested(payment: Json, amount: int, refund_id: str | None = None) -> Json:
    data = RefundRequest(
        refund_id=refund_id or new_id(),
        booking_id=payment["bookingId"],
        payment_id=payment["paymentId"],
        amount=amount,
        currency=payment["currency"],
        reason="seats gone",
    )
    return new_event(
        "RefundRequested",
        source="inventory_service",
        subject=payment["bookingId"],
        version=1,
        data=data,
        clock=SystemClock(),
    ).to_document()


async def settled(house: House) -> None:
    """Returns once a refund request sent now has been handled: those before it were, too."""
    payment = await house.paid(amount=100)
    await house.publisher.publish(refund_requested(payment, 100))
    await house.until(payment, lambda it: it["status"] == "refunded")


async def make_due(house: House, payment: Json) -> None:
    """Spares the test the half minute that the worker would wait."""
    await house.database["payments"].update_one({"_id": payment["paymentId"]}, {"$set": {"dueAt": SystemClock().now()}})
