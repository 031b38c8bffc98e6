"""What the worker does: refunds asked for by events, and payments that are due to be looked after."""

import asyncio
from collections.abc import Awaitable, Callable

from messaging.consumer import Subscription
from messaging.envelope import Event
from messaging.events import RefundRequest
from payment_service.handlers import Payments
from service_kit.tasks import woken


def refunds(payments: Payments) -> Subscription:
    """`RefundRequested`, once per refund id however often it comes.

    A refund that can't be made (nothing left, the gateway's refusal) is retried and then parked, for people to see.
    """

    async def refund(event: Event[RefundRequest]) -> None:
        asked = event.data
        await payments.refund(asked.payment_id, asked.refund_id, asked.amount, asked.reason)

    return Subscription("payments.refunds", handlers={"RefundRequested": refund}, prefetch=10)


def attendant(payments: Payments, wake: asyncio.Event, every_seconds: float) -> Callable[[], Awaitable[None]]:
    """A loop over the payments that are due, each time `wake` is set and every so often."""

    async def attend_for_ever() -> None:
        while True:
            wake.clear()
            while await payments.attend():
                pass
            await woken(wake, every_seconds)

    return attend_for_ever
