"""Hands out what is due: to each endpoint a few at a time, so that a slow one holds up nobody but itself."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

from service_kit.clock import Clock
from service_kit.logs import get_logger
from service_kit.tasks import woken
from webhooks_service.domain.deliveries import Claimed
from webhooks_service.domain.endpoints import Endpoint
from webhooks_service.handlers.deliver import Deliver
from webhooks_service.store.deliveries import Deliveries
from webhooks_service.store.endpoints import Endpoints

log = get_logger(__name__)
# Under way at once to one endpoint, by this process; to one that fails there is no hurry.
AT_ONCE = 5
AT_ONCE_FAILING = 1
POLL_SECONDS = 1.0
# Longer than any try takes. A claim that has not ended by then died with its worker.
LEASE = timedelta(seconds=30)


class Courier:
    def __init__(self, endpoints: Endpoints, deliveries: Deliveries, deliver: Deliver, clock: Clock) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._deliver = deliver
        self._clock = clock
        self._wake = asyncio.Event()
        self._under_way: Counter[str] = Counter()

    async def watch(self) -> None:
        await self._deliveries.watch(self._wake)

    async def run(self) -> None:
        """For ever: woken by a change stream and by tries that end, polling as the truth."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                begun = 0
                async for claimed in self._claims():
                    group.create_task(self._attempt(claimed))
                    begun += 1
                if not begun:
                    await woken(self._wake, POLL_SECONDS)

    async def _claims(self) -> AsyncIterator[Claimed]:
        """What is due, as much as there is room for."""
        now = self._clock.now()
        due = [endpoint_id for endpoint_id, at in (await self._deliveries.earliest()).items() if at <= now]
        known = {endpoint.id: endpoint for endpoint in await self._endpoints.all()} if due else {}
        for endpoint_id in due:
            for _ in range(_room(known.get(endpoint_id)) - self._under_way[endpoint_id]):
                claimed = await self._deliveries.claim(endpoint_id, now, LEASE)
                if claimed is None:
                    break
                self._under_way[endpoint_id] += 1
                yield claimed

    async def _attempt(self, claimed: Claimed) -> None:
        """One that breaks off, as when the database is away, is left to the end of its claim."""
        endpoint_id = claimed.delivery.endpoint_id
        try:
            await self._deliver.attempt(claimed)
        except Exception as error:
            log.warning("webhook_broken_off", delivery_id=claimed.delivery.id, error=repr(error))
        finally:
            self._under_way[endpoint_id] -= 1
            if not self._under_way[endpoint_id]:
                del self._under_way[endpoint_id]
            self._wake.set()


def _room(endpoint: Endpoint | None) -> int:
    return AT_ONCE_FAILING if endpoint and endpoint.failing_since else AT_ONCE
