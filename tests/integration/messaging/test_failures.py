"""What becomes of messages whose handling fails: again later, parked, or given back."""

import asyncio
from collections.abc import Sequence
from typing import Any

import aio_pika
import pytest

from marquee.engines import EngineUrls
from messaging.consumer import Consumer, Subscription
from messaging.envelope import Event, encode
from messaging.inbox import Inbox
from messaging.publisher import Publisher
from messaging.queues import Parked, QueueCounts, count, open_channel, parked, replay
from messaging.topology import DELIVERY_LIMIT, Topology
from service_kit.clock import SystemClock
from service_kit.errors import Unavailable
from service_kit.mongo import Database
from tests.integration.messaging.events import QUEUE, TYPE, Notes, consumer, refund
from tests.support import eventually


async def counted(amqp_url: str, topology: Topology) -> QueueCounts:
    async with open_channel(amqp_url, topology) as channel:
        return next(counts for counts in await count(channel, topology) if counts.name == QUEUE)


async def parked_messages(amqp_url: str, topology: Topology, wanted: int = 1) -> list[Parked]:
    async def look() -> list[Parked]:
        async with open_channel(amqp_url, topology) as channel:
            return await parked(channel, topology, QUEUE)

    return await eventually(look, until=lambda found: len(found) == wanted, pause=0.2)


async def send_raw(amqp_url: str, topology: Topology, body: bytes) -> None:
    async with open_channel(amqp_url, topology) as channel:
        await channel.default_exchange.publish(aio_pika.Message(body, message_id="raw"), topology.queue(QUEUE))


async def test_an_outage_is_waited_out_round_the_tiers_and_never_parks(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    async def down(event: Event[Any]) -> None:
        if notes.tried[event.subject] <= 6:  # twice as often as there are tiers
            raise Unavailable

    notes = Notes(down)
    async with consumer(engine_urls.amqp_url, topology, notes).running():
        await publisher.publish(refund("r").to_document())
        await eventually(notes.count)
    assert notes.tried["r"] == 7
    left = await counted(engine_urls.amqp_url, topology)
    assert (left.ready, left.retrying, left.parked) == (0, 0, 0)


async def test_another_failure_is_tried_once_per_tier_then_parked_with_its_error(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    async def broken(_: Event[Any]) -> None:
        raise KeyError("seat A-1")

    notes = Notes(broken)
    event = refund("r")
    async with consumer(engine_urls.amqp_url, topology, notes).running():
        await publisher.publish(event.to_document())
        [message] = await parked_messages(engine_urls.amqp_url, topology)
    assert notes.tried["r"] == 1 + len(topology.retry_delays_ms)
    assert message.error == "KeyError: 'seat A-1'"
    assert (message.message_id, message.type, message.tries) == (event.id, TYPE, 3)
    assert message.body["data"]["refundId"] == "r"


async def test_waiting_for_a_dependency_uses_up_no_try(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    async def down_then_broken(event: Event[Any]) -> None:
        if notes.tried[event.subject] <= 4:
            raise Unavailable
        raise ValueError("broken")

    notes = Notes(down_then_broken)
    async with consumer(engine_urls.amqp_url, topology, notes).running():
        await publisher.publish(refund("r").to_document())
        await parked_messages(engine_urls.amqp_url, topology)
    assert notes.tried["r"] == 4 + 1 + len(topology.retry_delays_ms)


async def test_a_failing_event_holds_up_none_behind_it(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    async def broken(event: Event[Any]) -> None:
        if event.subject == "bad":
            raise ValueError("broken")

    notes = Notes(broken)
    for subject in ("bad", *(f"good-{number}" for number in range(20))):
        await publisher.publish(refund(subject).to_document())
    # One at a time, so that a blocked message would block all.
    async with consumer(engine_urls.amqp_url, topology, notes, prefetch=1).running():
        await eventually(notes.count, until=lambda seen: seen == 20)
        await parked_messages(engine_urls.amqp_url, topology)
    assert notes.subjects == [f"good-{number}" for number in range(20)]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"\xff\x00 not even text", "UnreadableEvent: ValueError"),
        (b"{}", "UnreadableEvent: ValidationError"),
        (b"[" * 5_000, "UnreadableEvent: "),
        (b'{"type": "NeverHeardOf"}', "UnreadableEvent: ValidationError"),
        (b"", "UnreadableEvent: ValueError"),
    ],
)
async def test_a_poison_body_is_parked_at_once(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher, body: bytes, error: str
) -> None:
    await send_raw(engine_urls.amqp_url, topology, body)
    await publisher.publish(refund().to_document())
    notes = Notes()
    async with consumer(engine_urls.amqp_url, topology, notes, prefetch=1).running():
        await eventually(notes.count)
        [message] = await parked_messages(engine_urls.amqp_url, topology)
    assert message.error.startswith(error)
    assert message.tries == 0


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"type": "NeverHeardOf"}, "UnreadableEvent: KeyError"),
        ({"type": "VenueCreated"}, "UnreadableEvent: ValidationError"),
        ({"data": {"refundId": 1}}, "UnreadableEvent: ValidationError"),
        ({"version": "many"}, "UnreadableEvent: ValidationError"),
    ],
)
async def test_an_event_that_breaks_its_contract_is_parked_at_once(
    engine_urls: EngineUrls, topology: Topology, change: dict[str, Any], error: str
) -> None:
    document = refund().to_document() | change
    await send_raw(engine_urls.amqp_url, topology, encode(document))
    notes = Notes()
    async with consumer(engine_urls.amqp_url, topology, notes).running():
        [message] = await parked_messages(engine_urls.amqp_url, topology)
    assert message.error.startswith(error)
    assert notes.seen == []


