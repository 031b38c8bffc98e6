"""Looking at queues, showing and replaying parked messages: what `marquee queues` does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from pydantic_core import from_json

from messaging.connection import connected
from messaging.consumer import ERROR, TRIES, count_of
from messaging.topology import SUBSCRIPTIONS, Topology

GIVE_BACK_SECONDS, GIVE_BACK_LOOKS = 3.0, 30


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
    async with connected(amqp_url) as connection:
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
        await _give_back(channel, topology.parked_queue(name), taken)


async def replay(channel: AbstractChannel, topology: Topology, name: str, message_id: str | None = None) -> int:
    """Put parked messages (or the one with `message_id`) back on their queue with a fresh count; returns how many."""
    queue = await channel.get_queue(topology.parked_queue(name))
    replayed = 0
    others: list[AbstractIncomingMessage] = []
    # What is replayed can't come round within this loop: it would have to pass all the retry tiers first.
    while message := await queue.get(fail=False):
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
    await _give_back(channel, topology.parked_queue(name), others)
    return replayed


async def _give_back(channel: AbstractChannel, name: str, messages: list[AbstractIncomingMessage]) -> None:
    """Put messages back and wait until they are there, for whoever looks next: a quorum queue takes a moment."""
    for message in messages:
        await message.reject(requeue=True)
    for _ in range(GIVE_BACK_LOOKS):
        if await _ready(channel, name) >= len(messages):
            return
        await asyncio.sleep(GIVE_BACK_SECONDS / GIVE_BACK_LOOKS)


async def _ready(channel: AbstractChannel, name: str) -> int:
    queue = await channel.declare_queue(name, passive=True)
    return queue.declaration_result.message_count or 0


def _describe(message: AbstractIncomingMessage) -> Parked:
    try:
        body = from_json(message.body)
    except ValueError:
        body = message.body.decode("utf-8", "replace")
    return Parked(
        message_id=message.message_id or "",
        type=message.type or "?",
        error=str(message.headers.get(ERROR, "given up by the broker: its consumer died on it again and again")),
        tries=count_of(message, TRIES),
        body=body,
    )
