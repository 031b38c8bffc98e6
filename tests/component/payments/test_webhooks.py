"""The webhook endpoint: what it refuses, what it stores, and what becomes of it."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from payment_service.app import worker
from service_kit.ids import new_id
from tests.component.payments.conftest import OLD_SECRET, SECRET, House
from tests.component.payments.signing import event, intent, post, signed
from tests.support import eventually

GOOD = event("customer.created", {"id": "cus_1"}, "evt_never_stored")


FORGERIES: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "garbage": lambda: "garbage",
    "no values": lambda: "t=,v1=",
    "time alone": lambda: "t=1",
    "signature alone": lambda: "v1=00",
    "wrong signature": lambda: f"t={int(time.time())},v1={'0' * 64}",
    "other scheme": lambda: signed(GOOD).replace("v1=", "v0="),
    "not ascii": lambda: f"t={int(time.time())},v1=" + "\N{LATIN SMALL LETTER E WITH ACUTE}" * 64,
    "endless time": lambda: "t=" + "9" * 5000 + ",v1=00",
    "somebody else's secret": lambda: signed(GOOD, "whsec_of_somebody_else"),
    "another body's": lambda: signed(GOOD + b" "),
    "another time's": lambda: signed(GOOD).replace("t=", "t=1"),
    "too old": lambda: signed(GOOD, age=301),
    "dated ahead": lambda: signed(GOOD, age=-60),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_forged_old_and_future_webhooks_get_400_and_are_not_stored(house: House, forgery: str) -> None:
    signature = FORGERIES[forgery]()
    answer = await house.api.post(
        "/api/v1/payments/webhook", content=GOOD, headers=[(b"Stripe-Signature", signature.encode())]
    )
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert await house.stored_event("evt_never_stored") is None


async def test_a_webhook_without_signature_gets_400(house: House) -> None:
    assert (await house.api.post("/api/v1/payments/webhook", content=GOOD)).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe{}",
        b"not json",
        b"[]",
        b"null",
        b'{"id": "evt_1"}',
        b'{"id": "evt_1", "type": "x", "data": {"object": []}}',
        b'{"id": {"$gt": ""}, "type": "x", "data": {"object": {}}}',
        b'{"id": "evt $1", "type": "x", "data": {"object": {}}}',
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_signed_garbage_gets_400(house: House, body: bytes) -> None:
    assert (await post(house, body)).status_code == 400


async def test_a_webhook_over_256_kib_gets_413(house: House) -> None:
    for size in (256 * 1024 + 1, 10 * 1024 * 1024):
        body = b'{"x": "' + b"a" * size + b'"}'
        assert (await post(house, body)).status_code == 413


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
async def test_while_secrets_are_rotated_both_are_good(house: House, secret: str) -> None:
    body = event("customer.created", {"id": "cus_1"})
    assert (await post(house, body, signed(body, secret))).status_code == 200


async def test_an_event_of_an_unknown_kind_is_kept_and_ignored(house: House) -> None:
    body = event("invoice.voided", {"id": "in_1", "a.b": 1, "$c": 2, "huge": 2**80})
    assert (await post(house, body)).status_code == 200
    stored = await until_done(house, body)
    assert stored["state"] == "ignored"
    assert stored["body"].encode() == body


async def test_an_event_about_an_unknown_intent_is_kept_and_marked(house: House) -> None:
    body = event("payment_intent.succeeded", {"id": "pi_of_somebody", "amount": 1, "currency": "eur"})
    assert (await post(house, body)).status_code == 200
    assert (await until_done(house, body))["state"] == "unmatched"


async def test_an_event_that_makes_no_sense_is_kept_for_people_to_see(house: House) -> None:
    body = event("payment_intent.succeeded", {"amount": "x"})
    assert (await post(house, body)).status_code == 200
    assert (await until_done(house, body))["state"] == "failed"


async def test_a_success_over_another_sum_is_not_believed(house: House) -> None:
    payment = await house.open()
    body = event("payment_intent.succeeded", intent(payment, amount=1))
    assert (await post(house, body)).status_code == 200
    assert (await until_done(house, body))["state"] == "applied"  # by what the gateway says itself
    now = await house.get(payment["paymentId"])
    assert (now["status"], now["mismatch"]) == ("pending", None)
    assert (await house.confirm(payment)).status_code == 200
    await house.until(payment, lambda it: it["status"] == "completed")


async def test_fifty_copies_at_once_of_one_webhook_count_once(house: House) -> None:
    payment = await house.open()
    body = event("payment_intent.succeeded", intent(payment))
    answers = await asyncio.gather(*(post(house, body) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    await house.until(payment, lambda it: it["status"] == "completed")
    twin = event("payment_intent.succeeded", intent(payment))
    assert (await post(house, twin)).status_code == 200
    assert (await until_done(house, twin))["state"] == "applied"
    assert await house.events_of(payment, 2) == ["PaymentRequested", "PaymentSucceeded"]


@pytest.mark.parametrize("order", [("failed", "succeeded"), ("succeeded", "failed")])
async def test_captured_money_wins_in_whatever_order_one_hears_of_it(house: House, order: tuple[str, str]) -> None:
    payment = await house.open()
    bodies = {
        "failed": event("payment_intent.payment_failed", intent(payment, last_payment_error={"code": "card_declined"})),
        "succeeded": event("payment_intent.succeeded", intent(payment)),
    }
    for kind in order:
        assert (await post(house, bodies[kind])).status_code == 200
        await until_done(house, bodies[kind])
    assert (await house.get(payment["paymentId"]))["status"] == "completed"
    expected = ["PaymentRequested", *(["PaymentFailed"] if order[0] == "failed" else []), "PaymentSucceeded"]
    assert await house.events_of(payment, len(expected)) == expected


async def test_a_cancelled_intent_is_a_cancelled_payment_and_releases_the_seats(house: House) -> None:
    payment = await house.open()
    await house.gateway.v1.payment_intents.cancel_async(payment["paymentIntent"], {"cancellation_reason": "abandoned"})
    cancelled = await house.until(payment, lambda it: it["status"] == "cancelled")
    assert cancelled["failure"] == "abandoned"
    assert await house.events_of(payment, 2) == ["PaymentRequested", "PaymentFailed"]


async def test_processing_and_requires_action_leave_a_payment_pending(house: House) -> None:
    payment = await house.open()
    for kind in ("processing", "requires_action"):
        body = event(f"payment_intent.{kind}", intent(payment, status=kind))
        assert (await post(house, body)).status_code == 200
        assert (await until_done(house, body))["state"] == "applied"
    assert (await house.get(payment["paymentId"]))["status"] == "pending"


async def test_what_was_published_carries_the_whole_state(house: House) -> None:
    payment = await house.paid(amount=3100)
    await house.events_of(payment, 2)
    published = [each for each in house.published if each["subject"] == payment["paymentId"]]
    succeeded = published[-1]
    assert (succeeded["type"], succeeded["source"]) == ("PaymentSucceeded", "/payment_service")
    assert succeeded["version"] == succeeded["data"]["version"] == payment["version"]
    assert succeeded["data"] | {"version": 0} == {
        "paymentId": payment["paymentId"],
        "version": 0,
        "bookingId": payment["bookingId"],
        "userId": payment["userId"],
        "status": "completed",
        "amount": 3100,
        "refunded": 0,
        "currency": "EUR",
        "provider": "stripe",
        "providerReference": payment["paymentIntent"],
        "failure": None,
        "disputed": 0,
        "disputes": [],
    }


async def test_a_webhook_is_published_as_an_event_within_a_tenth_of_a_second(house: House) -> None:
    """The best of five: the machine is shared, and what is asked is whether anything waits for a poll."""
    took = []
    for _ in range(5):
        payment = await house.open()
        body = event("payment_intent.succeeded", intent(payment))
        await house.events_of(payment, 1)
        started = time.perf_counter()
        assert (await post(house, body)).status_code == 200
        while not any(
            it["type"] == "PaymentSucceeded" and it["subject"] == payment["paymentId"] for it in house.published
        ):
            assert time.perf_counter() - started < 15
            await asyncio.sleep(0.002)
        took.append(time.perf_counter() - started)
    assert min(took) < 0.1, took


async def until_done(house: House, body: bytes) -> dict[str, Any]:
    """The stored event once the worker has dealt with it."""
    event_id = json.loads(body)["id"]
    stored = await eventually(
        lambda: house.stored_event(event_id), until=lambda it: it is not None and it["state"] != "received"
    )
    assert stored is not None
    return stored


async def test_the_same_event_id_is_stored_once(house: House) -> None:
    body = event("customer.created", {"id": "cus_1"}, f"evt_{new_id()}")
    for _ in range(2):
        assert (await post(house, body)).json() == {"received": True}
    assert await house.database["webhook_events"].count_documents({"_id": json.loads(body)["id"]}) == 1


async def test_two_workers_apply_each_event_once(house: House) -> None:
    async with worker(house.settings):
        payments = [await house.open() for _ in range(15)]
        bodies = [event("payment_intent.succeeded", intent(payment)) for payment in payments for _ in range(2)]
        await asyncio.gather(*(post(house, body) for body in bodies))
        for body in bodies:
            assert (await until_done(house, body))["state"] == "applied"
        for payment in payments:
            assert await house.events_of(payment, 2) == ["PaymentRequested", "PaymentSucceeded"]
