"""What comes back to a buyer who gives tickets back, and how a booking gives up seats.

The policy is that of the venue when the seats were held. By it a share of what was paid comes back, which falls as the
show comes nearer. A show that is called off or was moved to another time is paid back in full, whatever the policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from messaging.events import RefundPolicy

EVERYTHING = 100


@dataclass(frozen=True, slots=True)
class Share:
    """`percent` of the tickets' price comes back, until `until` (None: up to the start of the show)."""

    percent: int
    keep_fee: bool
    until: datetime | None = None

    def of(self, tickets: int, fee: int) -> int:
        """Minor units of what was paid for tickets and fee, rounded down."""
        return (tickets + (0 if self.keep_fee else fee)) * self.percent // 100


IN_FULL = Share(EVERYTHING, keep_fee=False)


def share_at(policy: RefundPolicy, starts_at: datetime, now: datetime) -> Share:
    """The share for who gives tickets back now. Without rules: all of it."""
    if not policy.rules:
        return Share(EVERYTHING, policy.keep_fee)
    left = starts_at - now
    for rule in sorted(policy.rules, key=lambda rule: -rule.hours_before):
        time = timedelta(hours=rule.hours_before)
        if left >= time:
            return Share(rule.percent, policy.keep_fee, starts_at - time if rule.hours_before else None)
    return Share(0, policy.keep_fee)


@dataclass(frozen=True, slots=True)
class Leaving:
    """Seats that a confirmed booking is giving up: written into it before the first of them is free.

    `refund` minor units come back for them, under `refund_id`. `rest` is the price of the seats that stay, None where
    none does.
    """

    seat_ids: Sequence[str]
    refund: int
    refund_id: str
    reason: str
    rest: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Seats that a booking gave up while it kept others: what they were worth in it, and what came back for them."""

    seat_ids: Sequence[str]
    value: int
    refund: int
    refund_id: str
    reason: str
    at: datetime
