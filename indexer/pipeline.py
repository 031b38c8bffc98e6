"""Three steps of one stream that overlap: while one batch is sent, the next is built and the one after it is read."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from service_kit.tasks import stopped

S = TypeVar("S")
B = TypeVar("B")

# Of a batch each: so many on their way at once, and so many read ahead.
SENT_AT_ONCE = 4
READ_AHEAD = 2


async def pipelined(
    source: AsyncIterator[S], build: Callable[[S], Awaitable[B]], send: Callable[[B], Awaitable[None]]
) -> AsyncIterator[B]:
    """What was built and sent, in the order of `source`: once one is told, all before it have arrived too."""
    read: asyncio.Queue[S | None] = asyncio.Queue(READ_AHEAD)

    async def reading() -> None:
        async for one in source:
            await read.put(one)
        await read.put(None)

    async def sent(built: B) -> B:
        await send(built)
        return built

    reader = asyncio.create_task(reading())
    under_way: deque[asyncio.Task[B]] = deque()
    try:
        while (one := await _unless_failed(read, reader)) is not None:
            under_way.append(asyncio.create_task(sent(await build(one))))
            if len(under_way) >= SENT_AT_ONCE:
                yield await under_way.popleft()
        while under_way:
            yield await under_way.popleft()
    finally:
        await stopped(reader, *under_way)


async def _unless_failed(read: asyncio.Queue[S | None], reader: asyncio.Task[None]) -> S | None:
    """The next batch; a reader that fails never puts its last one."""
    getting = asyncio.create_task(read.get())
    await asyncio.wait({getting, reader}, return_when=asyncio.FIRST_COMPLETED)
    if not getting.done() and reader.exception():
        getting.cancel()
        await reader
    return await getting
