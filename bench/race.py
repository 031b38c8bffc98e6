"""Callers within this process: each asks, waits for the outcome and asks again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from bench.asks import Ask, Asks
from bench.figures import Figures, Meter, spent

WARM_SECONDS = 1.0
Hold = Callable[[Ask], Awaitable[bool]]


async def race(callers: int, seconds: float, asks: Asks, hold: Hold, meter: Meter) -> Figures:
    """`seconds` of so many callers, after they have warmed up. `hold` tells whether the seats were had.

    Ends early once the houses are used up.
    """
    clock = time.perf_counter
    start = clock() + WARM_SECONDS
    end = start + seconds
    held: list[float] = []
    refused = 0

    async def caller() -> None:
        nonlocal refused
        while (began := clock()) < end and (ask := asks.next()):
            had = await hold(ask)
            done = clock()
            if had:
                asks.held()
            if start <= done < end:
                if had:
                    held.append(done - began)
                else:
                    refused += 1

    async def warm() -> dict[str, float]:
        await asyncio.sleep(WARM_SECONDS)
        return meter.read()

    reading = asyncio.create_task(warm())
    await asyncio.gather(*(caller() for _ in range(callers)))
    finished = clock()
    if finished <= start:
        raise RuntimeError("the houses were used up while warming up")
    cpu = spent(await reading, meter.read())
    return Figures(len(held), min(finished, end) - start, refused, latencies=sorted(held), cpu=cpu)
