"""Looking at, extending and cancelling bookings."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from service_kit.ids import new_id
from tests.component.inventory.stage import Buyer, Stage

MINUTE = timedelta(minutes=1)


async def test_a_booking_is_seen_by_its_owner_by_admins_and_by_services_and_is_404_to_others(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id = await stage.hold(showtime, "A1", buyer=ann)
    for seer in (ann, stage.buyer("admin"), stage.buyer("service")):
        assert (await seer.get(f"/bookings/{booking_id}")).json()["bookingId"] == booking_id
    stranger = stage.buyer()
    for answer in (
        await stranger.get(f"/bookings/{booking_id}"),
        await stranger.get(f"/bookings/{booking_id}/ticket"),
        await stranger.put(f"/bookings/{booking_id}/cancel"),
        await stranger.post(f"/bookings/{booking_id}/extend", {"additionalMinutes": 5}),
        await stranger.post(f"/bookings/{booking_id}/preparePayment", {"finalAmount": 2_650, "currency": "EUR"}),
    ):
        assert answer.status_code == 404
    assert (await stage.client.get(f"/api/v1/bookings/{booking_id}")).status_code == 401


async def test_an_unchanged_booking_is_304_and_every_change_shows(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id = await stage.hold(showtime, "A1", buyer=ann)
    path = f"/bookings/{booking_id}"

    async def changed_since(tag: str) -> str:
        answer = await ann.get(path, headers={"If-None-Match": tag})
        assert answer.status_code == 200
        new: str = answer.headers["etag"]
        assert (await ann.get(path, headers={"If-None-Match": new})).status_code == 304
        return new

    tag = await changed_since('"0"')
    await ann.post(f"{path}/extend", {"additionalMinutes": 1})
    tag = await changed_since(tag)
    payment_id = await stage.prepared(booking_id)
    tag = await changed_since(tag)
    await stage.settle(booking_id, payment_id)
    tag = await changed_since(tag)
    await ann.put(f"{path}/cancel")
    await changed_since(tag)


async def test_the_list_gives_ones_own_bookings_newest_first_page_by_page(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    made = []
    for n in range(1, 6):
        made.append(await stage.hold(showtime, f"B{n}", buyer=ann))
        if n % 2:  # some share their moment
            stage.clock.advance(timedelta(milliseconds=7))
    await stage.hold(showtime, "C1")
    seen: list[str] = []
    path = "/bookings?limit=2"
    while path:
        answer = await ann.get(path)
        page = answer.json()
        assert set(page) == {"items", "nextCursor"}
        seen += [item["bookingId"] for item in page["items"]]
        if page.get("nextCursor"):
            link = answer.headers["link"]
            assert link.endswith('>; rel="next"')
            path = link[1 : link.index(">")].removeprefix("/api/v1")
        else:
            assert "link" not in answer.headers
            path = ""
    assert seen == sorted(made, reverse=True)


async def test_who_has_no_bookings_gets_an_empty_list(stage: Stage) -> None:
    answer = await stage.buyer().get("/bookings")
    assert answer.json()["items"] == []


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "%00",
        "WyJub3QgYSBkYXRlIiwgIngiXQ",  # ["not a date", "x"]
        "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzIzOjU5IiwgIngiXQ",  # a moment before the year 1
        "WzEsIDJd",  # [1, 2]
        "eyIkZ3QiOiAiIn0",  # {"$gt": ""}
        "W3siJGd0IjogIiJ9LCAieCJd",  # [{"$gt": ""}, "x"]
    ],
)
async def test_a_cursor_that_is_not_ours_is_422(stage: Stage, cursor: str) -> None:
    answer = await stage.buyer().get(f"/bookings?cursor={cursor}")
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1e9"])
async def test_a_limit_out_of_bounds_is_422(stage: Stage, limit: str) -> None:
    assert (await stage.buyer().get(f"/bookings?limit={limit}")).status_code == 422


# --- extending -------------------------------------------------------------------------------------------------------


async def extend(buyer: Buyer, booking_id: str, minutes: Any) -> Any:
    return await buyer.post(f"/bookings/{booking_id}/extend", {"additionalMinutes": minutes})


async def test_a_live_hold_can_be_extended_and_then_lasts_longer(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id = await stage.hold(showtime, "A1", buyer=ann)
    answer = await extend(ann, booking_id, 5)
    assert answer.status_code == 200
    assert datetime.fromisoformat(answer.json()["heldUntil"]) == stage.clock.now() + 15 * MINUTE
    stage.clock.advance(14 * MINUTE)
    assert (await stage.buyer().reserve(showtime, "A1")).status_code == 409
    await stage.sound()


async def test_a_hold_can_be_extended_three_times_and_not_a_fourth(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id = await stage.hold(showtime, "A1", buyer=ann)
    answers = [(await extend(ann, booking_id, 1)).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 409]


async def test_of_many_extensions_at_once_no_more_than_three_are_had(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id = await stage.hold(showtime, "A1", buyer=ann)
    before = (await stage.inventory.booking(booking_id)).held_until
    answers = await asyncio.gather(*(extend(ann, booking_id, 1) for _ in range(20)))
    assert sum(answer.status_code == 200 for answer in answers) <= 3
    booking = await stage.inventory.booking(booking_id)
    assert 1 <= booking.extensions <= 3
    assert booking.held_until - before == timedelta(minutes=booking.extensions)
    await stage.sound()


async def test_an_extension_that_was_cut_short_counts(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id = await stage.hold(showtime, "A1", buyer=ann)
    seat_map = await stage.inventory.resting_map(showtime.showtime_id)
    hold = seat_map.holds[booking_id]
    assert hold.until is not None
    assert await stage.inventory.seat_maps.extend(
        showtime.showtime_id, hold, hold.until + timedelta(minutes=1), stage.clock.now()
    )
    assert [(await extend(ann, booking_id, 1)).status_code for _ in range(3)] == [200, 200, 409]


async def test_a_hold_never_lasts_longer_than_45_minutes_in_all(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id = await stage.hold(showtime, "A1", buyer=ann, holdTimeoutSeconds=1_800)
    refused = await extend(ann, booking_id, 16)
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("/extension-refused")
    assert (await extend(ann, booking_id, 15)).status_code == 200


@pytest.mark.parametrize("minutes", [0, -5, 31, "5", 2.5, True, None, {"$gt": 0}])
async def test_an_extension_out_of_bounds_is_422(stage: Stage, minutes: Any) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id = await stage.hold(showtime, "A1", buyer=ann)
    assert (await extend(ann, booking_id, minutes)).status_code == 422


async def test_a_hold_that_ran_out_can_not_be_extended(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id = await stage.hold(showtime, "A1", buyer=ann)
    stage.clock.advance(10 * MINUTE)
    answer = await extend(ann, booking_id, 5)
    assert answer.status_code == 410
    assert answer.json()["type"].endswith("/hold-expired")


async def test_a_confirmed_booking_can_not_be_extended(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    assert (await extend(ann, booking_id, 5)).status_code == 409


# --- cancelling ------------------------------------------------------------------------------------------------------


async def test_cancelling_a_hold_frees_its_seats_at_once(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id = await stage.hold(showtime, "A1", "A2", buyer=ann)
    answer = await ann.put(f"/bookings/{booking_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert "refund" not in answer.json()
    assert "heldUntil" not in answer.json()
    assert await stage.taken(showtime) == {}
    assert [event["type"] for event in await stage.events(booking_id)] == ["BookingCancelled", "SeatsReleased"]
    await stage.hold(showtime, "A2", "A3")
    await stage.sound()


async def test_cancelling_twice_is_harmless(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    first = await ann.put(f"/bookings/{booking_id}/cancel")
    await stage.bought(showtime, "A1")
    again = await ann.put(f"/bookings/{booking_id}/cancel")
    assert again.json() == first.json()
    assert await stage.taken(showtime) == {"A1": "booked"}
    await stage.sound()


async def test_cancelling_a_paid_booking_frees_its_seats_and_asks_for_the_money_once(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id, payment_id = await stage.bought(showtime, "A1", buyer=ann)
    answer = await ann.put(f"/bookings/{booking_id}/cancel")
    assert answer.json()["status"] == "cancelled"
    assert answer.json()["refund"] == {
        "amount": 2_650,
        "currency": "EUR",
        "reason": "cancelled",
        "status": "requested",
    }
    await ann.put(f"/bookings/{booking_id}/cancel")
    (request,) = await stage.events(booking_id, "RefundRequested")
    assert request["data"]["paymentId"] == payment_id
    assert request["data"]["amount"] == 2_650
    assert await stage.taken(showtime) == {}
    assert await stage.holds(showtime) == {}
    await stage.sound()


async def test_a_booking_of_a_show_that_has_begun_can_not_be_cancelled_by_its_owner(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    stage.clock.set(showtime.starts_at)
    answer = await ann.put(f"/bookings/{booking_id}/cancel")
    assert answer.status_code == 409
    assert await stage.taken(showtime) == {"A1": "booked"}


async def test_a_show_that_was_put_off_can_still_be_cancelled_after_its_old_start(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    later = {"version": 2, "starts_at": showtime.starts_at + timedelta(days=1)}
    await stage.tell("ShowtimeUpdated", showtime.model_copy(update=later))
    stage.clock.set(showtime.starts_at + MINUTE)
    assert (await ann.put(f"/bookings/{booking_id}/cancel")).json()["status"] == "cancelled"


async def test_an_expired_booking_can_not_be_cancelled(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id = await stage.hold(showtime, "A1", buyer=ann)
    stage.clock.advance(10 * MINUTE)
    await stage.hold(showtime, "A1")
    assert (await ann.get(f"/bookings/{booking_id}")).json()["status"] == "expired"
    assert (await ann.put(f"/bookings/{booking_id}/cancel")).status_code == 409
    assert await stage.taken(showtime) == {"A1": "held"}
    await stage.sound()


async def test_an_unknown_booking_is_404(stage: Stage) -> None:
    assert (await stage.buyer().get(f"/bookings/{new_id()}")).status_code == 404


async def test_events_of_a_booking_have_rising_versions(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    await ann.put(f"/bookings/{booking_id}/cancel")
    versions = {event["type"]: event["version"] for event in await stage.events(booking_id)}
    assert versions["BookingConfirmed"] < versions["BookingCancelled"]
    assert versions["BookingCancelled"] == versions["RefundRequested"]
    assert versions["BookingCancelled"] == (await stage.document(booking_id))["version"]
