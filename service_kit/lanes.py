"""Coalescing: while one batch is being worked on, what arrives waits and becomes the next batch.

Under load this turns many small writes into few large ones; without load a batch of one starts at once, so nothing
waits for company. After a batch of several the next one keeps pace: what one batch costs beside its items is then spent
at most 125 times a second, however quickly each is done.
"""

import asyncio
import copy
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from service_kit.errors import Unavailable

# A batch after one of several begins so long after that one began, or when there is enough for it.
SEVERAL = 4
PACE_SECONDS = 0.008
ENOUGH = 64

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
        self._enough = min(ENOUGH, batch)
        self._began, self._served = 0.0, 0
        self._resting: asyncio.Future[None] | None = None

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
        if self._resting and len(self._queue) >= self._enough:
            _end(self._resting)
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._keep_pace()
                batch = [self._queue.popleft() for _ in range(min(self._batch, len(self._queue)))]
                self._began, self._served = asyncio.get_running_loop().time(), len(batch)
                await self._serve(batch)
        finally:
            self._runner = None

    async def _keep_pace(self) -> None:
        loop = asyncio.get_running_loop()
        rest = self._began + PACE_SECONDS - loop.time()
        if self._served < SEVERAL or rest <= 0 or len(self._queue) >= self._enough:
            return
        self._resting = loop.create_future()
        timer = loop.call_later(rest, _end, self._resting)
        try:
            await self._resting
        finally:
            timer.cancel()
            self._resting = None

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


def _end(rest: asyncio.Future[None]) -> None:
    if not rest.done():
        rest.set_result(None)
