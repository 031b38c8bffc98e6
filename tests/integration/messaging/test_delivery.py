"""From the outbox in a document over the broker to a consumer: nothing is lost, whoever dies on the way."""

import asyncio
from functools import partial
from typing import Any

import aio_pika
import pytest

from marquee.engines import EngineUrls
from messaging import outbox
from messaging.envelope import Event, encode
from messaging.outbox import Relay, drain, ensure_outbox_index
from messaging.publisher import Publisher
from messaging.queues import count, open_channel
from messaging.topology import Topology
from service_kit.correlation import correlated, current_traceparent
from service_kit.errors import Unavailable
from service_kit.mongo import Database
from tests.integration.messaging.events import QUEUE, TYPE, Notes, consumer, holding, refund
from tests.servers.cable import Cable, cable_to
from tests.support import eventually


async def waiting(database: Database) -> int:
    return await database["things"].count_documents({"outbox.id": {"$exists": True}})


async def test_an_event_written_with_a_change_reaches_its_consumer_once(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher, database: Database
) -> None:
    notes = Notes()
    with correlated(None) as trace:
        event = refund()
    async with (
        Relay([database["things"]], publisher).running(),
        consumer(engine_urls.amqp_url, topology, notes).running(),
    ):
        await database["things"].insert_one(holding(event))
        await eventually(notes.count)
        await eventually(lambda: waiting(database), until=lambda left: left == 0)
    assert notes.seen == [event]
    assert event.traceparent == trace


