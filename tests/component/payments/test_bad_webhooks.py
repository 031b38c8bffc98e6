"""Webhooks from people of ill will, and from a gateway gone mad: refused fast, or kept for people to see."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service_kit.ids import new_id
from tests.component.payments.conftest import SECRET, House, Json
from tests.component.payments.signing import event, intent, post, signed
from tests.component.payments.test_webhooks import until_done

PATH = "/api/v1/payments/webhook"
QUICKLY_SECONDS = 3.0


async def test_ten_megabytes_are_refused_quickly_whether_or_not_their_length_is_declared(house: House) -> None:
    body = b'{"x": "' + b"a" * (10 * 1024 * 1024) + b'"}'
    signature = {"Stripe-Signature": signed(body)}

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 64 * 1024):
            yield body[start : start + 64 * 1024]

    for content in (body, in_pieces()):
        started = time.perf_counter()
        answer = await house.api.post(PATH, content=content, headers=signature)
        assert answer.status_code == 413
        assert time.perf_counter() - started < QUICKLY_SECONDS


async def test_a_body_cut_off_or_changed_by_one_byte_gets_400(house: House) -> None:
    payment = await house.open()
    body = event("payment_intent.succeeded", intent(payment))
    signature = signed(body)
    for wrong in (body[:-1], body[:100], body + b" ", body.replace(b"2400", b"2401")):
        assert (await post(house, wrong, signature)).status_code == 400
    cut_off = body[: len(body) // 2]
    assert (await post(house, cut_off)).status_code == 400
    assert (await house.get(payment["paymentId"]))["status"] == "pending"


@pytest.mark.parametrize("charset", ["utf-16", "latin-1"])
async def test_other_charsets_get_400(house: House, charset: str) -> None:
    body = event("customer.created", {"id": "cus_1"}).decode().replace("cus_1", "ç").encode(charset)
    assert (await post(house, body)).status_code == 400


async def test_two_signature_headers_get_400_even_where_one_is_good(house: House) -> None:
    body = event("customer.created", {"id": "cus_1"})
    good, bad = signed(body), signed(body, "whsec_of_somebody_else")
    for pair in ((good, bad), (bad, good), (good, good)):
        headers = [(b"Stripe-Signature", each.encode()) for each in pair]
        assert (await house.api.post(PATH, content=body, headers=headers)).status_code == 400


async def test_a_webhook_caught_on_the_way_and_sent_again_counts_once_and_later_not_at_all(house: House) -> None:
    payment = await house.open()
    body = event("payment_intent.succeeded", intent(payment))
    caught = signed(body, age=200)
    for _ in range(3):
        assert (await post(house, body, caught)).status_code == 200
    await house.until(payment, lambda it: it["status"] == "completed")
    assert (await post(house, body, signed(body, age=400))).status_code == 400
    assert await house.events_of(payment, 2) == ["PaymentRequested", "PaymentSucceeded"]


@pytest.mark.parametrize("data", [{"object": None}, {"object": "pi_1"}, {"object": 1}, {}, None], ids=str)
async def test_a_signed_event_about_nothing_gets_400(house: House, data: Any) -> None:
    body = json.dumps({"id": f"evt_{new_id()}", "type": "payment_intent.succeeded", "data": data}).encode()
    assert (await post(house, body)).status_code == 400


@pytest.mark.parametrize("type_", ["", "x" * 201, 5, None, "\ud800"], ids=repr)
async def test_a_signed_event_of_no_sane_type_gets_400(house: House, type_: Any) -> None:
    body = json.dumps({"id": f"evt_{new_id()}", "type": type_, "data": {"object": {}}}).encode()
    assert (await post(house, body)).status_code == 400


UNKNOWN: dict[str, Json] = {
    "payment_intent.succeeded": {"id": "pi_of_somebody", "amount": 5, "currency": "eur"},
    "payment_intent.canceled": {"id": "pi_of_somebody", "metadata": {"paymentId": "pay_of_somebody"}},
    "refund.updated": {
        "id": "re_1",
        "amount": 5,
        "currency": "eur",
        "status": "succeeded",
        "payment_intent": "pi_of_somebody",
    },
    "refund.failed": {"id": "re_1", "amount": 5, "currency": "eur", "status": "failed", "payment_intent": None},
    "charge.refunded": {"payment_intent": None, "amount_refunded": 5, "currency": "eur"},
}


@pytest.mark.parametrize("type_", UNKNOWN)
async def test_events_about_what_is_not_ours_are_kept_and_marked(house: House, type_: str) -> None:
    body = event(type_, UNKNOWN[type_])
    assert (await post(house, body)).status_code == 200
    assert (await until_done(house, body))["state"] == "unmatched"


AMOUNTS = [-1, 1.5, 10**30, 2**63, "2400", True, []]


@pytest.mark.parametrize("amount", AMOUNTS, ids=str)
@pytest.mark.parametrize("kind", ["payment_intent.succeeded", "refund.updated", "charge.refunded"])
async def test_amounts_that_can_not_be_change_nothing_and_are_seen(house: House, kind: str, amount: Any) -> None:
    payment = await house.open()
    things: dict[str, Json] = {
        "payment_intent.succeeded": intent(payment, amount=amount),
        "refund.updated": {
            "id": f"re_{new_id()}",
            "amount": amount,
            "currency": "eur",
            "status": "succeeded",
            "payment_intent": payment["paymentIntent"],
        },
        "charge.refunded": {
            "payment_intent": payment["paymentIntent"],
            "amount_refunded": amount,
            "currency": "eur",
        },
    }
    body = event(kind, things[kind])
    assert (await post(house, body)).status_code == 200
    assert (await until_done(house, body))["state"] == "failed"
    assert await house.get(payment["paymentId"]) == payment


@pytest.mark.parametrize("currency", ["usd", "eurx", ""])
async def test_other_money_changes_nothing_and_is_seen(house: House, currency: str) -> None:
    payment = await house.paid()
    refund = {
        "id": f"re_{new_id()}",
        "amount": 5,
        "currency": currency,
        "status": "succeeded",
        "payment_intent": payment["paymentIntent"],
    }
    dispute = refund | {"id": f"du_{new_id()}", "status": "lost", "reason": "general", "created": 1_790_000_000}
    for body in (event("refund.updated", refund), event("charge.dispute.closed", dispute)):
        assert (await post(house, body)).status_code == 200
        assert (await until_done(house, body))["state"] == "failed"
    assert await house.get(payment["paymentId"]) == payment


async def test_a_thousand_forgeries_leave_nothing_behind_and_no_good_webhook_waiting(house: House) -> None:
    body = event("customer.created", {"id": "cus_1"}, "evt_guessed")
    forged = await asyncio.gather(*(post(house, body, signed(body, "whsec_guessed")) for _ in range(1000)))
    assert {answer.status_code for answer in forged} == {400}
    assert await house.stored_event("evt_guessed") is None
    assert (await post(house, body, signed(body, SECRET))).status_code == 200
