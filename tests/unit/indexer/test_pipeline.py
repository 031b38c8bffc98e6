"""Steps that overlap: what goes through arrives in order, and a failure of any step ends all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from indexer.pipeline import pipelined

MANY = 40


async def numbers() -> AsyncIterator[int]:
    for number in range(MANY):
        await asyncio.sleep(0)
        yield number


async def doubled(number: int) -> int:
    return number * 2


async def test_batches_are_told_in_order_although_later_ones_are_sent_faster() -> None:
    async def send(number: int) -> None:
        await asyncio.sleep((MANY - number / 2) / 100_000)

    assert [one async for one in pipelined(numbers(), doubled, send)] == [number * 2 for number in range(MANY)]


@pytest.mark.parametrize("step", ["read", "build", "send"])
async def test_a_failure_of_a_step_is_told(step: str) -> None:
    async def fail_at(name: str, number: int) -> int:
        if name == step and number == 6:
            raise ConnectionError(step)
        return number

    async def source() -> AsyncIterator[int]:
        async for number in numbers():
            yield await fail_at("read", number)

    async def send(number: int) -> None:
        await fail_at("send", number)

    told: list[int] = []

    async def run() -> None:
        async for one in pipelined(source(), lambda number: fail_at("build", number), send):
            told.append(one)

    with pytest.raises(ConnectionError, match=step):
        await run()
    assert told == list(range(len(told)))
    assert len(told) <= 6


async def test_a_driver_that_swallows_a_cancellation_does_not_hold_up_a_failure() -> None:
    async def deaf() -> AsyncIterator[int]:
        with suppress(asyncio.CancelledError):
            yield 1
            await asyncio.sleep(60)
        while True:
            yield 2

    async def fail(number: int) -> int:
        await asyncio.sleep(0.01)
        raise ConnectionError

    async def send(number: int) -> None: ...

    async def run() -> None:
        async for _ in pipelined(deaf(), fail, send):
            pass

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(run(), 5)
