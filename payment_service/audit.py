"""What an audit of the money reads of payments, and payments against the gateway's own books."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from payment_service.config import Settings
from payment_service.domain.payment import Payment
from payment_service.domain.refunds import Mismatch
from payment_service.domain.reports import Charge
from payment_service.provider import Provider
from payment_service.store.events import WebhookEvents
from payment_service.store.payments import Store
from payment_service.stripe_provider import open_stripe
from service_kit.clock import Clock, SystemClock
from service_kit.money import decimal_text
from service_kit.mongo import open_database

PAGE = 1_000
MOST_TOLD = 100


@asynccontextmanager
async def open_books(settings: Settings, clock: Clock | None = None) -> AsyncIterator["Books"]:
    async with open_database(settings, "payments") as database, open_stripe(settings) as provider:
        store, events = Store(database), WebhookEvents(database)
        await store.prepare()
        await events.prepare()
        yield Books(store, events, provider, clock or SystemClock())


class Books:
    """Payments to be read in the order of their bookings; and the gateway's charges to be compared with them."""

    def __init__(self, store: Store, events: WebhookEvents, provider: Provider, clock: Clock) -> None:
        self._store = store
        self._events = events
        self._provider = provider
        self._clock = clock

    async def payments(self) -> AsyncIterator[Payment]:
        """All of them, by booking id."""
        last = ""
        while page := await self._store.page(last, PAGE):
            for payment in page:
                yield payment
            last = page[-1].booking_id

    async def of_bookings(self, booking_ids: Sequence[str]) -> dict[str, Payment]:
        return {payment.booking_id: payment for payment in await self._store.of_bookings(booking_ids)}

    async def unapplied(self, waiting: timedelta) -> list[str]:
        """A sentence for each webhook event that failed, or has waited for longer than that."""
        events = await self._events.unapplied(self._clock.now() - waiting, MOST_TOLD)
        return [f"Webhook event {id_} ({type_}) is not applied: {error or 'it waits'}" for id_, type_, error in events]

    async def charges(self) -> AsyncIterator[list[Charge]]:
        """Everything that the gateway took, page by page, newest first. Raises Unavailable."""
        after: str | None = None
        while after != "":
            page, after = await self._provider.list_charges(after=after)
            if page:
                yield page

    async def charges_of(self, intents: Sequence[str]) -> list[Charge]:
        """Asked anew at the gateway, each by itself."""
        pages = await asyncio.gather(*(self._provider.list_charges(intent=intent) for intent in intents))
        return [charge for page, _ in pages for charge in page]

    async def with_payments(self, charges: Sequence[Charge]) -> list[tuple[Charge, Payment | None]]:
        """Each charge with its payment, by the intent or by what we wrote into it."""
        found = await self._store.of_charges(charges)
        by_intent = {payment.reference: payment for payment in found}
        by_id = {payment.id: payment for payment in found}
        return [(charge, by_intent.get(charge.intent) or by_id.get(charge.payment_id or "")) for charge in charges]


def charge_faults(charge: Charge, payment: Payment | None) -> Iterator[str]:
    """What is wrong between a charge and the payment it belongs to."""
    sum_ = f"{decimal_text(charge.amount, charge.currency)} {charge.currency}"
    if payment is None:
        if charge.payment_id is not None:  # else it is somebody else's business with the same gateway
            yield f"The gateway took {sum_} for payment {charge.payment_id}, which is not there"
        return
    if payment.reference not in {None, charge.intent}:
        by = f"by {charge.intent} for payment {payment.id}"
        yield f"The gateway took {sum_} {by}, whose intent is {payment.reference}"
        return
    if payment.mismatch:
        yield from _mismatch_faults(charge, payment, payment.mismatch)
        return
    if not payment.captured:
        yield f"The gateway took {sum_} for payment {payment.id}, which is {payment.status}"
        return
    if (charge.amount, charge.currency) != (payment.captured, payment.currency):
        ours = f"{decimal_text(payment.captured, payment.currency)} {payment.currency}"
        yield f"The gateway took {sum_} for payment {payment.id}, which is over {ours}"
        return
    least, most = payment.refunded_by_us, payment.refunded_by_us + sum(refund.amount for refund in payment.open_refunds)
    if not least <= charge.refunded <= most:
        there, here = (decimal_text(amount, charge.currency) for amount in (charge.refunded, payment.refunded_by_us))
        yield f"The gateway gave back {there} {charge.currency} of payment {payment.id}, we say {here}"


def _mismatch_faults(charge: Charge, payment: Payment, mismatch: Mismatch) -> Iterator[str]:
    """Of a charge that was over another sum than was asked for: all of it must go back."""
    taken, back = (
        f"{decimal_text(amount, charge.currency)} {charge.currency}" for amount in (charge.amount, charge.refunded)
    )
    if (charge.amount, charge.currency) != (mismatch.amount, mismatch.currency):
        ours = f"{decimal_text(mismatch.amount, mismatch.currency)} {mismatch.currency}"
        yield f"The gateway took {taken} for payment {payment.id}, we say {ours}, which was not asked for either"
    elif mismatch.status == "succeeded" and charge.refunded + payment.taken_by_banks < charge.amount:
        yield f"The gateway gave back {back} of {taken} that payment {payment.id} had not asked for, we say all"
