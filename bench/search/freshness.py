"""How long it takes from an event on the broker until searches see the showtime."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

import aio_pika
import httpx2
from pymongo import AsyncMongoClient

from bench.elastic import drop_indices
from bench.figures import Figures
from bench.relevance.world import event_state
from bench.search.process import running_indexer
from marquee.seed.command import SHIPPED_DATA
from marquee.seed.records import read_collection
from messaging.envelope import new_event
from messaging.events import GeoPoint, Pricing, ShowtimeState, VenueState
from messaging.publisher import Publisher
from messaging.topology import Topology
from search_index.mapping import alias
from service_kit.clock import SystemClock
from service_kit.ids import new_id

PER_SECOND = 100
SEEN_AT_ONCE = 1_000
LOOK_SECONDS = 0.01
# Enough that connections are made and code is warm.
WARMING = 200
STARTING_SECONDS, MISSING_SECONDS = 60.0, 30.0


@dataclass(frozen=True)
class Engines:
    elastic: str
    mongo: str
    amqp: str


async def measure(engines: Engines, namespace: str, seconds: float) -> Figures:
    """`seconds` of showtimes created, each `PER_SECOND` at its time whatever became of the one before."""
    async with _running(engines, namespace) as (elastic, publisher):
        events = list(_events(int(WARMING + PER_SECOND * seconds)))
        await _found(elastic, namespace, publisher, events[:WARMING])
        start = time.perf_counter()
        latencies = await _found(elastic, namespace, publisher, events[WARMING:])
        return Figures(len(latencies), time.perf_counter() - start, latencies=sorted(latencies))


@asynccontextmanager
async def _running(engines: Engines, namespace: str) -> AsyncIterator[tuple[httpx2.AsyncClient, Publisher]]:
    topology = Topology(namespace)
    publisher = Publisher(engines.amqp, topology)
    async with httpx2.AsyncClient(base_url=engines.elastic, timeout=30) as elastic:
        try:
            async with running_indexer(engines.elastic, engines.mongo, engines.amqp, namespace):
                await _served(elastic, namespace)
                yield elastic, publisher
        finally:
            await publisher.close()
            await _remove(engines, namespace, topology, elastic)


async def _served(elastic: httpx2.AsyncClient, namespace: str) -> None:
    deadline = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < deadline:
        if (await elastic.get(f"/{alias(namespace)}/_count")).is_success:
            return
        await asyncio.sleep(0.2)
    raise TimeoutError("the indexer does not serve an index")


async def _remove(engines: Engines, namespace: str, topology: Topology, elastic: httpx2.AsyncClient) -> None:
    await drop_indices(elastic, namespace)
    client: AsyncMongoClient[dict[str, Any]]
    async with AsyncMongoClient(engines.mongo) as client:
        for name in await client.list_database_names():
            if name.startswith(f"{namespace}_"):
                await client.drop_database(name)
    async with await aio_pika.connect(engines.amqp) as connection:
        channel = await connection.channel()
        for queue in topology.all_queues():
            await channel.queue_delete(queue)
        await channel.exchange_delete(topology.exchange)


async def _found(
    elastic: httpx2.AsyncClient, namespace: str, publisher: Publisher, events: list[dict[str, Any]]
) -> list[float]:
    """How long after it was due each was found. Raises TimeoutError where one never is."""
    clock = time.perf_counter
    pending: dict[str, float] = {}
    latencies: list[float] = []
    start = clock()

    async def publish(number: int, event: dict[str, Any]) -> None:
        due = start + number / PER_SECOND
        await asyncio.sleep(max(0.0, due - clock()))
        pending[event["data"]["showtimeId"]] = due
        await publisher.publish(event)

    publishing = asyncio.gather(*(publish(number, event) for number, event in enumerate(events)))
    async with asyncio.timeout(len(events) / PER_SECOND + MISSING_SECONDS):
        while len(latencies) < len(events):
            wanted = list(pending)[:SEEN_AT_ONCE]
            seen = await _seen(elastic, namespace, wanted) if wanted else []
            now = clock()
            latencies += [now - pending.pop(id_) for id_ in seen]
            await asyncio.sleep(LOOK_SECONDS)
        await publishing
    return latencies


async def _seen(elastic: httpx2.AsyncClient, namespace: str, ids: list[str]) -> list[str]:
    body = {"size": len(ids), "_source": False, "query": {"terms": {"showtimeId": ids}}}
    answer = await elastic.post(f"/{alias(namespace)}/_search", json=body)
    return [hit["_id"] for hit in answer.raise_for_status().json()["hits"]["hits"]]


def _events(count: int) -> Iterator[dict[str, Any]]:
    """As the catalogue publishes them: any film in any house."""
    draw, clock = Random(4), SystemClock()
    collection = read_collection(SHIPPED_DATA)
    films = [event_state(title) for title in draw.sample(collection.titles, 200)]
    houses = [
        VenueState(
            venue_id=new_id(),
            version=1,
            name=venue.name,
            city=venue.city,
            country=venue.country,
            timezone=venue.timezone,
            location=GeoPoint(lat=venue.lat, lon=venue.lon),
        )
        for venue in draw.sample(collection.venues, 200)
    ]
    for number in range(count):
        starts_at = clock.now() + timedelta(days=2, minutes=number)
        state = ShowtimeState(
            showtime_id=new_id(),
            version=1,
            status="scheduled",
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=2),
            hall_id=new_id(),
            hall_name="Screen 1",
            layout_version=1,
            seat_count=240,
            pricing=Pricing(currency="EUR", tiers={"standard": 1_000}),
            event=draw.choice(films),
            venue=draw.choice(houses),
        )
        event = new_event(
            "ShowtimeCreated", source="bench", subject=state.showtime_id, version=1, data=state, clock=clock
        )
        yield event.to_document()
