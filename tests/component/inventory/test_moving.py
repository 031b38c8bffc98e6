"""Moving a showtime to another layout version: planned, refused or made, and never a sold seat under somebody else."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from bson.int64 import Int64

from inventory_service.app import create_app
from inventory_service.config import Settings
from inventory_service.handlers.expire import sweep
from messaging.events import ShowtimeState
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.component.inventory.reseating import ask_to_move, move, publish, reseated
from tests.component.inventory.stage import PRICING, Stage
from tests.support import running

TEN_MINUTES = timedelta(minutes=10)


async def block(stage: Stage, showtime: ShowtimeState, position: int) -> None:
    """Keep the seat at this position, below 32, from sale."""
    entry = {"seats": {"0": Int64(1 << position)}, "madeAt": stage.clock.now(), "reason": "a camera stands there"}
    await stage.database["seat_maps"].update_one(
        {"_id": showtime.showtime_id}, {"$set": {"blocks.camera": entry}, "$inc": {"blockVersion": 1, "version": 1}}
    )


async def untouched(stage: Stage, showtime: ShowtimeState, before: dict[str, Any]) -> None:
    assert await stage.seat_map(showtime) == before


# --- the plan --------------------------------------------------------------------------------------------------------


async def test_a_dry_run_lists_every_affected_booking_and_changes_nothing(stage: Stage) -> None:
    showtime, ann, bob = await stage.open(), stage.buyer(), stage.buyer()
    gone, _ = await stage.bought(showtime, "A1", "A2", buyer=ann)
    renamed = await stage.hold(showtime, "B1", "B2", buyer=bob)
    dearer, _ = await stage.bought(showtime, "C1", buyer=bob)
    await stage.bought(showtime, "D1")
    await stage.hold(showtime, "E1")
    over = await stage.hold(showtime, "A9", holdTimeoutSeconds=60)
    await block(stage, showtime, 2)
    stage.clock.advance(timedelta(seconds=60))
    changes = {"B2": {"label": "2a"}, "C1": {"seatType": "vip"}}
    publish(stage, showtime, layout=reseated(without=("A1", "A3", "A9", "F9"), changes=changes))
    before = await stage.seat_map(showtime)

    answer = await ask_to_move(stage, showtime, dry=True)
    assert answer.status_code == 200
    plan = answer.json()
    assert answer.headers["etag"] == f'"{before["version"]}"'
    assert plan["showtimeId"] == showtime.showtime_id
    assert (plan["from"], plan["to"], plan["hallId"]) == (1, 2, showtime.hall_id)
    assert (plan["applied"], plan["appliesCleanly"], plan["obstacles"]) == (False, False, ["seats-in-the-way"])
    assert (plan["seatMapVersion"], plan["seatCount"]) == (before["version"], {"before": 60, "after": 61})
    assert (plan["added"], plan["removed"]) == (["Z1", "Z2", "Z3", "Z4", "Z5"], ["A1", "A3", "A9", "F9"])
    assert plan["changed"] == [
        {"seatId": "B2", "reasons": ["label"]},
        {"seatId": "C1", "reasons": ["seatType", "price"]},
    ]
    assert plan["counts"] == {"added": 5, "removed": 4, "changed": 2}
    assert plan["seatsInTheWay"] == ["A1", "A3"]
    by_id = {booking.pop("bookingId"): booking for booking in plan["bookings"]}
    assert by_id == {
        gone: {
            "status": "confirmed", "userId": ann.subject, "seatIds": ["A1"], "reasons": ["removed"], "blocking": True,
        },
        renamed: {
            "status": "pending", "userId": bob.subject, "seatIds": ["B2"], "reasons": ["label"], "blocking": False,
        },
        dearer: {
            "status": "confirmed", "userId": bob.subject, "seatIds": ["C1"], "reasons": ["price", "seatType"],
            "blocking": False,
        },
    }  # fmt: skip
    assert over not in by_id
    (blocked,) = plan["blocks"]
    assert blocked == {"blockId": "camera", "seatIds": ["A3"], "reasons": ["removed"], "blocking": True}
    assert plan["unpriced"] == []
    await untouched(stage, showtime, before)


async def test_what_can_not_be_moved_is_refused_with_the_list_and_nothing_changes(stage: Stage) -> None:
    showtime = await stage.open()
    sold, _ = await stage.bought(showtime, "A1")
    held = await stage.hold(showtime, "B1")
    publish(stage, showtime, layout=reseated(without=("A1", "B1", "F9")))
    before = await stage.seat_map(showtime)
    answer = await ask_to_move(stage, showtime)
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["type"].endswith("/layout-move-refused")
    assert (problem["applied"], problem["obstacles"]) == (False, ["seats-in-the-way"])
    assert {booking["bookingId"] for booking in problem["bookings"] if booking["blocking"]} == {sold, held}
    planned = (await ask_to_move(stage, showtime, dry=True)).json()
    assert {name: problem[name] for name in planned} == planned
    await untouched(stage, showtime, before)


async def test_a_seat_kept_from_sale_refuses_the_move_as_a_sold_one_does(stage: Stage) -> None:
    showtime = await stage.open()
    await block(stage, showtime, 0)
    publish(stage, showtime, layout=reseated(without=("A1",)))
    answer = await ask_to_move(stage, showtime)
    assert (answer.status_code, answer.json()["seatsInTheWay"]) == (409, ["A1"])


async def test_seats_that_the_showtime_has_no_price_for_refuse_the_move(stage: Stage) -> None:
    showtime = await stage.open()
    publish(stage, showtime, layout=reseated(changes={"D1": {"seatType": "recliner"}}))
    answer = await ask_to_move(stage, showtime)
    assert (answer.status_code, answer.json()["obstacles"]) == (409, ["unpriced"])
    assert answer.json()["unpriced"] == [{"section": "stalls", "seatType": "recliner"}]
    tiers = {**PRICING.tiers, "recliner": 3_000}
    priced = PRICING.model_copy(update={"tiers": tiers})
    await stage.tell("ShowtimeUpdated", showtime.model_copy(update={"version": 2, "pricing": priced}))
    assert (await ask_to_move(stage, showtime)).status_code == 200


async def test_a_showtime_that_has_started_or_is_called_off_is_not_moved(stage: Stage) -> None:
    started, off = await stage.open(), await stage.open()
    await stage.tell("ShowtimeCancelled", off.model_copy(update={"version": 2, "status": "cancelled"}))
    stage.clock.set(started.starts_at)
    for showtime, obstacles in ((started, ["started"]), (off, ["started", "cancelled"])):
        publish(stage, showtime)
        assert (await ask_to_move(stage, showtime, dry=True)).json()["obstacles"] == obstacles
        answer = await ask_to_move(stage, showtime)
        assert (answer.status_code, answer.json()["obstacles"]) == (409, obstacles)


async def test_only_admins_move_showtimes(stage: Stage) -> None:
    showtime = await stage.open()
    publish(stage, showtime)
    path, body = f"/showtimes/{showtime.showtime_id}/layout", {"layoutVersion": 2}
    assert (await stage.client.post(f"/api/v1{path}", json=body)).status_code == 401
    for role in ("guest", "user", "service"):
        assert (await stage.buyer(role).post(path, body)).status_code == 403
    assert (await stage.seat_map(showtime))["layout"]["version"] == 1


@pytest.mark.parametrize(
    "body",
    [{}, {"layoutVersion": 0}, {"layoutVersion": "2"}, {"layoutVersion": 2, "force": True}, {"layoutVersion": 7}],
)
async def test_what_is_no_version_of_the_hall_is_422(stage: Stage, body: dict[str, Any]) -> None:
    showtime = await stage.open()
    answer = await stage.buyer("admin").post(f"/showtimes/{showtime.showtime_id}/layout", body)
    assert answer.status_code == 422
    assert answer.json()["errors"]


async def test_an_unknown_showtime_is_404(stage: Stage) -> None:
    answer = await stage.buyer("admin").post(f"/showtimes/{new_id()}/layout", {"layoutVersion": 2})
    assert answer.status_code == 404


async def test_who_wants_exactly_the_plan_he_saw_says_so_by_if_match(stage: Stage) -> None:
    showtime = await stage.open()
    publish(stage, showtime)
    seen = (await ask_to_move(stage, showtime, dry=True)).headers["etag"]
    await stage.hold(showtime, "A1")
    for dry in (True, False):
        assert (await ask_to_move(stage, showtime, dry=dry, If_Match=seen)).status_code == 412
    assert (await stage.seat_map(showtime))["layout"]["version"] == 1
    seen = (await ask_to_move(stage, showtime, dry=True)).headers["etag"]
    assert (await ask_to_move(stage, showtime, If_Match=seen)).status_code == 200


# --- the move --------------------------------------------------------------------------------------------------------


async def test_sold_held_and_blocked_seats_keep_their_ids_while_all_positions_shift(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    sold, _ = await stage.bought(showtime, "A1", "E2", buyer=ann)
    held = await stage.hold(showtime, "B1", "D5", buyer=ann)
    await block(stage, showtime, 2)
    publish(stage, showtime, layout=reseated(without=("F9", "A9")))
    version = (await stage.seat_map(showtime))["version"]
    taken = await stage.taken(showtime)

    answer = await ask_to_move(stage, showtime)
    assert answer.status_code == 200
    plan = answer.json()
    assert (plan["applied"], plan["appliesCleanly"], plan["bookings"]) == (True, True, [])
    assert (plan["seatMapVersion"], answer.headers["etag"]) == (version + 1, f'"{version + 1}"')

    assert taken == {
        "A1": "booked", "E2": "booked", "B1": "held", "D5": "held", "A3": "blocked",
    }  # fmt: skip
    assert await stage.taken(showtime) == taken
    body = (await ann.get(f"/showtimes/{showtime.showtime_id}/inventory")).json()
    assert (body["version"], body["layout"]["version"]) == (version + 1, 2)
    seats = {seat["seatId"]: seat for seat in body["seatMap"]["seats"]}
    assert len(seats) == body["summary"]["total"] == 63
    assert {id_: seat["bookingId"] for id_, seat in seats.items() if "bookingId" in seat} == {
        "A1": sold, "E2": sold, "B1": held, "D5": held,
    }  # fmt: skip
    document = await stage.seat_map(showtime)
    assert (document["seats"], document["blocks"]["camera"]["reason"]) == (63, "a camera stands there")
    assert "pausedUntil" not in document
    for seat_id in ("A1", "D5"):
        refused = await stage.buyer().reserve(showtime, seat_id)
        assert (refused.status_code, refused.json()["seatIds"]) == (409, [seat_id])
    assert (await stage.buyer().reserve(showtime, "Z1", "F1")).status_code == 201
    await stage.sound()


async def test_the_move_and_the_event_that_tells_of_it_are_one_write(stage: Stage) -> None:
    showtime = await stage.open()
    publish(stage, showtime)
    await stage.database["seat_maps"].update_one({"_id": showtime.showtime_id}, {"$set": {"outbox": []}})
    moved = await move(stage, showtime)
    (event,) = (await stage.seat_map(showtime))["outbox"]
    assert (event["type"], event["subject"], event["version"]) == (
        "SeatMapMoved", showtime.showtime_id, moved["seatMapVersion"],
    )  # fmt: skip
    assert event["data"] == {
        "showtimeId": showtime.showtime_id,
        "version": moved["seatMapVersion"],
        "hallId": showtime.hall_id,
        "layoutVersion": 2,
        "seatCount": 65,
    }
    assert (await stage.seat_map(showtime))["dirty"]


async def test_a_repeat_of_a_move_is_harmless(stage: Stage) -> None:
    showtime = await stage.open()
    publish(stage, showtime)
    first = await ask_to_move(stage, showtime, Idempotency_Key="mine")
    before = await stage.seat_map(showtime)
    again = await move(stage, showtime)
    assert (again["applied"], again["from"], again["to"]) == (True, 2, 2)
    assert again["seatMapVersion"] == first.json()["seatMapVersion"]
    await untouched(stage, showtime, before)


async def test_a_showtime_can_be_moved_back(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.bought(showtime, "A1", "F10")
    await stage.hold(showtime, "C3")
    publish(stage, showtime)
    before, held = await stage.seat_map(showtime), await stage.holds(showtime)
    await move(stage, showtime)
    assert (await stage.seat_map(showtime))["taken"] != before["taken"]
    await move(stage, showtime, 1)
    after = await stage.seat_map(showtime)
    for name in ("layout", "seats", "taken", "booked"):
        assert after[name] == before[name]
    assert await stage.holds(showtime) == held
    await stage.sound()


async def test_an_older_state_of_the_showtime_does_not_bring_the_old_layout_back(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.bought(showtime, "A1")
    publish(stage, showtime)
    await move(stage, showtime)
    later = showtime.starts_at + timedelta(hours=1)
    await stage.tell("ShowtimeUpdated", showtime.model_copy(update={"version": 2, "starts_at": later}))
    document = await stage.seat_map(showtime)
    assert (document["layout"]["version"], document["startsAt"]) == (2, later)
    assert await stage.taken(showtime) == {"A1": "booked"}
    assert (await stage.buyer().reserve(showtime, "Z1")).status_code == 201
    await stage.sound()


async def test_a_ticket_shows_the_seat_as_it_was_sold(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "E2", buyer=ann)
    publish(stage, showtime, layout=reseated(changes={"E2": {"label": "77", "seatType": "vip"}}))
    plan = await move(stage, showtime)
    assert [booking["bookingId"] for booking in plan["bookings"]] == [booking_id]
    ticket = (await ann.get(f"/bookings/{booking_id}/ticket")).json()
    assert ticket["seats"] == [{"seatId": "E2", "section": "Balcony", "row": "E", "label": "2", "seatType": "standard"}]
    later, _ = await stage.bought(showtime, "E3", buyer=ann)
    assert (await stage.document(later))["layout"]["version"] == 2
    code = ticket["code"]
    assert (await stage.buyer("admin").post("/tickets/scan", {"code": code})).status_code == 200


async def test_holds_that_ran_out_are_left_behind_and_their_buyers_told(stage: Stage) -> None:
    showtime = await stage.open()
    over = await stage.hold(showtime, "A1", "B1", holdTimeoutSeconds=60)
    stage.clock.advance(timedelta(seconds=60))
    publish(stage, showtime, layout=reseated(without=("A1",)))
    await move(stage, showtime)
    assert (await stage.document(over))["status"] == "expired"
    assert await stage.events(over, "BookingExpired")
    assert await stage.taken(showtime) == {}
    assert (await stage.buyer().reserve(showtime, "B1")).status_code == 201
    await stage.sound()


# --- what was begun before and ends after ----------------------------------------------------------------------------

After = Callable[[Stage, str, str], Awaitable[object]]


async def pay(stage: Stage, booking_id: str, payment_id: str) -> None:
    await stage.settle(booking_id, payment_id)


async def decline(stage: Stage, booking_id: str, payment_id: str) -> None:
    await stage.settle(booking_id, payment_id, "failed")


async def cancel(stage: Stage, booking_id: str, _payment_id: str) -> None:
    booking = await stage.inventory.booking(booking_id)
    await stage.buyer(subject=booking.user_id).put(f"/bookings/{booking_id}/cancel")


async def run_out(stage: Stage, _booking_id: str, _payment_id: str) -> None:
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)


async def extend(stage: Stage, booking_id: str, _payment_id: str) -> None:
    booking = await stage.inventory.booking(booking_id)
    answer = await stage.buyer(subject=booking.user_id).post(f"/bookings/{booking_id}/extend", {"additionalMinutes": 5})
    assert answer.status_code == 200, answer.text


async def pay_late(stage: Stage, booking_id: str, payment_id: str) -> None:
    await run_out(stage, booking_id, payment_id)
    await pay(stage, booking_id, payment_id)


async def pay_and_cancel(stage: Stage, booking_id: str, payment_id: str) -> None:
    await pay(stage, booking_id, payment_id)
    await cancel(stage, booking_id, payment_id)


HELD, BOOKED = {"A1": "held", "D7": "held"}, {"A1": "booked", "D7": "booked"}


@pytest.mark.parametrize(
    ("step", "status", "taken"),
    [
        (pay, "confirmed", BOOKED),
        (pay_late, "confirmed", BOOKED),
        (pay_and_cancel, "cancelled", {}),
        (decline, "failed", {}),
        (cancel, "cancelled", {}),
        (run_out, "expired", {}),
        (extend, "pending", HELD),
    ],
)
async def test_a_hold_made_before_the_move_goes_on_after_it(
    stage: Stage, step: After, status: str, taken: dict[str, str]
) -> None:
    showtime = await stage.open()
    await stage.bought(showtime, "E5")
    booking_id = await stage.hold(showtime, "A1", "D7")
    payment_id = await stage.prepared(booking_id)
    publish(stage, showtime)
    await move(stage, showtime)
    await step(stage, booking_id, payment_id)
    assert (await stage.document(booking_id))["status"] == status
    assert await stage.taken(showtime) == {"E5": "booked", **taken}
    stage.clock.advance(timedelta(seconds=20))
    await sweep(stage.inventory)
    await stage.sound()


async def test_money_that_comes_late_for_a_seat_that_is_gone_goes_back(stage: Stage) -> None:
    showtime = await stage.open()
    booking_id = await stage.hold(showtime, "A1", "A2")
    payment_id = await stage.prepared(booking_id)
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)
    publish(stage, showtime, layout=reseated(without=("A1",)))
    await move(stage, showtime)
    for _ in range(2):
        assert (await stage.settle(booking_id, payment_id)).json()["status"] == "expired"
    (request,) = await stage.events(booking_id, "RefundRequested")
    assert request["data"]["amount"] == 5_150
    assert await stage.taken(showtime) == {}
    await stage.sound()


async def test_a_process_that_has_not_heard_of_the_move_sells_the_new_seats_and_no_sold_one(
    stage: Stage, settings: Settings, shared_clock: ManualClock
) -> None:
    showtime = await stage.open()
    async with running(create_app(settings, shared_clock)) as other:
        elsewhere = stage.buyer(client=other)
        assert (await elsewhere.reserve(showtime, "A1")).status_code == 201  # now it remembers the layout
        publish(stage, showtime)
        await move(stage, showtime)
        assert (await stage.buyer(client=other).reserve(showtime, "Z1", "Z2")).status_code == 201
        refused = await stage.buyer(client=other).reserve(showtime, "A1", "A2")
        assert (refused.status_code, refused.json()["seatIds"]) == (409, ["A1"])
        unknown = await stage.buyer(client=other).reserve(showtime, "Q1")
        assert (unknown.status_code, unknown.json()["seatIds"]) == (422, ["Q1"])
    await stage.sound()


@pytest.mark.parametrize(
    "wish", [{"seatIds": ["B1"]}, {"best": {"count": 1, "section": "balcony"}}], ids=["B1", "best"]
)
async def test_a_process_that_remembers_the_old_layout_serves_under_the_new_one(
    stage: Stage, settings: Settings, shared_clock: ManualClock, wish: dict[str, Any]
) -> None:
    showtime = await stage.open()
    async with running(create_app(settings, shared_clock)) as other:
        assert (await stage.buyer(client=other).reserve(showtime, "A1")).status_code == 201
        publish(stage, showtime, layout=reseated(changes={"B1": {"seatType": "vip"}}))
        await move(stage, showtime)
        path = f"/showtimes/{showtime.showtime_id}/seats/reserve"
        answer = await stage.buyer(client=other).post(path, wish)
    assert answer.status_code == 201
    (seat_id,) = answer.json()["seatIds"]
    assert seat_id == "B1" or seat_id[0] in "EF"
    assert answer.json()["finalAmount"] == (2_650 if seat_id == "B1" else 950)
    assert (await stage.taken(showtime)) == {"A1": "held", seat_id: "held"}
    await stage.sound()


async def test_a_seat_whose_price_was_taken_away_after_the_move_is_not_given_for_nothing(stage: Stage) -> None:
    """The catalogue checks prices against the layout that it knows, which may be the old one for a moment."""
    tiers = {**PRICING.tiers, "recliner": 3_000}
    showtime = await stage.open(pricing=PRICING.model_copy(update={"tiers": tiers}))
    publish(stage, showtime, layout=reseated(changes={"D1": {"seatType": "recliner"}}))
    await move(stage, showtime)
    await stage.tell("ShowtimeUpdated", showtime.model_copy(update={"version": 2, "pricing": PRICING}))
    answer = await stage.buyer().reserve(showtime, "D1", "D2")
    assert (answer.status_code, answer.json()["seatIds"]) == (409, ["D1"])
    assert answer.json()["type"].endswith("/unpriced-seats")
    assert await stage.taken(showtime) == {}
    assert (await stage.buyer().reserve(showtime, "D2")).status_code == 201
