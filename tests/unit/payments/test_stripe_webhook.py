"""Reading Stripe's webhooks: signatures, ages, and what each kind says."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from payment_service.domain.disputes import DisputeReport, Funds
from payment_service.domain.errors import BadWebhook
from payment_service.domain.reports import ChargeReport, IntentReport, RefundReport, WebhookEvent
from payment_service.sandbox.courier import signature
from payment_service.stripe_webhook import (
    dispute_report,
    from_stripe,
    intent_report,
    read_webhook,
    report_of,
    to_stripe,
)

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
SECRET = "whsec_unit"
BODY = json.dumps({"id": "evt_1", "type": "ping", "data": {"object": {"name": "Café 🎭"}}}, ensure_ascii=False).encode()


def read(body: bytes, header: str | None) -> WebhookEvent:
    return read_webhook(body, header, [SecretStr("whsec_next"), SecretStr(SECRET)], NOW)


def header(age: int = 0, body: bytes = BODY) -> str:
    return signature(SECRET, int(NOW.timestamp()) - age, body)


@pytest.mark.parametrize("age", [-5, 0, 300])
def test_a_recent_webhook_is_read(age: int) -> None:
    event = read(BODY, header(age))
    assert (event.id, event.type, event.body.encode()) == ("evt_1", "ping", BODY)


@pytest.mark.parametrize("age", [-6, -86_400, 301, 10**9])
def test_an_old_or_future_one_is_refused(age: int) -> None:
    with pytest.raises(BadWebhook):
        read(BODY, header(age))


def test_the_sandbox_signs_as_stripes_own_verifier_expects() -> None:
    assert stripe.WebhookSignature.verify_header(BODY, header(), SECRET)


def test_one_good_signature_among_several_is_enough() -> None:
    timestamp, _, good = header().partition(",")
    assert read(BODY, f"{timestamp},v1={'0' * 64},v0=00,{good}").id == "evt_1"


def test_a_second_time_in_the_header_does_not_make_an_old_webhook_young() -> None:
    with pytest.raises(BadWebhook):
        read(BODY, f"{header(age=1000)},t={int(NOW.timestamp())}")


@given(st.binary(max_size=200), st.text(max_size=100))
def test_whatever_comes_is_refused_without_another_error(body: bytes, given_header: str) -> None:
    with pytest.raises(BadWebhook):
        read(body, given_header)


@given(st.binary(max_size=200))
def test_signed_nonsense_is_refused_too(body: bytes) -> None:
    timestamp = int(NOW.timestamp())
    mac = hmac.new(SECRET.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    with pytest.raises(BadWebhook):
        read(body, f"t={timestamp},v1={mac}")


def test_without_secrets_nothing_is_believed() -> None:
    with pytest.raises(BadWebhook):
        read_webhook(BODY, signature("", int(NOW.timestamp()), BODY), [], NOW)


def said(type_: str, thing: dict[str, Any]) -> object:
    return report_of(
        WebhookEvent("evt_1", type_, json.dumps({"id": "evt_1", "type": type_, "data": {"object": thing}}))
    )


def test_of_a_success_what_was_received_counts_and_of_all_else_what_was_asked_for() -> None:
    part = {"id": "pi_1", "amount": 900, "amount_received": 400, "currency": "eur"}
    assert said("payment_intent.succeeded", part) == IntentReport("pi_1", "succeeded", amount=400, currency="EUR")
    assert intent_report(part | {"status": "succeeded"}).amount == 400
    unpaid = part | {"amount_received": 0}
    assert said("payment_intent.processing", unpaid) == IntentReport("pi_1", "open", amount=900, currency="EUR")


def test_each_kind_says_what_it_means() -> None:
    thing = {"id": "pi_1", "amount": 5, "currency": "eur", "metadata": {"paymentId": "p"}}
    assert said("payment_intent.succeeded", thing) == IntentReport("pi_1", "succeeded", "p", None, 5, "EUR")
    declined = thing | {"last_payment_error": {"code": "card_declined", "decline_code": "lost_card"}}
    assert said("payment_intent.payment_failed", declined) == IntentReport("pi_1", "failed", "p", "lost_card", 5, "EUR")
    assert said("payment_intent.canceled", {"id": "pi_1", "metadata": None}) == IntentReport(
        "pi_1", "cancelled", None, "canceled"
    )
    refund = {"id": "re_1", "amount": 5, "currency": "eur", "status": "canceled", "payment_intent": {"id": "pi_1"}}
    assert said("refund.updated", refund) == RefundReport("pi_1", "re_1", 5, "failed", None, "EUR")
    charge = {"payment_intent": "pi_1", "amount_refunded": 7, "currency": "eur"}
    assert said("charge.refunded", charge) == ChargeReport("pi_1", 7, "EUR")
    assert said("customer.created", {"id": "cus_1"}) is None


DISPUTE = {
    "id": "du_1",
    "amount": 5,
    "currency": "eur",
    "status": "needs_response",
    "reason": "fraudulent",
    "created": 1_790_000_000,
    "payment_intent": "pi_1",
}


@pytest.mark.parametrize(
    ("kind", "funds"),
    [
        ("created", "untouched"),
        ("updated", "untouched"),
        ("closed", "untouched"),
        ("funds_withdrawn", "withdrawn"),
        ("funds_reinstated", "reinstated"),
    ],
)
def test_each_kind_of_dispute_news_says_what_it_means(kind: str, funds: Funds) -> None:
    opened_at = datetime.fromtimestamp(1_790_000_000, UTC)
    assert said(f"charge.dispute.{kind}", DISPUTE) == DisputeReport(
        "pi_1", "du_1", 5, "fraudulent", "needs_response", opened_at, "EUR", funds
    )


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("warning_needs_response", "inquiry"),
        ("warning_under_review", "inquiry"),
        ("warning_closed", "closed"),
        ("prevented", "closed"),
        ("under_review", "under_review"),
        ("won", "won"),
        ("lost", "lost"),
    ],
)
def test_a_disputes_status_is_put_into_our_words(theirs: str, ours: str) -> None:
    assert dispute_report(DISPUTE | {"status": theirs}).status == ours


def test_what_was_charged_without_an_intent_is_about_nothing_of_ours() -> None:
    for type_, thing in SOUND.items():
        if not type_.startswith("payment_intent"):
            report = said(type_, thing | {"payment_intent": None})
            assert isinstance(report, RefundReport | ChargeReport | DisputeReport)
            assert report.intent == ""


SOUND: dict[str, dict[str, Any]] = {
    "payment_intent.succeeded": {"id": "pi_1", "amount": 5, "currency": "eur"},
    "refund.updated": {"id": "re_1", "amount": 5, "currency": "eur", "status": "succeeded", "payment_intent": "pi_1"},
    "charge.refunded": {"payment_intent": "pi_1", "amount_refunded": 7, "currency": "eur"},
    "charge.dispute.closed": DISPUTE,
}
NO_AMOUNTS = [-1, 1.5, 5.0, "5", True, 2**63, 10**400, [], {}, float("inf"), float("nan")]


@pytest.mark.parametrize("amount", NO_AMOUNTS, ids=lambda amount: str(amount)[:20])
@pytest.mark.parametrize("type_", SOUND)
def test_amounts_that_are_none_are_refused(type_: str, amount: object) -> None:
    field = "amount_refunded" if type_ == "charge.refunded" else "amount"
    assert said(type_, SOUND[type_])
    with pytest.raises(ValueError, match=r"."):
        said(type_, SOUND[type_] | {field: amount})


@pytest.mark.parametrize(
    ("type_", "change"),
    [
        ("payment_intent.succeeded", {"id": None}),
        ("payment_intent.succeeded", {"id": ""}),
        ("payment_intent.succeeded", {"id": "p" * 256}),
        ("payment_intent.succeeded", {"id": {"$gt": ""}}),
        ("payment_intent.succeeded", {"metadata": {"paymentId": {"$gt": ""}}}),
        ("payment_intent.payment_failed", {"last_payment_error": {"code": {"deep": 2**80}}}),
        ("payment_intent.payment_failed", {"last_payment_error": "declined"}),
        ("refund.updated", {"payment_intent": {"id": {"$gt": ""}}}),
        ("refund.updated", {"amount": 0}),
        ("charge.dispute.closed", {"status": "surrendered"}),
        ("charge.dispute.closed", {"created": -1}),
        ("charge.dispute.closed", {"created": 10**15}),
        ("charge.dispute.closed", {"reason": 5}),
        ("charge.dispute.closed", {"reason": "r" * 501}),
    ],
    ids=str,
)
def test_things_that_make_no_sense_are_refused(type_: str, change: dict[str, Any]) -> None:
    sound = SOUND.get(type_, SOUND["payment_intent.succeeded"])
    with pytest.raises(ValueError, match=r"."):
        said(type_, sound | change)


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"status": "succeeded", "amount": 5, "currency": "eur"}, "succeeded"),
        ({"status": "canceled"}, "cancelled"),
        ({"status": "processing"}, "open"),
        ({"status": "requires_action"}, "open"),
        ({"status": "requires_payment_method"}, "open"),
        ({"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}}, "failed"),
    ],
)
def test_an_intent_that_was_asked_for_says_it_by_its_status(fields: dict[str, Any], outcome: str) -> None:
    assert intent_report({"id": "pi_1"} | fields).outcome == outcome


def test_stripe_takes_icelandic_crowns_in_hundredths() -> None:
    assert (to_stripe(1500, "ISK"), from_stripe(150_000, "isk")) == (150_000, 1500)
    assert (to_stripe(1500, "EUR"), from_stripe(1500, "jpy")) == (1500, 1500)