async def test_a_consumer_that_dies_in_the_middle_gives_its_messages_back(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    begun = asyncio.Event()

    async def hang(_: Event[Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    events = [refund() for _ in range(10)]
    for event in events:
        await publisher.publish(event.to_document())
    async with consumer(engine_urls.amqp_url, topology, hang).running():
        await begun.wait()
    notes = Notes()
    async with consumer(engine_urls.amqp_url, topology, notes).running():
        await eventually(notes.count, until=lambda seen: seen == 10)
    assert sorted(notes.subjects) == sorted(event.subject for event in events)


async def test_a_message_that_kills_its_consumer_each_time_is_parked_by_the_broker(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    await publisher.publish(refund("killer").to_document())
    deaths = 0

    async def take_and_die() -> int:
        nonlocal deaths
        async with open_channel(engine_urls.amqp_url, topology) as channel:
            queue = await channel.get_queue(topology.queue(QUEUE))
            deaths += await queue.get(fail=False) is not None
            await channel.close()
        return (await counted(engine_urls.amqp_url, topology)).parked

    await eventually(take_and_die, seconds=30)
    assert deaths == DELIVERY_LIMIT + 1
    [message] = await parked_messages(engine_urls.amqp_url, topology)
    assert message.body["subject"] == "killer"
    assert "its consumer died on it" in message.error


async def test_a_bad_event_in_a_batch_fails_alone(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    done: list[str] = []
    sizes: list[int] = []

    async def index(events: Sequence[Event[Any]]) -> None:
        sizes.append(len(events))
        if any(event.subject == "bad" for event in events):
            raise ValueError("broken")
        done.extend(event.subject for event in events)

    for subject in (*(f"a-{number}" for number in range(10)), "bad", *(f"b-{number}" for number in range(10))):
        await publisher.publish(refund(subject).to_document())
    await send_raw(engine_urls.amqp_url, topology, b"poison")
    subscription = Subscription(QUEUE, batch=index, prefetch=100)
    async with Consumer(engine_urls.amqp_url, topology, subscription).running():
        messages = await parked_messages(engine_urls.amqp_url, topology, wanted=2)
    assert len(done) == len(set(done)) == 20
    assert max(sizes) > 1
    assert {message.error for message in messages} >= {"ValueError: broken"}
    left = await counted(engine_urls.amqp_url, topology)
    assert (left.ready, left.retrying, left.parked) == (0, 0, 2)


async def test_a_batch_that_meets_an_outage_waits_as_a_whole(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    done: list[str] = []
    calls = 0

    async def index(events: Sequence[Event[Any]]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise Unavailable
        done.extend(event.subject for event in events)

    for number in range(10):
        await publisher.publish(refund(f"r-{number}").to_document())
    async with Consumer(engine_urls.amqp_url, topology, Subscription(QUEUE, batch=index)).running():
        await eventually(lambda: asyncio.sleep(0, len(done)), until=lambda number: number == 10)
    assert sorted(done) == sorted(f"r-{number}" for number in range(10))


async def test_parked_messages_are_shown_and_replayed_one_or_all(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    healed = False

    async def broken(_: Event[Any]) -> None:
        if not healed:
            raise ValueError("broken")

    notes = Notes(broken)
    events = [refund() for _ in range(5)]
    async with consumer(engine_urls.amqp_url, topology, notes).running():
        for event in events:
            await publisher.publish(event.to_document())
        before = await parked_messages(engine_urls.amqp_url, topology, wanted=5)
        assert {message.message_id for message in before} == {event.id for event in events}
        healed = True
        async with open_channel(engine_urls.amqp_url, topology) as channel:
            assert await replay(channel, topology, QUEUE, "no such id") == 0
            assert await replay(channel, topology, QUEUE, events[2].id) == 1
        await eventually(notes.count)
        assert notes.subjects == [events[2].subject]
        await parked_messages(engine_urls.amqp_url, topology, wanted=4)
        async with open_channel(engine_urls.amqp_url, topology) as channel:
            assert await replay(channel, topology, QUEUE) == 4
        await eventually(notes.count, until=lambda seen: seen == 5)
    assert (await counted(engine_urls.amqp_url, topology)).parked == 0


async def test_a_replayed_message_has_all_its_tries_again(
    engine_urls: EngineUrls, topology: Topology, publisher: Publisher
) -> None:
    async def broken(_: Event[Any]) -> None:
        raise ValueError("broken")

    notes = Notes(broken)
    async with consumer(engine_urls.amqp_url, topology, notes).running():
        await publisher.publish(refund("r").to_document())
        await parked_messages(engine_urls.amqp_url, topology)
        async with open_channel(engine_urls.amqp_url, topology) as channel:
            await replay(channel, topology, QUEUE)
        await eventually(lambda: asyncio.sleep(0, notes.tried["r"]), until=lambda tried: tried == 8)
        await parked_messages(engine_urls.amqp_url, topology)


async def test_the_inbox_lets_an_effect_happen_once_per_consumer(database: Database) -> None:
    inbox = Inbox(database["inbox"], SystemClock())
    await inbox.prepare()
    effects: list[str] = []

    async def effect() -> None:
        effects.append("done")

    assert await inbox.once("mailer", "event-1", effect)
    assert not await inbox.once("mailer", "event-1", effect)
    assert await inbox.once("other", "event-1", effect)
    assert await inbox.once("mailer", "event-2", effect)
    assert len(effects) == 3


async def test_an_effect_that_failed_is_not_noted_as_done(database: Database) -> None:
    inbox = Inbox(database["inbox"], SystemClock())

    async def fail() -> None:
        raise ValueError("broken")

    async def work() -> None:
        return None

    with pytest.raises(ValueError, match="broken"):
        await inbox.once("mailer", "event-1", fail)
    assert await inbox.once("mailer", "event-1", work)


async def test_the_same_event_twice_at_once_ends_well_for_both(database: Database) -> None:
    inbox = Inbox(database["inbox"], SystemClock())
    both = asyncio.Barrier(2)

    async def effect() -> None:
        await both.wait()

    assert await asyncio.gather(*(inbox.once("mailer", "event-1", effect) for _ in range(2))) == [True, True]
    assert await database["inbox"].count_documents({}) == 1
