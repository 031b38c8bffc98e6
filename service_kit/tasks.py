"""Work beside requests: background loops, which survive outages and end the process when they meet a bug; and work that
many ask for and one does.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

from service_kit.logs import get_logger
from service_kit.problems import is_outage

log = get_logger(__name__)
OUTAGE_PAUSE_SECONDS = 1.0
CANCELLED_AGAIN_SECONDS = 1.0

Step = Callable[[], Awaitable[None]]
K = TypeVar("K")
V = TypeVar("V")


class OnceAtATime(Generic[K, V]):
    """Work by key: whoever asks while it is being done gets the outcome of that, an exception included."""

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, work: Callable[[K], Coroutine[None, None, V]]) -> V:
        """The outcome for `key`. A caller that goes away does not stop the work."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(work(key))
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)


@asynccontextmanager
async def background(name: str, loop: Step) -> AsyncIterator[asyncio.Task[None]]:
    """Run `loop` (which runs for ever) while the block is entered.

    While a dependency is down the loop is started again every second. Any other failure stops the process
    by SIGTERM, so that its supervisor starts it afresh instead of leaving half a worker running.
    """

    stopping = False

    async def keep_running() -> None:
        while True:
            try:
                await loop()
            except Exception as error:
                if stopping:  # closing a broken connection may raise this in place of the cancellation
                    return
                if not is_outage(error):
                    log.exception("background_loop_failed", loop=name)
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
                log.warning("dependency_down", loop=name, error=repr(error))
                await asyncio.sleep(OUTAGE_PAUSE_SECONDS)

    task = asyncio.create_task(keep_running(), name=name)
    try:
        yield task
    finally:
        # A flag of our own: `Task.cancelling` also counts what a TaskGroup within the loop asked for (Python 3.11).
        stopping = True
        await stopped(task)


async def stopped(*tasks: asyncio.Task[Any]) -> None:
    """Cancel `tasks` until they have ended, however they do: a driver may swallow a cancellation."""
    while running := {task for task in tasks if not task.done()}:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=CANCELLED_AGAIN_SECONDS)
    for task in tasks:
        # Looked at, so that nobody complains of it.
        _ = task.cancelled() or task.exception()


async def every(seconds: float, step: Step) -> None:
    """Call `step` for ever, with a pause in between."""
    while True:
        await step()
        await asyncio.sleep(seconds)


async def woken(wake: asyncio.Event, seconds: float) -> None:
    """Wait until `wake` is set, but no longer than `seconds`.

    Not by `asyncio.wait_for`: in Python 3.11 it may swallow a cancellation that meets a wake-up.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()
