"""Money that goes back, as a payment keeps it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from payment_service.domain.reports import RefundStatus

# What the gateway refuses to give back, and nobody asks for again by himself, is tried for so long.
REFUSED_FOR = timedelta(days=1)
# Ends the id of what a bank has given, where we gave the rest.
BY_BANK = "-disputed"


@dataclass(frozen=True, slots=True)
class Refund:
    """`by_dispute`: not we have given this money back, but the buyer's bank has taken it for him.

    `refusals`: how often the gateway would not make it.
    """

    id: str
    amount: int
    reason: str
    status: RefundStatus
    requested_at: datetime
    reference: str | None = None
    by_dispute: bool = False
    refusals: int = 0

    @property
    def asked_as(self) -> str:
        """The id under which it was asked for: of two that were made of one, a bank has given the one."""
        return self.id.removesuffix(BY_BANK) if self.by_dispute else self.id

    @property
    def refused(self) -> bool:
        """Whether it failed without ever having been made: then it may be asked for afresh, over less if need be."""
        return self.status == "failed" and self.reference is None

    @property
    def key(self) -> str:
        """Under which the gateway makes it once. It answers one that it refused just so again, hence another then."""
        return f"{self.id}-{self.refusals}" if self.refusals else self.id


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Money that came and is not what was asked for: another sum or currency. All of it goes back.

    `refusals` as in a refund.
    """

    amount: int
    currency: str
    status: Literal["pending", "succeeded", "failed"]
    noticed_at: datetime
    refusals: int = 0
