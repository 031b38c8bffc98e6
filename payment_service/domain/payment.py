"""What a payment is and how it changes. No I/O; each change is a new `Payment`, and says what happened.

Reports from the gateway come in any order and any number of times. A payment takes from each what it does not know yet,
and its state never goes back: captured money (`completed`) outranks a decline or a cancellation heard before or after.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, get_args

from payment_service.domain.disputes import ENDED, Dispute, DisputeReport, opened
from payment_service.domain.errors import (
    AmountDiffers,
    MoneyDisputed,
    NotRefundable,
    RefundDiffers,
    RefundReturned,
    RefundTooLarge,
)
from payment_service.domain.refunds import BY_BANK, REFUSED_FOR, Mismatch, Refund
from payment_service.domain.reports import (
    ChargeReport,
    IntentReport,
    RefundReport,
    Report,
)
from service_kit.errors import Invalid

Status = Literal["pending", "completed", "failed", "cancelled", "refunded"]
Happening = Literal["PaymentRequested", "PaymentSucceeded", "PaymentFailed", "PaymentRefunded", "PaymentDisputed"]

# Each with what leads there. `docs/states.md` is made of it.
REASONS: dict[tuple[Status, Status], str] = {
    ("pending", "completed"): "the gateway took the money",
    ("pending", "failed"): "the gateway declined, would not make the intent, or took another sum or currency",
    ("pending", "cancelled"): "the intent was cancelled, by us or at the gateway",
    # Money that was taken all the same must lead to a ticket or a refund.
    ("failed", "completed"): "money was taken after a decline was heard of",
    ("cancelled", "completed"): "money was taken although the intent was cancelled",
    ("completed", "refunded"): "all of it went back",
}
TRANSITIONS: dict[Status, frozenset[Status]] = {
    status: frozenset(after for before, after in REASONS if before == status) for status in get_args(Status)
}
ATTENDED_AGAIN = timedelta(seconds=30)
SELDOM = timedelta(hours=1)
GATEWAY_REFUSED = "gateway-refused"
AMOUNT_DIFFERS = "amount-differs"


@dataclass(frozen=True, slots=True)
class Payment:
    """One booking's payment. `due_at`: when the worker must look after it, None when nothing is left to do.

    `retry_declined`: a decline ends nothing, the buyer may try again for as long as the booking waits.
    `cancel_intent`: the intent must not succeed any more, and is still to be cancelled at the gateway.
    `mismatch`: money that came instead of what was asked for; then nothing else is taken for this payment's.
    `unread_refunds`: a total of refunds that the gateway told of and that is more than we know, so that its list of
    them must be read; else 0.
    """

    id: str
    version: int
    booking_id: str
    user_id: str
    amount: int
    currency: str
    description: str
    status: Status
    provider: str
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None
    reference: str | None = None
    client_secret: str | None = None
    failure: str | None = None
    retry_declined: bool = False
    cancel_intent: bool = False
    unread_refunds: int = 0
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    mismatch: Mismatch | None = None

    @property
    def captured(self) -> int:
        """Minor units that were taken, whatever went back since."""
        return self.amount if self.status in {"completed", "refunded"} else 0

    @property
    def refunded(self) -> int:
        """Minor units that went back for certain."""
        return sum(refund.amount for refund in self.refunds if refund.status == "succeeded")

    @property
    def refunded_by_us(self) -> int:
        """The same without what the buyer got by a dispute: what the gateway calls refunded."""
        return self.refunded - self._refunded_by_banks

    @property
    def _refunded_by_banks(self) -> int:
        return sum(refund.amount for refund in self.refunds if refund.by_dispute)

    @property
    def refundable(self) -> int:
        """What is left to refund: refunds under way, and what disputes have taken, are off."""
        return max(0, self.unrefunded - self.disputed)

    @property
    def unrefunded(self) -> int:
        return self.amount - sum(refund.amount for refund in self.refunds if refund.status != "failed")

    @property
    def disputed(self) -> int:
        """Minor units that the buyer's bank has taken back, or is about to, beyond what counts as refunded."""
        return max(0, self.taken_by_banks - self._refunded_by_banks)

    @property
    def taken_by_banks(self) -> int:
        """The same, whether it counts as refunded or not."""
        return sum(dispute.taken for dispute in self.disputes)

    @property
    def waiting_refunds(self) -> list[Refund]:
        """Those that wait for the end of a dispute."""
        return [refund for refund in self.refunds if refund.status == "waiting"]

    @property
    def closed(self) -> bool:
        """Whether no money is wanted any more, none having come yet."""
        return self.status == "cancelled" or (self.status == "pending" and self.cancel_intent)

    @property
    def open_refunds(self) -> list[Refund]:
        return [refund for refund in self.refunds if refund.status == "pending"]

    @property
    def unattended(self) -> bool:
        """Whether something is still to be done or heard at the gateway."""
        waiting = self.status == "pending" or self.cancel_intent or self.mismatch_open
        return waiting or bool(self.unread_refunds or self.open_refunds)

    @property
    def mismatch_open(self) -> bool:
        """Whether there is money to be given back that was never asked for."""
        return self.mismatch is not None and self.mismatch.status == "pending"

    def refund(self, refund_id: str) -> Refund | None:
        return next((refund for refund in self.refunds if refund.id == refund_id), None)

    def attend_next(self, now: datetime) -> datetime | None:
        """When to look again: soon at first, then ever more seldom."""
        return now + min(max(ATTENDED_AGAIN, now - self.updated_at), SELDOM) if self.unattended else None

    def require_same(self, user_id: str, amount: int, currency: str) -> None:
        """Raise AmountDiffers where a repeated request asks for something else."""
        if (self.user_id, self.amount, self.currency) != (user_id, amount, currency):
            raise AmountDiffers(amount=self.amount, currency=self.currency)

    def attached(self, reference: str, client_secret: str, now: datetime) -> "Change | None":
        """The intent was made at the gateway. Where this payment has ended meanwhile it must not succeed any more."""
        if self.client_secret is not None:
            return None
        made = self._changed(now, reference=reference, client_secret=client_secret)
        over = self.status in {"failed", "cancelled"} and self.mismatch is None
        return made.then(made.payment._changed(now, cancel_intent=True, due_at=now)) if over else made

    def refused(self, now: datetime) -> "Change | None":
        """The gateway would not make the intent, so that nothing can be paid."""
        if self.status != "pending" or self.reference is not None:
            return None
        return self._changed(now, "PaymentFailed", status="failed", failure=GATEWAY_REFUSED)

    def closing(self, now: datetime) -> "Change | None":
        """No money is wanted any more: the intent is to be cancelled. None where it is, or is no longer open."""
        if self.status != "pending" or self.cancel_intent:
            return None
        return self._changed(now, cancel_intent=True, due_at=now)

    def with_refund(self, refund_id: str, amount: int | None, reason: str, now: datetime) -> "Change | None":
        """Claim `amount` (None: all that is left) for a refund; None where this refund is known already.

        One that the gateway refused outright is tried afresh. Raises NotRefundable, RefundTooLarge, MoneyDisputed,
        RefundDiffers, Invalid.
        """
        known = self.refund(refund_id)
        if known and not known.refused:
            if amount not in {None, known.amount}:
                raise RefundDiffers(amount=known.amount)
            return None
        if self.status not in {"completed", "refunded"}:
            raise NotRefundable(f"The payment is {self.status}: there is nothing to refund", payment_status=self.status)
        if amount is not None and amount > self.amount:
            raise Invalid(f"Only {self.amount} was paid", faults=[("/amount", f"at most {self.amount}")])
        wanted = max(1, amount or 0)
        if self.refundable < wanted <= self.unrefunded:
            raise MoneyDisputed(refundable=self.refundable, disputed=self.disputed, currency=self.currency)
        if self.refundable < wanted:
            raise RefundTooLarge(refundable=self.refundable, currency=self.currency)
        refusals = known.refusals if known else 0
        refund = Refund(refund_id, amount or self.refundable, reason, "pending", now, refusals=refusals)
        others = (each for each in self.refunds if each is not known)
        # The caller sends it at once; the worker sees to it should the caller die.
        return self._changed(now, refunds=(*others, refund), due_at=now + ATTENDED_AGAIN)

    def with_rest(self, refund_id: str, amount: int, reason: str, now: datetime) -> "Change | None":
        """As `with_refund`, but no more than is left: another may have refunded a part since `amount` was asked for.

        Where the buyer's bank has the money it waits for the end of the dispute. None too where all has gone back
        already. Raises what `with_refund` does, but for MoneyDisputed.
        """
        if self.refunded >= self.amount:
            return None
        known = self.refund(refund_id)
        wanted = known.amount if known and not known.refused else min(amount, max(1, self.unrefunded))
        try:
            return self.with_refund(refund_id, wanted, reason, now)
        except MoneyDisputed:
            others = (each for each in self.refunds if each is not known)
            waiting = self._changed(now, refunds=(*others, Refund(refund_id, wanted, reason, "waiting", now)))
            return waiting.then(waiting.payment._wait_no_more(now))

    def doubts(self, report: Report) -> bool:
        """Whether it would have money given back that only a forged report, or a gateway gone mad, could tell of."""
        match report:
            case IntentReport(outcome="succeeded"):
                return self._may_become("completed") and not self._as_asked(report)
        return False

    def learn(self, report: Report, now: datetime) -> "Change | None":
        """Take in a report; None where it says nothing new.

        Raises AmountDiffers for a refund or dispute of more than was paid, or of other money; RefundReturned.
        """
        match report:
            case IntentReport():
                return self._learn_intent(report, now)
            case RefundReport() | ChargeReport() if self.mismatch:
                return self._learn_of_return(self.mismatch, report, now)
            case RefundReport():
                self._require_part(report.amount, report.currency)
                return self._learn_refund(report, now)
            case DisputeReport():
                self._require_part(report.amount, report.currency)
                return self._learn_dispute(report, now)
            case ChargeReport():
                self._require_part(report.refunded, report.currency)
                if report.refunded <= max(self.refunded_by_us, self.unread_refunds):
                    return None
                return self._changed(now, unread_refunds=report.refunded, due_at=now)

    def refund_refused(self, sent: Refund, now: datetime, patience: timedelta) -> "Change | None":
        """The gateway would not make it as it was sent. It is tried again, ever more seldom, until it is as old as
        `patience`; then it has failed, and gives back its claim. None where others have settled it, or noted this.

        Where others have refunded a part meanwhile, it is over what is left. Where the buyer's bank has the money, it
        waits for the end of the dispute, unless there is no patience at all.
        """
        known = self.refund(sent.id)
        if known is None or (known.status, known.refusals) != ("pending", sent.refusals):
            return None
        if known.reference is None and patience and self.disputed:
            waiting = replace(known, refusals=known.refusals + 1, status="waiting")
            waits = self._changed(now, refunds=self._with(waiting, known))
            return waits.then(waits.payment._wait_no_more(now))
        left = min(known.amount, known.amount + self.unrefunded)
        again = known.reference is None and now - known.requested_at < patience and left > 0
        tried = replace(known, refusals=known.refusals + 1, status="failed")
        if again:
            tried = replace(tried, amount=left, status="pending")
        return self._refunds_changed(now, self._with(tried, known), due_at=_after(tried.refusals, now))

    def mismatch_refused(self, sent: Mismatch, now: datetime) -> "Change | None":
        """The gateway would not give back what was not asked for. As `refund_refused`."""
        if self.mismatch is None or not self.mismatch_open or self.mismatch.refusals != sent.refusals:
            return None
        again = now - self.mismatch.noticed_at < REFUSED_FOR
        tried = replace(self.mismatch, refusals=self.mismatch.refusals + 1, status="pending" if again else "failed")
        return self._changed(now, mismatch=tried, due_at=_after(tried.refusals, now))

    def mismatch_read(self, reports: Sequence[RefundReport], now: datetime) -> "Change | None":
        """By the gateway's list of this intent's refunds all of it went back, or what was under way has failed.

        What a bank has taken for the buyer went back, too.
        """
        if self.mismatch is None or not self.mismatch_open:
            return None
        back = sum(dispute.taken for dispute in self.disputes if dispute.status in ENDED)
        back += sum(report.amount for report in reports if report.status == "succeeded")
        if back >= self.mismatch.amount:
            return self._changed(now, mismatch=replace(self.mismatch, status="succeeded"))
        statuses = {report.status for report in reports}
        if "failed" in statuses and "pending" not in statuses:
            return self._changed(now, mismatch=replace(self.mismatch, status="failed"))
        return None

    def mismatch_left(self, reports: Sequence[RefundReport]) -> int:
        """What of it is still to be asked for, by the gateway's list: not while a bank has it, or is about to."""
        asked = sum(report.amount for report in reports if report.status != "failed")
        return self.mismatch.amount - asked - self.taken_by_banks if self.mismatch and self.mismatch_open else 0

    def refunds_read(self, told: int, now: datetime) -> "Change | None":
        """The gateway's list of refunds was taken in, after it had told of `told` and of no more since."""
        if not self.unread_refunds or self.unread_refunds != told:
            return None
        return self._changed(now, unread_refunds=0)

    def _learn_intent(self, report: IntentReport, now: datetime) -> "Change | None":
        reference = self.reference or report.intent or None
        match report.outcome:
            case "succeeded" if self._may_become("completed"):
                return (
                    self._completed(reference, now)
                    if self._as_asked(report)
                    else self._mismatched(report, reference, now)
                )
            case "failed" if self.retry_declined and self.status == "pending":
                # Who waits for the booking ends this payment when its time is over.
                told = self._changed(now, reference=reference, failure=report.failure)
                return told if (reference, report.failure) != (self.reference, self.failure) else None
            case "failed" if self._may_become("failed"):
                # The seats are let go, so the intent must not succeed any more: it is cancelled next.
                return self._changed(
                    now,
                    "PaymentFailed",
                    status="failed",
                    reference=reference,
                    failure=report.failure,
                    cancel_intent=True,
                    due_at=now,
                )
            case "cancelled" if self._may_become("cancelled"):
                return self._changed(
                    now,
                    "PaymentFailed",
                    status="cancelled",
                    reference=reference,
                    failure=report.failure,
                    cancel_intent=False,
                )
            case "cancelled" if self.cancel_intent:
                return self._changed(now, cancel_intent=False)
        return None

    def _may_become(self, status: Status) -> bool:
        return status in TRANSITIONS[self.status] and self.mismatch is None

    def _as_asked(self, report: IntentReport) -> bool:
        return report.amount in {None, self.amount} and report.currency in {None, self.currency}

    def _mismatched(self, report: IntentReport, reference: str | None, now: datetime) -> "Change":
        """Another sum or currency was taken than was asked for: it pays for nothing and goes back, all of it."""
        amount = self.amount if report.amount is None else report.amount
        mismatch = Mismatch(amount, report.currency or self.currency, "pending", now)
        noted = {"reference": reference, "mismatch": mismatch, "cancel_intent": False, "due_at": now}
        if self.status != "pending":
            return self._changed(now, **noted)
        return self._changed(now, "PaymentFailed", status="failed", failure=AMOUNT_DIFFERS, **noted)

    def _completed(self, reference: str | None, now: datetime) -> "Change":
        done = self._changed(
            now,
            "PaymentSucceeded",
            status="completed",
            reference=reference,
            failure=None,
            cancel_intent=False,
            due_at=now,
        )
        if not self.refunded:
            return done
        # Refunds were heard of before the payment itself; only now do they count.
        status = "refunded" if self.refunded >= self.amount else "completed"
        return done.then(done.payment._changed(now, "PaymentRefunded", status=status))

    def _learn_refund(self, report: RefundReport, now: datetime) -> "Change | None":
        known = self._matching(report)
        if known is None:
            # One that failed is kept too: older news of it may still come.
            made = Refund(report.reference, report.amount, "made at the gateway", report.status, now, report.reference)
            return self._refunds_changed(now, (*self.refunds, made))
        if known.amount != report.amount:
            raise AmountDiffers(amount=known.amount, currency=self.currency)
        if known.status == "succeeded" and report.status == "failed":
            raise RefundReturned(refund_id=known.id)
        if known.status != "pending" or (report.status == "pending" and known.reference):
            return None
        settled = replace(known, status=report.status, reference=report.reference or known.reference)
        return self._refunds_changed(now, self._with(settled, known))

    def _learn_of_return(
        self, mismatch: Mismatch, report: RefundReport | ChargeReport, now: datetime
    ) -> "Change | None":
        """All that goes back of this intent is of the mismatch. The gateway's list, to be read next, has it whole."""
        nothing = report.status == "failed" if isinstance(report, RefundReport) else not report.refunded
        if mismatch.status == "succeeded" or (mismatch.status == "failed" and nothing):
            return None
        return self._changed(now, mismatch=replace(mismatch, status="pending"), due_at=now)

    def _learn_dispute(self, report: DisputeReport, now: datetime) -> "Change | None":
        known = next((dispute for dispute in self.disputes if dispute.reference == report.reference), None)
        dispute = known.learnt(report, now) if known else opened(report, now)
        if dispute == known:
            return None
        disputes = [dispute, *(each for each in self.disputes if each is not known)]
        in_order = tuple(sorted(disputes, key=lambda each: (each.opened_at, each.reference)))
        disputed = self._changed(now, "PaymentDisputed", disputes=in_order)
        if self.mismatch and self.mismatch.status != "succeeded":
            pending = replace(self.mismatch, status="pending")
            disputed = disputed.then(disputed.payment._changed(now, mismatch=pending, due_at=now))
        return disputed.then(disputed.payment._wait_no_more(now))

    def _wait_no_more(self, now: datetime) -> "Change | None":
        """Once no dispute is open: of the refunds that waited, what a bank has given the buyer is done, and the rest
        is to be made. None where nothing waits, or a dispute is still open.
        """
        if not self.waiting_refunds or any(each.taken and each.status not in ENDED for each in self.disputes):
            return None
        returned, refunds = self.disputed, list[Refund]()
        for refund in self.refunds:
            if refund.status != "waiting":
                refunds.append(refund)
                continue
            by_bank = min(refund.amount, returned)
            returned -= by_bank
            if by_bank == refund.amount:
                refunds.append(replace(refund, status="succeeded", by_dispute=True))
                continue
            # How long it takes to be made counts from now.
            refunds.append(replace(refund, amount=refund.amount - by_bank, status="pending", requested_at=now))
            if by_bank:
                part = replace(refund, id=refund.id + BY_BANK, amount=by_bank, status="succeeded", by_dispute=True)
                refunds.append(part)
        return self._refunds_changed(now, tuple(refunds), due_at=now)

    def _require_part(self, amount: int, currency: str | None) -> None:
        came = self.mismatch or self
        if amount > came.amount or currency not in {None, came.currency}:
            raise AmountDiffers(amount=came.amount, currency=came.currency)

    def _with(self, changed: Refund, known: Refund) -> tuple[Refund, ...]:
        """The refunds with one of them in the place of what was known of it."""
        return tuple(changed if refund is known else refund for refund in self.refunds)

    def _matching(self, report: RefundReport) -> Refund | None:
        for refund in self.refunds:
            if refund.id == report.refund_id or (refund.reference and refund.reference == report.reference):
                return refund
        return None

    def _refunds_changed(self, now: datetime, refunds: tuple[Refund, ...], due_at: datetime | None = None) -> "Change":
        changed = replace(self, refunds=refunds, due_at=due_at or self.due_at)
        # Refunds of a payment that we don't know to be captured count once we do.
        if self.status not in {"completed", "refunded"} or changed.refunded <= self.refunded:
            return changed._changed(now)
        status = "refunded" if changed.refunded >= self.amount else self.status
        return changed._changed(now, "PaymentRefunded", status=status)

    def _changed(self, now: datetime, *happened: Happening, **fields: object) -> "Change":
        # mypy can't check the fields of `replace` through **; all callers stand above.
        payment = replace(self, version=self.version + 1, updated_at=now, **fields)  # type: ignore[arg-type]
        due_at = (payment.due_at or now + ATTENDED_AGAIN) if payment.unattended else None
        payment = replace(payment, due_at=due_at)
        return Change(self.version, payment, tuple((type_, payment) for type_ in happened))


@dataclass(frozen=True, slots=True)
class Change:
    """A payment made from version `before`, and what happened on the way, each with the state of then."""

    before: int
    payment: Payment
    happened: tuple[tuple[Happening, Payment], ...] = ()

    def then(self, later: "Change | None") -> "Change":
        """Both in one; this one where nothing changed later."""
        return Change(self.before, later.payment, self.happened + later.happened) if later else self


def _after(refusals: int, now: datetime) -> datetime:
    """When to try again what was refused so often."""
    pause: timedelta = ATTENDED_AGAIN * 2 ** min(refusals, 10)
    return now + min(pause, SELDOM)