async def test_the_consumer_works_in_the_trace_of_the_event(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    traces: list[str] = []

    async def handler(_: Event[Any]) -> None:
        traces.append(current_traceparent())

    with correlated(None) as trace:
        event = refund()
    async with consumer(engine_urls.amqp_url, topology, handler).running():
        await publisher.publish(event.to_document())
        await eventually(lambda: asyncio.sleep(0, len(traces)))
    assert traces[0] != trace
    assert traces[0].split("-")[1] == trace.split("-")[1]


async def test_events_of_one_document_keep_their_order(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher, database: Database
) -> None:
    first = refund(version=1)
    events = [first, *(refund(first.subject, version) for version in range(2, 21))]
    await database["things"].insert_one(holding(*events))
    notes = Notes()
    assert await drain(database["things"], publisher) == 20
    async with consumer(engine_urls.amqp_url, topology, notes, prefetch=1).running():
        await eventually(notes.count, until=lambda seen: seen == 20)
    assert [event.version for event in notes.seen] == list(range(1, 21))


async def test_a_relay_that_dies_between_publishing_and_noting_it_sends_twice_and_loses_nothing(
    engine_urls: EngineUrls,
    topology: Topology,
    publisher: Publisher,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events = [refund() for _ in range(10)]
    await database["things"].insert_many([holding(event) for event in events])
    with monkeypatch.context() as patch:
        # The last moment before the pull: the process is gone.
        patch.setattr(outbox, "UpdateOne", _killed)
        with pytest.raises(KeyboardInterrupt):
            await drain(database["things"], publisher)
    assert await waiting(database) == 10
    assert await drain(database["things"], publisher) == 10
    assert await waiting(database) == 0
    notes = Notes()
    async with consumer(engine_urls.amqp_url, topology, notes).running():
        await eventually(notes.count, until=lambda seen: seen == 20)
    assert sorted(notes.subjects) == sorted([event.subject for event in events] * 2)


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


async def test_an_event_added_while_another_is_sent_is_not_pulled_with_it(
    publisher: Publisher, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = refund(), refund()
    await database["things"].insert_one(holding(first))
    publish = publisher.publish

    async def add_meanwhile(document: dict[str, Any]) -> None:
        await publish(document)
        await database["things"].update_one({}, {"$push": {"outbox": second.to_document()}})

    monkeypatch.setattr(publisher, "publish", add_meanwhile)
    await drain(database["things"], publisher)
    document = await database["things"].find_one({})
    assert document is not None
    assert [entry["id"] for entry in document["outbox"]] == [second.id]


async def test_what_was_confirmed_is_pulled_even_when_the_broker_goes_away_in_between(
    publisher: Publisher, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [refund() for _ in range(6)]
    await database["things"].insert_many([holding(event) for event in events])
    publish, left = publisher.publish, 4

    async def breaking(document: dict[str, Any]) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Unavailable
        await publish(document)

    monkeypatch.setattr(publisher, "publish", breaking)
    with pytest.raises(Unavailable):
        await drain(database["things"], publisher)
    assert await waiting(database) == 2


async def test_the_relay_is_woken_at_once_and_polls_where_no_change_stream_tells(
    publisher: Publisher, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Relay([database["things"]], publisher)
    monkeypatch.setattr(outbox, "POLL_SECONDS", 30.0)

    async def add_and_look() -> int:
        # Changes made before the stream is open wake nobody; the first one after it does, and all are sent.
        await database["things"].insert_one(holding(refund()))
        await asyncio.sleep(0.1)
        return await waiting(database)

    async with relay.running():
        await eventually(add_and_look, until=lambda left: left == 0, seconds=10)
    monkeypatch.setattr(outbox, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(Relay, "_watch", lambda *_: asyncio.Event().wait)
    async with relay.running():
        await database["things"].insert_one(holding(refund()))
        await eventually(lambda: waiting(database), until=lambda left: left == 0, seconds=5)


async def test_the_relays_search_is_served_by_its_own_index(database: Database) -> None:
    await ensure_outbox_index(database["things"])
    plan = await database["things"].find({"outbox.id": {"$exists": True}}, sort=[("outbox.time", 1)]).explain()
    assert "outbox_waiting" in str(plan["queryPlanner"]["winningPlan"])


async def test_a_deleted_queue_is_declared_again_and_the_event_arrives(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    await publisher.publish(refund().to_document())
    async with await aio_pika.connect(engine_urls.amqp_url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(topology.queue(QUEUE))
    events = [refund() for _ in range(20)]
    await asyncio.gather(*(publisher.publish(event.to_document()) for event in events))
    notes = Notes()
    async with consumer(engine_urls.amqp_url, topology, notes).running():
        await eventually(notes.count, until=lambda seen: seen == 20)
    assert set(notes.subjects) == {event.subject for event in events}


async def test_a_consumer_whose_queue_is_deleted_comes_back(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    notes = Notes()
    async with consumer(engine_urls.amqp_url, topology, notes).running():
        await publisher.publish(refund().to_document())
        await eventually(notes.count)
        async with await aio_pika.connect(engine_urls.amqp_url) as connection:
            channel = await connection.channel()
            await channel.queue_delete(topology.queue(QUEUE))
        await publisher.publish(refund().to_document())
        await eventually(notes.count, until=lambda seen: seen == 2)


async def test_publishes_at_once_get_over_a_lost_connection_together(
    engine_urls: EngineUrls, topology: Topology
) -> None:
    sent: list[str] = []
    lost = 0

    async def publish(publisher: Publisher) -> None:
        nonlocal lost
        for _ in range(20):
            event = refund()
            while True:
                try:
                    await publisher.publish(event.to_document())
                except Unavailable:
                    lost += 1
                    continue
                sent.append(event.subject)
                break

    async def cut_again_and_again(cable: Cable) -> None:
        for goal in (500, 1_000, 1_500):
            await eventually(partial(_reached, sent, goal), pause=0)
            cable.cut()

    async with cable_to(engine_urls.amqp_url) as cable:
        publisher = Publisher(cable.url, topology)
        async with asyncio.timeout(60):
            await asyncio.gather(cut_again_and_again(cable), *(publish(publisher) for _ in range(100)))
        await publisher.close()
        assert lost > 0
        assert cable.connections == 4
    notes = Notes()
    async with consumer(engine_urls.amqp_url, topology, notes).running():
        await eventually(lambda: asyncio.sleep(0, set(notes.subjects)), until=lambda seen: seen == set(sent))
    assert len(sent) == 2_000


async def _reached(sent: list[str], goal: int) -> bool:
    return len(sent) >= goal


async def test_a_thousand_messages_go_through_fifty_at_a_time(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    busy = most = 0

    async def work(_: Event[Any]) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.002)
        busy -= 1

    notes = Notes(work)
    events = [refund() for _ in range(1_000)]
    await asyncio.gather(*(publisher.publish(event.to_document()) for event in events))
    async with consumer(engine_urls.amqp_url, topology, notes, prefetch=50).running():
        await eventually(notes.count, until=lambda seen: seen == 1_000, seconds=30)
        async with open_channel(engine_urls.amqp_url, topology) as channel:
            counts = {counts.name: counts for counts in await count(channel, topology)}
    assert set(notes.subjects) == {event.subject for event in events}
    assert 1 < most <= 50
    assert (counts[QUEUE].ready, counts[QUEUE].retrying, counts[QUEUE].parked) == (0, 0, 0)


async def test_an_event_nobody_subscribes_to_is_no_failure(publisher: Publisher) -> None:
    document = refund().to_document() | {"type": "SeatsReleased"}
    await publisher.publish(document)


def test_the_wire_form_is_that_of_cloudevents() -> None:
    document = refund("r1").to_document()
    assert encode(document).startswith(b'{"specversion":"1.0","id":"')
    assert (document["type"], document["source"], document["subject"]) == (TYPE, "/test", "r1")
    assert document["data"]["refundId"] == "r1"
