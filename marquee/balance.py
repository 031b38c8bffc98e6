"""What must be true between a booking and its payment, and how the money of many of them adds up. No I/O.

Money that was taken is a ticket, has come back, is on its way back, or was kept by the venue's terms; nothing else.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from inventory_service.domain.money import BookingMoney
from payment_service.domain.payment import Payment
from service_kit.money import decimal_text


@dataclass(frozen=True)
class Patience:
    """How long what is under way may take: a step from one service to the next (a broker's retries included); a payment
    after its hold ended; a refund until the gateway has it, and until it has done it (banks take days)."""

    step: timedelta = timedelta(minutes=2)
    pending: timedelta = timedelta(minutes=15)
    unsent_refund: timedelta = timedelta(minutes=15)
    open_refund: timedelta = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Pair:
    """A booking and its payment; one of them may be missing."""

    booking: BookingMoney | None
    payment: Payment | None

    @property
    def id(self) -> str:
        """The booking's."""
        found = self.booking.id if self.booking else self.payment and self.payment.booking_id
        return found or ""

    @property
    def asked_only(self) -> int:
        """What the booking asked back and the payment has not heard of yet, what did not arrive, or was made short."""
        if self.booking is None:
            return 0
        refunds = [refund for refund in self.payment.refunds if refund.status != "failed"] if self.payment else []
        made: Counter[str] = Counter()
        for refund in refunds:
            made[refund.asked_as] += refund.amount
        missing = sum(max(0, amount - made[id_]) for id_, amount in self.booking.asked.items())
        # An admin may have made another in its place.
        others = sum(amount for id_, amount in made.items() if id_ not in self.booking.asked)
        return max(0, missing - others)

    def parts(self) -> "Sums":
        """Where the money of this payment is."""
        if self.payment is None or not self.payment.captured:
            return Sums()
        refunding = sum(refund.amount for refund in self.payment.open_refunds) + self.asked_only
        # Of those that wait for a dispute to end, what the bank has not.
        refunding += max(0, sum(refund.amount for refund in self.payment.waiting_refunds) - self.payment.disputed)
        left = self.payment.captured - self.payment.refunded_by_us - refunding
        # What the bank took for a buyer who had cancelled counts as refunded to him, but it was no refund of ours.
        disputed = min(self.payment.taken_by_banks, max(0, left))
        left -= disputed
        # Out of goodwill a venue may give back what it was to keep.
        kept = min(self.booking.kept, max(0, left)) if self.booking else 0
        left -= kept
        sold = self.booking is not None and self.booking.status == "confirmed"
        return Sums(
            taken=self.payment.captured,
            tickets=left if sold else 0,
            refunded=self.payment.refunded_by_us,
            disputed=disputed,
            refunding=refunding,
            kept=kept,
            open=0 if sold else left,
        )


@dataclass(slots=True)
class Sums:
    """Minor units; `taken` is the sum of all others.

    `disputed`: what buyers' banks took back or are about to. `open` has led to nothing yet.
    """

    taken: int = 0
    tickets: int = 0
    refunded: int = 0
    disputed: int = 0
    refunding: int = 0
    kept: int = 0
    open: int = 0

    def add(self, other: "Sums") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass
class Balance:
    """The sums of all payments by currency."""

    by_currency: dict[str, Sums] = field(default_factory=lambda: defaultdict(Sums))

    def count(self, pair: Pair) -> None:
        if pair.payment is not None and pair.payment.captured:
            self.by_currency[pair.payment.currency].add(pair.parts())

    def lines(self) -> list[str]:
        """One a currency."""
        return [_line(currency, sums) for currency, sums in sorted(self.by_currency.items())]


def faults_of(pair: Pair, now: datetime, patience: Patience) -> Iterator[str]:
    """A sentence for each rule that is broken and for each step that is overdue."""
    booking, payment = pair.booking, pair.payment
    moved = max(one.updated_at for one in (booking, payment) if one)
    if booking and booking.waits_until:
        moved = max(moved, booking.waits_until)
    overdue = moved <= now - patience.step
    if payment is None:
        if booking and booking.status == "confirmed" and overdue:
            yield f"Booking {booking.id} is confirmed and has no payment"
        return
    yield from _payment_faults(payment, now, patience)
    if booking is None:
        if overdue:
            yield f"Payment {payment.id} is for booking {payment.booking_id}, which is not there"
        return
    if (booking.paid, booking.currency) != (payment.amount, payment.currency):
        asked, paid = _sum(booking.paid, booking.currency), _sum(payment.amount, payment.currency)
        yield f"Booking {booking.id} costs {asked}, but its payment {payment.id} is over {paid}"
    if booking.payment_id not in {None, payment.id}:
        yield f"Booking {booking.id} says that payment {booking.payment_id} is its own, but {payment.id} is"
    hold_ended = max(booking.held_until, booking.updated_at)
    if payment.status == "pending" and hold_ended <= now - patience.pending:
        yield f"Payment {payment.id} is still pending, though the hold of booking {booking.id} is over"
    if overdue:
        yield from _outcome_faults(pair, booking, payment)


def _payment_faults(payment: Payment, now: datetime, patience: Patience) -> Iterator[str]:
    claimed = sum(refund.amount for refund in payment.refunds if refund.status != "failed")
    if claimed > payment.amount:
        there, all_ = _sum(claimed, payment.currency), _sum(payment.amount, payment.currency)
        yield f"Payment {payment.id}: {there} are refunded of {all_}"
    if payment.mismatch and payment.mismatch.status != "succeeded":
        came = _sum(payment.mismatch.amount, payment.mismatch.currency)
        if payment.mismatch.status == "failed":
            yield f"{came} came for payment {payment.id}, which is over another sum, and can't be given back"
        elif payment.mismatch.noticed_at <= now - patience.unsent_refund:
            yield f"{came} came for payment {payment.id}, which is over another sum, and has not all gone back"
    for refund in payment.open_refunds:
        longest = patience.open_refund if refund.reference else patience.unsent_refund
        if refund.requested_at <= now - longest:
            where = "at the gateway" if refund.reference else "and was not sent"
            yield f"Refund {refund.id} of payment {payment.id} is pending since {refund.requested_at} {where}"


def _outcome_faults(pair: Pair, booking: BookingMoney, payment: Payment) -> Iterator[str]:
    """What a payment that stands still must have led to."""
    names = f"booking {booking.id} (payment {payment.id})"
    if not payment.captured:
        if booking.status == "confirmed":
            yield f"Booking {booking.id} is confirmed, but its payment {payment.id} is {payment.status}"
        return
    parts = pair.parts()
    if booking.worth and booking.status == "confirmed" and parts.tickets <= 0 and not parts.disputed:
        yield f"There is a ticket and all the money back for {names}"
    if parts.open > 0:
        lost = _sum(parts.open, payment.currency)
        yield f"{lost} were paid for {names}, which is {booking.status}: neither ticket nor refund"
    if parts.open < 0:
        yield f"{_sum(-parts.open, payment.currency)} more than was paid are returned for {names}"
    if pair.asked_only:
        asked = _sum(pair.asked_only, payment.currency)
        yield f"{asked} were asked back for {names}, but the payment knows nothing of it, or it failed"
    if booking.refunded != payment.refunded:
        there, here = _sum(payment.refunded, payment.currency), _sum(booking.refunded, payment.currency)
        yield f"{there} came back for {names}, but the booking says {here}"
    # Seats that cost nothing are cancelled, or kept, with no money to come back for them.
    if booking.worth and payment.refunded >= payment.amount and booking.status not in {"refunded", "confirmed"}:
        yield f"All the money came back for {names}, which is {booking.status}"


def _line(currency: str, sums: Sums) -> str:
    amounts = {name: decimal_text(getattr(sums, name), currency) for name in sums.__slots__}
    return (
        "{currency}: {taken} taken = {tickets} for tickets + {refunded} refunded + {disputed} disputed "
        "+ {refunding} being refunded + {kept} kept + {open} under way".format(currency=currency, **amounts)
    )


def _sum(amount: int, currency: str) -> str:
    return f"{decimal_text(amount, currency)} {currency}"
