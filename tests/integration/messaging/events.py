"""Events, documents that hold them, and consumers that note what they get."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from messaging.consumer import Consumer, Handler, Subscription
from messaging.envelope import Event, new_event
from messaging.events import RefundRequest
from messaging.outbox import outbox_entry
from messaging.topology import Topology
from service_kit.clock import SystemClock
from service_kit.ids import new_id

# A queue with one kind of event and a small payload.
QUEUE = "payments.refunds"
TYPE = "RefundRequested"


def refund(subject: str | None = None, version: int = 1) -> Event[RefundRequest]:
    subject = subject or new_id()
    data = RefundRequest(
        refund_id=subject, booking_id="b", payment_id="p", amount=version, currency="EUR", reason="test"
    )
    return new_event(TYPE, source="test", subject=subject, version=version, data=data, clock=SystemClock())


def holding(*events: Event[Any]) -> dict[str, Any]:
    """A document as a store writes it: a change with its unsent events."""
    return {"_id": events[0].subject, "outbox": [outbox_entry(event) for event in events]}


class Notes:
    """Notes every event it is given; a test may make it fail first."""

    def __init__(self, fail: Callable[[Event[Any]], Awaitable[None]] | None = None) -> None:
        self.seen: list[Event[Any]] = []
        self.tried: Counter[str] = Counter()
        self.fail = fail

    async def __call__(self, event: Event[Any]) -> None:
        self.tried[event.subject] += 1
        if self.fail:
            await self.fail(event)
        self.seen.append(event)

    @property
    def subjects(self) -> list[str]:
        return [event.subject for event in self.seen]

    async def count(self) -> int:
        return len(self.seen)


def consumer(amqp_url: str, topology: Topology, handler: Handler, prefetch: int = 50) -> Consumer:
    return Consumer(amqp_url, topology, Subscription(QUEUE, handlers={TYPE: handler}, prefetch=prefetch))
