"""Consuming: one place that decides between acknowledge, retry later and park.

- Done: acknowledged after the effect.
- A dependency is down: waits in the retry tiers for as long as the outage lasts, and is never parked.
- Any other failure: one try per tier, then parked with its error.
- Unreadable: parked at once.

No message ever blocks its queue: a failing one goes to another queue before it is acknowledged here.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPConnectionError
from prometheus_client import Counter, Histogram

from messaging.connection import connected
from messaging.envelope import Event, UnreadableEvent, decode
from messaging.topology import SUBSCRIPTIONS, Topology
from service_kit.correlation import correlated
from service_kit.errors import Unavailable
from service_kit.logs import get_logger
from service_kit.problems import is_outage
from service_kit.tasks import background

log = get_logger(__name__)

Handler = Callable[[Event[Any]], Awaitable[None]]
BatchHandler = Callable[[Sequence[Event[Any]]], Awaitable[None]]

# How often an event failed, and how often it waited for a dependency: only the first leads to parking.
TRIES = "x-marquee-tries"
WAITS = "x-marquee-waits"
ERROR = "x-marquee-error"
PUBLISH_SECONDS = 5.0
CONSUMED = Counter("marquee_messages_consumed", "Messages by outcome", ["queue", "outcome"])
HANDLING_SECONDS = Histogram("marquee_message_seconds", "Time to handle a message or a batch", ["queue"])


@dataclass(frozen=True)
class Subscription:
    """A queue of the topology with what to do for each event.

    Give either `handlers` (one event at a time, up to `prefetch` at once) or `batch` (as many as wait, at most
    `prefetch`; when it fails each event is tried alone, so one bad event can't fail the rest).
    """

    queue: str
    handlers: Mapping[str, Handler] | None = None
    batch: BatchHandler | None = None
    prefetch: int = 50

    def __post_init__(self) -> None:
        if (self.handlers is None) == (self.batch is None):
            raise ValueError("give handlers or batch")
        if self.handlers is not None and set(self.handlers) != set(SUBSCRIPTIONS[self.queue]):
            raise ValueError(f"{self.queue} must handle exactly {SUBSCRIPTIONS[self.queue]}")


class Consumer:
    """Runs one subscription; connects again whenever the broker went away."""

    def __init__(self, amqp_url: str, topology: Topology, subscription: Subscription) -> None:
        self._url = amqp_url
        self._topology = topology
        self._subscription = subscription

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with background(f"consume:{self._subscription.queue}", self._consume):
            yield

    async def _consume(self) -> None:
        """Consume until the connection or the channel is lost, which is raised as Unavailable."""
        try:
            await self._consume_until_lost()
        except* CONNECTION_EXCEPTIONS as errors:
            raise Unavailable(f"The broker is away: {errors.exceptions[0]!r}") from errors

    async def _consume_until_lost(self) -> None:
        async with connected(self._url) as connection:
            channel = await connection.channel(on_return_raises=True)
            await self._topology.declare(channel)
            await channel.set_qos(self._subscription.prefetch)
            queue = await channel.get_queue(self._topology.queue(self._subscription.queue))
            arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
            worker = self._take_batches if self._subscription.batch else self._take_singles
            async with asyncio.TaskGroup() as group:
                group.create_task(worker(channel, arrived))
                group.create_task(_until_any(connection.closed(), channel.closed(), await _cancelled(channel)))
                await queue.consume(arrived.put)

    async def _take_singles(self, channel: AbstractChannel, arrived: asyncio.Queue[AbstractIncomingMessage]) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._settle_one(channel, await arrived.get()))

    async def _take_batches(self, channel: AbstractChannel, arrived: asyncio.Queue[AbstractIncomingMessage]) -> None:
        while True:
            messages = [await arrived.get()]
            while len(messages) < self._subscription.prefetch and not arrived.empty():
                messages.append(arrived.get_nowait())
            await self._settle_batch(channel, messages)

    async def _settle_one(self, channel: AbstractChannel, message: AbstractIncomingMessage) -> None:
        event = await self._read(channel, message)
        if event is None:
            return
        with correlated(event.traceparent), HANDLING_SECONDS.labels(self._subscription.queue).time():
            try:
                await self._handle(event)
            except Exception as error:
                await self._failed(channel, message, error)
            else:
                await self._done(message)

    async def _handle(self, event: Event[Any]) -> None:
        if self._subscription.batch:
            await self._subscription.batch([event])
        elif self._subscription.handlers is not None:
            await self._subscription.handlers[event.type](event)

    async def _settle_batch(self, channel: AbstractChannel, messages: list[AbstractIncomingMessage]) -> None:
        assert self._subscription.batch is not None  # noqa: S101 - a batch loop only runs with one
        readable = [(message, event) for message in messages if (event := await self._read(channel, message))]
        if not readable:
            return
        started = time.perf_counter()
        try:
            with correlated(readable[0][1].traceparent):
                await self._subscription.batch([event for _, event in readable])
        except Exception as error:
            log.warning("batch_failed", queue=self._subscription.queue, size=len(readable), error=repr(error))
            for message, _ in readable:
                if is_outage(error):
                    await self._failed(channel, message, error)
                else:
                    await self._settle_one(channel, message)
            return
        finally:
            HANDLING_SECONDS.labels(self._subscription.queue).observe(time.perf_counter() - started)
        for message, _ in readable:
            await self._done(message)

    async def _read(self, channel: AbstractChannel, message: AbstractIncomingMessage) -> Event[Any] | None:
        try:
            event = decode(message.body)
            if event.type not in SUBSCRIPTIONS[self._subscription.queue]:
                raise UnreadableEvent(f"{event.type} does not belong on this queue")
        except UnreadableEvent as error:
            await self._park(channel, message, error)
            return None
        return event

    async def _done(self, message: AbstractIncomingMessage) -> None:
        await message.ack()
        CONSUMED.labels(self._subscription.queue, "done").inc()

    async def _failed(self, channel: AbstractChannel, message: AbstractIncomingMessage, error: Exception) -> None:
        counts = {TRIES: count_of(message, TRIES), WAITS: count_of(message, WAITS)}
        counter = WAITS if is_outage(error) else TRIES
        last = len(self._topology.retry_delays_ms) - 1
        if counter == TRIES and counts[TRIES] > last:
            await self._park(channel, message, error)
            return
        tier = min(counts[counter], last)
        counts[counter] += 1
        log.warning("message_retried", queue=self._subscription.queue, tier=tier, error=repr(error))
        await self._move(channel, message, self._topology.retry_queue(self._subscription.queue, tier), counts, error)
        CONSUMED.labels(self._subscription.queue, "retried").inc()

    async def _park(self, channel: AbstractChannel, message: AbstractIncomingMessage, error: Exception) -> None:
        log.error("message_parked", queue=self._subscription.queue, message_id=message.message_id, error=repr(error))
        parked = self._topology.parked_queue(self._subscription.queue)
        await self._move(channel, message, parked, {TRIES: count_of(message, TRIES)}, error)
        CONSUMED.labels(self._subscription.queue, "parked").inc()

    async def _move(
        self,
        channel: AbstractChannel,
        message: AbstractIncomingMessage,
        queue: str,
        counts: Mapping[str, int],
        error: Exception,
    ) -> None:
        """Copy to another queue under confirm, then acknowledge here: at worst it is there twice, never lost."""
        copy = aio_pika.Message(
            message.body,
            content_type=message.content_type,
            message_id=message.message_id,
            type=message.type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            headers={**counts, ERROR: f"{type(error).__name__}: {error}"[:2000]},
        )
        await channel.default_exchange.publish(copy, queue, timeout=PUBLISH_SECONDS)
        await message.ack()


def count_of(message: AbstractIncomingMessage, header: str) -> int:
    value = message.headers.get(header, 0)
    return value if isinstance(value, int) else 0


async def _cancelled(channel: AbstractChannel) -> asyncio.Future[None]:
    """Done when the broker cancels a consumer on the open channel, as it does when its queue is deleted."""
    cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def note(_: object) -> None:
        if not cancelled.done():
            cancelled.set_result(None)

    underlay = await channel.get_underlay_channel()
    underlay.on_consumer_cancel_callbacks.add(note)
    return cancelled


async def _until_any(*ends: Awaitable[Any]) -> None:
    await asyncio.wait([asyncio.ensure_future(end) for end in ends], return_when=asyncio.FIRST_COMPLETED)
    raise AMQPConnectionError("the broker closed the connection or deleted the queue")
