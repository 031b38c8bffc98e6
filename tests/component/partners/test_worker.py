"""The worker between RabbitMQ and a theatre, and the programs themselves, killed without warning."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from messaging.envelope import new_event
from messaging.events import BookingState, BookingStatus, EventData
from messaging.publisher import Publisher
from messaging.topology import Topology
from partners_service.app import worker
from partners_service.config import Settings
from partners_service.consumers import AT_ONCE, AT_ONCE_PER_PARTNER
from service_kit.clock import SystemClock
from service_kit.ids import new_id
from tests.component.partners.desk import SEATS, Desk, wanted
from tests.component.payments.test_processes import process
from tests.servers.broker import remove_topology
from tests.support import eventually

Json = dict[str, Any]
# More than a worker has places for.
HANGING = AT_ONCE + 8


@dataclass
class Broker:
    publisher: Publisher
    published: list[Json]

    async def tell(self, type_: str, booking_id: str, data: EventData) -> None:
        event = new_event(type_, source="inventory", subject=booking_id, version=2, data=data, clock=SystemClock())
        await self.publisher.publish(event.to_document())

    async def told(self, booking_id: str, seconds: float = 30) -> Json:
        """The first answer that is published about a booking."""

        async def found() -> Json | None:
            ours = [
                event for event in self.published if event["subject"] == booking_id and event["source"] == "/partners"
            ]
            return ours[0] if ours else None

        event = await eventually(found, seconds=seconds)
        assert event is not None
        return event


@pytest.fixture
async def broker(settings: Settings) -> AsyncIterator[Broker]:
    topology = Topology(settings.namespace)
    published: list[Json] = []
    amqp_url = settings.amqp_url.get_secret_value()
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        exchange = await topology.declare(channel)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, routing_key="#")

        async def collect(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            published.append(json.loads(message.body))

        await queue.consume(collect, no_ack=True)
        publisher = Publisher(amqp_url, topology)
        yield Broker(publisher, published)
        await publisher.close()
    await remove_topology(amqp_url, topology)


def state_of(booking_id: str, partner_id: str | None, status: BookingStatus, **fields: Any) -> BookingState:
    return BookingState(
        booking_id=booking_id,
        version=3,
        showtime_id=new_id(),
        event_id=new_id(),
        venue_id=new_id(),
        user_id=new_id(),
        seat_ids=list(SEATS),
        status=status,
        amount=100,
        currency="EUR",
        partner=partner_id,
        **fields,
    )


def cancelled(booking_id: str, partner_id: str | None) -> BookingState:
    return state_of(booking_id, partner_id, "cancelled")


def _told_time(desk: Desk, booking_id: str) -> Callable[[], Awaitable[datetime]]:
    async def look() -> datetime:
        return datetime.fromisoformat((await desk.theatre.booking(booking_id))["startsAt"])

    return look


async def test_a_booking_is_asked_for_and_a_cancelled_one_is_told(
    desk: Desk, settings: Settings, broker: Broker
) -> None:
    partner = await desk.partner()
    async with worker(settings):
        request = wanted(partner["partnerId"], SystemClock().now())
        await broker.tell("PartnerConfirmationRequested", request.booking_id, request)
        event = await broker.told(request.booking_id)
        assert event["type"] == "PartnerConfirmed"
        assert set(event["data"]["ticketIds"]) == set(SEATS)
        later = request.starts_at + timedelta(days=1)
        moved = state_of(request.booking_id, partner["partnerId"], "confirmed", moved_to=later)
        await broker.tell("BookingRescheduled", request.booking_id, moved)
        await eventually(_told_time(desk, request.booking_id), until=lambda it: it == later)
        other = new_id()
        await broker.tell("BookingCancelled", other, cancelled(other, None))
        state = cancelled(request.booking_id, partner["partnerId"])
        await broker.tell("BookingCancelled", request.booking_id, state)
        await eventually(lambda: desk.theatre.status(request.booking_id), until=lambda it: it == "cancelled")
        assert await desk.asking.requests.get(other) is None


async def test_a_theatre_that_hangs_does_not_keep_another_waiting(
    desk: Desk, settings: Settings, broker: Broker
) -> None:
    good, bad = [await desk.partner(timeoutSeconds=10) for _ in range(2)]
    now = SystemClock().now()
    # All of them are there when the worker comes.
    hanging = [wanted(bad["partnerId"], now, [f"A{n}"]) for n in range(HANGING)]
    for request in hanging:
        await desk.asking.begin(request)
    await desk.theatre.faults(hang=HANGING)
    async with worker(settings):
        await eventually(_hanging(desk), until=lambda it: it >= AT_ONCE_PER_PARTNER, seconds=8)
        desk.theatre.app.state.secret = good["secret"]
        await desk.theatre.faults()
        request = wanted(good["partnerId"], SystemClock().now())
        await broker.tell("PartnerConfirmationRequested", request.booking_id, request)
        assert (await broker.told(request.booking_id, seconds=4))["type"] == "PartnerConfirmed"
        assert (await desk.asking.requests.open_of(bad["partnerId"]))["asking"] == HANGING
        tried = await desk.database["requests"].count_documents({"partnerId": bad["partnerId"], "tries": {"$gt": 0}})
        assert tried == AT_ONCE_PER_PARTNER


def _hanging(desk: Desk) -> Any:
    async def so_many() -> int:
        return HANGING - int((await desk.theatre.client.get("/sandbox/faults")).json()["hang"])

    return so_many


@asynccontextmanager
async def a_worker(log: Path, settings: Settings) -> AsyncIterator[Any]:
    env = {
        "MARQUEE_MONGO_URL": settings.mongo_url.get_secret_value(),
        "MARQUEE_AMQP_URL": settings.amqp_url.get_secret_value(),
        "MARQUEE_NAMESPACE": settings.namespace,
        "MARQUEE_PARTNER_KEY": settings.partner_key.get_secret_value(),
        "MARQUEE_PARTNER_PRIVATE_HOSTS": ",".join(settings.partner_private_hosts),
    }
    async with process(log, env, "partners_service", "worker") as running:
        yield running


@pytest.mark.timeout(180)
async def test_a_worker_killed_while_the_theatre_thinks_is_followed_by_another(
    desk: Desk, settings: Settings, broker: Broker, tmp_path: Path
) -> None:
    partner = await desk.partner(timeoutSeconds=10)
    request = wanted(partner["partnerId"], SystemClock().now())
    request = request.model_copy(update={"deadline": SystemClock().now() + timedelta(minutes=5)})
    await desk.theatre.faults(delayMs=3_000)
    async with a_worker(tmp_path / "one.log", settings) as one:
        await broker.tell("PartnerConfirmationRequested", request.booking_id, request)

        async def sent() -> bool:
            found = await desk.asking.requests.get(request.booking_id)
            return found is not None and found.tries == 1

        await eventually(sent, seconds=60)
        one.kill()
        await one.wait()
    assert await desk.events(request.booking_id) == []
    await desk.theatre.faults()
    async with a_worker(tmp_path / "two.log", settings):
        event = await broker.told(request.booking_id, seconds=90)
    assert event["type"] == "PartnerConfirmed"
    tickets = {ticket["ticketId"] for ticket in (await desk.theatre.booking(request.booking_id))["tickets"]}
    assert set(event["data"]["ticketIds"].values()) == tickets
