"""A payment to begin a test with."""

from datetime import datetime
from typing import Any

from payment_service.domain.payment import Payment
from service_kit.ids import new_id


def payment(now: datetime, **changes: Any) -> Payment:
    fields: dict[str, Any] = {
        "id": new_id(),
        "version": 1,
        "booking_id": new_id(),
        "user_id": new_id(),
        "amount": 1000,
        "currency": "EUR",
        "description": "",
        "status": "pending",
        "provider": "stripe",
        "created_at": now,
        "updated_at": now,
        "due_at": None,
    }
    return Payment(**fields | changes)
