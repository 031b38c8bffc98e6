"""Exchanges, queues and bindings: one table, declared whole by every process that connects.

Since publishers too declare the consumers' queues, no event is lost to a consumer that has never run yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractExchange

from messaging.events import REGISTRY

# Which events each queue gets. A consumer binds handlers to exactly these.
SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {
    "venues.seatmaps": ("SeatMapMoved",),
    "inventory.showtimes": ("ShowtimeCreated", "ShowtimeUpdated", "ShowtimeCancelled"),
    "inventory.venues": ("VenueCreated", "VenueUpdated"),
    "inventory.payments": ("PaymentSucceeded", "PaymentFailed", "PaymentRefunded"),
    "inventory.partners": ("PartnerConfirmed", "PartnerRefused"),
    "partners.requests": (
        "PartnerConfirmationRequested",
        "BookingCancelled",
        "BookingFailed",
        "BookingReduced",
        "BookingRescheduled",
    ),
    "payments.refunds": ("RefundRequested",),
    "payments.bookings": ("BookingExpired", "BookingCancelled", "BookingFailed"),
    "indexer.catalogue": (
        "VenueCreated",
        "VenueUpdated",
        "VenueDeleted",
        "EventCreated",
        "EventUpdated",
        "EventDeleted",
        "ShowtimeCreated",
        "ShowtimeUpdated",
        "ShowtimeCancelled",
    ),
    "indexer.availability": ("SeatMapOpened", "AvailabilityChanged"),
    "webhooks.events": (
        "ShowtimeCreated",
        "ShowtimeUpdated",
        "ShowtimeCancelled",
        "BookingConfirmed",
        "BookingReduced",
        "BookingRescheduled",
        "BookingCancelled",
        "BookingExpired",
        "BookingFailed",
    ),
    "webhooks.payments": ("PaymentRefunded",),
}
ROUTED = frozenset(name for names in SUBSCRIPTIONS.values() for name in names)
RETRY_DELAYS_MS = (1_000, 10_000, 60_000)
# A message that kills its consumer again and again never reaches the retry code; the broker parks it.
DELIVERY_LIMIT = 10


@dataclass(frozen=True)
class Topology:
    """Names within one namespace. `retry_delays_ms` is part of the queue names, since a queue's TTL can't change."""

    namespace: str
    retry_delays_ms: Sequence[int] = RETRY_DELAYS_MS

    @property
    def exchange(self) -> str:
        return f"{self.namespace}.events"

    def queue(self, name: str) -> str:
        return f"{self.namespace}.{name}"

    def retry_queue(self, name: str, tier: int) -> str:
        return f"{self.queue(name)}.retry-{self.retry_delays_ms[tier]}ms"

    def parked_queue(self, name: str) -> str:
        return f"{self.queue(name)}.parked"

    def all_queues(self) -> list[str]:
        names = []
        for name in SUBSCRIPTIONS:
            names += [self.queue(name), self.parked_queue(name)]
            names += [self.retry_queue(name, tier) for tier in range(len(self.retry_delays_ms))]
        return names

    async def declare(self, channel: AbstractChannel) -> AbstractExchange:
        """Declare everything (harmless when it is there) and give the exchange to publish to."""
        exchange = await channel.declare_exchange(self.exchange, ExchangeType.TOPIC, durable=True)
        for name, types in SUBSCRIPTIONS.items():
            await self._declare_queue(channel, exchange, name, types)
        return exchange

    async def _declare_queue(
        self, channel: AbstractChannel, exchange: AbstractExchange, name: str, types: Sequence[str]
    ) -> None:
        parked = self.parked_queue(name)
        await channel.declare_queue(parked, durable=True, arguments={"x-queue-type": "quorum"})
        for tier, delay in enumerate(self.retry_delays_ms):
            await channel.declare_queue(
                self.retry_queue(name, tier),
                durable=True,
                arguments={
                    "x-queue-type": "quorum",
                    "x-message-ttl": delay,
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-routing-key": self.queue(name),
                    "x-dead-letter-strategy": "at-least-once",
                    "x-overflow": "reject-publish",
                },
            )
        queue = await channel.declare_queue(
            self.queue(name),
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": parked,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            },
        )
        for type_ in types:
            if type_ not in REGISTRY:
                raise KeyError(f"{name} subscribes to {type_}, which is not in the registry")
            await queue.bind(exchange, routing_key=type_)
