"""The audit of the money: each booking beside its payment, and payments beside the gateway's own books.

Bookings and payments are read in pages in the same order, by booking id, and joined as they come, so that memory stays
the same however many there are. The two are never of one moment: what looks wrong is looked at again before it is told.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from inventory_service.domain.money import BookingMoney
from inventory_service.handlers.money import priced_bookings
from inventory_service.store.bookings import Bookings
from marquee.balance import Balance, Pair, Patience, faults_of
from messaging import queues
from messaging.topology import Topology
from payment_service.audit import Books, charge_faults
from payment_service.domain.payment import Payment
from service_kit.clock import Clock, SystemClock
from service_kit.money import decimal_text

# What is still wrong after so many looks is not a step under way.
LOOKS = 4
PAUSE_SECONDS = 0.25
SUSPECTS = 200
MOST_TOLD = 2_000
ASKED_AT_ONCE = 16
# Services whose news decides about money, or about tickets that were paid for.
MONEYED = {"inventory", "payments", "partners"}

Faults = dict[str, list[str]]
Check = Callable[[list[str]], Awaitable[Faults]]


@dataclass
class Verdict:
    """What is wrong, each as a sentence, and how the money adds up."""

    findings: list[str] = field(default_factory=list)
    balance: Balance = field(default_factory=Balance)
    gateway: list[str] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return len(self.findings) >= MOST_TOLD


class MoneyAudit:
    """Reads the two services' books; may run beside sales."""

    def __init__(
        self, bookings: Bookings, books: Books, clock: Clock | None = None, patience: Patience | None = None
    ) -> None:
        self._bookings = bookings
        self._books = books
        self._clock = clock or SystemClock()
        self._patience = patience or Patience()

    async def run(self, *, gateway: bool = False) -> Verdict:
        """`gateway`: ask it too what it took and gave back. Raises Unavailable where it does not answer."""
        verdict = Verdict()
        began = self._clock.now()
        paid = await self._pairs(verdict, began)
        verdict.findings += await self._books.unapplied(self._patience.step)
        if gateway:
            await self._gateway(verdict, began, paid)
        if verdict.full:
            verdict.findings.append("There may be more: so many were enough")
        return verdict

    async def _pairs(self, verdict: Verdict, began: datetime) -> int:
        """All bookings and payments; returns how many of those made by `began` are paid."""
        suspects: Faults = {}
        paid = 0
        async for pair in joined(priced_bookings(self._bookings), self._books.payments()):
            verdict.balance.count(pair)
            paid += pair.payment is not None and pair.payment.captured > 0 and pair.payment.created_at <= began
            if found := [*faults_of(pair, self._clock.now(), self._patience)]:
                suspects[pair.id] = found
            if len(suspects) >= SUSPECTS:
                verdict.findings += await _staying(suspects, self._check_pairs)
                suspects = {}
            if verdict.full:
                return paid
        verdict.findings += await _staying(suspects, self._check_pairs)
        return paid

    async def _check_pairs(self, booking_ids: list[str]) -> Faults:
        bookings = {money.id: money for money in await self._bookings.money_of(booking_ids)}
        payments = await self._books.of_bookings(booking_ids)
        pairs = [Pair(bookings.get(id_), payments.get(id_)) for id_ in bookings.keys() | payments.keys()]
        return {pair.id: [*faults_of(pair, self._clock.now(), self._patience)] for pair in pairs}

    async def _gateway(self, verdict: Verdict, began: datetime, paid: int) -> None:
        """Its charges against our payments; ours against its charges only where it has fewer."""
        taken, refunded, known = Counter[str](), Counter[str](), 0
        async for page in self._books.charges():
            recent = self._clock.now() - self._patience.step
            suspects: Faults = {}
            for charge, payment in await self._books.with_payments(page):
                taken[charge.currency] += charge.amount
                refunded[charge.currency] += charge.refunded
                known += payment is not None and payment.captured > 0 and payment.created_at <= began
                if charge.created_at <= recent and (found := [*charge_faults(charge, payment)]):
                    suspects[charge.intent] = found
            verdict.findings += await _staying(suspects, self._check_charges)
            if verdict.full:
                return
        verdict.gateway = [
            f"{currency}: {decimal_text(amount, currency)} taken, {decimal_text(refunded[currency], currency)} refunded"
            for currency, amount in sorted(taken.items())
        ]
        if known < paid:
            await self._look_for_charges(verdict)

    async def _check_charges(self, intents: list[str]) -> Faults:
        pairs = await self._books.with_payments(await self._books.charges_of(intents))
        return {charge.intent: [*charge_faults(charge, payment)] for charge, payment in pairs}

    async def _look_for_charges(self, verdict: Verdict) -> None:
        """Ask the gateway for each payment that we say was paid."""
        paid: list[Payment] = []
        async for payment in self._books.payments():
            if payment.captured:
                paid.append(payment)
            if len(paid) >= ASKED_AT_ONCE:
                verdict.findings += await self._without_charge(paid)
                paid = []
            if verdict.full:
                return
        verdict.findings += await self._without_charge(paid)

    async def _without_charge(self, paid: list[Payment]) -> list[str]:
        charges = await self._books.charges_of([payment.reference for payment in paid if payment.reference])
        taken = {charge.intent for charge in charges}
        missing = [payment for payment in paid if payment.reference not in taken]
        return [f"Payment {one.id} is {one.status}, but the gateway took nothing for it" for one in missing]


async def parked_money(amqp_url: str, topology: Topology) -> list[str]:
    """A sentence for each queue of news about money where messages are parked."""
    async with queues.open_channel(amqp_url, topology) as channel:
        counts = await queues.count(channel, topology)
    return [
        f"{one.parked} message(s) are parked on {one.name}: see `marquee queues show {one.name}`"
        for one in counts
        if one.parked and one.name.partition(".")[0] in MONEYED
    ]


async def joined(bookings: AsyncIterator[BookingMoney], payments: AsyncIterator[Payment]) -> AsyncIterator[Pair]:
    """Both streams are in the order of booking ids; what only one of them has comes alone."""
    booking, payment = await anext(bookings, None), await anext(payments, None)
    while booking or payment:
        if payment is None or (booking and booking.id < payment.booking_id):
            yield Pair(booking, None)
            booking = await anext(bookings, None)
        elif booking is None or payment.booking_id < booking.id:
            yield Pair(None, payment)
            payment = await anext(payments, None)
        else:
            yield Pair(booking, payment)
            booking, payment = await anext(bookings, None), await anext(payments, None)


async def _staying(suspects: Faults, check: Check) -> list[str]:
    """Of these findings those that stay when looked at again and again."""
    for _ in range(LOOKS):
        if not suspects:
            break
        await asyncio.sleep(PAUSE_SECONDS)
        again = await check(list(suspects))
        staying = {id_: [one for one in found if one in again.get(id_, ())] for id_, found in suspects.items()}
        suspects = {id_: found for id_, found in staying.items() if found}
    return [sentence for found in suspects.values() for sentence in found]
