"""The same searches by the Python driver of Elasticsearch, in one process: the service without its service."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from itertools import cycle
from typing import Any

from pydantic import SecretStr

from bench.figures import Figures, Meter, spent
from bench.race import WARM_SECONDS
from bench.search.wire import Request
from search_index.client import open_elasticsearch

SECONDS = 60.0


async def driver_loop(
    url: str, callers: int, asks: Sequence[Sequence[Request]], seconds: float, meter: Meter
) -> Figures:
    """Each caller does all requests of an ask one after another, then takes the next. Bodies are encoded anew."""
    clock = time.perf_counter
    start = clock() + WARM_SECONDS
    end = start + seconds
    latencies: list[float] = []
    calls = cycle([[_call(request) for request in ask] for ask in asks])
    async with open_elasticsearch(SecretStr(url), seconds=SECONDS) as client:

        async def caller() -> None:
            while (began := clock()) < end:
                for call in next(calls):
                    await client.perform_request(**call)
                if start <= began and clock() < end:
                    latencies.append(clock() - began)

        async def warm() -> dict[str, float]:
            await asyncio.sleep(WARM_SECONDS)
            return meter.read()

        reading = asyncio.create_task(warm())
        await asyncio.gather(*(caller() for _ in range(callers)))
        cpu = spent(await reading, meter.read())
    return Figures(len(latencies), seconds, latencies=sorted(latencies), cpu=cpu)


def _call(request: Request) -> dict[str, Any]:
    """A search's body is one object, of several searches it is lines."""
    several = "ndjson" in request.content_type
    body = [json.loads(line) for line in request.body.splitlines()] if several else json.loads(request.body)
    return {
        "method": request.method,
        "path": request.path,
        "body": body,
        "headers": {"content-type": request.content_type, "accept": "application/json"},
    }
