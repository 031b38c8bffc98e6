"""The broker dies and comes back: so do consumers and relay, and nothing is lost."""

import asyncio
from pathlib import Path

import pytest

from marquee.engines import tools
from messaging.outbox import Relay
from messaging.publisher import Publisher
from messaging.queues import open_channel
from messaging.topology import Topology
from service_kit.errors import Unavailable
from service_kit.mongo import Database
from tests.integration.messaging.events import Notes, consumer, holding, refund
from tests.servers.broker import own_broker
from tests.support import eventually

pytestmark = pytest.mark.skipif(
    not tools.RABBITMQ_SERVER.exists(), reason="needs a RabbitMQ on this machine that may be killed"
)


async def test_a_broker_that_is_killed_and_started_again_loses_nothing(tmp_path: Path, database: Database) -> None:
    topology = Topology("restart", retry_delays_ms=(100, 200, 300))
    notes = Notes()
    sent: list[str] = []

    async def add(number: int) -> None:
        events = [refund() for _ in range(number)]
        await database["things"].insert_many([holding(event) for event in events])
        sent.extend(event.subject for event in events)

    async def all_seen() -> set[str]:
        return set(sent) - set(notes.subjects)

    async with own_broker(tmp_path) as broker:
        publisher = Publisher(broker.url, topology)
        async with (
            Relay([database["things"]], publisher).running(),
            consumer(broker.url, topology, notes).running(),
        ):
            await add(200)
            await eventually(all_seen, until=lambda missing: not missing)
            await add(300)  # killed while these are on their way
            await eventually(lambda: asyncio.sleep(0, len(notes.seen)), until=lambda seen: seen > 200, pause=0)
            await broker.kill()
            await add(100)  # and these are written while there is no broker
            with pytest.raises(Unavailable):
                await publisher.publish(refund().to_document())
            await broker.start()
            await eventually(all_seen, until=lambda missing: not missing, seconds=30)
            await add(50)
            await eventually(all_seen, until=lambda missing: not missing, seconds=30)
        await publisher.close()


async def test_confirmed_events_outlive_a_kill_of_the_broker_before_anyone_took_them(tmp_path: Path) -> None:
    topology = Topology("outlive", retry_delays_ms=(100, 200, 300))
    events = [refund() for _ in range(100)]
    notes = Notes()
    async with own_broker(tmp_path) as broker:
        publisher = Publisher(broker.url, topology)
        await asyncio.gather(*(publisher.publish(event.to_document()) for event in events))
        await broker.kill()
        await publisher.close()
        await broker.start()
        async with open_channel(broker.url, topology):
            pass
        async with consumer(broker.url, topology, notes).running():
            await eventually(notes.count, until=lambda seen: seen >= 100, seconds=30)
    assert set(notes.subjects) == {event.subject for event in events}
