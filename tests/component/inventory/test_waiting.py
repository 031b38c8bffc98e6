"""Bookings told to who waits for them, over a real server; what happens to them happens in another process."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from inventory_service.app import create_app
from inventory_service.config import Settings
from inventory_service.handlers.expire import sweep
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.component.inventory.listening import House, Listener, hearing, served
from tests.component.inventory.stage import Buyer, Stage

TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture(scope="module")
async def far_house(settings: Settings, shared_clock: ManualClock) -> AsyncIterator[House]:
    beating = settings.model_copy(update={"stream_heartbeat_seconds": 0.2, "most_streams": 3})
    async with served(create_app(beating, shared_clock)) as house:
        yield house


def path(booking_id: str) -> str:
    return f"/api/v1/bookings/{booking_id}/status/stream"


async def end(listener: Listener, status: str) -> None:
    told = await listener.expect("status")
    assert told.data["status"] == status
    assert (await listener.expect("closed")).data == {"status": status}
    assert await listener.next() is None


@pytest.fixture
def buyer(stage: Stage) -> Buyer:
    return stage.buyer()


async def test_a_buyer_hears_that_his_payment_was_heard_of(stage: Stage, far_house: House, buyer: Buyer) -> None:
    booking_id = await stage.hold(await stage.open(), "A1", buyer=buyer)
    async with hearing(far_house, path(booking_id), token=buyer.token) as listener:
        first = await listener.expect("status")
        assert first.data == (await buyer.get(f"/bookings/{booking_id}")).json()
        assert first.id == str((await stage.document(booking_id))["version"])
        payment_id = await stage.prepared(booking_id)
        assert (await listener.expect("status")).data["paymentId"] == payment_id
        await listener.beat()
        await stage.settle(booking_id, payment_id)
        await end(listener, "confirmed")


async def test_what_fails_is_released_or_cancelled_ends_the_wait(stage: Stage, far_house: House, buyer: Buyer) -> None:
    showtime = await stage.open()
    failed, cancelled, unpaid = [await stage.hold(showtime, seat, buyer=buyer) for seat in ("A1", "A2", "B4")]
    payment_id = await stage.prepared(failed)
    async with (
        hearing(far_house, path(failed), token=buyer.token) as first,
        hearing(far_house, path(cancelled), token=buyer.token) as second,
        hearing(far_house, path(unpaid), token=buyer.token) as third,
    ):
        for listener in (first, second, third):
            assert (await listener.expect("status")).data["status"] == "pending"
        async with hearing(far_house, path(unpaid), token=buyer.token) as fourth:
            assert (fourth.status, fourth.headers["retry-after"]) == (503, "5")
        await stage.settle(failed, payment_id, "failed")
        await end(first, "failed")
        await buyer.put(f"/bookings/{cancelled}/cancel")
        await end(second, "cancelled")
        stage.clock.advance(TEN_MINUTES)
        await sweep(stage.inventory)
        await end(third, "expired")


async def test_a_late_payment_is_waited_for(stage: Stage, far_house: House, buyer: Buyer) -> None:
    booking_id = await stage.hold(await stage.open(), "A1", buyer=buyer)
    payment_id = await stage.prepared(booking_id)
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)
    async with hearing(far_house, path(booking_id), token=buyer.token) as listener:
        assert (await listener.expect("status")).data["status"] == "expired"
        await stage.settle(booking_id, payment_id)
        await end(listener, "confirmed")


async def test_who_comes_back_is_told_what_he_missed_and_nothing_twice(
    stage: Stage, far_house: House, buyer: Buyer
) -> None:
    booking_id = await stage.hold(await stage.open(), "A1", buyer=buyer)
    async with hearing(far_house, path(booking_id), token=buyer.token) as listener:
        known = (await listener.expect("status")).id
    async with hearing(far_house, path(booking_id), token=buyer.token, last_seen=known) as listener:
        await listener.beat()
        await stage.settle(booking_id, await stage.prepared(booking_id))
        while (told := await listener.next()) is not None and told.name == "status":
            last = told
        assert last.data["status"] == "confirmed"
    async with hearing(far_house, path(booking_id), token=buyer.token, last_seen="closed") as listener:
        assert listener.status == 204


async def test_nobody_else_may_listen(stage: Stage, far_house: House, buyer: Buyer) -> None:
    booking_id = await stage.hold(await stage.open(), "A1", buyer=buyer)
    for token, status in ((None, 401), (stage.buyer().token, 404)):
        async with hearing(far_house, path(booking_id), token=token) as listener:
            assert listener.status == status
    async with hearing(far_house, path(new_id()), token=buyer.token) as listener:
        assert listener.status == 404
    async with hearing(far_house, path(booking_id), token=stage.buyer("admin").token) as listener:
        assert (await listener.expect("status")).data["bookingId"] == booking_id
