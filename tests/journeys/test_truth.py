"""After a sale, and all that other journeys did before, what the services know of each other agrees."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from pymongo import AsyncMongoClient

from marquee.engines import EngineUrls
from marquee.engines.plan import VARIABLES
from tests.journeys.story import Story
from tests.servers.stack import Stack
from tests.support import eventually

# Collections that are read whole on purpose: they stay small.
SMALL = {"endpoints", "partners"}


@pytest.fixture(scope="module", autouse=True)
async def profiled(stack: Stack, engine_urls: EngineUrls, namespace: str) -> AsyncIterator[list[dict[str, Any]]]:
    """What MongoDB was asked while a booking was paid for and another given back, of a showtime that search knows."""
    async with (
        AsyncMongoClient[dict[str, Any]](engine_urls.mongo_url) as mongo,
        httpx2.AsyncClient(base_url=stack.url, timeout=30) as client,
    ):
        names = [name for name in await mongo.list_database_names() if name.startswith(f"{namespace}j_")]
        for name in names:
            await mongo[name].command("profile", 2)
        story = Story(stack, client)
        show, buyer = await story.showtime(), await story.guest()
        for seat in ("A1", "B1"):
            booking = await story.hold(show["showtimeId"], [seat], buyer)
            await story.pay(await story.prepare(booking, buyer))
            await story.becomes(booking, "confirmed", buyer)
        await story.call("PUT", f"/api/v1/bookings/{booking['bookingId']}/cancel", headers=buyer)
        await story.becomes(booking, "refunded", buyer)
        await eventually(lambda: story.offer(show))
        asked: list[dict[str, Any]] = []
        for name in names:
            await mongo[name].command("profile", 0)
            asked += await mongo[name]["system.profile"].find({}).to_list()
        yield asked


async def test_no_query_of_a_sale_reads_a_whole_collection(profiled: list[dict[str, Any]]) -> None:
    """What takes a millisecond in a test would take a second after a year of sales."""
    assert {each["ns"].partition(".")[2] for each in profiled} >= {
        "seat_maps",
        "bookings",
        "payments",
        "webhook_events",
    }
    whole = {
        (each["ns"].partition(".")[2], each["op"], str(each.get("command"))[:500])
        for each in profiled
        if each.get("planSummary") == "COLLSCAN" and not _follows_changes(each)
    }
    assert [found for found in sorted(whole) if found[0] not in SMALL] == []


def _follows_changes(asked: dict[str, Any]) -> bool:
    """Change streams read the log, from where they were."""
    return "$changeStream" in str(asked.get("originatingCommand", asked.get("command")))


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
