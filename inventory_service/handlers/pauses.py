"""A showtime that moves to another layout has its seats stand still for a moment; whoever would change them waits."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from inventory_service.handlers.attempts import Contended
from service_kit.clock import Clock

# As long as buyers have to wait where the mover died. A house of 20,000 seats takes a twentieth of a second.
PAUSE = timedelta(seconds=3)
LOOK_SECONDS = 0.05


class Pausable(Protocol):
    def paused(self, now: datetime) -> bool: ...


SeenT = TypeVar("SeenT", bound=Pausable | None)


async def outlasting_pauses(read: Callable[[], Awaitable[SeenT]], clock: Clock) -> SeenT:
    """The first reading that is not paused. Raises Contended where there is none within the longest pause."""
    deadline = time.monotonic() + PAUSE.total_seconds() + LOOK_SECONDS
    while True:
        seen = await read()
        if seen is None or not seen.paused(clock.now()):
            return seen
        if time.monotonic() > deadline:
            raise Contended
        await asyncio.sleep(LOOK_SECONDS)
