"""Connections to the broker that end in bounded time, whatever state the broker is in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 5.0


@asynccontextmanager
async def connected(amqp_url: str) -> AsyncIterator[AbstractConnection]:
    """A connection while the block is entered."""
    connection = await aio_pika.connect(amqp_url, timeout=CONNECT_SECONDS)
    try:
        yield connection
    finally:
        await close(connection)


async def close(connection: AbstractConnection) -> None:
    """Close what may be broken already: a dead peer never confirms, and must not hold up a shutdown."""
    if not connection.is_closed:
        with suppress(TimeoutError, *CONNECTION_EXCEPTIONS):
            async with asyncio.timeout(CLOSE_SECONDS):
                await connection.close()
