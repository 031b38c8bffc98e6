"""Processes whose clocks are an hour apart: holds may end at the wrong time, but no seat is sold twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx2
import pytest

from inventory_service.app import create_app
from inventory_service.config import Settings
from inventory_service.handlers.expire import sweep
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.component.inventory.stage import Stage
from tests.support import running

HOUR = timedelta(hours=1)


@pytest.fixture
async def late_and_early(stage: Stage, settings: Settings) -> AsyncIterator[dict[str, httpx2.AsyncClient]]:
    """Two more processes of the service, an hour behind and an hour ahead."""
    now = stage.clock.now()
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(running(create_app(settings, ManualClock(now + by))))
            for name, by in (("late", -HOUR), ("early", HOUR))
        }


async def test_a_process_whose_clock_is_wrong_says_that_it_is_not_ready(
    stage: Stage, late_and_early: dict[str, httpx2.AsyncClient]
) -> None:
    assert (await stage.client.get("/readyz")).json()["dependencies"] == {"mongodb": "ok", "clock": "ok"}
    for client in late_and_early.values():
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["dependencies"]["clock"] == "down: ClockWrong"


async def test_whatever_the_clocks_say_no_seat_is_sold_twice(
    stage: Stage, late_and_early: dict[str, httpx2.AsyncClient]
) -> None:
    showtime = await stage.open()
    clients = [stage.client, *late_and_early.values()]
    for _ in range(4):
        buyers = [stage.buyer(client=client) for client in clients for _ in range(6)]
        answers = await asyncio.gather(*(buyer.reserve(showtime, "A1", "A2") for buyer in buyers))
        assert {answer.status_code for answer in answers} <= {201, 409}
        bookings = [answer.json()["bookingId"] for answer in answers if answer.status_code == 201]
        assert bookings
        await asyncio.gather(*(stage.settle(booking_id, new_id()) for booking_id in bookings))
        statuses = [(await stage.document(booking_id))["status"] for booking_id in bookings]
        assert statuses.count("confirmed") <= 1
        for booking_id, status in zip(bookings, statuses, strict=True):
            assert status == "confirmed" or (await stage.document(booking_id)).get("refund")
        await sweep(stage.inventory)
        await stage.sound()
        for booking_id in bookings:
            await stage.buyer("admin").put(f"/bookings/{booking_id}/cancel")
