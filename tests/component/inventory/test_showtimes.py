"""Following the catalogue: events of showtimes repeated, reordered, bad, and calling off."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from inventory_service.handlers.expire import sweep
from messaging.events import ShowtimeState
from service_kit.errors import NotFound
from tests.component.inventory.stage import Stage


def changed(showtime: ShowtimeState, version: int, **values: Any) -> ShowtimeState:
    return showtime.model_copy(update={"version": version, **values})


async def test_a_new_showtime_gets_a_map_with_every_seat_free_and_says_so(stage: Stage) -> None:
    showtime = await stage.open()
    document = await stage.seat_map(showtime)
    assert (document["version"], document["taken"], document["booked"]) == (1, [0, 0], [0, 0])
    (event,) = document["outbox"]
    assert (event["type"], event["subject"], event["version"]) == ("SeatMapOpened", showtime.showtime_id, 1)
    assert (event["data"]["available"], event["data"]["total"]) == (60, 60)
    await stage.sound()


async def test_an_event_told_again_changes_nothing(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.hold(showtime, "A1")
    before = await stage.seat_map(showtime)
    for _ in range(3):
        await stage.tell("ShowtimeCreated", showtime)
    assert await stage.seat_map(showtime) == before


async def test_an_event_told_by_many_at_once_opens_one_map(stage: Stage) -> None:
    showtime = stage.showtime()
    await asyncio.gather(*(stage.tell("ShowtimeCreated", showtime) for _ in range(10)))
    assert (await stage.seat_map(showtime))["version"] == 1


async def test_an_update_that_comes_before_the_creation_opens_the_map_in_its_newer_state(stage: Stage) -> None:
    showtime = stage.showtime()
    later = showtime.starts_at + timedelta(hours=2)
    await stage.tell("ShowtimeUpdated", changed(showtime, 2, starts_at=later))
    await stage.tell("ShowtimeCreated", showtime)
    document = await stage.seat_map(showtime)
    assert (document["startsAt"], document["showtimeVersion"]) == (later, 2)


async def test_a_cancellation_that_comes_first_stays(stage: Stage) -> None:
    showtime = stage.showtime()
    await stage.tell("ShowtimeCancelled", changed(showtime, 3, status="cancelled"))
    await stage.tell("ShowtimeCreated", showtime)
    await stage.tell("ShowtimeUpdated", changed(showtime, 2))
    assert (await stage.seat_map(showtime))["status"] == "cancelled"
    assert (await stage.buyer().reserve(showtime, "A1")).status_code == 410


async def test_all_events_of_a_showtime_in_one_batch_give_its_newest_state(stage: Stage) -> None:
    showtime = stage.showtime()
    later = showtime.starts_at + timedelta(hours=1)
    await stage.tell(
        "ShowtimeUpdated", changed(showtime, 2, starts_at=later), showtime, changed(showtime, 2, starts_at=later)
    )
    assert (await stage.seat_map(showtime))["startsAt"] == later


async def test_layouts_are_fetched_once_for_all_showtimes_of_a_hall(stage: Stage) -> None:
    showtime = stage.showtime()
    others = [changed(showtime, 1, showtime_id=f"{showtime.showtime_id[:-1]}{n}") for n in "abcdef"]
    await stage.tell("ShowtimeCreated", showtime)
    asked = len(stage.near.asked)
    await stage.tell("ShowtimeCreated", *others)
    assert len(stage.near.asked) == asked


async def test_a_showtime_whose_layout_never_was_is_refused_and_leaves_no_map(stage: Stage) -> None:
    showtime = changed(stage.showtime(), 1, layout_version=99)
    with pytest.raises(NotFound):
        await stage.tell("ShowtimeCreated", showtime)
    assert await stage.database["seat_maps"].count_documents({}) == 0


async def test_calling_off_refunds_what_is_paid_and_cancels_what_waits(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    paid, payment_id = await stage.bought(showtime, "A1", buyer=ann)
    waiting = await stage.hold(showtime, "B1")
    for _ in range(2):
        await stage.tell("ShowtimeCancelled", changed(showtime, 2, status="cancelled"))
    body = (await ann.get(f"/bookings/{paid}")).json()
    assert body["status"] == "cancelled"
    assert body["refund"]["reason"] == "showtime-cancelled"
    (request,) = await stage.events(paid, "RefundRequested")
    assert (request["data"]["paymentId"], request["data"]["amount"]) == (payment_id, 2_650)
    assert (await stage.document(waiting))["status"] == "cancelled"
    assert "refund" not in await stage.document(waiting)
    await stage.sound()


async def test_calling_off_pays_back_even_those_who_were_let_in_and_stops_at_none_of_them(stage: Stage) -> None:
    showtime = await stage.open()
    bookings = [await stage.bought(showtime, seat) for seat in ("A1", "A2", "A3")]
    code = (await stage.buyer("admin").get(f"/bookings/{bookings[0][0]}/ticket")).json()["code"]
    assert (await stage.buyer("admin").post("/tickets/scan", {"code": code})).status_code == 200
    await stage.tell("ShowtimeCancelled", changed(showtime, 2, status="cancelled"))
    for booking_id, _ in bookings:
        assert len(await stage.events(booking_id, "RefundRequested")) == 1
    await stage.sound()


async def test_calling_off_while_people_pay_and_cancel_leaves_every_paid_booking_with_one_refund(stage: Stage) -> None:
    showtime = await stage.open()
    held = [(stage.buyer(), f"B{n}") for n in range(1, 9)]
    paying = []
    for buyer, seat in held:
        booking_id = await stage.hold(showtime, seat, buyer=buyer)
        paying.append((buyer, booking_id, await stage.prepared(booking_id)))
    await asyncio.gather(
        stage.tell("ShowtimeCancelled", changed(showtime, 2, status="cancelled")),
        *(stage.settle(booking_id, payment_id) for _, booking_id, payment_id in paying),
        *(buyer.put(f"/bookings/{booking_id}/cancel") for buyer, booking_id, _ in paying[:4]),
    )
    await stage.tell("ShowtimeCancelled", changed(showtime, 2, status="cancelled"))
    for _, booking_id, payment_id in paying:
        await stage.settle(booking_id, payment_id)
        document = await stage.document(booking_id)
        assert document["status"] == "cancelled"
        assert len(await stage.events(booking_id, "RefundRequested")) == 1
    await stage.sound()


async def test_a_show_that_was_moved_can_be_booked_until_its_new_start(stage: Stage) -> None:
    showtime = await stage.open(starts_at=stage.clock.now() + timedelta(hours=1))
    await stage.tell("ShowtimeUpdated", changed(showtime, 2, starts_at=stage.clock.now() + timedelta(hours=3)))
    stage.clock.advance(timedelta(hours=2))
    assert (await stage.buyer().reserve(showtime, "A1")).status_code == 201
    stage.clock.advance(timedelta(hours=1))
    assert (await stage.buyer().reserve(showtime, "A2")).status_code == 410


async def test_the_sweeper_gets_through_more_maps_and_holds_than_one_round_takes(stage: Stage) -> None:
    showtimes = [await stage.open() for _ in range(60)]
    await asyncio.gather(*(stage.buyer().reserve(showtime, "A1") for showtime in showtimes))
    stage.clock.advance(timedelta(seconds=600))
    await sweep(stage.inventory)
    assert await stage.database["bookings"].count_documents({"status": "expired"}) == 60
    assert await stage.database["seat_maps"].count_documents({"nextExpiry": {"$exists": True}}) == 0
    await stage.sound()
