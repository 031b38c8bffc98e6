"""Publishing with confirms: an event counts as sent once the broker has it on a quorum queue."""

import asyncio
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aio_pika.exceptions import AMQPError, PublishError

from messaging.connection import CONNECT_SECONDS, close
from messaging.envelope import CONTENT_TYPE, encode
from messaging.topology import ROUTED, Topology
from service_kit.errors import Unavailable

# Far above what a broker takes: in a busy worker the loop itself may be late to read the confirm.
CONFIRM_SECONDS = 20.0
# A quorum queue that is declared anew within 30 ms of its deletion comes back with its old consumers as ghosts, which
# take messages and never get them (seen with RabbitMQ 3.10): they must have been told first.
DELETION_SECONDS = 0.5


class Publisher:
    """A connection that is made when needed and made anew after a failure. Safe for many publishes at once."""

    def __init__(self, amqp_url: str, topology: Topology) -> None:
        self._url = amqp_url
        self._topology = topology
        self._lock = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._exchange: AbstractExchange | None = None

    async def publish(self, document: dict[str, Any]) -> None:
        """Publish one event document. Returns once it is confirmed; raises Unavailable otherwise.

        An event that somebody subscribes to must reach a queue: where a queue was deleted the topology is
        declared again and the event is sent once more.
        """
        message = aio_pika.Message(
            encode(document),
            content_type=CONTENT_TYPE,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=document["id"],
            type=document["type"],
        )
        exchange: AbstractExchange | None = None
        try:
            exchange = await self._open()
            try:
                await _send(exchange, message)
            except PublishError:
                await self._declare_again(exchange)
                await _send(exchange, message)
        except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
            await self._discard(exchange)
            raise Unavailable(f"The broker did not confirm {document['type']}: {error!r}") from error

    async def _open(self) -> AbstractExchange:
        async with self._lock:
            if self._exchange is None or self._channel is None or self._channel.is_closed:
                await self._drop()
                self._connection = await aio_pika.connect(self._url, timeout=CONNECT_SECONDS)
                self._channel = await self._connection.channel(on_return_raises=True)
                self._exchange = await self._topology.declare(self._channel)
            return self._exchange

    async def _declare_again(self, exchange: AbstractExchange) -> None:
        await asyncio.sleep(DELETION_SECONDS)
        async with self._lock:
            if self._channel is not None and self._exchange is exchange:
                await self._topology.declare(self._channel)

    async def _discard(self, exchange: AbstractExchange | None) -> None:
        """Drop the connection that failed; one that somebody else has made anew since then stays."""
        async with self._lock:
            if self._exchange is exchange:
                await self._drop()

    async def close(self) -> None:
        async with self._lock:
            await self._drop()

    async def _drop(self) -> None:
        connection, self._connection, self._channel, self._exchange = self._connection, None, None, None
        if connection is not None:
            await close(connection)


async def _send(exchange: AbstractExchange, message: aio_pika.Message) -> None:
    type_ = message.type or ""
    await exchange.publish(message, type_, mandatory=type_ in ROUTED, timeout=CONFIRM_SECONDS)
