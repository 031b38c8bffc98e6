"""Signed webhooks, as Stripe sends them when a payment succeeds."""

from __future__ import annotations

import json
import time
from typing import Any

from bench.payments.shop import SECRET
from payment_service.sandbox.courier import signature
from payment_service.sandbox.ledger import API_VERSION, fresh_id


def succeeded(intent: str, amount: int, metadata: dict[str, str]) -> bytes:
    """The body of a new event, with all that Stripe's own has of an intent."""
    thing: dict[str, Any] = {
        "id": intent,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": amount,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{intent}_secret_{intent}",
        "confirmation_method": "automatic",
        "created": int(time.time()),
        "currency": "eur",
        "customer": None,
        "description": None,
        "last_payment_error": None,
        "latest_charge": f"ch_{intent}",
        "livemode": False,
        "metadata": metadata,
        "next_action": None,
        "payment_method": "pm_card_visa",
        "payment_method_types": ["card"],
        "receipt_email": None,
        "status": "succeeded",
    }
    event = {
        "id": fresh_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": int(time.time()),
        "data": {"object": thing},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "payment_intent.succeeded",
    }
    return json.dumps(event).encode()


def hook(path: str, body: bytes) -> bytes:
    """The whole request, signed now."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json; charset=utf-8\r\n"
        f"stripe-signature: {signature(SECRET, int(time.time()), body)}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
