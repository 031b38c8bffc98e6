"""After a sale, and all that other journeys did before, what the services know of each other agrees."""

import asyncio
import os
import sys

import httpx2
import pytest

from marquee.engines import EngineUrls
from marquee.engines.plan import VARIABLES
from tests.journeys.story import Story
from tests.servers.stack import Stack
from tests.support import eventually


@pytest.fixture(scope="module", autouse=True)
async def sold(stack: Stack) -> None:
    """A booking that is paid for, of a showtime that search knows."""
    async with httpx2.AsyncClient(base_url=stack.url, timeout=30) as client:
        story = Story(stack, client)
        show, buyer = await story.showtime(), await story.guest()
        booking = await story.hold(show["showtimeId"], ["A1"], buyer)
        await story.pay(await story.prepare(booking, buyer))
        await story.becomes(booking, "confirmed", buyer)
        await eventually(lambda: story.offer(show))


async def test_metrics_of_any_process_tell_how_soon_the_index_knew(stack: Stack) -> None:
    async with httpx2.AsyncClient(base_url=stack.url) as client:
        told = (await client.get("/metrics")).text
    lines = (line.rpartition(" ") for line in told.splitlines() if not line.startswith("#"))
    counted = {name: float(value) for name, _, value in lines}
    assert counted["marquee_index_freshness_seconds_count"] > 0
    assert counted['marquee_index_pushed_total{outcome="done"}'] > 0
    assert any(name.startswith("marquee_http_request_seconds_count") for name in counted)


async def test_seats_bookings_and_search_agree_in_the_end(
    stack: Stack, engine_urls: EngineUrls, namespace: str
) -> None:
    urls = {variable: getattr(engine_urls, f"{name}_url") for name, variable in VARIABLES.items()}
    audit = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marquee", "audit", "--gateway", "--home", str(stack.home)),
        env={**os.environ, **urls, "MARQUEE_NAMESPACE": f"{namespace}j"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, faults = await audit.communicate()
    assert audit.returncode == 0, (told.decode(), faults.decode())
    assert b"agrees" in told
    assert b"EUR: " in told
