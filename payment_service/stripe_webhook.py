"""Stripe's webhooks: is one genuine and recent, and what does it say."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import stripe
from pydantic import BaseModel, BeforeValidator, Field, SecretStr, ValidationError

from payment_service.domain.disputes import DisputeReport, DisputeStatus, Funds
from payment_service.domain.errors import BadWebhook
from payment_service.domain.reports import (
    Charge,
    ChargeReport,
    IntentReport,
    Outcome,
    RefundReport,
    RefundStatus,
    Report,
    WebhookEvent,
)
from service_kit.models import MOST_MINOR

OLDEST_SECONDS = 300
# Clocks differ a little; the SDK itself lets any future date pass.
AHEAD_SECONDS = 5
OUTCOMES: dict[str, Outcome] = {
    "payment_intent.succeeded": "succeeded",
    "payment_intent.payment_failed": "failed",
    "payment_intent.canceled": "cancelled",
    "payment_intent.processing": "open",
    "payment_intent.requires_action": "open",
}
REFUND_TYPES = {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}
REFUND_STATUSES: dict[str, RefundStatus] = {"succeeded": "succeeded", "failed": "failed", "canceled": "failed"}
DISPUTE_TYPES: dict[str, Funds] = {
    "charge.dispute.created": "untouched",
    "charge.dispute.updated": "untouched",
    "charge.dispute.closed": "untouched",
    "charge.dispute.funds_withdrawn": "withdrawn",
    "charge.dispute.funds_reinstated": "reinstated",
}
DISPUTE_STATUSES: dict[str, DisputeStatus] = {
    "warning_needs_response": "inquiry",
    "warning_under_review": "inquiry",
    "warning_closed": "closed",
    "prevented": "closed",
    "needs_response": "needs_response",
    "under_review": "under_review",
    "won": "won",
    "lost": "lost",
}
# Stripe charges these in hundredths, although ISO 4217 gives them no minor unit.
IN_HUNDREDTHS = {"ISK", "UGX"}

Text = Annotated[str, Field(max_length=500)]
ObjectId = Annotated[str, Field(min_length=1, max_length=255)]
# An id, where Stripe may send the whole object instead.
Reference = Annotated[
    Annotated[str, Field(max_length=255)],
    BeforeValidator(lambda value: value.get("id") if isinstance(value, dict) else value),
]
Metadata = Annotated[dict[str, str], BeforeValidator(lambda value: value or {})]
Amount = Annotated[int, Field(strict=True, ge=0, le=MOST_MINOR * 100)]
# Seconds since 1970, as far as the year 9999.
Moment = Annotated[int, Field(strict=True, ge=0, le=253_402_300_799)]


class _Data(BaseModel):
    object: dict[str, Any]


class _Event(BaseModel):
    id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,128}$")]
    type: Annotated[str, Field(min_length=1, max_length=200)]
    data: _Data


class _Dated(BaseModel):
    created: Moment | None = None


class _Failure(BaseModel):
    code: Text | None = None
    decline_code: Text | None = None


class _Intent(BaseModel):
    id: ObjectId
    status: str | None = None
    amount: Amount | None = None
    amount_received: Amount | None = None
    currency: str | None = None
    metadata: Metadata = {}
    last_payment_error: _Failure | None = None
    cancellation_reason: Text | None = None


class _Refund(BaseModel):
    id: ObjectId
    amount: Annotated[Amount, Field(gt=0)]
    currency: str
    status: str
    payment_intent: Reference | None
    metadata: Metadata = {}


class _Charge(BaseModel):
    amount_refunded: Amount
    currency: str
    payment_intent: Reference | None


class _Dispute(BaseModel):
    id: ObjectId
    amount: Annotated[Amount, Field(gt=0)]
    currency: str
    status: str
    reason: Text = "general"
    created: Moment | None = None
    payment_intent: Reference | None


class _Listed(BaseModel):
    id: str
    amount_captured: int
    amount_refunded: int
    currency: str
    created: int
    payment_intent: Reference | None
    metadata: Metadata = {}


def to_stripe(amount: int, currency: str) -> int:
    return amount * 100 if currency in IN_HUNDREDTHS else amount


def from_stripe(amount: int, currency: str) -> int:
    return amount // 100 if currency.upper() in IN_HUNDREDTHS else amount


def read_webhook(body: bytes, signature: str | None, secrets: Sequence[SecretStr], now: datetime) -> WebhookEvent:
    """The event in a body that one of the `secrets` signed, lately. Raises BadWebhook."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadWebhook("The body is not UTF-8") from error
    # The SDK compares signatures as text, which fails on anything but ASCII.
    if not signature or not signature.isascii():
        raise BadWebhook("Stripe-Signature is missing or malformed")
    if not any(_signed(text, signature, secret.get_secret_value()) for secret in secrets):
        raise BadWebhook("The signature does not match the body")
    age = int(now.timestamp()) - _timestamp(signature)
    if not -AHEAD_SECONDS <= age <= OLDEST_SECONDS:
        raise BadWebhook("The signature is too old or dated ahead")
    try:
        event = _Event.model_validate_json(text)
    except ValidationError as error:
        raise BadWebhook("The body is not an event") from error
    return WebhookEvent(event.id, event.type, text)


