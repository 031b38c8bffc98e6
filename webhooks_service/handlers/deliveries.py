"""Use cases of the log of an endpoint: look, send again, try."""

from collections.abc import Sequence
from typing import Any

from service_kit.clock import Clock
from service_kit.errors import NotFound
from webhooks_service.domain.deliveries import Delivery, Message, State
from webhooks_service.domain.endpoints import Endpoint
from webhooks_service.domain.payloads import trial
from webhooks_service.handlers.endpoints import EndpointHandlers
from webhooks_service.store.deliveries import Deliveries, Span


class DeliveryHandlers:
    def __init__(self, endpoints: EndpointHandlers, deliveries: Deliveries, clock: Clock) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._clock = clock

    async def page(
        self, endpoint_id: str, position: Sequence[Any] | None, limit: int, state: State | None
    ) -> tuple[list[Delivery], str | None]:
        """Raises NotFound."""
        endpoint = await self._endpoints.get(endpoint_id)
        return await self._deliveries.page(endpoint.id, position, limit, state)

    async def get(self, endpoint_id: str, delivery_id: str) -> Delivery:
        """Raises NotFound."""
        delivery = await self._deliveries.find(endpoint_id, delivery_id)
        if delivery is None:
            raise NotFound("There is no such delivery")
        return delivery

    async def replay(self, endpoint_id: str, delivery_id: str) -> Delivery:
        """Send one again, whatever became of it. Raises NotFound, EndpointInactive."""
        endpoint = await self._active(endpoint_id)
        delivery = await self.get(endpoint.id, delivery_id)
        await self._deliveries.replay(delivery, self._clock.now())
        return await self.get(endpoint.id, delivery_id)

    async def replay_failed(self, endpoint_id: str, span: Span) -> int:
        """Send all failed ones of a time again. Raises NotFound, EndpointInactive."""
        endpoint = await self._active(endpoint_id)
        return await self._deliveries.replay_failed(endpoint.id, span, self._clock.now())

    async def test(self, endpoint_id: str, delivery_id: str) -> Delivery:
        """Send a test event, whatever events the endpoint wants. Raises NotFound, EndpointInactive."""
        endpoint = await self._active(endpoint_id)
        now = self._clock.now()
        # One id for both: the delivery of a request that is tried again is the one made before.
        delivery = new_delivery(endpoint, delivery_id, trial(delivery_id, endpoint.id, now), self._clock)
        await self._deliveries.add([delivery])
        return await self.get(endpoint.id, delivery_id)

    async def _active(self, endpoint_id: str) -> Endpoint:
        endpoint = await self._endpoints.get(endpoint_id)
        endpoint.require_active()
        return endpoint


def new_delivery(endpoint: Endpoint, delivery_id: str, message: Message, clock: Clock) -> Delivery:
    """Due at once; failed from the start where the endpoint is disabled, so that it can be replayed."""
    now = clock.now()
    return Delivery(
        id=delivery_id,
        version=1,
        endpoint_id=endpoint.id,
        message=message,
        state="pending" if endpoint.active else "failed",
        tries=0,
        attempts=(),
        created_at=now,
        due_at=now if endpoint.active else None,
        error="" if endpoint.active else "The endpoint was disabled",
    )
