"""Webhooks made by hand, signed or forged."""

import hashlib
import hmac
import json
import time
from typing import Any

import httpx2

from service_kit.ids import new_id
from tests.component.payments.conftest import SECRET, House


def signed(body: bytes, secret: str = SECRET, age: float = 0) -> str:
    return signed_at(body, int(time.time() - age), secret)


def signed_at(body: bytes, timestamp: int, secret: str = SECRET) -> str:
    mac = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"t={timestamp},v1={mac.hexdigest()}"


def event(type_: str, thing: dict[str, Any], event_id: str | None = None) -> bytes:
    event_id = event_id or f"evt_{new_id().replace('-', '')}"
    return json.dumps({"id": event_id, "object": "event", "type": type_, "data": {"object": thing}}).encode()


def intent(payment: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": payment["paymentIntent"],
        "object": "payment_intent",
        "amount": payment["amount"],
        "currency": payment["currency"].lower(),
        **fields,
    }


async def post(house: House, body: bytes, signature: str | None = None) -> httpx2.Response:
    headers = {"Stripe-Signature": signed(body) if signature is None else signature}
    return await house.api.post("/api/v1/payments/webhook", content=body, headers=headers)
