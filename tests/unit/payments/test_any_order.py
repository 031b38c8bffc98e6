"""Webhooks of every kind about one payment, in any order and any number of times: the end is the same."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_service.domain.payment import TRANSITIONS, Change, Payment
from payment_service.domain.reports import WebhookEvent
from payment_service.stripe_webhook import DISPUTE_TYPES, OUTCOMES, REFUND_TYPES, refund_report, report_of
from tests.unit.payments.samples import payment

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
INTENT = {"id": "pi_1", "amount": 1000, "currency": "eur"}
DECLINE = {"last_payment_error": {"code": "card_declined"}}
Json = dict[str, Any]


def refund(reference: str, amount: int, status: str) -> Json:
    return {"id": reference, "amount": amount, "currency": "eur", "status": status, "payment_intent": "pi_1"}


def charge(refunded: int) -> Json:
    return {"payment_intent": "pi_1", "amount_refunded": refunded, "currency": "eur"}


def dispute(status: str) -> Json:
    return {
        "id": "du_1",
        "amount": 700,
        "currency": "eur",
        "status": status,
        "reason": "fraudulent",
        "created": int(NOW.timestamp()),
        "payment_intent": "pi_1",
    }


PAID = [
    ("payment_intent.requires_action", INTENT),
    ("payment_intent.payment_failed", INTENT | DECLINE),
    ("payment_intent.processing", INTENT),
    ("payment_intent.canceled", INTENT),
    ("payment_intent.succeeded", INTENT),
]
REFUNDED = [
    ("refund.created", refund("re_1", 300, "pending")),
    ("charge.refunded", charge(300)),
    ("charge.refund.updated", refund("re_1", 300, "succeeded")),
    ("refund.updated", refund("re_1", 300, "succeeded")),
    ("refund.created", refund("re_2", 100, "pending")),
    ("refund.failed", refund("re_2", 100, "failed")),
]
DISPUTED = [
    ("charge.dispute.created", dispute("warning_needs_response")),
    ("charge.dispute.updated", dispute("needs_response")),
    ("charge.dispute.funds_withdrawn", dispute("needs_response")),
    ("charge.dispute.closed", dispute("won")),
    ("charge.dispute.funds_reinstated", dispute("won")),
]
HISTORY = PAID + REFUNDED + DISPUTED
AT_THE_GATEWAY = [refund("re_1", 300, "succeeded"), refund("re_2", 100, "failed")]


def heard(now: Payment, number: int, at: datetime) -> Payment:
    type_, thing = HISTORY[number]
    seconds = int(NOW.timestamp()) + number
    body = json.dumps({"id": f"evt_{number}", "type": type_, "created": seconds, "data": {"object": thing}})
    report = report_of(WebhookEvent(f"evt_{number}", type_, body))
    assert report is not None
    return taken(now, now.learn(report, at))


def taken(before: Payment, change: Change | None) -> Payment:
    if change is None:
        return before
    now = change.payment
    assert change.before == before.version
    assert now.status == before.status or now.status in TRANSITIONS[before.status]
    assert now.refunded >= before.refunded
    assert now.refunded + now.refundable + now.disputed <= now.amount
    assert not now.unattended or now.due_at is not None, "what is left to do must be due"
    return now


def told(order: list[int]) -> Payment:
    """The payment after the webhooks in this order, and after the worker's look at the gateway's list of refunds."""
    now = payment(NOW, due_at=NOW)
    for place, number in enumerate(order):
        now = heard(now, number, NOW + timedelta(seconds=place))
    if unread := now.unread_refunds:
        for each in AT_THE_GATEWAY:
            now = taken(now, now.learn(refund_report(each), NOW))
        now = taken(now, now.refunds_read(unread, NOW))
    refunds = sorted((replace(each, requested_at=NOW) for each in now.refunds), key=lambda each: each.id)
    return replace(now, id="", booking_id="", user_id="", version=0, updated_at=NOW, refunds=tuple(refunds))


NUMBERS = list(range(len(HISTORY)))
EXPECTED = told(NUMBERS)


def test_the_history_ends_as_it_should() -> None:
    assert (EXPECTED.status, EXPECTED.failure, EXPECTED.due_at) == ("completed", None, None)
    assert (EXPECTED.refunded, EXPECTED.refundable, EXPECTED.disputed) == (300, 700, 0)
    assert [(each.id, each.status) for each in EXPECTED.refunds] == [("re_1", "succeeded"), ("re_2", "failed")]
    assert [each.status for each in EXPECTED.disputes] == ["won"]


def test_the_history_has_webhooks_of_every_kind_that_is_read() -> None:
    assert {type_ for type_, _ in HISTORY} == {*OUTCOMES, *REFUND_TYPES, *DISPUTE_TYPES, "charge.refunded"}


@given(st.lists(st.sampled_from(NUMBERS), max_size=20).flatmap(lambda more: st.permutations(NUMBERS + more)))
def test_every_order_with_repeats_comes_to_the_same_end(order: list[int]) -> None:
    assert told(order) == EXPECTED


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: HISTORY[number][0])
def test_a_repeat_at_once_changes_nothing(number: int) -> None:
    once = heard(payment(NOW, due_at=NOW), number, NOW)
    assert heard(once, number, NOW + timedelta(minutes=1)) == once
