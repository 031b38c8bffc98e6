"""A booking: a buyer's seats at a frozen price, and the states it goes through.

pending ─▶ confirmed ─▶ cancelled ─▶ refunded
   ├─▶ expired ──(late payment: seats free again)──▶ confirmed
   ├─▶ failed  ──(paid after all)──▶ confirmed
   └─▶ cancelled
expired | failed | cancelled ──(paid, no seats)──▶ refunded
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from inventory_service.domain.layout import LayoutKey
from messaging.events import BookingStatus
from service_kit.errors import Conflict, Gone

# Each with what leads there. `docs/states.md` is made of it.
REASONS: dict[tuple[BookingStatus, BookingStatus], str] = {
    ("pending", "confirmed"): "the payment succeeded while the seats were held, or there was nothing to pay",
    ("pending", "cancelled"): "the buyer gave the hold back, or the showtime was cancelled",
    ("pending", "expired"): "the hold ran out",
    ("pending", "failed"): "the payment failed for good",
    ("confirmed", "cancelled"): "the buyer cancelled, or the showtime was cancelled; the money is asked back",
    ("expired", "confirmed"): "late money, and the same seats were still free",
    ("expired", "refunded"): "late money, but no seats: it came back",
    ("failed", "confirmed"): "paid after all, and the same seats were still free",
    ("failed", "refunded"): "paid after all, but no seats: it came back",
    ("cancelled", "refunded"): "all the money came back",
}
TRANSITIONS: dict[BookingStatus, frozenset[BookingStatus]] = {
    status: frozenset(after for before, after in REASONS if before == status) for status in get_args(BookingStatus)
}


class HoldExpired(Gone):
    slug, title = "hold-expired", "The hold ran out"


class NotPending(Conflict):
    slug, title = "booking-not-pending", "The booking is no longer waiting for payment"


class NotCancellable(Conflict):
    slug, title = "booking-not-cancellable", "This booking can't be cancelled"


class ExtensionRefused(Conflict):
    slug, title = "extension-refused", "The hold can't be extended any further"


class AmountMismatch(Conflict):
    slug, title = "amount-mismatch", "The amount or currency is not the booking's"


class OtherPayment(Conflict):
    slug, title = "other-payment", "The booking belongs to another payment"


class NotConfirmed(Conflict):
    slug, title = "booking-not-confirmed", "There is a ticket once the booking is confirmed"


@dataclass(slots=True)
class Booking:
    """One reading of a booking document.

    `channel` is the one it was bought through, if any. `price` is the `Price` as it was frozen; `refund` what was asked
    back, once it was; `refunded` what has come back.
    `holder_keys` name those whose limits its hold counts against.
    """

    id: str
    version: int
    status: BookingStatus
    showtime_id: str
    event_id: str
    venue_id: str
    user_id: str
    layout: LayoutKey
    seat_ids: list[str]
    price: dict[str, Any]
    amount: int
    currency: str
    created_at: datetime
    updated_at: datetime
    held_until: datetime
    extensions: int = 0
    payment_id: str | None = None
    refund: dict[str, Any] | None = None
    refunded: int = 0
    cancelling: bool = False
    scanned_at: datetime | None = None
    channel: str | None = None
    holder_keys: Sequence[str] = ()

    @property
    def waiting(self) -> bool:
        """Whether it waits for its payment."""
        return self.status == "pending"

    @property
    def settled(self) -> bool:
        """Whether nothing more is to be waited for. What ran out while it was being paid for may still be paid."""
        return self.status not in ("pending", "expired") or (self.status == "expired" and self.payment_id is None)

    def owned_by(self, subject: str) -> bool:
        return self.user_id == subject

    @property
    def money_back(self) -> bool:
        """Whether the money was asked back or has come back: then there can be no ticket any more."""
        return self.refund is not None or 0 < self.amount <= self.refunded

    def require_payable(self, now: datetime) -> None:
        """Raises HoldExpired, NotPending."""
        if self.status == "expired" or (self.status == "pending" and self.held_until <= now):
            raise HoldExpired
        if self.status != "pending":
            raise NotPending(f"The booking is {self.status}")
