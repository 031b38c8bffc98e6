"""Coalescing: one batch at a time, each item its own outcome."""

import asyncio
from collections.abc import Sequence

import pytest

from service_kit.lanes import ENOUGH, Lane, Overloaded


class Desk:
    """Notes the batches it is given; a batch is let through by `gate`."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()

    async def work(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        await self.gate.wait()
        return [ValueError(str(item)) if item < 0 else item * 2 for item in items]


async def test_what_arrives_while_a_batch_is_worked_on_becomes_the_next_one() -> None:
    desk = Desk()
    lane: Lane[int, int] = Lane(desk.work, batch=10, waiting=100)
    first = asyncio.create_task(lane.submit(1))
    await asyncio.sleep(0)
    others = [asyncio.create_task(lane.submit(item)) for item in (2, 3, 4)]
    await asyncio.sleep(0)
    desk.gate.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
    assert desk.batches == [[1], [2, 3, 4]]
    assert lane.idle


async def test_after_a_batch_of_several_the_next_one_waits_until_there_is_enough_or_its_time_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service_kit.lanes.PACE_SECONDS", 0.5)
    desk = Desk()
    desk.gate.set()
    lane: Lane[int, int] = Lane(desk.work, batch=100, waiting=1_000)

    async def took(items: int) -> float:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(lane.submit(item) for item in range(items)))
        return asyncio.get_running_loop().time() - began

    assert await took(10) < 0.4  # nothing came before it
    assert await took(ENOUGH) < 0.4
    assert await took(1) > 0.4
    assert await took(10) < 0.4  # what came before it was one
    assert [len(batch) for batch in desk.batches] == [10, ENOUGH, 1, 10]


async def test_a_batch_is_bounded() -> None:
    desk = Desk()
    desk.gate.set()
    lane: Lane[int, int] = Lane(desk.work, batch=2, waiting=100)
    await asyncio.gather(*(lane.submit(item) for item in range(5)))
    assert [len(batch) for batch in desk.batches] == [2, 2, 1]


async def test_one_items_failure_is_its_own() -> None:
    desk = Desk()
    desk.gate.set()
    lane: Lane[int, int] = Lane(desk.work, batch=10, waiting=100)
    outcomes = await asyncio.gather(*(lane.submit(item) for item in (1, -1, 2)), return_exceptions=True)
    assert outcomes[0] == 2
    assert outcomes[2] == 4
    assert isinstance(outcomes[1], ValueError)


async def test_a_failed_batch_is_told_to_each_by_an_error_of_his_own_and_the_lane_goes_on() -> None:
    broken = True

    async def work(items: Sequence[int]) -> list[int | Exception]:
        if broken:
            raise ConnectionError("gone")
        return list(items)

    lane: Lane[int, int] = Lane(work, batch=10, waiting=100)
    errors = await asyncio.gather(lane.submit(1), lane.submit(2), return_exceptions=True)
    assert all(isinstance(error, ConnectionError) for error in errors)
    assert errors[0] is not errors[1]
    broken = False
    assert await lane.submit(3) == 3


async def test_beyond_the_bound_nobody_waits() -> None:
    desk = Desk()
    lane: Lane[int, int] = Lane(desk.work, batch=1, waiting=2)
    tasks = [asyncio.create_task(lane.submit(0))]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(lane.submit(item)) for item in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await lane.submit(3)
    desk.gate.set()
    assert await asyncio.gather(*tasks) == [0, 2, 4]


async def test_a_caller_who_goes_away_takes_nobody_with_him() -> None:
    desk = Desk()
    lane: Lane[int, int] = Lane(desk.work, batch=10, waiting=100)
    gone, stays = asyncio.create_task(lane.submit(1)), asyncio.create_task(lane.submit(2))
    await asyncio.sleep(0)
    gone.cancel()
    desk.gate.set()
    assert await stays == 4
    assert desk.batches == [[1, 2]]
