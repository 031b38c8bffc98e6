"""Background loops end when they are told to."""

import asyncio

from pymongo.errors import AutoReconnect

from service_kit.tasks import background, woken


async def test_a_loop_that_answers_its_cancellation_by_an_outage_ends_all_the_same() -> None:
    """Closing a connection whose broker is gone raises, in place of the cancellation that asked for it."""
    started = asyncio.Event()

    async def loop() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise AutoReconnect("the connection was dead")

    async with asyncio.timeout(5):
        async with background("stubborn", loop):
            await started.wait()


async def test_a_loop_is_started_again_after_an_outage() -> None:
    tries = 0
    again = asyncio.Event()

    async def loop() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise AutoReconnect("gone for a moment")
        again.set()
        await asyncio.Event().wait()

    async with background("flaky", loop):
        async with asyncio.timeout(5):
            await again.wait()
    assert tries == 2


async def test_woken_ends_by_the_event_or_by_the_clock() -> None:
    wake = asyncio.Event()
    await woken(wake, 0.01)
    wake.set()
    async with asyncio.timeout(5):
        await woken(wake, 1_000)


async def test_a_loop_whose_driver_swallows_a_cancellation_is_stopped_all_the_same() -> None:
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    async with asyncio.timeout(5):
        async with background("deaf", deaf) as task:
            await asyncio.sleep(0)
    assert task.done()
    assert swallowed == 3
