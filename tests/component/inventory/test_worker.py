"""The worker on a real broker: events in, events out, poison set aside, seats swept and search told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from inventory_service.app import create_app, worker
from inventory_service.config import Settings
from messaging.envelope import decode, new_event
from messaging.events import PaymentState
from messaging.publisher import Publisher
from messaging.queues import count, open_channel, parked
from messaging.topology import Topology
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from service_kit.mongo import open_database
from tests.component.inventory.stage import Neighbours, Stage
from tests.support import TokenMint, eventually, running

SETTLED_SECONDS = 20


@dataclass
class Bench:
    """A stage of its own database with a running worker, and an ear on its exchange."""

    stage: Stage
    publisher: Publisher
    amqp_url: str
    topology: Topology
    heard: list[dict[str, Any]] = field(default_factory=list)

    def of(self, type_: str, subject: str | None = None) -> list[dict[str, Any]]:
        return [
            event for event in self.heard if event["type"] == type_ and (subject is None or event["subject"] == subject)
        ]

    async def until_heard(self, type_: str, subject: str | None = None, times: int = 1) -> list[dict[str, Any]]:
        async def events() -> list[dict[str, Any]]:
            return self.of(type_, subject)

        return await eventually(events, until=lambda found: len(found) >= times, seconds=SETTLED_SECONDS)

    async def publish(self, type_: str, data: Any, subject: str, version: int = 1) -> None:
        event = new_event(type_, source="test", subject=subject, version=version, data=data, clock=self.stage.clock)
        await self.publisher.publish(event.to_document())

    async def paid(self, type_: str, booking_id: str, payment_id: str, refunded: int = 0) -> None:
        booking = await self.stage.inventory.booking(booking_id)
        status = {"PaymentSucceeded": "completed", "PaymentFailed": "failed", "PaymentRefunded": "refunded"}[type_]
        data = PaymentState.model_validate(
            {
                "payment_id": payment_id,
                "version": 2,
                "booking_id": booking_id,
                "user_id": booking.user_id,
                "status": status,
                "amount": booking.amount,
                "refunded": refunded,
                "currency": booking.currency,
                "provider": "sandbox",
            }
        )
        await self.publish(type_, data, payment_id)

    async def open(self, **changes: Any) -> Any:
        """A showtime whose map was opened by its event."""
        showtime = self.stage.showtime(**changes)
        await self.publish("ShowtimeCreated", showtime, showtime.showtime_id)
        await self.until_heard("SeatMapOpened", showtime.showtime_id)
        return showtime

    async def status(self, booking_id: str, expected: str) -> None:
        async def status() -> Any:
            return (await self.stage.document(booking_id))["status"]

        await eventually(status, until=lambda found: found == expected, seconds=SETTLED_SECONDS)


@asynccontextmanager
async def listening(bench: Bench) -> AsyncIterator[None]:
    async with await aio_pika.connect(bench.amqp_url) as connection:
        channel = await connection.channel()
        exchange = await bench.topology.declare(channel)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, routing_key="#")

        async def hear(message: AbstractIncomingMessage) -> None:
            async with message.process():
                event = decode(message.body)
                bench.heard.append(event.to_document())

        await queue.consume(hear)
        yield


async def remove_queues(amqp_url: str, topology: Topology) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        for name in topology.all_queues():
            await channel.queue_delete(name)
        await channel.exchange_delete(topology.exchange)


@pytest.fixture(scope="module")
async def bench(settings: Settings, near: Neighbours, mint: TokenMint) -> AsyncIterator[Bench]:
    own = settings.model_copy(update={"namespace": f"{settings.namespace}_worker"})
    clock, topology = ManualClock(), Topology(own.namespace)
    amqp_url = own.amqp_url.get_secret_value()
    publisher = Publisher(amqp_url, topology)
    app = create_app(own, clock)
    async with open_database(own, "inventory") as database, running(app) as client:
        stage = Stage(client, app, app.state.inventory, database, near, clock, mint)
        bench = Bench(stage, publisher, amqp_url, topology)
        async with listening(bench), worker(own, clock):
            yield bench
        await publisher.close()
        await remove_queues(amqp_url, topology)


async def test_a_showtime_told_by_the_catalogue_can_be_booked_and_paid(bench: Bench) -> None:
    showtime = await bench.open()
    booking_id = await bench.stage.hold(showtime, "A1")
    payment_id = await bench.stage.prepared(booking_id)
    await bench.paid("PaymentSucceeded", booking_id, payment_id)
    await bench.status(booking_id, "confirmed")
    (event, *_) = await bench.until_heard("BookingConfirmed", booking_id)
    assert (event["data"]["status"], event["data"]["paymentId"]) == ("confirmed", payment_id)


async def test_a_payment_told_five_times_refunds_once_when_the_seats_are_gone(bench: Bench) -> None:
    stage = bench.stage
    showtime = await bench.open()
    booking_id = await stage.hold(showtime, "A1")
    payment_id = await stage.prepared(booking_id)
    stage.clock.advance(timedelta(seconds=600))
    await bench.status(booking_id, "expired")
    await stage.hold(showtime, "A1")
    await asyncio.gather(*(bench.paid("PaymentSucceeded", booking_id, payment_id) for _ in range(5)))
    (request, *_) = await bench.until_heard("RefundRequested", booking_id)
    assert request["data"]["amount"] == 2_650
    await bench.paid("PaymentRefunded", booking_id, payment_id, refunded=2_650)
    await bench.status(booking_id, "refunded")
    assert len({event["data"]["refundId"] for event in bench.of("RefundRequested", booking_id)}) == 1


async def test_a_failed_payment_frees_the_seats(bench: Bench) -> None:
    showtime = await bench.open()
    booking_id = await bench.stage.hold(showtime, "A1")
    payment_id = await bench.stage.prepared(booking_id)
    await bench.paid("PaymentFailed", booking_id, payment_id)
    await bench.status(booking_id, "failed")
    assert await bench.stage.taken(showtime) == {}


async def test_a_cancelled_showtime_cancels_its_bookings_and_tells_search(bench: Bench) -> None:
    showtime = await bench.open()
    paid, _ = await bench.stage.bought(showtime, "A1")
    off = showtime.model_copy(update={"version": 2, "status": "cancelled"})
    await bench.publish("ShowtimeCancelled", off, showtime.showtime_id, 2)
    await bench.until_heard("RefundRequested", paid)

    async def latest() -> dict[str, Any]:
        changes = bench.of("AvailabilityChanged", showtime.showtime_id)
        return changes[-1]["data"] if changes else {}

    last = await eventually(latest, until=lambda data: data.get("status") == "cancelled")
    assert last["available"] == 0


async def test_what_is_left_is_announced_with_the_right_numbers_and_never_out_of_order(bench: Bench) -> None:
    stage, showtime = bench.stage, await bench.open()
    await asyncio.gather(*(stage.buyer().reserve(showtime, f"B{n}") for n in range(1, 8)))
    await stage.bought(showtime, "A1", "A2", "A3")

    async def announced() -> Any:
        changes = bench.of("AvailabilityChanged", showtime.showtime_id)
        return changes[-1]["data"] if changes else None

    version = (await stage.seat_map(showtime))["version"]
    last = await eventually(announced, until=lambda data: data and data["version"] == version)
    assert last["available"] == 50
    assert (last["bySeatType"]["vip"]["available"], last["bySeatType"]["vip"]["largestBlock"]) == (7, 7)
    assert last["bySeatType"]["standard"]["available"] == 43
    assert (last["total"], last["largestBlock"], last["minPrice"], last["currency"]) == (60, 10, 800, "EUR")
    versions = [event["version"] for event in bench.of("AvailabilityChanged", showtime.showtime_id)]
    assert versions == sorted(set(versions))


async def test_blocked_seats_are_not_announced_as_available_until_they_are_unblocked(bench: Bench) -> None:
    stage, showtime = bench.stage, await bench.open()

    async def vip() -> Any:
        changes = bench.of("AvailabilityChanged", showtime.showtime_id)
        return changes[-1]["data"]["bySeatType"]["vip"]["available"] if changes else None

    block_id = await stage.block(showtime, "A1", "A2", channel="press")
    await eventually(vip, until=lambda found: found == 8)
    await stage.buyer("admin").delete(f"/showtimes/{showtime.showtime_id}/blocks/{block_id}")
    await eventually(vip, until=lambda found: found == 10)


async def test_many_changes_within_a_moment_are_announced_a_few_times_only(bench: Bench) -> None:
    stage, showtime = bench.stage, await bench.open()
    buyer = stage.buyer()
    started = asyncio.get_running_loop().time()
    for n in range(1, 11):
        booking_id = await stage.hold(showtime, f"C{n}", buyer=buyer)
        await buyer.put(f"/bookings/{booking_id}/cancel")
    version = (await stage.seat_map(showtime))["version"]

    async def last() -> int:
        changes = bench.of("AvailabilityChanged", showtime.showtime_id)
        return changes[-1]["version"] if changes else 0

    await eventually(last, until=lambda found: found == version)
    took = asyncio.get_running_loop().time() - started
    assert len(bench.of("AvailabilityChanged", showtime.showtime_id)) <= took / 0.25 + 1


async def test_a_hold_that_ran_out_is_swept_and_search_is_told(bench: Bench) -> None:
    stage, showtime = bench.stage, await bench.open()
    booking_id = await stage.hold(showtime, "A1")
    stage.clock.advance(timedelta(seconds=600))
    await bench.until_heard("BookingExpired", booking_id)
    await bench.until_heard("SeatsReleased", booking_id)

    async def available() -> int:
        changes = bench.of("AvailabilityChanged", showtime.showtime_id)
        return changes[-1]["data"]["available"] if changes else 0

    await eventually(available, until=lambda found: found == 60)
    assert (await stage.seat_map(showtime))["taken"] == [0, 0]


async def test_messages_that_can_not_be_read_are_set_aside_and_block_nobody(bench: Bench) -> None:
    async with open_channel(bench.amqp_url, bench.topology) as channel:
        for name in ("inventory.showtimes", "inventory.payments"):
            for body in (b"\xff not json", b"{}", b'{"specversion": "1.0", "type": "Nonsense"}', b"[]", b""):
                await channel.default_exchange.publish(aio_pika.Message(body), bench.topology.queue(name))
        await bench.open()

        async def set_aside() -> dict[str, int]:
            return {queue.name: queue.parked for queue in await count(channel, bench.topology)}

        found = await eventually(set_aside, until=lambda by: by["inventory.showtimes"] == 5 == by["inventory.payments"])
        assert found["inventory.payments"] == 5
        assert all(message.error for message in await parked(channel, bench.topology, "inventory.payments"))


async def test_a_payment_of_an_unknown_booking_is_tried_again_and_blocks_nobody(bench: Bench) -> None:
    showtime = await bench.open()
    booking_id = await bench.stage.hold(showtime, "A1")
    payment_id = await bench.stage.prepared(booking_id)
    data = PaymentState(
        payment_id=new_id(),
        version=1,
        booking_id=new_id(),
        user_id="nobody",
        status="completed",
        amount=1,
        currency="EUR",
        provider="sandbox",
    )
    await bench.publish("PaymentSucceeded", data, data.payment_id)
    await bench.paid("PaymentSucceeded", booking_id, payment_id)
    await bench.status(booking_id, "confirmed")
    async with open_channel(bench.amqp_url, bench.topology) as channel:

        async def retrying() -> int:
            return sum(queue.retrying for queue in await count(channel, bench.topology))

        await eventually(retrying)


async def test_a_showtime_of_an_unknown_layout_does_not_keep_the_others_of_its_batch(bench: Bench) -> None:
    bad = bench.stage.showtime().model_copy(update={"layout_version": 99})
    good = [bench.stage.showtime() for _ in range(5)]
    for showtime in (good[0], bad, *good[1:]):
        await bench.publish("ShowtimeCreated", showtime, showtime.showtime_id)
    for showtime in good:
        await bench.until_heard("SeatMapOpened", showtime.showtime_id)


async def test_every_event_that_was_written_was_published_and_the_house_is_sound(bench: Bench) -> None:
    """Runs last: after all that the others did."""
    stage = bench.stage

    async def waiting() -> int:
        names = ("bookings", "seat_maps")
        return sum([await stage.database[name].count_documents({"outbox.id": {"$exists": True}}) for name in names])

    await eventually(waiting, until=lambda left: left == 0)
    stage.clock.advance(timedelta(minutes=20))
    await eventually(waiting, until=lambda left: left == 0)

    async def pending() -> int:
        return await stage.database["bookings"].count_documents({"status": "pending"})

    await eventually(pending, until=lambda left: left == 0)
    heard = {(event["type"], event["subject"]) for event in bench.heard}
    async for document in stage.database["bookings"].find({}):
        if document["status"] == "confirmed":
            assert ("BookingConfirmed", document["_id"]) in heard
        if document["status"] == "expired":
            assert ("BookingExpired", document["_id"]) in heard
        if "refund" in document:
            assert ("RefundRequested", document["_id"]) in heard
    await stage.sound()
