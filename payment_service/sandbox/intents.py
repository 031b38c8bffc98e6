"""Payment intents, from `requires_payment_method` over `requires_confirmation`, `requires_action` or `processing`
to `succeeded` or `canceled`.

Every function is one API call (or one later step) within the caller's transaction.
"""

import secrets
from typing import Any

from payment_service.sandbox import params as read
from payment_service.sandbox.cards import CARDS, UNAUTHENTICATED, Decline, known
from payment_service.sandbox.failures import StripeFailure, bad_parameter, missing_parameter
from payment_service.sandbox.ledger import Ledger, Object, fresh_id
from payment_service.sandbox.params import Params

CREATE = frozenset(
    [
        "amount",
        "currency",
        "description",
        "metadata",
        "payment_method",
        "payment_method_types",
        "allowed_payment_method_types",
        "automatic_payment_methods",
        "confirm",
        "capture_method",
        "confirmation_method",
        "receipt_email",
        "return_url",
        "statement_descriptor_suffix",
    ]
)
CONFIRM = frozenset(["payment_method", "return_url", "client_secret", "use_stripe_sdk", "receipt_email"])
UPDATE = frozenset(["amount", "currency", "description", "metadata"])
RETRIEVE = frozenset({"client_secret"})
CANCEL = frozenset({"cancellation_reason"})
REASONS = {"duplicate", "fraudulent", "requested_by_customer", "abandoned"}
OPEN = {"requires_payment_method", "requires_confirmation", "requires_action"}
SLOW_SECONDS = 1.0


class Declined(StripeFailure):
    """402: unlike other refusals this one changed the intent, so what was written is kept."""

    def __init__(self, decline: Decline, intent: Object) -> None:
        super().__init__(
            402,
            decline.message,
            type_="card_error",
            code=decline.code,
            decline_code=decline.reason,
            charge=intent["latest_charge"],
            payment_intent=intent,
        )


def create(ledger: Ledger, params: Params, public_url: str) -> Object:
    amount = read.amount(params)
    if amount is None:
        raise missing_parameter("amount")
    if (read.text(params, "capture_method") or "automatic") not in {"automatic", "automatic_async"}:
        raise bad_parameter("capture_method", "This sandbox captures automatically.")
    method = known(name) if (name := read.text(params, "payment_method")) else None
    id_ = fresh_id("pi")
    intent: Object = {
        "id": id_,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{id_}_secret_{secrets.token_urlsafe(18)}",
        "confirmation_method": "automatic",
        "created": int(ledger.now()),
        "currency": read.currency(params),
        "customer": None,
        "description": read.text(params, "description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": read.metadata(params),
        "next_action": None,
        "payment_method": method,
        "payment_method_types": ["card"],
        "receipt_email": read.text(params, "receipt_email"),
        "status": "requires_confirmation" if method else "requires_payment_method",
    }
    ledger.save(intent)
    if read.flag(params, "confirm"):
        return confirm(ledger, id_, {key: params[key] for key in CONFIRM if key in params}, public_url)
    return intent


def update(ledger: Ledger, id_: str, params: Params) -> Object:
    """Change what an intent asks for, as long as it is open."""
    intent = ledger.load("payment_intent", id_)
    if intent["status"] not in OPEN:
        raise _unexpected(intent, "update")
    if (amount := read.amount(params)) is not None:
        intent["amount"] = amount
    if "currency" in params:
        intent["currency"] = read.currency(params)
    if "description" in params:
        intent["description"] = read.text(params, "description")
    intent["metadata"] |= read.metadata(params)
    ledger.save(intent)
    return intent


def confirm(ledger: Ledger, id_: str, params: Params, public_url: str) -> Object:
    """Charge the payment method. Raises Declined, whose effect is kept."""
    intent = ledger.load("payment_intent", id_)
    if intent["status"] not in OPEN:
        raise _unexpected(intent, "confirm")
    method = read.text(params, "payment_method") or intent["payment_method"]
    if method is None:
        raise StripeFailure(
            400,
            "This PaymentIntent has no payment method. Give one to confirm it.",
            code="payment_intent_unexpected_state",
            payment_intent=intent,
        )
    card = CARDS[known(method)]
    intent |= {"payment_method": method, "last_payment_error": None, "next_action": None}
    if card.authenticate:
        intent["status"] = "requires_action"
        address = f"{public_url}/sandbox/authenticate/{id_}"
        redirect = {"url": address, "return_url": read.text(params, "return_url")}
        intent["next_action"] = {"type": "redirect_to_url", "redirect_to_url": redirect}
        ledger.save(intent)
        ledger.emit("payment_intent.requires_action", intent)
    elif card.slow:
        intent["status"] = "processing"
        ledger.save(intent)
        ledger.emit("payment_intent.processing", intent)
        ledger.plan("settle", id_, ledger.now() + SLOW_SECONDS)
    else:
        _charge(ledger, intent)
        if card.decline:
            raise Declined(card.decline, intent)
    return intent


def authenticate(ledger: Ledger, id_: str, passed: bool) -> Object:
    """The buyer's 3-D Secure step."""
    intent = ledger.load("payment_intent", id_)
    if intent["status"] != "requires_action":
        raise _unexpected(intent, "authenticate")
    intent["next_action"] = None
    if passed:
        _charge(ledger, intent)
    else:
        _fail(ledger, intent, UNAUTHENTICATED)
    return intent


def settle(ledger: Ledger, intent: Object) -> None:
    """The end of a charge that was processing."""
    if intent["status"] == "processing":
        _charge(ledger, intent)


def cancel(ledger: Ledger, id_: str, params: Params) -> Object:
    intent = ledger.load("payment_intent", id_)
    reason = read.choice(params, "cancellation_reason", REASONS)
    if intent["status"] not in OPEN:
        raise _unexpected(intent, "cancel")
    intent |= {
        "status": "canceled",
        "canceled_at": int(ledger.now()),
        "cancellation_reason": reason,
        "next_action": None,
    }
    ledger.save(intent)
    ledger.emit("payment_intent.canceled", intent)
    return intent


def _charge(ledger: Ledger, intent: Object) -> None:
    card = CARDS[intent["payment_method"]]
    decline = card.decline
    charge: Object = {
        "id": fresh_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0 if decline else intent["amount"],
        "amount_refunded": 0,
        "captured": not decline,
        "created": int(ledger.now()),
        "currency": intent["currency"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "livemode": False,
        "metadata": intent["metadata"],
        "paid": not decline,
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"],
        "refunded": False,
        "status": "failed" if decline else "succeeded",
    }
    ledger.save(charge, parent=intent["id"])
    intent["latest_charge"] = charge["id"]
    if decline:
        _fail(ledger, intent, decline)
        return
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    ledger.save(intent)
    ledger.emit("payment_intent.succeeded", intent)
    if card.objection:
        ledger.plan("settle", charge["id"], ledger.now() + SLOW_SECONDS)


def _fail(ledger: Ledger, intent: Object, decline: Decline) -> None:
    error: dict[str, Any] = {"type": "card_error", "code": decline.code, "message": decline.message}
    if decline.reason:
        error["decline_code"] = decline.reason
    if intent["latest_charge"]:
        error["charge"] = intent["latest_charge"]
    intent |= {"status": "requires_payment_method", "last_payment_error": error, "payment_method": None}
    ledger.save(intent)
    ledger.emit("payment_intent.payment_failed", intent)


def _unexpected(intent: Object, step: str) -> StripeFailure:
    return StripeFailure(
        400,
        f"You cannot {step} this PaymentIntent because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
        payment_intent=intent,
    )
