"""Live seat maps over real servers and sockets: two of the service, so that what one sells the other tells."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from inventory_service.app import create_app
from inventory_service.config import Settings
from inventory_service.handlers.expire import sweep
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.component.inventory.listening import House, Picture, listening, served
from tests.component.inventory.reseating import move, publish
from tests.component.inventory.stage import Stage

BEAT = 0.2


@pytest.fixture(scope="module")
def live_settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"stream_heartbeat_seconds": BEAT})


@pytest.fixture(scope="module")
async def near_house(live_settings: Settings, shared_clock: ManualClock) -> AsyncIterator[House]:
    async with served(create_app(live_settings, shared_clock)) as house:
        yield house


@pytest.fixture(scope="module")
async def far_house(live_settings: Settings, shared_clock: ManualClock) -> AsyncIterator[House]:
    async with served(create_app(live_settings, shared_clock)) as house:
        yield house


async def test_a_stream_begins_with_the_compact_seat_map(stage: Stage, near_house: House) -> None:
    showtime = await stage.open()
    await stage.hold(showtime, "A1", "A2")
    await stage.bought(showtime, "B1")
    async with listening(near_house, showtime.showtime_id) as listener:
        told = await listener.expect("snapshot")
    assert listener.status == 200
    assert listener.headers["content-type"].startswith("text/event-stream")
    assert listener.headers["cache-control"] == "no-store"
    assert told.data == await near_house.compact(showtime.showtime_id)
    assert told.id == str(told.data["version"])


async def test_what_one_process_sells_another_tells_within_a_second(
    stage: Stage, near_house: House, far_house: House
) -> None:
    showtime, buyer = await stage.open(), stage.buyer(client=far_house.client)
    async with listening(near_house, showtime.showtime_id) as listener:
        snapshot = await listener.expect("snapshot")
        booking_id = await stage.hold(showtime, "A2", "A4", buyer=buyer)
        began = time.monotonic()
        held = await listener.expect("change")
        assert time.monotonic() - began < 1
        assert held.data == {
            "version": snapshot.data["version"] + 1,
            "held": [1, 3],
            "booked": [],
            "freed": [],
            "blocked": [],
        }
        assert held.id == str(held.data["version"])
        await stage.settle(booking_id, await stage.prepared(booking_id))
        booked = await listener.expect("change")
        assert {name: booked.data[name] for name in ("held", "booked", "freed")} == {
            "held": [],
            "booked": [1, 3],
            "freed": [],
        }
        await buyer.put(f"/bookings/{booking_id}/cancel")
        freed = await listener.expect("change")
        assert freed.data["freed"] == [1, 3]
    assert buyer.subject not in str([snapshot, held, booked, freed])
    assert booking_id not in str([snapshot, held, booked, freed])


async def test_whoever_listens_through_a_rush_ends_with_the_true_picture(
    stage: Stage, near_house: House, far_house: House
) -> None:
    showtime = await stage.open()

    async def shop(house: House, row: str) -> None:
        buyer = stage.buyer(client=house.client)
        for number in range(1, 10, 2):
            booking_id = await stage.hold(showtime, f"{row}{number}", f"{row}{number + 1}", buyer=buyer)
            if number % 4 == 1:
                await buyer.put(f"/bookings/{booking_id}/cancel")

    async with listening(near_house, showtime.showtime_id) as listener:
        picture = Picture()
        picture.see(await listener.expect("snapshot"))
        await asyncio.gather(
            *(shop(house, row) for house, row in zip([near_house, far_house] * 3, "ABCDEF", strict=True))
        )
        heard = await picture.until(listener, (await far_house.compact(showtime.showtime_id))["version"])
    assert len(heard) > 1
    assert {told.name for told in heard} == {"change"}
    assert await picture.agrees_with(far_house, showtime.showtime_id)


async def test_an_expired_hold_is_told_as_free_once_it_is_swept(stage: Stage, near_house: House) -> None:
    showtime = await stage.open()
    await stage.hold(showtime, "A1")
    async with listening(near_house, showtime.showtime_id) as listener:
        await listener.expect("snapshot")
        stage.clock.advance(timedelta(seconds=601))
        await sweep(stage.inventory)
        assert (await listener.expect("change")).data["freed"] == [0]


async def test_blocked_and_unblocked_seats_are_told_and_so_is_what_the_channel_buys_of_them(
    stage: Stage, near_house: House
) -> None:
    showtime, picture, till = await stage.open(), Picture(), stage.buyer("service")
    block_id = await stage.block(showtime, "A1", channel="press")
    heard = []
    async with listening(near_house, showtime.showtime_id) as listener:
        picture.see(await listener.expect("snapshot"))
        assert picture.blocked == {0}

        async def told() -> dict[str, list[int]]:
            heard.append(await listener.expect("change"))
            picture.see(heard[-1])
            return {name: seats for name, seats in heard[-1].data.items() if seats and name != "version"}

        await stage.block(showtime, "A3", channel="press")
        assert await told() == {"blocked": [2]}
        booking_id = await stage.hold(showtime, "A1", "A2", buyer=till, channel="press")
        assert await told() == {"held": [0, 1]}
        await till.put(f"/bookings/{booking_id}/cancel")
        assert await told() == {"freed": [1], "blocked": [0]}
        assert await picture.agrees_with(near_house, showtime.showtime_id)
        await stage.buyer("admin").delete(f"/showtimes/{showtime.showtime_id}/blocks/{block_id}")
        assert await told() == {"freed": [0]}
        assert await picture.agrees_with(near_house, showtime.showtime_id)
    assert "press" not in str(heard)
    assert block_id not in str(heard)


async def test_who_comes_back_gets_just_what_he_missed(stage: Stage, near_house: House) -> None:
    showtime, picture = await stage.open(), Picture()
    async with listening(near_house, showtime.showtime_id) as watcher:
        await watcher.expect("snapshot")
        async with listening(near_house, showtime.showtime_id) as listener:
            picture.see(await listener.expect("snapshot"))
            await stage.hold(showtime, "A1")
            picture.see(await listener.expect("change"))
        missed = [await watcher.expect("change")]
        for seat_id in ("A2", "A3", "A4"):  # each in a round of its own
            await stage.hold(showtime, seat_id)
            missed.append(await watcher.expect("change"))
    async with listening(near_house, showtime.showtime_id, last_seen=str(picture.version)) as listener:
        heard = await picture.until(listener, missed[-1].data["version"])
        assert heard == missed[1:]
        await stage.hold(showtime, "A5")
        picture.see(await listener.expect("change"))
    assert await picture.agrees_with(near_house, showtime.showtime_id)


async def test_who_missed_nothing_gets_nothing_until_something_happens(stage: Stage, near_house: House) -> None:
    showtime = await stage.open()
    async with listening(near_house, showtime.showtime_id) as listener:
        seen = await listener.expect("snapshot")
    async with listening(near_house, showtime.showtime_id, last_seen=str(seen.id)) as listener:
        await listener.beat()
        await stage.hold(showtime, "A1")
        assert (await listener.expect("change")).data["held"] == [0]


@pytest.mark.parametrize("last_seen", ["0", "7777", "9" * 5_000, "-1", "²", "A1", "closed", "1.0"])
async def test_an_id_that_leads_nowhere_is_answered_by_resync_and_a_snapshot(
    stage: Stage, near_house: House, last_seen: str
) -> None:
    showtime = await stage.open()
    async with listening(near_house, showtime.showtime_id, last_seen=last_seen) as listener:
        assert (await listener.expect("resync")).data == {"reason": "unknown-version"}
        assert (await listener.expect("snapshot")).data == await near_house.compact(showtime.showtime_id)


async def test_a_version_from_the_middle_of_a_round_is_no_place_to_go_on_from(stage: Stage, near_house: House) -> None:
    """Of a seat that was taken and given back around it the changes would say nothing."""
    showtime = await stage.open()
    async with listening(near_house, showtime.showtime_id) as watcher:
        before = (await watcher.expect("snapshot")).data["version"]
        await stage.database["seat_maps"].update_one({"_id": showtime.showtime_id}, {"$inc": {"version": 2}})
        after = (await watcher.expect("change")).data["version"]
        assert after == before + 2
        async with listening(near_house, showtime.showtime_id, last_seen=str(before + 1)) as listener:
            await listener.expect("resync")
            assert (await listener.expect("snapshot")).data["version"] == after


async def test_a_quiet_stream_is_kept_alive_by_heartbeats(stage: Stage, near_house: House) -> None:
    showtime = await stage.open()
    async with listening(near_house, showtime.showtime_id) as listener:
        await listener.expect("snapshot")
        began = time.monotonic()
        for _ in range(3):
            await listener.beat()
        assert 2 * BEAT < time.monotonic() - began < 20 * BEAT


async def test_a_new_layout_makes_everybody_start_over(stage: Stage, near_house: House, far_house: House) -> None:
    showtime, picture = await stage.open(), Picture()
    publish(stage, showtime)
    await stage.hold(showtime, "A1")
    async with listening(near_house, showtime.showtime_id) as listener:
        picture.see(await listener.expect("snapshot"))
        assert picture.held == {0}
        await move(stage, showtime)
        await listener.expect("resync")
        told = await listener.expect("snapshot")
        picture.see(told)
        assert (told.data["layout"]["version"], told.data["seats"], picture.held) == (2, 65, {34})
        await stage.hold(showtime, "F10")
        picture.see(await listener.expect("change"))
    assert picture.held == {10, 34}
    assert await picture.agrees_with(far_house, showtime.showtime_id)
    async with listening(near_house, showtime.showtime_id, last_seen=str(told.data["version"] - 1)) as listener:
        await listener.expect("resync")  # what had been seen before the move speaks of other positions
        assert (await listener.expect("snapshot")).data["layout"]["version"] == 2


async def test_a_stream_ends_when_the_showtime_is_cancelled(stage: Stage, near_house: House) -> None:
    showtime = await stage.open()
    await stage.hold(showtime, "A1")
    async with listening(near_house, showtime.showtime_id) as listener:
        await listener.expect("snapshot")
        await stage.tell("ShowtimeCancelled", showtime.model_copy(update={"version": 2, "status": "cancelled"}))
        await listener.expect("change")
        told = await listener.expect("closed")
        assert told.data["reason"] == "cancelled"
        assert await listener.next() is None
    async with listening(near_house, showtime.showtime_id, last_seen=str(told.id)) as listener:
        assert listener.status == 204
    async with listening(near_house, showtime.showtime_id) as listener:
        await listener.expect("snapshot")
        await listener.expect("closed")
        assert await listener.next() is None


async def test_a_stream_ends_when_the_show_starts(stage: Stage, near_house: House) -> None:
    showtime = await stage.open()
    async with listening(near_house, showtime.showtime_id) as listener:
        seen = await listener.expect("snapshot")
        stage.clock.set(showtime.starts_at)
        assert (await listener.expect("closed")).data == {"version": seen.data["version"], "reason": "started"}
        assert await listener.next() is None


async def test_an_unknown_showtime_is_404_and_a_bad_token_401(stage: Stage, near_house: House) -> None:
    async with listening(near_house, new_id()) as listener:
        assert listener.status == 404
        assert listener.headers["content-type"] == "application/problem+json"
        assert (await listener.problem())["status"] == 404
    showtime = await stage.open()
    async with listening(near_house, showtime.showtime_id, token="of.bad.news") as listener:
        assert listener.status == 401
    async with listening(near_house, showtime.showtime_id, token=stage.mint.token("user")) as listener:
        await listener.expect("snapshot")
