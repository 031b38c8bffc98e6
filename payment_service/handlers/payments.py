"""The use cases of payments, one method each."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import Counter

from messaging.envelope import Event, new_event
from messaging.events import DisputeState, PaymentState
from payment_service.domain.disputes import DisputeReport
from payment_service.domain.errors import GatewayRefused, NotCancellable, PaymentClosed, PaymentNotFound, RefundRefused
from payment_service.domain.payment import GATEWAY_REFUSED, Change, Payment
from payment_service.domain.refunds import REFUSED_FOR, Refund
from payment_service.domain.reports import ChargeReport, IntentReport, RefundReport, Report
from payment_service.provider import Provider
from payment_service.store.payments import Store
from service_kit.auth import Principal
from service_kit.clock import Clock
from service_kit.errors import DomainError, Unavailable
from service_kit.logs import get_logger

log = get_logger(__name__)
REFUNDS_FAILED = Counter("marquee_refunds_failed", "Refunds that the gateway did not make after all: see to them")
MISMATCHES = Counter("marquee_payments_mismatched", "Money that came and was not what was asked for")
# While one worker attends to a payment no other does; longer than any exchange with the gateway takes.
ATTENDING = timedelta(seconds=60)
# Longer than banks take over a dispute.
DISPUTES_SINCE = timedelta(days=180)
# Longer than a weekend in which no worker ran.
REFUNDS_SINCE = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be paid, by whom, for which booking; `retry_declined` as in the payment."""

    booking_id: str
    user_id: str
    amount: int
    currency: str
    description: str = ""
    retry_declined: bool = False


