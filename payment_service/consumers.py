"""What the worker does: what events ask of payments, and payments that are due to be looked after."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import Gauge

from messaging.consumer import Subscription
from messaging.envelope import Event
from messaging.events import BookingState, RefundRequest
from payment_service.handlers.payments import Payments
from payment_service.store.payments import Store
from service_kit.clock import Clock
from service_kit.tasks import woken

BOOKINGS_A_BATCH = 200
# Payments looked after at once: most of the time goes by at the gateway.
ATTENDANTS = 8
DUE = Gauge("marquee_payments_due", "Payments that are due to be looked after", multiprocess_mode="mostrecent")
REFUNDS = Gauge("marquee_refunds_pending", "Payments with a refund under way", multiprocess_mode="mostrecent")


def refunds(payments: Payments) -> Subscription:
    """`RefundRequested`, once per refund id however often it comes.

    Where others have refunded a part since it was asked for, what is left is refunded. A refund that can't be made (the
    gateway's refusal, all that is left under way otherwise) is retried and then parked, for people to see.
    """

    async def refund(event: Event[RefundRequest]) -> None:
        asked = event.data
        await payments.refund_rest(asked.payment_id, asked.refund_id, asked.amount, asked.reason)

    return Subscription("payments.refunds", handlers={"RefundRequested": refund}, prefetch=10)


def bookings(payments: Payments, wake: asyncio.Event) -> Subscription:
    """Bookings that are over: nobody may pay for them any more. `wake` is set for the attendants."""

    async def close(events: Sequence[Event[BookingState]]) -> None:
        await payments.close_bookings(list({event.data.booking_id for event in events}))
        wake.set()

    return Subscription("payments.bookings", batch=close, prefetch=BOOKINGS_A_BATCH)


def attendants(payments: Payments, wake: asyncio.Event, every_seconds: float) -> Callable[[], Awaitable[None]]:
    """A loop over the payments that are due, each time `wake` is set and every so often."""

    async def attend_while_due() -> None:
        while await payments.attend():
            pass

    async def attend_for_ever() -> None:
        while True:
            wake.clear()
            # Each webhook wakes, and most leave nothing to do: one looks before all do.
            if await payments.attend():
                async with asyncio.TaskGroup() as group:
                    for _ in range(ATTENDANTS):
                        group.create_task(attend_while_due())
            await woken(wake, every_seconds)

    return attend_for_ever


def gauges(store: Store, clock: Clock) -> Callable[[], Awaitable[None]]:
    """Counts what waits, for the metrics."""

    async def measure() -> None:
        DUE.set(await store.count_due(clock.now()))
        REFUNDS.set(await store.count_pending_refunds())

    return measure
