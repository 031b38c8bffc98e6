"""A booking: a buyer's seats at a frozen price, and the states it goes through.

pending ─▶ confirmed ─▶ cancelled ─▶ refunded
   ├─▶ expired ──(late payment: seats free again)──▶ confirmed
   ├─▶ failed  ──(paid after all)──▶ confirmed
   └─▶ cancelled
A confirmed booking that gives up some of its seats stays confirmed for the others.
expired | failed | cancelled ──(paid, no seats)──▶ refunded

Where a partner theatre has the last word, what was paid for stays (or is again) pending until it has answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from inventory_service.domain.layout import LayoutKey
from inventory_service.domain.partner import Partner, PartnerState
from inventory_service.domain.refunds import Leaving, Part, Share
from messaging.events import BookingStatus, RefundPolicy
from service_kit.errors import Conflict, Gone, Invalid

# Each with what leads there. `docs/states.md` is made of it.
REASONS: dict[tuple[BookingStatus, BookingStatus], str] = {
    ("pending", "confirmed"): "the payment succeeded while the seats were held, or there was nothing to pay; "
    "where a partner theatre has the last word, it confirmed the seats",
    (
        "pending",
        "cancelled",
    ): "the buyer gave the hold back, or the showtime was cancelled; money that had come in is asked back",
    ("pending", "expired"): "the hold ran out",
    (
        "pending",
        "failed",
    ): "the payment failed for good, or the partner theatre refused the seats or did not answer; "
    "then the money is asked back",
    ("confirmed", "cancelled"): "the buyer cancelled, or the showtime was cancelled; the money is asked back",
    (
        "expired",
        "pending",
    ): "late money, the seats or equal ones were still free, and a partner theatre is asked for them",
    ("expired", "confirmed"): "late money, and the same seats were still free, or equal ones that the buyer agreed to",
    ("expired", "refunded"): "late money, but no seats: it came back",
    (
        "failed",
        "pending",
    ): "paid after all, the seats or equal ones were still free, and a partner theatre is asked for them",
    ("failed", "confirmed"): "paid after all, and the same seats were still free, or equal ones",
    ("failed", "refunded"): "paid after all, but no seats, or the partner theatre refused them: it came back",
    ("cancelled", "refunded"): "all the money that was to come back did",
}
TRANSITIONS: dict[BookingStatus, frozenset[BookingStatus]] = {
    status: frozenset(after for before, after in REASONS if before == status) for status in get_args(BookingStatus)
}


NO_POLICY = RefundPolicy()


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


class GatewayRefused(Invalid):
    """The booking can't be paid, and has failed."""

    slug, title = "gateway-refused", "The payment gateway refused this"


class PaymentClosed(Conflict):
    slug, title = "payment-closed", "No more money is taken for this booking"


class OtherPayment(Conflict):
    slug, title = "other-payment", "The booking belongs to another payment"


class RefundDiffers(Conflict):
    """`refund_amount` and `currency` are what would come back now."""

    slug, title = "refund-differs", "Not this amount would come back"


class TimeDiffers(Conflict):
    """`starts_at` is when the show starts now."""

    slug, title = "time-differs", "This is not when the show starts"


class NotConfirmed(Conflict):
    slug, title = "booking-not-confirmed", "The booking is not confirmed"


