"""Coalescing: while one batch is being worked on, what arrives waits and becomes the next batch.

Under load this turns many small writes into few large ones; without load a batch of one starts at once, so nothing
waits for company. After a large batch the next one waits a little: the first to come back are few, and would take up
the time in which all others could have been served.
"""

import asyncio
import copy
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from service_kit.errors import Unavailable

# After a batch that large, for the half of it, but not for longer than that.
LARGE = 16
LINGER_SECONDS = 0.002

T = TypeVar("T")
R = TypeVar("R")


class Overloaded(Unavailable):
    """More is waiting than can be served in good time."""

    slug, title = "overloaded", "Too many requests are waiting"


class Lane(Generic[T, R]):
    """Runs `work` on batches, one at a time. `work` gives an outcome, or an exception, for each item in order.

    An exception that `work` itself raises goes to every item of its batch, each with its own copy, and to no other.
    """

    def __init__(
        self, work: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]], *, batch: int, waiting: int
    ) -> None:
        self._work = work
        self._batch = batch
        self._most_waiting = waiting
        self._queue: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._runner: asyncio.Task[None] | None = None
        self._awaited = 0
        self._enough = asyncio.Event()

    @property
    def idle(self) -> bool:
        return self._runner is None and not self._queue

    async def submit(self, item: T) -> R:
        """The outcome for `item`. Raises Overloaded at once where too many wait.

        A caller that goes away does not stop the work: it may be half done already, together with that of others.
        """
        if len(self._queue) >= self._most_waiting:
            raise Overloaded(retry_after=1)
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        if 0 < self._awaited <= len(self._queue):
            self._enough.set()
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(self._batch, len(self._queue)))]
                await self._serve(batch)
                if len(batch) >= LARGE:
                    await self._linger(len(batch) // 2)
        finally:
            self._runner = None

    async def _linger(self, enough: int) -> None:
        """Wait a little for that many to queue up."""
        if len(self._queue) >= enough:
            return
        self._awaited = enough
        self._enough.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await self._enough.wait()
        self._awaited = 0

    async def _serve(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        outcomes: Sequence[R | BaseException]
        try:
            outcomes = await self._work([item for item, _ in batch])
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except BaseException as error:
            # Raised in many tasks at once, so each needs a traceback of its own.
            outcomes = [copy.copy(error) for _ in batch]
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