class Payments:
    def __init__(self, store: Store, provider: Provider, clock: Clock, reconcile_after: timedelta) -> None:
        self._store = store
        self._provider = provider
        self._clock = clock
        self._reconcile_after = reconcile_after

    async def open(self, order: Order, payment_id: str) -> tuple[Payment, bool]:
        """The payment of a booking with its intent, and whether it is new.

        Raises AmountDiffers, GatewayRefused, and PaymentClosed where no money is wanted any more.
        The payment is written before the gateway is asked, and the gateway is asked under the payment's id: whoever
        repeats this after a crash, at whatever step, ends up with the same intent.
        """
        payment = self._new(order, payment_id)
        created = await self._store.add(payment, [self._event("PaymentRequested", payment)])
        if not created:
            payment = _found(await self._store.of_booking(order.booking_id))
            payment.require_same(order.user_id, order.amount, order.currency)
        # After it was written: whoever closes the booking meanwhile either sees the payment, or is seen here.
        payment = await self._close_if_over(payment)
        if payment.client_secret is None and not payment.closed:
            payment = await self._begin(payment)
        if payment.closed:
            raise PaymentClosed
        return payment, created

    async def _begin(self, payment: Payment) -> Payment:
        """As `_attach`; what the gateway refuses outright has failed, and its booking is let go."""
        if payment.failure == GATEWAY_REFUSED:
            raise GatewayRefused("The payment gateway refused this payment before")
        try:
            return await self._attach(payment)
        except GatewayRefused:
            await self._update(payment, lambda it: it.refused(self._clock.now()))
            raise

    async def _attach(self, payment: Payment) -> Payment:
        """Make the intent, or get hold of the one that was made for this payment before."""
        intent = await self._provider.create_intent(payment)
        return await self._update(
            payment, lambda it: it.attached(intent.reference, intent.client_secret, self._clock.now())
        )

    async def get(self, payment_id: str, reader: Principal) -> Payment:
        """Raises PaymentNotFound, also where it belongs to somebody else."""
        payment = _found(await self._store.get(payment_id))
        if not reader.privileged and reader.subject != payment.user_id:
            raise PaymentNotFound
        return payment

    async def newest(self, booking_id: str | None, before: str | None, limit: int) -> list[Payment]:
        """Payments, newest first, of one booking or of all."""
        return await self._store.newest(booking_id, before, limit)

    async def cancel(self, payment_id: str) -> Payment:
        """Take no money any more. Raises PaymentNotFound, and NotCancellable where it was taken.

        While the gateway is down, or is at work on the intent, the payment stays pending and the worker sees to it.
        """
        payment = await self._close(_found(await self._store.get(payment_id)))
        if payment.status == "pending":
            try:
                payment = await self._cancel_intent(payment)
            except Unavailable:
                log.warning("cancellation_waits_for_the_gateway", payment_id=payment_id)
        if payment.status in {"completed", "refunded"}:
            raise NotCancellable(payment_status=payment.status)
        return payment

    async def close_bookings(self, booking_ids: Sequence[str]) -> None:
        """These bookings are over: their intents must not succeed any more, also those not made yet.

        It is remembered first and their payments are looked up second, just the other way round than in `open`.
        """
        await self._store.close_bookings(booking_ids, self._clock.now())
        pending = await self._store.pending_of(booking_ids)
        await asyncio.gather(*map(self._close, pending))

    async def refund(self, payment_id: str, refund_id: str, amount: int | None, reason: str) -> tuple[Payment, Refund]:
        """Refund a part, or all that is left; once per `refund_id`.

        The claim on the money is written first. While the gateway is down the refund stays pending, and the worker
        sees it through. Raises PaymentNotFound, NotRefundable, RefundTooLarge, MoneyDisputed, RefundDiffers,
        RefundRefused.
        """
        payment = await self._refund(
            payment_id, refund_id, lambda it: it.with_refund(refund_id, amount, reason, self._clock.now())
        )
        refund = payment.refund(refund_id)
        assert refund is not None  # noqa: S101 - it was added above, and refunds are never removed
        return payment, refund

    async def refund_rest(self, payment_id: str, refund_id: str, amount: int, reason: str) -> None:
        """The same for who can't know what others refund meanwhile: `amount`, or what is left where that is less."""

        def claim(payment: Payment) -> Change | None:
            return payment.with_rest(refund_id, amount, reason, self._clock.now())

        try:
            await self._refund(payment_id, refund_id, claim)
        except RefundRefused:
            if not _found(await self._store.get(payment_id)).disputed:
                raise
            await self._refund(payment_id, refund_id, claim)  # it waits, now that the dispute is heard of

    async def _refund(self, payment_id: str, refund_id: str, claim: Callable[[Payment], Change | None]) -> Payment:
        payment = await self._update(_found(await self._store.get(payment_id)), claim)
        try:
            payment = await self._send_refund(payment, refund_id)
        except Unavailable:
            log.warning("refund_waits_for_the_gateway", payment_id=payment_id, refund_id=refund_id)
        refund = payment.refund(refund_id)
        if refund and refund.status == "failed":
            raise RefundRefused
        return payment

    async def learn(self, report: Report) -> bool:
        """Take in what the gateway says; False where it is about no payment of ours.

        Of what is hard to believe it is asked itself. Raises what it then may.
        """
        payment = await self._store.of_report(report)
        if payment is None:
            return False
        await self._learn(payment, await self.ask(report) if payment.doubts(report) else report)
        return True

    async def ask(self, report: Report) -> Report:
        """What the gateway itself says now of what `report` is about. Raises GatewayRefused, RefundRefused.

        The total of a charge is given as it is: it only makes us read the gateway's list of refunds.
        """
        match report:
            case IntentReport():
                return await self._provider.get_intent(report.intent)
            case RefundReport():
                return await self._provider.get_refund(report.reference)
            case DisputeReport():
                return await self._provider.get_dispute(report.reference)
            case ChargeReport():
                return report

    async def read_gateway(self) -> None:
        """Learn of disputes, and of refunds made at the gateway, by its own lists: a webhook may have been lost for
        good, and nothing else tells of them.
        """
        now = self._clock.now()
        try:
            reports: list[Report] = [
                *await self._provider.list_disputes(now - DISPUTES_SINCE),
                *await self._provider.list_recent_refunds(now - REFUNDS_SINCE),
            ]
        except DomainError as error:
            log.warning("gateway_read_later", error=repr(error))
            return
        for report in reports:
            try:
                await self.learn(report)
            except DomainError as error:
                log.error("report_not_learnt", report=report, error=repr(error))

    async def attend(self) -> bool:
        """Look after one payment that is due: cancel its intent, send or ask for refunds, ask how it stands.

        This is what finds lost webhooks and finishes what a crash left. False where nothing is due.
        """
        payment = await self._store.claim_payment(self._clock.now(), ATTENDING)
        if payment is None:
            return False
        claimed = payment
        try:
            payment = await self._attend_to(payment)
        except (DomainError, ValueError) as error:  # one payment that can't be helped must not keep others waiting
            log.warning("payment_left_for_later", payment_id=payment.id, error=repr(error))
        await self._store.attended(claimed, payment.attend_next(self._clock.now()))
        return True

    async def _attend_to(self, payment: Payment) -> Payment:
        payment = await self._close_if_over(payment)
        if payment.cancel_intent:
            payment = await self._cancel_intent(payment)
        elif payment.status == "pending":
            if payment.reference is None:  # whoever was opening it has died
                payment = await self._begin(payment)
            payment = await self._learn(payment, await self._provider.get_intent(payment.reference or ""))
        if payment.reference and (told := payment.unread_refunds):
            payment = await self._learn_all(payment, await self._provider.list_refunds(payment.reference))
            payment = await self._update(payment, lambda it: it.refunds_read(told, self._clock.now()))
        for refund in payment.open_refunds:
            try:
                payment = await self._send_refund(payment, refund.id, patience=REFUSED_FOR)
            except RefundRefused:  # noted; the other refunds are not to wait for it
                payment = _found(await self._store.get(payment.id))
        if payment.mismatch_open:
            payment = await self._return_mismatch(payment)
        return payment

    async def _return_mismatch(self, payment: Payment) -> Payment:
        """Have what was not asked for given back. The gateway's own list tells what is under way already."""
        reports = await self._provider.list_refunds(payment.reference or "")
        payment = await self._update(payment, lambda it: it.mismatch_read(reports, self._clock.now()))
        if (mismatch := payment.mismatch) and payment.mismatch_left(reports) > 0:
            try:
                key = f"{payment.id}-mismatch-{len(reports)}-{mismatch.refusals}"
                reports.append(await self._provider.return_all(payment, key))
            except RefundRefused as error:
                log.error("return_refused", payment_id=payment.id, error=str(error))
                payment = await self._update(payment, lambda it: it.mismatch_refused(mismatch, self._clock.now()))
            payment = await self._update(payment, lambda it: it.mismatch_read(reports, self._clock.now()))
        return payment

    async def _close_if_over(self, payment: Payment) -> Payment:
        if payment.status == "pending" and await self._store.is_closed(payment.booking_id):
            return await self._close(payment)
        return payment

    async def _close(self, payment: Payment) -> Payment:
        return await self._update(payment, lambda it: it.closing(self._clock.now()))

    async def _cancel_intent(self, payment: Payment) -> Payment:
        """Cancel the intent at the gateway, and learn what became of it where that came too late.

        An intent that was not noted down may have been made all the same, by a process that died then: it is made
        again, which gives the same one.
        """
        if payment.reference is None:
            try:
                payment = await self._attach(payment)
            except GatewayRefused:
                return await self._learn(payment, IntentReport("", "cancelled", failure=GATEWAY_REFUSED))
        return await self._learn(payment, await self._provider.cancel_intent(payment.reference or ""))

    async def _send_refund(self, payment: Payment, refund_id: str, patience: timedelta = timedelta()) -> Payment:
        """Make the refund at the gateway, or ask how it stands there.

        One that is refused gives its claim back, once it is as old as that. Raises RefundRefused.
        """
        refund = payment.refund(refund_id)
        if refund is None or refund.status != "pending":
            return payment
        try:
            if refund.reference:
                report = await self._provider.get_refund(refund.reference)
            else:
                report = await self._provider.create_refund(payment, refund)
        except RefundRefused as error:
            log.error("refund_refused", payment_id=payment.id, refund_id=refund_id, error=str(error))
            payment = await self._hear_disputes(payment)
            await self._update(payment, lambda it: it.refund_refused(refund, self._clock.now(), patience))
            raise
        return await self._learn(payment, report)

    async def _hear_disputes(self, payment: Payment) -> Payment:
        """What may be why the gateway gives nothing back: the buyer's bank has it, and nobody has told us yet."""
        return await self._learn_all(payment, await self._provider.disputes_of(payment.reference or ""))

    async def _learn_all(self, payment: Payment, reports: Sequence[Report]) -> Payment:
        for report in reports:
            try:
                payment = await self._learn(payment, report)
            except DomainError as error:  # one that can't be taken in must not keep the others
                log.error("report_not_learnt", payment_id=payment.id, report=report, error=repr(error))
        return payment

    async def _learn(self, payment: Payment, report: Report) -> Payment:
        return await self._update(payment, lambda it: it.learn(report, self._clock.now()))

    async def _update(self, payment: Payment, step: Callable[[Payment], Change | None]) -> Payment:
        """Apply `step` to the payment as it was read, and again to what others made of it until it is written."""
        while True:
            change = step(payment)
            if change is None:
                return payment
            if await self._store.save(change, [self._event(type_, then) for type_, then in change.happened]):
                _tell(payment, change.payment)
                return change.payment
            payment = _found(await self._store.get(payment.id))

    def _new(self, order: Order, payment_id: str) -> Payment:
        now = self._clock.now()
        return Payment(
            id=payment_id,
            version=1,
            booking_id=order.booking_id,
            user_id=order.user_id,
            amount=order.amount,
            currency=order.currency,
            description=order.description,
            status="pending",
            provider=self._provider.name,
            created_at=now,
            updated_at=now,
            due_at=now + self._reconcile_after,
            retry_declined=order.retry_declined,
        )

    def _event(self, type_: str, payment: Payment) -> Event[PaymentState]:
        state = PaymentState(
            payment_id=payment.id,
            version=payment.version,
            booking_id=payment.booking_id,
            user_id=payment.user_id,
            status=payment.status,
            amount=payment.amount,
            refunded=payment.refunded,
            currency=payment.currency,
            provider=payment.provider,
            provider_reference=payment.reference,
            failure=payment.failure,
            disputed=payment.disputed,
            disputes=[DisputeState.model_validate(dispute, from_attributes=True) for dispute in payment.disputes],
        )
        return new_event(
            type_, source="payment_service", subject=payment.id, version=payment.version, data=state, clock=self._clock
        )


def _tell(before: Payment, after: Payment) -> None:
    """Log and count what people must see to, once: by who has written it."""
    for refund in after.refunds:
        known = before.refund(refund.id)
        if refund.status == "failed" and (known is None or known.status != "failed"):
            log.error("refund_failed", payment_id=after.id, refund_id=refund.id, amount=refund.amount)
            REFUNDS_FAILED.inc()
    if after.mismatch is None:
        return
    came = f"{after.mismatch.amount} {after.mismatch.currency}"
    if before.mismatch is None:
        log.error("payment_mismatched", payment_id=after.id, came=came, asked=f"{after.amount} {after.currency}")
        MISMATCHES.inc()
    elif after.mismatch.status == "failed" and before.mismatch.status != "failed":
        log.error("return_failed", payment_id=after.id, came=came)
        REFUNDS_FAILED.inc()


def _found(payment: Payment | None) -> Payment:
    if payment is None:
        raise PaymentNotFound
    return payment
