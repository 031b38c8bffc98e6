"""Layout versions and the showtimes that have them: a new one moves nobody; a seat map that was moved is followed."""

import asyncio
from typing import Any

import pytest

from messaging.envelope import decode, encode, new_event
from messaging.events import SeatMapLayout
from messaging.publisher import Publisher
from messaging.topology import Topology
from service_kit.ids import new_id
from tests.component.venues.catalogue import Catalogue, Stage, layout, pointers
from tests.servers.broker import remove_topology
from tests.support import eventually
from venues_service.app import showtime_handlers, worker
from venues_service.config import Settings


async def publish(stage: Stage, **content: Any) -> int:
    path = f"/venue/{stage.venue_id}/hall/{stage.hall_id}/layout"
    answer = await stage.catalogue.send("PUT", path, layout(**content))
    assert answer.status_code == 200, answer.text
    version: int = answer.json()["layoutVersion"]
    return version


def moved(showtime: dict[str, Any], map_version: int, layout_version: int, seats: int = 9) -> SeatMapLayout:
    return SeatMapLayout(
        showtime_id=showtime["showtimeId"],
        version=map_version,
        hall_id=showtime["hallId"],
        layout_version=layout_version,
        seat_count=seats,
    )


async def follow(catalogue: Catalogue, *news: SeatMapLayout) -> None:
    handlers = showtime_handlers(catalogue.database, catalogue.clock)
    await asyncio.gather(*(handlers.follow_map(one) for one in news))


async def shown(catalogue: Catalogue, showtime: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await catalogue.get(f"/showtimes/{showtime['showtimeId']}")).json()
    return found


async def test_a_new_layout_version_leaves_showtimes_on_theirs_and_is_that_of_the_next_ones(
    catalogue: Catalogue,
) -> None:
    stage = await catalogue.stage()
    running = await stage.showtime(catalogue.at(days=1))
    assert await publish(stage, seats=9) == 2
    assert await shown(catalogue, running) == running
    later = await stage.showtime(catalogue.at(days=2))
    assert (later["layoutVersion"], later["seatCount"]) == (2, 9)
    patched = await catalogue.send(
        "PATCH", f"/showtimes/{running['showtimeId']}", {"startsAt": catalogue.at(days=3), "singleSeatRule": False}
    )
    assert patched.status_code == 200
    assert (patched.json()["layoutVersion"], patched.json()["seatCount"]) == (1, 6)


async def test_a_seat_map_that_was_moved_is_followed_and_told_with_the_full_state(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    await publish(stage, seats=9)
    await follow(catalogue, moved(showtime, 17, 2))
    assert await shown(catalogue, showtime) == {**showtime, "version": 2, "layoutVersion": 2, "seatCount": 9}
    document = await catalogue.database["showtimes"].find_one({"_id": showtime["showtimeId"]})
    assert document is not None
    event = decode(encode(document["outbox"][-1]))
    assert (event.type, event.version, event.subject) == ("ShowtimeUpdated", 2, showtime["showtimeId"])
    assert (event.data.layout_version, event.data.seat_count, event.data.venue.venue_id) == (2, 9, stage.venue_id)
    assert (event.data.pricing.tiers, event.data.status) == ({"standard": 1_200}, "scheduled")


async def test_news_repeated_and_out_of_order_give_the_newest_layout_of_the_map(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    await publish(stage, seats=9)
    there, back = moved(showtime, 5, 2), moved(showtime, 8, 1, seats=6)
    await follow(catalogue, back)
    for _ in range(2):
        await follow(catalogue, there, back, there)
    assert await shown(catalogue, showtime) == {**showtime, "version": 2}


async def test_news_told_many_times_at_once_change_the_showtime_once(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    await publish(stage, seats=9)
    await follow(catalogue, *[moved(showtime, 5, 2)] * 5)
    assert await shown(catalogue, showtime) == {**showtime, "version": 2, "layoutVersion": 2, "seatCount": 9}


async def test_a_cancelled_showtime_and_one_that_never_was_are_left(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    await publish(stage, seats=9)
    cancelled = (await catalogue.send("DELETE", f"/showtimes/{showtime['showtimeId']}")).json()
    await follow(catalogue, moved(showtime, 5, 2), moved({**showtime, "showtimeId": new_id()}, 5, 2))
    assert await shown(catalogue, showtime) == cancelled
    assert cancelled["layoutVersion"] == 1


async def test_a_change_of_the_showtime_keeps_the_layout_that_was_followed(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    await publish(stage, seats=9)
    await follow(catalogue, moved(showtime, 5, 2))
    path = f"/showtimes/{showtime['showtimeId']}"
    patched = (await catalogue.send("PATCH", path, {"startsAt": catalogue.at(days=2)})).json()
    assert (patched["version"], patched["layoutVersion"]) == (3, 2)
    await follow(catalogue, moved(showtime, 4, 1, seats=6))
    assert await shown(catalogue, showtime) == patched


async def test_prices_are_those_of_the_layout_that_was_followed(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    tiers = {"standard": 1_200, "vip": 3_000}
    showtime = await stage.showtime(catalogue.at(days=1), pricing={"currency": "EUR", "tiers": tiers})
    await publish(stage, seats=9, seat_type="vip")
    path = f"/showtimes/{showtime['showtimeId']}"
    await follow(catalogue, moved(showtime, 5, 2))
    refused = await catalogue.send("PATCH", path, {"pricing": {"tiers": {"vip": None}}})
    assert pointers(refused) == {"/pricing/tiers"}
    assert (await catalogue.send("PATCH", path, {"pricing": {"tiers": {"standard": None}}})).status_code == 200


@pytest.mark.parametrize("round_", range(3))
async def test_a_change_and_the_news_at_once_both_come_through(catalogue: Catalogue, round_: int) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    await publish(stage, seats=9)
    path = f"/showtimes/{showtime['showtimeId']}"
    answer, _ = await asyncio.gather(
        catalogue.send("PATCH", path, {"pricing": {"fee": 50 + round_}}), follow(catalogue, moved(showtime, 5, 2))
    )
    assert answer.status_code == 200
    found = await shown(catalogue, showtime)
    assert (found["version"], found["layoutVersion"], found["pricing"]["fee"]) == (3, 2, 50 + round_)


async def test_the_worker_follows_what_the_broker_brings(catalogue: Catalogue, settings: Settings) -> None:
    topology, amqp_url = Topology(settings.namespace), settings.amqp_url.get_secret_value()
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    await publish(stage, seats=9)
    publisher = Publisher(amqp_url, topology)
    try:
        async with worker(settings):
            for data in (moved({**showtime, "showtimeId": new_id()}, 5, 2), moved(showtime, 5, 2)):
                event = new_event(
                    "SeatMapMoved",
                    source="test",
                    subject=data.showtime_id,
                    version=data.version,
                    data=data,
                    clock=catalogue.clock,
                )
                for _ in range(2):
                    await publisher.publish(event.to_document())
            found = await eventually(lambda: shown(catalogue, showtime), until=lambda found: found["version"] == 2)
            assert (found["layoutVersion"], found["seatCount"]) == (2, 9)
    finally:
        await publisher.close()
        await remove_topology(amqp_url, topology)
