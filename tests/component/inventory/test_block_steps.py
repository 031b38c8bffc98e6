"""Blocks among processes: crashes, outdated memories, and all of one step before any call of another."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest

from inventory_service.app import create_app
from inventory_service.config import Settings
from inventory_service.domain.blocking import Which
from inventory_service.handlers import move as moving
from inventory_service.handlers.blocks import NewBlock, block_seats, unblock_seats
from inventory_service.handlers.confirm import confirm
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.expire import sweep
from inventory_service.handlers.pauses import PAUSE
from inventory_service.handlers.reserve import Reserve, reserve
from messaging.events import ShowtimeState
from service_kit.clock import ManualClock
from service_kit.errors import DomainError
from service_kit.ids import new_id
from tests.component.inventory.crashes import Killed, meddled, mortal
from tests.component.inventory.reseating import move, publish, reseated
from tests.component.inventory.stage import Buyer, Stage
from tests.support import running

TEN_MINUTES = timedelta(minutes=10)
MOST_CALLS = 30

Step = Callable[[Inventory], Awaitable[object]]


def blocking(showtime: ShowtimeState, *seat_ids: str, channel: str | None = None) -> Step:
    new = NewBlock(new_id(), showtime.showtime_id, Which(seat_ids), channel, None, "")
    return lambda inventory: block_seats(inventory, new)


def holding(showtime: ShowtimeState, *seat_ids: str, channel: str | None = None) -> Step:
    command = Reserve(new_id(), new_id(), showtime.showtime_id, seat_ids, 600, channel=channel)
    return lambda inventory: reserve(inventory, command)


async def post(admin: Buyer, showtime: ShowtimeState) -> httpx2.Response:
    path, headers = f"/showtimes/{showtime.showtime_id}/blocks", {"Idempotency-Key": "mine"}
    return await admin.post(path, {"seatIds": ["A1", "A2"], "channel": "press"}, headers=headers)


# --- repeats and crashes ---------------------------------------------------------------------------------------------


async def test_a_block_that_was_made_before_the_process_died_is_found_by_the_retry(stage: Stage) -> None:
    showtime, admin = await stage.open(), stage.buyer("admin")
    stage.app.state.inventory = mortal(stage.inventory, 1)
    try:
        with pytest.raises(Killed):
            await post(admin, showtime)
    finally:
        stage.app.state.inventory = stage.inventory
    await stage.database["idempotency"].update_many({}, {"$set": {"startedAt": stage.clock.now()}})
    (made,) = (await stage.seat_map(showtime))["blocks"]
    assert (await post(admin, showtime)).status_code == 409
    stage.clock.advance(timedelta(seconds=31))
    answer = await post(admin, showtime)
    assert (answer.status_code, answer.json()["blockId"]) == (201, made)
    assert answer.json()["seatIds"] == ["A1", "A2"]
    assert list((await stage.seat_map(showtime))["blocks"]) == [made]
    assert (await post(admin, showtime)).headers["idempotency-replayed"] == "true"


async def test_a_key_sent_ten_times_at_once_makes_one_block(stage: Stage) -> None:
    showtime, admin = await stage.open(), stage.buyer("admin")
    answers = await asyncio.gather(*(post(admin, showtime) for _ in range(10)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = {answer.json()["blockId"] for answer in answers if answer.status_code == 201}
    assert set((await stage.seat_map(showtime))["blocks"]) == made
    assert len(made) == 1


async def test_unblocking_that_was_done_before_the_process_died_is_found_by_the_retry(stage: Stage) -> None:
    showtime = await stage.open()
    block_id = await stage.block(showtime, "A1", "A2")

    def unblock(inventory: Inventory, *, retried: bool) -> Awaitable[object]:
        return unblock_seats(inventory, showtime.showtime_id, block_id, ["A1"], lambda _: None, retried=retried)

    with pytest.raises(Killed):
        await unblock(mortal(stage.inventory, 1), retried=False)
    await unblock(stage.inventory, retried=True)
    assert await stage.taken(showtime) == {"A2": "blocked"}


# --- what a process remembers ----------------------------------------------------------------------------------------


async def test_a_process_that_remembers_the_map_without_the_block_sells_no_blocked_seat(
    stage: Stage, settings: Settings, shared_clock: ManualClock
) -> None:
    showtime, path = await stage.open(), "/showtimes/{}/seats/reserve"
    async with running(create_app(settings, shared_clock)) as client:
        elsewhere = stage.buyer(client=client)
        await stage.hold(showtime, "B1", buyer=elsewhere)  # now it remembers
        await stage.block(showtime, "A1", "A2", channel="press")
        refused = await elsewhere.reserve(showtime, "A1", "A3")
        assert (refused.status_code, refused.json()["seatIds"]) == (409, ["A1"])
        best = await elsewhere.post(path.format(showtime.showtime_id), {"best": {"count": 10, "seatType": "vip"}})
        assert best.status_code == 409
        await stage.hold(showtime, "B2", buyer=elsewhere)  # now it remembers the block
        (block_id,) = (await stage.seat_map(showtime))["blocks"]
        await stage.buyer("admin").delete(f"/showtimes/{showtime.showtime_id}/blocks/{block_id}")
        assert (await elsewhere.reserve(showtime, "A1", "A2")).status_code == 201
    await stage.sound()


async def test_two_processes_that_block_and_sell_at_once_agree_on_each_seat(
    stage: Stage, settings: Settings, shared_clock: ManualClock
) -> None:
    async with running(create_app(settings, shared_clock)) as client:
        for _ in range(20):
            showtime = await stage.open()
            await stage.hold(showtime, "B1", buyer=stage.buyer(client=client))
            blocked, *held = await asyncio.gather(
                stage.buyer("admin").post(f"/showtimes/{showtime.showtime_id}/blocks", {"seatIds": ["A1", "A2"]}),
                *(stage.buyer(client=client).reserve(showtime, seat_id) for seat_id in ("A2", "A1")),
            )
            assert (blocked.status_code == 201) == ([answer.status_code for answer in held] == [409, 409])
            assert bool((await stage.seat_map(showtime))["blocks"]) == (blocked.status_code == 201)
            await stage.sound()


# --- all of one step before any call of another ----------------------------------------------------------------------


async def everywhere(
    stage: Stage, scene: Callable[[], Awaitable[tuple[Step, Step, Callable[[], Awaitable[None]]]]]
) -> None:
    """`scene` sets the stage and gives the step, what overtakes it, and what must be true afterwards."""
    for at in range(1, MOST_CALLS):
        step, other, outcome = await scene()

        async def overtake(other: Step = other) -> None:
            with suppress(DomainError):
                await other(stage.inventory)

        reached = await meddled(stage.inventory, at, step, overtake)
        if not reached:
            assert at > 1
            return
        await outcome()
        await stage.sound()
    raise AssertionError("the step never came to its end")


async def never_both(stage: Stage, showtime: ShowtimeState) -> None:
    """A1 is blocked and A2 free, or A1 and A2 are held and not blocked, which holding would hide."""
    blocks = (await stage.seat_map(showtime))["blocks"]
    assert await stage.taken(showtime) == ({"A1": "blocked"} if blocks else {"A1": "held", "A2": "held"})


@pytest.mark.parametrize("order", [1, -1], ids=["a hold overtakes a block", "a block overtakes a hold"])
async def test_whatever_the_order_a_seat_is_blocked_or_held(stage: Stage, order: int) -> None:
    async def scene() -> tuple[Step, Step, Callable[[], Awaitable[None]]]:
        showtime = await stage.open()
        step, other = (blocking(showtime, "A1"), holding(showtime, "A1", "A2"))[::order]
        return step, other, lambda: never_both(stage, showtime)

    await everywhere(stage, scene)


@pytest.mark.parametrize("order", [1, -1], ids=["money overtakes a block", "a block overtakes late money"])
@pytest.mark.parametrize("swept", [False, True])
async def test_late_money_meets_a_block_and_one_of_them_has_the_seats(stage: Stage, order: int, swept: bool) -> None:
    async def scene() -> tuple[Step, Step, Callable[[], Awaitable[None]]]:
        showtime = await stage.open()
        booking_id = await stage.hold(showtime, "A1", "A2")
        payment_id = await stage.prepared(booking_id)
        stage.clock.advance(TEN_MINUTES)
        if swept:
            await sweep(stage.inventory)
        step, other = (
            blocking(showtime, "A1"),
            lambda inventory: confirm(inventory, booking_id, payment_id),
        )[::order]

        async def outcome() -> None:
            booking = await stage.document(booking_id)
            if booking["status"] == "confirmed":
                assert await stage.taken(showtime) == {"A1": "booked", "A2": "booked"}
                assert (await stage.seat_map(showtime))["blocks"] == {}
                assert "refund" not in booking
            else:
                assert await stage.taken(showtime) == {"A1": "blocked"}
                assert booking["refund"]["amount"] == booking["amount"]

        return step, other, outcome

    await everywhere(stage, scene)


async def test_another_hold_that_is_paid_just_as_it_is_evicted_keeps_nobody_from_blocking(stage: Stage) -> None:
    async def scene() -> tuple[Step, Step, Callable[[], Awaitable[None]]]:
        showtime = await stage.open()
        await stage.hold(showtime, "A1")
        booking_id = await stage.hold(showtime, "B1")
        payment_id = await stage.prepared(booking_id)
        stage.clock.advance(TEN_MINUTES)

        async def outcome() -> None:
            assert await stage.taken(showtime) == {"A1": "blocked", "B1": "booked"}

        return blocking(showtime, "A1"), lambda inventory: confirm(inventory, booking_id, payment_id), outcome

    await everywhere(stage, scene)


async def test_unblocking_while_the_channel_buys_leaves_the_buyer_his_seats(stage: Stage) -> None:
    async def scene() -> tuple[Step, Step, Callable[[], Awaitable[None]]]:
        showtime = await stage.open()
        block_id = await stage.block(showtime, "A1", "A2", channel="press")

        def unblock(inventory: Inventory) -> Awaitable[object]:
            return unblock_seats(inventory, showtime.showtime_id, block_id, ["A1"], lambda _: None, retried=False)

        async def outcome() -> None:
            assert await stage.taken(showtime) == {"A1": "held", "A2": "held"}

        return holding(showtime, "A1", "A2", channel="press"), unblock, outcome

    await everywhere(stage, scene)


# --- moves to another layout -----------------------------------------------------------------------------------------


async def test_a_block_keeps_its_seats_when_the_showtime_moves_and_can_still_be_taken_apart(stage: Stage) -> None:
    showtime, admin = await stage.open(), stage.buyer("admin")
    block_id = await stage.block(showtime, "A1", "A2", "F10", channel="press")
    path = f"/showtimes/{showtime.showtime_id}/blocks/{block_id}"
    publish(stage, showtime)
    await move(stage, showtime)
    assert set((await admin.get(path)).json()["seatIds"]) == {"A1", "A2", "F10"}
    assert (await admin.post(f"{path}/unblock", {"seatIds": ["A2"]})).status_code == 200
    assert await stage.taken(showtime) == {"A1": "blocked", "F10": "blocked"}
    assert (await stage.buyer("service").reserve(showtime, "F10", "Z1", channel="press")).status_code == 201
    await stage.sound()


async def test_who_blocks_while_the_seats_stand_still_waits(stage: Stage) -> None:
    showtime, admin = await stage.open(), stage.buyer("admin")
    block_id = await stage.block(showtime, "A1", "A2")
    until = stage.clock.now() + PAUSE
    await stage.inventory.seat_maps.pause(showtime.showtime_id, until)
    path = f"/showtimes/{showtime.showtime_id}/blocks/{block_id}"
    waiting = [
        asyncio.create_task(stage.block(showtime, "B1")),
        asyncio.create_task(admin.post(f"{path}/unblock", {"seatIds": ["A1"]})),
        asyncio.create_task(admin.delete(path)),
    ]
    done, _ = await asyncio.wait(waiting, timeout=0.3)
    assert done == set()
    assert await stage.taken(showtime) == {"A1": "blocked", "A2": "blocked"}
    await stage.inventory.seat_maps.resume(showtime.showtime_id, until)
    await asyncio.gather(*waiting)
    assert await stage.taken(showtime) == {"B1": "blocked"}


@pytest.mark.parametrize("order", [1, -1], ids=["a move overtakes a block", "a block overtakes a move"])
async def test_no_seat_is_blocked_that_a_move_takes_away(stage: Stage, order: int) -> None:
    """Whoever overtakes has a clock that runs ahead, by which there is no pause: it alone would keep them apart."""

    async def scene() -> tuple[Step, Step, Callable[[], Awaitable[None]]]:
        showtime = await stage.open()
        publish(stage, showtime, layout=reseated(without=["F10"]))
        steps = (
            blocking(showtime, "F9", "F10"),
            lambda inventory: moving.move(inventory, showtime.showtime_id, 2, lambda _: None),
        )
        step, other = steps[::order]
        ahead = ManualClock(stage.clock.now() + TEN_MINUTES)

        async def outcome() -> None:
            document = await stage.seat_map(showtime)
            assert document["layout"]["version"] == (1 if document["blocks"] else 2)

        return step, lambda inventory: other(replace(inventory, clock=ahead)), outcome

    await everywhere(stage, scene)