def _signed(text: str, signature: str, secret: str) -> bool:
    try:
        # Without a tolerance: age is judged by the injected clock, in both directions.
        stripe.WebhookSignature.verify_header(text, signature, secret)
    except stripe.SignatureVerificationError:
        return False
    return True


def _timestamp(signature: str) -> int:
    """The first `t` of a header that was verified, as the verifier took it."""
    return next(int(part[2:]) for part in signature.split(",") if part.startswith("t="))


def report_of(event: WebhookEvent) -> Report | None:
    """What an event says, or None for a type that is of no interest. Raises ValueError where it is unreadable."""
    if event.type in OUTCOMES:
        return intent_report(_object(event), OUTCOMES[event.type])
    if event.type in REFUND_TYPES:
        return refund_report(_object(event))
    if event.type == "charge.refunded":
        charge = _Charge.model_validate(_object(event))
        return ChargeReport(
            _ours(charge.payment_intent), from_stripe(charge.amount_refunded, charge.currency), charge.currency.upper()
        )
    if event.type in DISPUTE_TYPES:
        return dispute_report(_object(event), DISPUTE_TYPES[event.type], _when(event))
    return None


def _object(event: WebhookEvent) -> dict[str, Any]:
    return _Event.model_validate_json(event.body).data.object


def _when(event: WebhookEvent) -> datetime | None:
    return _moment(_Dated.model_validate_json(event.body).created)


def _ours(intent: str | None) -> str:
    """What was charged without an intent is about no payment of ours."""
    return intent or ""


def _moment(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None


def intent_report(values: dict[str, Any], outcome: Outcome | None = None) -> IntentReport:
    """A report of an intent: `outcome` as its webhook says, else by its present status."""
    intent = _Intent.model_validate(values)
    error = intent.last_payment_error or _Failure()
    outcome = outcome or _outcome(intent)
    failure = {
        "failed": error.decline_code or error.code or "payment_failed",
        "cancelled": intent.cancellation_reason or "canceled",
    }
    currency = intent.currency.upper() if intent.currency else None
    # What was asked for is not always what came.
    told = intent.amount_received if outcome == "succeeded" and intent.amount_received is not None else intent.amount
    amount = from_stripe(told, currency or "") if told is not None else None
    return IntentReport(intent.id, outcome, intent.metadata.get("paymentId"), failure.get(outcome), amount, currency)


def _outcome(intent: _Intent) -> Outcome:
    if intent.status == "requires_payment_method":
        return "failed" if intent.last_payment_error else "open"
    by_status: dict[str | None, Outcome] = {"succeeded": "succeeded", "canceled": "cancelled"}
    return by_status.get(intent.status, "open")


def refund_report(values: dict[str, Any]) -> RefundReport:
    refund = _Refund.model_validate(values)
    return RefundReport(
        intent=_ours(refund.payment_intent),
        reference=refund.id,
        amount=from_stripe(refund.amount, refund.currency),
        status=REFUND_STATUSES.get(refund.status, "pending"),
        refund_id=refund.metadata.get("refundId"),
        currency=refund.currency.upper(),
    )


def dispute_report(values: dict[str, Any], funds: Funds = "untouched", at: datetime | None = None) -> DisputeReport:
    """A report of a dispute. Where its money went is told by webhooks alone. Raises ValueError."""
    dispute = _Dispute.model_validate(values)
    if dispute.status not in DISPUTE_STATUSES:
        raise ValueError(f"a dispute's status is unknown: {dispute.status[:50]}")
    return DisputeReport(
        intent=_ours(dispute.payment_intent),
        reference=dispute.id,
        amount=from_stripe(dispute.amount, dispute.currency),
        reason=dispute.reason,
        status=DISPUTE_STATUSES[dispute.status],
        opened_at=_moment(dispute.created),
        currency=dispute.currency.upper(),
        funds=funds,
        at=at,
    )


def charge_of(values: dict[str, Any]) -> Charge | None:
    """A charge of a list, or None for one that took nothing, or nothing for an intent."""
    charge = _Listed.model_validate(values)
    if not charge.amount_captured or charge.payment_intent is None:
        return None
    return Charge(
        id=charge.id,
        intent=charge.payment_intent,
        amount=from_stripe(charge.amount_captured, charge.currency),
        refunded=from_stripe(charge.amount_refunded, charge.currency),
        currency=charge.currency.upper(),
        created_at=datetime.fromtimestamp(charge.created, UTC),
        payment_id=charge.metadata.get("paymentId"),
    )
