"""What live seat maps cost: readers who don't read, many of them, clients that vanish, a server that stops."""

import asyncio
import resource
import signal
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from inventory_service.app import create_app
from inventory_service.config import Settings
from inventory_service.domain.bits import mask_of
from inventory_service.domain.seat_map import Hold, Mark
from messaging.events import ShowtimeState
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.component.inventory.listening import (
    SMALL_BUFFER,
    House,
    Listener,
    Picture,
    in_own_process,
    listening,
    served,
)
from tests.component.inventory.stage import Stage
from tests.support import eventually

MANY = 1_000
SEATS = 20_000
SEAT_LABELS = [str(number) for number in range(100)]
HALF = mask_of(range(SEATS // 2, SEATS))
# Where uvicorn stops taking more for a client that doesn't read.
HIGH_WATER = 65_536


@pytest.fixture(scope="module")
async def live_house(settings: Settings, shared_clock: ManualClock) -> AsyncIterator[House]:
    few = settings.model_copy(update={"stream_heartbeat_seconds": 0.2, "most_streams_per_address": 6})
    async with served(create_app(few, shared_clock)) as house:
        yield house


@pytest.fixture
def many_files() -> Iterator[None]:
    """A shell gives 1,024 by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def streams_open() -> float:
    return REGISTRY.get_sample_value("marquee_live_streams") or 0.0


async def now_open() -> float:
    return streams_open()


async def large_showtime(stage: Stage) -> ShowtimeState:
    showtime = stage.showtime(seat_count=SEATS)
    rows = [
        {
            "label": row,
            "seats": [{"id": f"{row}-{seat}", "label": seat, "seatType": "standard"} for seat in SEAT_LABELS],
        }
        for row in map(str, range(SEATS // len(SEAT_LABELS)))
    ]
    layout = {"sections": [{"id": "stalls", "name": "Stalls", "rows": rows}]}
    stage.near.layouts[showtime.venue.venue_id, showtime.hall_id, str(showtime.layout_version)] = layout
    await stage.tell("ShowtimeCreated", showtime)
    return showtime


async def hold_and_release_half(stage: Stage, showtime: ShowtimeState, keen: Listener) -> int:
    """Two changes of 60 kB, in rounds of their own; returns the version that `keen` has heard of then."""
    seat_maps, now = stage.inventory.seat_maps, stage.clock.now()
    hold = Hold(new_id(), Mark.HOLD, now + timedelta(minutes=10), HALF)
    sight = await seat_maps.glance(showtime.showtime_id, [])
    assert sight
    assert await seat_maps.hold(showtime.showtime_id, [hold], sight, now)
    assert len((await keen.expect("change")).data["held"]) == SEATS // 2
    assert await seat_maps.release(showtime.showtime_id, sight.layout, [hold], now)
    told = await keen.expect("change")
    assert len(told.data["freed"]) == SEATS // 2
    version: int = told.data["version"]
    return version


async def test_a_reader_who_does_not_read_costs_nothing_and_is_told_to_resync(stage: Stage, live_house: House) -> None:
    showtime, lazy, unsent = await large_showtime(stage), Picture(), []
    async with (
        listening(live_house, showtime.showtime_id) as keen,
        listening(live_house, showtime.showtime_id, buffer=SMALL_BUFFER) as listener,
    ):
        await keen.expect("snapshot")
        for _ in range(12):
            version = await hold_and_release_half(stage, showtime, keen)
            unsent.append(live_house.unsent)
        assert HIGH_WATER < max(unsent) < 3 * HIGH_WATER
        assert unsent[-1] == unsent[6]
        heard = await lazy.until(listener, version)
    assert len(heard) < 12
    assert [told.name for told in heard[-2:]] == ["resync", "snapshot"]
    assert heard[-2].data == {"reason": "behind"}
    assert await lazy.agrees_with(live_house, showtime.showtime_id)


async def test_a_server_can_stop_although_somebody_does_not_read(
    stage: Stage, settings: Settings, shared_clock: ManualClock
) -> None:
    showtime = await large_showtime(stage)
    async with (
        AsyncExitStack() as clients,
        served(create_app(settings, shared_clock)) as house,
    ):
        keen = await clients.enter_async_context(listening(house, showtime.showtime_id))
        await clients.enter_async_context(listening(house, showtime.showtime_id, buffer=SMALL_BUFFER))
        await keen.expect("snapshot")
        while house.unsent < HIGH_WATER:
            await hold_and_release_half(stage, showtime, keen)
        began = time.monotonic()
    assert time.monotonic() - began < 3


async def test_a_client_that_goes_away_is_forgotten_and_its_place_given_to_another(
    stage: Stage, live_house: House
) -> None:
    showtime = await stage.open()
    await eventually(now_open, until=lambda count: count == 0)
    async with AsyncExitStack() as stack:
        for _ in range(6):
            listener = await stack.enter_async_context(listening(live_house, showtime.showtime_id))
            await listener.expect("snapshot")
        assert streams_open() == 6
        async with listening(live_house, showtime.showtime_id) as refused:
            assert refused.status == 429
            assert int(refused.headers["retry-after"]) > 0
    await eventually(now_open, until=lambda count: count == 0, seconds=3)
    async with listening(live_house, showtime.showtime_id) as listener:
        await listener.expect("snapshot")


async def test_beyond_the_limit_of_a_process_the_answer_is_503(
    stage: Stage, settings: Settings, shared_clock: ManualClock
) -> None:
    showtime = await stage.open()
    few = settings.model_copy(update={"limits": "off", "most_streams": 2, "most_streams_per_address": 1})
    async with served(create_app(few, shared_clock)) as house, AsyncExitStack() as stack:
        for _ in range(2):
            listener = await stack.enter_async_context(listening(house, showtime.showtime_id))
            await listener.expect("snapshot")
        async with listening(house, showtime.showtime_id) as refused:
            assert refused.status == 503
            assert int(refused.headers["retry-after"]) > 0
            assert (await refused.problem())["type"].endswith("/too-many-streams")


async def test_how_long_somebody_listens_does_not_count_as_latency(stage: Stage, live_house: House) -> None:
    labels = {
        "service": "inventory",
        "method": "GET",
        "route": "/api/v1/showtimes/{showtime_id}/inventory/stream",
        "status": "200",
    }

    def measured(what: str) -> float:
        return REGISTRY.get_sample_value(f"marquee_http_request_seconds_{what}", labels) or 0.0

    showtime = await stage.open()
    await eventually(now_open, until=lambda count: count == 0)
    count, seconds, began = measured("count"), measured("sum"), time.monotonic()
    async with listening(live_house, showtime.showtime_id) as listener:
        await listener.expect("snapshot")
        for _ in range(4):
            await listener.beat()
    await eventually(now_open, until=lambda open_: open_ == 0)
    assert measured("count") == count + 1
    assert measured("sum") - seconds < (time.monotonic() - began) / 2


async def test_a_process_that_is_told_to_stop_ends_its_streams(stage: Stage, settings: Settings) -> None:
    showtime = await stage.open()
    async with in_own_process(settings) as house, AsyncExitStack() as stack:
        listeners = [
            await stack.enter_async_context(listening(house, showtime.showtime_id, buffer=SMALL_BUFFER))
            for _ in range(50)
        ]
        for listener in listeners[1:]:
            await listener.expect("snapshot")
        assert house.process is not None
        began = time.monotonic()
        house.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            await house.process.wait()
        assert time.monotonic() - began < 3
        for listener in listeners[1:]:
            assert await listener.next() is None


@pytest.mark.usefixtures("many_files")
async def test_holds_go_on_beside_a_thousand_streams(
    stage: Stage, settings: Settings, record_property: Callable[[str, object], None]
) -> None:
    """One process, one showtime, every hold told to all. The figures are for the record; the bounds are generous."""
    showtime = await stage.open()
    async with in_own_process(settings) as house, AsyncExitStack() as stack:
        alone = await _median_hold(stage, house, showtime)
        began = time.monotonic()
        listeners = await asyncio.gather(
            *(stack.enter_async_context(listening(house, showtime.showtime_id)) for _ in range(MANY))
        )
        snapshots = await asyncio.gather(*(listener.expect("snapshot", 30) for listener in listeners))
        opened = time.monotonic() - began
        readers = [
            asyncio.create_task(Picture(told.data["version"]).until(listener, told.data["version"] + 80))
            for listener, told in zip(listeners, snapshots, strict=True)
        ]
        beside = await _median_hold(stage, house, showtime)
        version = (await house.compact(showtime.showtime_id))["version"]
        assert all(version >= told.data["version"] + 80 for told in snapshots)
        began = time.monotonic()
        await asyncio.wait_for(asyncio.gather(*readers), 10)
        caught_up = time.monotonic() - began
    figures = {"alone_ms": alone * 1_000, "beside_ms": beside * 1_000, "opened_s": opened, "caught_up_s": caught_up}
    for name, value in figures.items():
        record_property(name, round(value, 2))
    assert opened < 30
    assert beside < 0.5


async def _median_hold(stage: Stage, house: House, showtime: ShowtimeState) -> float:
    """Forty holds one after the other, each of somebody else and given back."""
    seconds = []
    for _ in range(40):
        buyer = stage.buyer(client=house.client)
        began = time.perf_counter()
        booking_id = await stage.hold(showtime, "C3", "C4", buyer=buyer)
        seconds.append(time.perf_counter() - began)
        await buyer.put(f"/bookings/{booking_id}/cancel")
    return statistics.median(seconds)
