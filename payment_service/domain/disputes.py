"""Disputes: a buyer's bank asks about a payment, or takes its money back. No I/O.

Reports of a dispute come in any order and any number of times. Each is merged so that the outcome is the same whatever
the order, and a dispute only ever goes forward.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, get_args

# In the order in which a dispute goes through them. An inquiry takes no money yet; `closed` is the end of one that came
# to nothing. Of two ends that contradict each other the one that costs us counts.
DisputeStatus = Literal["inquiry", "closed", "needs_response", "under_review", "won", "lost"]
Funds = Literal["untouched", "withdrawn", "reinstated"]
STATUSES: tuple[DisputeStatus, ...] = get_args(DisputeStatus)
FUNDS: tuple[Funds, ...] = get_args(Funds)
ENDED: frozenset[DisputeStatus] = frozenset(["closed", "won", "lost"])
# The bank has the money, or is about to: none of it may be refunded as well.
TAKING: frozenset[DisputeStatus] = frozenset(["needs_response", "under_review", "lost"])


@dataclass(frozen=True, slots=True)
class DisputeReport:
    """What the gateway says of a dispute, and of its money where it says so. `at`: when it did."""

    intent: str
    reference: str
    amount: int
    reason: str
    status: DisputeStatus
    opened_at: datetime | None
    currency: str | None = None
    funds: Funds = "untouched"
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Dispute:
    """`reference` is the gateway's id; `closed_at` is there once it has ended."""

    reference: str
    amount: int
    reason: str
    status: DisputeStatus
    opened_at: datetime
    closed_at: datetime | None = None
    funds: Funds = "untouched"

    @property
    def taken(self) -> int:
        """Minor units that this dispute takes away from us, as far as one knows."""
        withdrawn = self.funds == "withdrawn" and self.status != "won"
        return self.amount if withdrawn or self.status in TAKING else 0

    def learnt(self, report: DisputeReport, now: datetime) -> "Dispute":
        """This dispute with what `report` adds; an equal one where it adds nothing."""
        further = STATUSES.index(report.status) - STATUSES.index(self.status)
        said_at = report.at or (now if further else self.closed_at) or now
        if further > 0:
            closed_at = said_at if report.status in ENDED else None
        elif further == 0 and self.closed_at:
            closed_at = min(said_at, self.closed_at)
        else:
            closed_at = self.closed_at
        return replace(
            self,
            amount=max(self.amount, report.amount),
            reason=report.reason if further > 0 else self.reason,
            status=report.status if further > 0 else self.status,
            opened_at=min(self.opened_at, report.opened_at or self.opened_at),
            closed_at=closed_at,
            funds=max(self.funds, report.funds, key=FUNDS.index),
        )


def opened(report: DisputeReport, now: datetime) -> Dispute:
    """A dispute first heard of, at whatever stage it is."""
    said_at = report.at or now
    return Dispute(
        reference=report.reference,
        amount=report.amount,
        reason=report.reason,
        status=report.status,
        opened_at=report.opened_at or said_at,
        closed_at=said_at if report.status in ENDED else None,
        funds=report.funds,
    )