@dataclass(slots=True)
class Booking:
    """One reading of a booking document.

    `channel` is the one it was bought through, `partner` the theatre that must agree to the sale, if there is one.
    `price` is the `Price` as it was frozen, of the seats that it has; `amount` its total. `parts` are seats that it
    gave up while it kept these. `refund` is what was asked back when it ended, `refunded` what has come back in all,
    `kept` what the venue keeps of one that ended after it was confirmed. `unpaid`: its hold ran out, and no money will
    come any more. `starts_at` is the time of the show that the buyer agreed to, `moved_to` the one that it was moved to
    since, as far as he was told.
    `holder_keys` name those whose limits its hold counts against, `code_uses` the places where its promo code is
    counted. `accept_other`: the buyer takes equal seats for late money; `seats_changed`: he got them, `from` and `to`.
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
    kept: int | None = None
    unpaid: bool = False
    leaving: Leaving | None = None
    parts: Sequence[Part] = ()
    scanned_at: datetime | None = None
    channel: str | None = None
    holder_keys: Sequence[str] = ()
    partner: Partner | None = None
    policy: RefundPolicy = NO_POLICY
    starts_at: datetime | None = None
    moved_to: datetime | None = None
    code_uses: Sequence[str] = ()
    accept_other: bool = False
    seats_changed: dict[str, list[str]] | None = None

    @property
    def waiting(self) -> bool:
        """Whether it waits for its payment."""
        return self.status == "pending" and not self.at_partner

    @property
    def at_partner(self) -> bool:
        """Whether it is paid for and pending for the partner theatre's sake: until it has answered, or is let go."""
        return self.status == "pending" and self.partner is not None and (self.partner.state == "asked" or self.let_go)

    @property
    def let_go(self) -> bool:
        """Whether it is being given up while the theatre has not confirmed it: there will be no ticket."""
        return self.partner is not None and self.partner.ending is not None

    @property
    def turned_down(self) -> bool:
        """Whether the partner theatre would not have it: then money that comes again leads to no ticket."""
        return self.partner is not None and self.partner.state == "refused"

    @property
    def partner_state(self) -> PartnerState | None:
        """How far the asking of the partner theatre has come. What it had confirmed ends with the booking."""
        if self.partner is None:
            return None
        confirmed = self.partner.state == "confirmed"
        return "withdrawn" if confirmed and self.status not in {"pending", "confirmed"} else self.partner.state

    @property
    def settled(self) -> bool:
        """Whether nothing more is to be waited for. What ran out while it was being paid for may still be paid."""
        if self.status == "expired":
            return self.payment_id is None or self.unpaid
        return self.status != "pending"

    def owned_by(self, subject: str) -> bool:
        return self.user_id == subject

    @property
    def ending(self) -> bool:
        """Whether it is about to be cancelled: all its seats are leaving it."""
        return self.leaving is not None and self.leaving.rest is None

    @property
    def paid(self) -> int:
        """What the buyer paid, once he did."""
        return self.amount + sum(part.value for part in self.parts)

    @property
    def asked_for_parts(self) -> int:
        """What was asked back for seats that it gave up while it kept others."""
        return sum(part.refund for part in self.parts)

    @property
    def asked(self) -> int:
        """What was asked back in all."""
        return self.asked_for_parts + (self.refund["amount"] if self.refund else 0)

    @property
    def given(self) -> int:
        """What went back beyond what was asked for parts: as an admin's goodwill, say."""
        return max(0, self.refunded - self.asked_for_parts)

    @property
    def left(self) -> int:
        """What can still come back."""
        return self.paid - max(self.refunded, self.asked)

    def due(self, share: Share) -> int:
        """What comes back for all its seats. What it gave up before stays as it was settled then."""
        fee = int(self.price["fee"])
        return min(max(0, share.of(self.amount - fee, fee) - self.given), self.left)

    @property
    def all_back(self) -> bool:
        """Whether all that was to come back did. Where the seats that are left cost nothing, nothing was for them."""
        if self.refund is None:
            return self.amount > 0 and self.paid <= self.refunded
        return self.refunded >= int(self.refund["total"])

    @property
    def money_back(self) -> bool:
        """Whether the money was asked back or has come back: then there can be no ticket any more."""
        return self.refund is not None or self.all_back

    def rescheduled(self, starts_at: datetime) -> bool:
        """Whether the show, which starts then, was moved since the buyer agreed to its time."""
        return self.starts_at is not None and self.starts_at != starts_at

    def require_payable(self, now: datetime) -> None:
        """Raises HoldExpired, NotPending."""
        if self.at_partner:
            raise NotPending("It is paid for, and the theatre is being asked for the seats")
        if self.status == "expired" or (self.status == "pending" and self.held_until <= now):
            raise HoldExpired
        if self.status != "pending":
            raise NotPending(f"The booking is {self.status}")
