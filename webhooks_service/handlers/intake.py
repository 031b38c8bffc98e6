"""An event has come in: a delivery for each endpoint that wants it, stored before the event is acknowledged."""

from collections.abc import Sequence
from typing import Any

from messaging.envelope import Event
from messaging.events import PaymentState
from service_kit.clock import Clock
from service_kit.ids import new_id
from webhooks_service.clients import Bookings
from webhooks_service.domain.deliveries import Message
from webhooks_service.domain.payloads import PUBLIC_TYPES, Payloads
from webhooks_service.handlers.deliveries import new_delivery
from webhooks_service.store.deliveries import Deliveries
from webhooks_service.store.endpoints import Endpoints


class Intake:
    def __init__(
        self, endpoints: Endpoints, deliveries: Deliveries, bookings: Bookings, payloads: Payloads, clock: Clock
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._bookings = bookings
        self._payloads = payloads
        self._clock = clock

    async def take(self, events: Sequence[Event[Any]]) -> None:
        """Events that name their venue themselves."""
        await self._store([self._payloads.message(event) for event in events])

    async def take_payment(self, event: Event[PaymentState]) -> None:
        """A payment names a booking alone. Its venue is asked for only if some endpoint wants to know. Raises
        Unavailable."""
        type_ = PUBLIC_TYPES[event.type]
        by_venue = any(
            endpoint.listening and endpoint.has_type(type_) and endpoint.venue_ids is not None
            for endpoint in await self._endpoints.all()
        )
        venue_id = await self._bookings.venue_of(event.data.booking_id) if by_venue else None
        await self._store([self._payloads.message(event, venue_id)])

    async def _store(self, messages: Sequence[Message]) -> None:
        listening = [endpoint for endpoint in await self._endpoints.all() if endpoint.listening]
        await self._deliveries.add(
            [
                new_delivery(endpoint, new_id(), message, self._clock)
                for message in messages
                for endpoint in listening
                if endpoint.wants(message.type, message.venue_id)
            ]
        )
