"""What the gateway says, in our words: by webhooks, and when it is asked."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from payment_service.domain.disputes import DisputeReport

# `waiting`: it was asked for while the buyer's bank had the money, and is made, or done, once the dispute is over.
RefundStatus = Literal["waiting", "pending", "succeeded", "failed"]
Outcome = Literal["succeeded", "failed", "cancelled", "open"]


@dataclass(frozen=True, slots=True)
class IntentReport:
    """What the gateway says of an intent. `payment_id` is what we wrote into it; `amount` in our minor units."""

    intent: str
    outcome: Outcome
    payment_id: str | None = None
    failure: str | None = None
    amount: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class RefundReport:
    """What the gateway says of one refund. `refund_id` is ours, absent where the refund was made at the gateway."""

    intent: str
    reference: str
    amount: int
    status: RefundStatus
    refund_id: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class ChargeReport:
    """How much of a charge was refunded by then, in all."""

    intent: str
    refunded: int
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """Money that the gateway took, in our minor units; `refunded` has refunds under way in it."""

    id: str
    intent: str
    amount: int
    refunded: int
    currency: str
    created_at: datetime
    payment_id: str | None = None


Report = IntentReport | RefundReport | ChargeReport | DisputeReport


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A webhook whose signature is good. `body` is its JSON text."""

    id: str
    type: str
    body: str
