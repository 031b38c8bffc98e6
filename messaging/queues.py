"""Looking at queues, showing and replaying parked messages: what `marquee queues` does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from pydantic_core import from_json

from messaging.consumer import ERROR, TRIES
from messaging.topology import SUBSCRIPTIONS, Topology


@dataclass(frozen=True)
class QueueCounts:
    """Messages ready to be taken (not those in hand)."""

    name: str
    ready: int
    retrying: int
    parked: int


@dataclass(frozen=True)
class Parked:
    """A parked message: its event where it can be read, else its raw text, and why it was parked."""

    message_id: str
    type: str
    error: str
    tries: int
    body: Any


@asynccontextmanager
async def open_channel(amqp_url: str, topology: Topology) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(amqp_url, timeout=5) as connection:
        channel = await connection.channel(on_return_raises=True)
        await topology.declare(channel)
        yield channel


async def count(channel: AbstractChannel, topology: Topology) -> list[QueueCounts]:
    """How many messages wait, retry and are parked, per queue."""
    return [
        QueueCounts(
            name,
            ready=await _ready(channel, topology.queue(name)),
            retrying=sum(
                [
                    await _ready(channel, topology.retry_queue(name, tier))
                    for tier in range(len(topology.retry_delays_ms))
                ]
            ),
            parked=await _ready(channel, topology.parked_queue(name)),
        )
        for name in SUBSCRIPTIONS
    ]


async def parked(channel: AbstractChannel, topology: Topology, name: str, limit: int = 20) -> list[Parked]:
    """The oldest parked messages of a queue, left where they are."""
    queue = await channel.get_queue(topology.parked_queue(name))
    taken: list[AbstractIncomingMessage] = []
    try:
        while len(taken) < limit and (message := await queue.get(fail=False)):
            taken.append(message)
        return [_describe(message) for message in taken]
    finally:
        for message in taken:
            await message.reject(requeue=True)


async def replay(channel: AbstractChannel, topology: Topology, name: str, message_id: str | None = None) -> int:
    """Put parked messages (or the one with `message_id`) back on their queue with a fresh count; returns how many."""
    queue = await channel.get_queue(topology.parked_queue(name))
    replayed = 0
    others: list[AbstractIncomingMessage] = []
    for _ in range(await _ready(channel, topology.parked_queue(name))):
        message = await _next(queue)
        if message is None:
            break
        if message_id is not None and message.message_id != message_id:
            others.append(message)
            continue
        copy = aio_pika.Message(
            message.body,
            content_type=message.content_type,
            message_id=message.message_id,
            type=message.type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await channel.default_exchange.publish(copy, topology.queue(name), timeout=5)
        await message.ack()
        replayed += 1
    for message in others:
        await message.reject(requeue=True)
    return replayed


async def _next(queue: AbstractQueue) -> AbstractIncomingMessage | None:
    return await queue.get(fail=False)


async def _ready(channel: AbstractChannel, name: str) -> int:
    queue = await channel.declare_queue(name, passive=True)
    return queue.declaration_result.message_count or 0


def _describe(message: AbstractIncomingMessage) -> Parked:
    try:
        body = from_json(message.body)
    except ValueError:
        body = message.body.decode("utf-8", "replace")
    tries = message.headers.get(TRIES, 0)
    return Parked(
        message_id=message.message_id or "",
        type=message.type or "?",
        error=str(message.headers.get(ERROR, "given up by the broker: its consumer died on it again and again")),
        tries=tries if isinstance(tries, int) else 0,
        body=body,
    )
