"""Publishing with confirms: an event counts as sent once the broker has it on a quorum queue."""

import asyncio
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aio_pika.exceptions import AMQPError, PublishError

from messaging.envelope import CONTENT_TYPE, encode
from messaging.topology import ROUTED, Topology
from service_kit.errors import Unavailable

CONFIRM_SECONDS = 5.0
CONNECT_SECONDS = 5.0


class Publisher:
    """A connection that is made when needed and made anew after a failure."""

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
        routed = document["type"] in ROUTED
        try:
            await self._send(message, document["type"], mandatory=routed)
        except PublishError:
            await self.close()
            await self._guarded_send(message, document["type"])
        except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
            await self.close()
            raise Unavailable(f"The broker did not confirm: {error!r}") from error

    async def _guarded_send(self, message: aio_pika.Message, routing_key: str) -> None:
        try:
            await self._send(message, routing_key, mandatory=True)
        except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
            await self.close()
            raise Unavailable(f"The broker has no queue for {routing_key}: {error!r}") from error

    async def _send(self, message: aio_pika.Message, routing_key: str, *, mandatory: bool) -> None:
        exchange = await self._open()
        await exchange.publish(message, routing_key, mandatory=mandatory, timeout=CONFIRM_SECONDS)

    async def _open(self) -> AbstractExchange:
        async with self._lock:
            if self._exchange is None or self._channel is None or self._channel.is_closed:
                await self._drop()
                self._connection = await aio_pika.connect(self._url, timeout=CONNECT_SECONDS)
                self._channel = await self._connection.channel(on_return_raises=True)
                self._exchange = await self._topology.declare(self._channel)
            return self._exchange

    async def close(self) -> None:
        async with self._lock:
            await self._drop()

    async def _drop(self) -> None:
        connection, self._connection, self._channel, self._exchange = self._connection, None, None, None
        if connection is not None and not connection.is_closed:
            try:
                await asyncio.wait_for(connection.close(), CONNECT_SECONDS)
            except (AMQPError, OSError, TimeoutError, RuntimeError):
                return  # it was broken already
