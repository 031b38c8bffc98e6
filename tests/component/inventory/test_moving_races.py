"""Moves among holds that never stop, movers that die, processes that were not told: no seat is ever sold twice."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from inventory_service.app import create_app
from inventory_service.config import Settings
from inventory_service.domain.seat_map import Glance, Hold, Mark
from inventory_service.handlers import move as moving
from inventory_service.handlers.confirm import confirm
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.expire import sweep
from inventory_service.handlers.pauses import PAUSE
from messaging.events import ShowtimeState
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.component.inventory.crashes import Killed, dies_after, meddled, mortal, pestered
from tests.component.inventory.reseating import ask_to_move, move, publish, reseated
from tests.component.inventory.stage import ALL_SEATS, Buyer, Stage
from tests.support import running

TEN_MINUTES = timedelta(minutes=10)
# Held or sold before, so that the new layout may do without F9 and F10.
KEPT = [seat_id for seat_id in ALL_SEATS if seat_id not in {"F9", "F10"}]


def whatever(_version: int) -> None:
    """No precondition."""


def to_layout(showtime: ShowtimeState, version: int = 2) -> Callable[[Inventory], Awaitable[moving.Move]]:
    return lambda inventory: moving.move(inventory, showtime.showtime_id, version, whatever)


# --- a crowd ---------------------------------------------------------------------------------------------------------


async def test_a_showtime_is_moved_while_two_processes_sell_it_without_a_pause(
    stage: Stage, settings: Settings, shared_clock: ManualClock
) -> None:
    showtime = await stage.open()
    sold, _ = await stage.bought(showtime, "A1", "E10")
    publish(stage, showtime, layout=reseated(without=("F9", "F10")))
    going_on = True
    errors: list[str] = []

    async def shop(buyer: Buyer) -> None:
        while going_on:
            answer = await buyer.reserve(showtime, *random.sample(KEPT, 2))
            if answer.status_code not in {201, 409}:
                errors.append(answer.text)
            if answer.status_code == 201 and random.random() < 0.9:
                await buyer.put(f"/bookings/{answer.json()['bookingId']}/cancel")

    async with running(create_app(settings, shared_clock)) as other:
        buyers = [stage.buyer(client=client) for client in (stage.client, other) for _ in range(10)]
        crowd = [asyncio.create_task(shop(buyer)) for buyer in buyers]
        began = await version_of(stage, showtime)
        while await version_of(stage, showtime) < began + 20:  # they are in full swing
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            for version in (2, 1, 2):
                await move(stage, showtime, version)
        moved = await version_of(stage, showtime)
        while await version_of(stage, showtime) < moved + 20:
            await asyncio.sleep(0)
        going_on = False
        await asyncio.gather(*crowd)
    assert errors == []
    assert (await stage.seat_map(showtime))["layout"]["version"] == 2
    taken = await stage.taken(showtime)
    assert (taken["A1"], taken["E10"]) == ("booked", "booked")
    held = [doc["seatIds"] async for doc in stage.database["bookings"].find({"status": "pending"})]
    everything = sorted(seat_id for seat_ids in held for seat_id in seat_ids)
    assert everything == sorted(seat_id for seat_id, status in taken.items() if status == "held")
    assert (await stage.document(sold))["status"] == "confirmed"
    await stage.sound()


async def version_of(stage: Stage, showtime: ShowtimeState) -> int:
    return (await stage.inventory.seat_maps.versions([showtime.showtime_id]))[showtime.showtime_id]


async def test_holds_before_every_single_call_of_the_mover_do_not_keep_it_from_its_end(stage: Stage) -> None:
    """As busy as it can get. What stands still for a moment can be moved; nothing else could."""
    showtime = await stage.open()
    publish(stage, showtime)
    seat_maps, layout = stage.inventory.seat_maps, await stage.inventory.layout(showtime)
    free, got = iter(range(60)), set()

    async def hold() -> None:
        sight = await seat_maps.glance(showtime.showtime_id, [])
        assert sight is not None
        position = next(free)
        wanted = Hold(new_id(), Mark.HOLD, stage.clock.now() + TEN_MINUTES, 1 << position)
        if sight.layout == layout.key and await seat_maps.hold(
            showtime.showtime_id, [wanted], sight, stage.clock.now()
        ):
            got.add(layout.seats[position].id)

    await pestered(stage.inventory, to_layout(showtime), hold)
    assert (await stage.seat_map(showtime))["layout"]["version"] == 2
    assert got
    assert set(await stage.taken(showtime)) == got
    await stage.sound()


@pytest.mark.parametrize("ahead", [timedelta(0), PAUSE + timedelta(seconds=1)], ids=["in time", "by a fast clock"])
async def test_a_hold_before_any_call_of_the_mover_is_kept_out_or_moved_along(stage: Stage, ahead: timedelta) -> None:
    """The mover reads, pauses, reads and writes. By a clock that runs ahead there is no pause: then the write misses,
    and the move is made by another reading.
    """
    seat_maps = stage.inventory.seat_maps
    now = stage.clock.now() + ahead
    got = set()
    for at in range(1, 12):
        showtime = await stage.open()
        publish(stage, showtime)
        sight = await seat_maps.glance(showtime.showtime_id, [])
        assert sight is not None
        wanted = Hold(new_id(), Mark.HOLD, now + TEN_MINUTES, 0b11)

        async def hold(id_: str = showtime.showtime_id, sight: Glance = sight, wanted: Hold = wanted) -> None:
            if await seat_maps.hold(id_, [wanted], sight, now):
                got.add(id_)

        overtaken = await meddled(stage.inventory, at, to_layout(showtime), hold)
        assert (showtime.showtime_id in got) == (at <= (4 if ahead else 2))
        assert (await stage.seat_map(showtime))["layout"]["version"] == 2
        assert set(await stage.taken(showtime)) == ({"A1", "A2"} if showtime.showtime_id in got else set())
        await stage.sound()
        if not overtaken:
            return
    raise AssertionError("the move never came to its end")


async def test_a_mark_that_is_tidied_before_any_call_of_the_mover_does_not_come_back(stage: Stage) -> None:
    for at in range(1, 12):
        showtime = await stage.open()
        publish(stage, showtime)
        booking_id = await stage.hold(showtime, "A1", "F2")
        payment_id = await stage.prepared(booking_id)
        assert await dies_after(stage.inventory, 2, partial(confirm, booking_id=booking_id, payment_id=payment_id))
        assert (await stage.holds(showtime))[booking_id]["mark"] == "booked"

        tidy = partial(stage.inventory.seat_maps.tidy, showtime.showtime_id, booking_id, Mark.BOOKED)
        overtaken = await meddled(stage.inventory, at, to_layout(showtime), tidy)
        assert (await stage.seat_map(showtime))["layout"]["version"] == 2
        assert await stage.taken(showtime) == {"A1": "booked", "F2": "booked"}
        if not overtaken:
            return
        assert await stage.holds(showtime) == {}
        await stage.sound()
    raise AssertionError("the move never came to its end")


async def test_moves_to_two_layouts_at_once_end_in_one_of_them(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.bought(showtime, "A1", "F10")
    publish(stage, showtime, 2)
    publish(stage, showtime, 3, reseated(first_row=("Y1", "Y2")))
    answers = await asyncio.gather(*(ask_to_move(stage, showtime, 2 + n % 2) for n in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert (await stage.seat_map(showtime))["layout"]["version"] in {2, 3}
    assert await stage.taken(showtime) == {"A1": "booked", "F10": "booked"}
    await stage.sound()


# --- deaths ----------------------------------------------------------------------------------------------------------


async def test_a_mover_that_dies_leaves_the_map_as_it_was_or_moved_and_sales_go_on(stage: Stage) -> None:
    for writes in range(1, 12):
        showtime = await stage.open()
        over = await stage.hold(showtime, "C1", holdTimeoutSeconds=60)
        stage.clock.advance(timedelta(seconds=60))
        sold, _ = await stage.bought(showtime, "A1", "E2")
        await stage.hold(showtime, "D5")
        publish(stage, showtime, layout=reseated(without=("C1",)))
        died = await dies_after(stage.inventory, writes, to_layout(showtime))
        assert await stage.taken(showtime) == {"A1": "booked", "E2": "booked", "D5": "held"}
        stage.clock.advance(PAUSE)
        assert (await stage.buyer().reserve(showtime, "D4")).status_code == 201
        assert (await move(stage, showtime))["to"] == 2
        assert await stage.taken(showtime) == {"A1": "booked", "E2": "booked", "D5": "held", "D4": "held"}
        assert (await stage.document(sold))["status"] == "confirmed"
        for _ in range(2):
            stage.clock.advance(timedelta(seconds=10))
            await sweep(stage.inventory)
        assert (await stage.document(over))["status"] == "expired"
        await stage.sound()
        if not died:
            assert writes > 2
            return
    raise AssertionError("the move never came to its end")


@pytest.mark.parametrize("wish", [{"seatIds": ["A1", "A2"]}, {"best": {"count": 2}}], ids=["these", "best"])
async def test_a_buyer_who_comes_again_finds_his_hold_moved_along(stage: Stage, wish: dict[str, Any]) -> None:
    """His process died between the hold and the booking, and the map was moved before he came again."""
    showtime, ann = await stage.open(), stage.buyer()
    path, key = f"/showtimes/{showtime.showtime_id}/seats/reserve", {"Idempotency-Key": "mine"}
    await stage.hold(showtime, "F10")  # so that the process remembers the old layout
    stage.app.state.inventory = mortal(stage.inventory, 1)
    try:
        with pytest.raises(Killed):
            await ann.post(path, wish, headers=key)
    finally:
        stage.app.state.inventory = stage.inventory
    seats = [seat_id for seat_id in await stage.taken(showtime) if seat_id != "F10"]
    assert len(seats) == 2
    publish(stage, showtime)
    await move(stage, showtime)
    stage.clock.advance(timedelta(seconds=31))
    await stage.database["idempotency"].update_many({}, {"$set": {"startedAt": stage.clock.now() - TEN_MINUTES}})
    answer = await ann.post(path, wish, headers=key)
    assert answer.status_code == 201, answer.text
    assert sorted(answer.json()["seatIds"]) == sorted(seats)
    assert sorted(line["seatId"] for line in answer.json()["price"]["lines"]) == sorted(seats)
    assert set(await stage.taken(showtime)) == {*seats, "F10"}
    await stage.sound()


# --- the pause -------------------------------------------------------------------------------------------------------


async def to_reserve(stage: Stage, showtime: ShowtimeState, _held: str, _paid: str) -> int:
    return (await stage.buyer().reserve(showtime, "B2")).status_code


async def to_pay(stage: Stage, _showtime: ShowtimeState, held: str, paid: str) -> int:
    return (await stage.settle(held, paid)).status_code


async def to_cancel(stage: Stage, _showtime: ShowtimeState, held: str, _paid: str) -> int:
    owner = stage.buyer(subject=(await stage.document(held))["userId"])
    return (await owner.put(f"/bookings/{held}/cancel")).status_code


async def to_extend(stage: Stage, _showtime: ShowtimeState, held: str, _paid: str) -> int:
    owner = stage.buyer(subject=(await stage.document(held))["userId"])
    return (await owner.post(f"/bookings/{held}/extend", {"additionalMinutes": 5})).status_code


@pytest.mark.parametrize("step", [to_reserve, to_pay, to_cancel, to_extend])
async def test_whoever_comes_during_a_move_waits_until_it_is_over(
    stage: Stage, step: Callable[[Stage, ShowtimeState, str, str], Coroutine[None, None, int]]
) -> None:
    showtime = await stage.open()
    held = await stage.hold(showtime, "A1")
    paid = await stage.prepared(held)
    await stage.inventory.seat_maps.pause(showtime.showtime_id, stage.clock.now() + PAUSE)
    before = await stage.seat_map(showtime)
    asked = asyncio.create_task(step(stage, showtime, held, paid))
    done, _ = await asyncio.wait([asked], timeout=0.3)
    assert not done
    assert await stage.seat_map(showtime) == before
    stage.clock.advance(PAUSE)
    assert await asked in {200, 201}


async def test_a_pause_without_end_is_told_as_503(stage: Stage) -> None:
    """As when the mover died and the clocks disagree."""
    showtime = await stage.open()
    held = await stage.hold(showtime, "A1")
    paid = await stage.prepared(held)
    await stage.inventory.seat_maps.pause(showtime.showtime_id, stage.clock.now() + TEN_MINUTES)
    answers = await asyncio.gather(stage.buyer().reserve(showtime, "B2"), stage.settle(held, paid))
    for answer in answers:
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert await stage.taken(showtime) == {"A1": "held"}


async def test_who_ends_his_pause_leaves_that_of_another(stage: Stage) -> None:
    showtime = await stage.open()
    seat_maps, now = stage.inventory.seat_maps, stage.clock.now()
    await seat_maps.pause(showtime.showtime_id, now + PAUSE)
    await seat_maps.pause(showtime.showtime_id, now + 2 * PAUSE)
    await seat_maps.resume(showtime.showtime_id, now + PAUSE)
    assert (await stage.seat_map(showtime))["pausedUntil"] == now + 2 * PAUSE
