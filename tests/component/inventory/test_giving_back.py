"""Giving tickets back: by the venue's policy, in part, and when a show was moved to another time."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from pymongo.errors import AutoReconnect

from inventory_service.handlers.cancel import refunded
from inventory_service.handlers.expire import sweep
from inventory_service.handlers.follow_up import BOOKINGS_AT_ONCE, follow_up
from messaging.events import Pricing, RefundPolicy, RefundRule, ShowtimeState, VenueState
from service_kit.errors import DomainError
from service_kit.models import rfc3339
from tests.component.inventory.crashes import dies_after
from tests.component.inventory.stage import Buyer, Stage, problem, showtime_state

HALF_WITHIN_A_DAY = RefundPolicy(
    rules=[RefundRule(hours_before=24, percent=100), RefundRule(hours_before=2, percent=50)]
)
ONE_VIP, FEE = 2_500, 150
FREE_BALCONY = Pricing(currency="EUR", tiers={"standard": 1_000, "vip": ONE_VIP, "balcony": 0})


def with_policy(stage: Stage, policy: RefundPolicy, **changes: Any) -> dict[str, Any]:
    """Changes of a showtime whose venue has this policy, three days from now."""
    venue = showtime_state(stage.clock.now()).venue.model_copy(update={"refund_policy": policy})
    return {"venue": venue, "starts_at": stage.clock.now() + timedelta(days=3), **changes}


async def opened(stage: Stage, policy: RefundPolicy = HALF_WITHIN_A_DAY, **changes: Any) -> ShowtimeState:
    return await stage.open(**with_policy(stage, policy, **changes))


async def cancel(buyer: Buyer, booking_id: str, **body: Any) -> httpx2.Response:
    return await buyer.put(f"/bookings/{booking_id}/cancel", body or None)


async def quote(buyer: Buyer, booking_id: str, *seat_ids: str) -> dict[str, Any]:
    answer = await buyer.get(f"/bookings/{booking_id}/cancellation", params={"seatId": list(seat_ids)})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def asked(stage: Stage, booking_id: str) -> list[int]:
    return [event["data"]["amount"] for event in await stage.events(booking_id, "RefundRequested")]


# --- the policy ------------------------------------------------------------------------------------------------------


async def test_in_time_all_of_it_comes_back_and_the_buyer_is_told_before(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", "A2", buyer=ann)
    told = await quote(ann, booking_id)
    assert (told["percent"], told["refundAmount"], told["keptAmount"]) == (100, 5_150, 0)
    assert told["until"] == rfc3339(showtime.starts_at - timedelta(hours=24))
    assert told["refundPolicy"]["rules"][1] == {"hoursBefore": 2, "percent": 50}
    assert (await cancel(ann, booking_id, refundAmount=5_150)).json()["refund"]["amount"] == 5_150
    assert await asked(stage, booking_id) == [5_150]
    await stage.sound()


async def test_within_a_day_half_of_it_comes_back_and_that_makes_it_refunded(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    stage.clock.advance(timedelta(days=2, hours=1))
    told = await quote(ann, booking_id)
    assert (told["percent"], told["paidAmount"], told["refundAmount"], told["keptAmount"]) == (50, 2_650, 1_325, 1_325)
    answer = await cancel(ann, booking_id)
    assert (answer.json()["status"], answer.json()["refund"]["amount"]) == ("cancelled", 1_325)
    await refunded(stage.inventory, booking_id, 1_325)
    body = (await ann.get(f"/bookings/{booking_id}")).json()
    assert (body["status"], body["refund"]["status"], body["refundedAmount"]) == ("refunded", "succeeded", 1_325)
    await stage.sound()


async def test_too_late_nothing_comes_back_but_the_seats_are_free(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    stage.clock.advance(timedelta(days=2, hours=23))
    answer = await cancel(ann, booking_id)
    assert answer.json()["status"] == "cancelled"
    assert "refund" not in answer.json()
    assert await asked(stage, booking_id) == []
    assert await stage.taken(showtime) == {}
    await stage.sound()


async def test_a_success_that_is_told_again_pays_back_nothing_that_the_policy_keeps(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, payment_id = await stage.bought(showtime, "A1", buyer=ann)
    stage.clock.advance(timedelta(days=2, hours=23))
    await cancel(ann, booking_id)
    assert (await stage.settle(booking_id, payment_id)).json()["status"] == "cancelled"
    assert await asked(stage, booking_id) == []


async def test_the_fee_stays_with_the_venue_where_it_says_so(stage: Stage) -> None:
    showtime, ann = await opened(stage, RefundPolicy(keep_fee=True)), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    assert (await cancel(ann, booking_id)).json()["refund"]["amount"] == ONE_VIP


async def test_who_was_told_another_amount_is_asked_again(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    stage.clock.advance(timedelta(days=2, hours=1))
    refusal = problem(await cancel(ann, booking_id, refundAmount=2_650), 409, "refund-differs")
    assert refusal["refundAmount"] == 1_325
    assert (await stage.document(booking_id))["status"] == "confirmed"


async def test_staff_may_waive_the_policy_and_buyers_may_not(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    stage.clock.advance(timedelta(days=2, hours=23))
    problem(await cancel(ann, booking_id, waivePolicy=True), 403, "forbidden")
    assert (await cancel(stage.buyer("admin"), booking_id, waivePolicy="yes")).status_code == 422
    for _ in range(2):
        answer = await cancel(stage.buyer("admin"), booking_id, waivePolicy=True)
        assert answer.json()["refund"]["amount"] == 2_650


async def test_who_read_an_older_version_neither_cancels_nor_keeps_what_he_has_not_seen(stage: Stage) -> None:
    showtime, admin = await opened(stage), stage.buyer("admin")
    booking_id, _ = await stage.bought(showtime, "A1")
    tag = (await admin.get(f"/bookings/{booking_id}")).headers["etag"]
    for older in ('"0"', f"W/{tag}"):
        for step, body in (("cancel", None), ("keep", {"startsAt": rfc3339(showtime.starts_at)})):
            answer = await admin.put(f"/bookings/{booking_id}/{step}", body, headers={"If-Match": older})
            problem(answer, 412, "precondition-failed")
    assert (await admin.get(f"/bookings/{booking_id}")).headers["etag"] == tag
    answer = await admin.put(f"/bookings/{booking_id}/cancel", headers={"If-Match": tag})
    assert answer.json()["status"] == "cancelled"


async def test_what_was_cancelled_by_the_policy_is_not_cancelled_again_for_more(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    stage.clock.advance(timedelta(days=2, hours=1))
    for _ in range(2):
        assert (await cancel(ann, booking_id, refundAmount=1_325)).json()["status"] == "cancelled"
    problem(await cancel(ann, booking_id, refundAmount=2_650), 409, "booking-not-cancellable")
    problem(await cancel(stage.buyer("admin"), booking_id, waivePolicy=True), 409, "booking-not-cancellable")
    assert (await cancel(ann, booking_id)).status_code == 200


async def test_the_policy_is_that_of_the_day_of_the_purchase(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    before, _ = await stage.bought(showtime, "A1", buyer=ann)
    stricter = showtime.venue.model_copy(
        update={"version": 2, "refund_policy": RefundPolicy(rules=[RefundRule(hours_before=48, percent=10)])}
    )
    await stage.inventory.policies.keep([stricter])
    stage.inventory.policies.forget()
    after, _ = await stage.bought(showtime, "A2", buyer=ann)
    assert (await quote(ann, before))["percent"] == 100
    assert (await quote(ann, after))["percent"] == 10
    body = (await ann.get(f"/bookings/{after}")).json()
    assert body["refundPolicy"] == {"rules": [{"hoursBefore": 48, "percent": 10}], "keepFee": False}


async def test_an_older_policy_told_late_changes_nothing(stage: Stage) -> None:
    venue: VenueState = showtime_state(stage.clock.now()).venue.model_copy(update={"version": 5})
    older = venue.model_copy(update={"version": 4, "refund_policy": RefundPolicy(keep_fee=True)})
    await stage.inventory.policies.keep([venue])
    await stage.inventory.policies.keep([older])
    stage.inventory.policies.forget()
    assert await stage.inventory.policies.of(older) == RefundPolicy()


async def test_a_show_that_is_called_off_is_paid_back_in_full_whatever_the_policy(stage: Stage) -> None:
    showtime = await opened(stage, RefundPolicy(rules=[RefundRule(hours_before=500, percent=100)], keep_fee=True))
    booking_id, _ = await stage.bought(showtime, "A1")
    await stage.tell("ShowtimeCancelled", showtime.model_copy(update={"version": 2, "status": "cancelled"}))
    assert await asked(stage, booking_id) == [2_650]


async def test_goodwill_given_before_is_counted_in_what_comes_back(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    await refunded(stage.inventory, booking_id, 1_000)
    stage.clock.advance(timedelta(days=2, hours=1))
    assert (await cancel(ann, booking_id)).json()["refund"]["amount"] == 325
    await refunded(stage.inventory, booking_id, 1_325)
    assert (await stage.document(booking_id))["status"] == "refunded"


async def test_goodwill_and_a_part_given_back_do_not_take_the_seats_that_are_kept(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", "A2", buyer=ann)
    stage.clock.advance(timedelta(days=2, hours=1))
    await refunded(stage.inventory, booking_id, 3_000)
    assert (await cancel(ann, booking_id, seatIds=["A2"])).status_code == 200
    (back,) = await asked(stage, booking_id)
    await refunded(stage.inventory, booking_id, 3_000 + back)
    document = await stage.document(booking_id)
    assert (document["status"], document["seatIds"]) == ("confirmed", ["A1"])
    await stage.sound()


async def test_what_the_policy_kept_of_a_part_stays_kept_when_the_show_is_called_off(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", "A2", buyer=ann)
    stage.clock.advance(timedelta(days=2, hours=1))
    await cancel(ann, booking_id, seatIds=["A2"])
    await stage.tell("ShowtimeCancelled", showtime.model_copy(update={"version": 2, "status": "cancelled"}))
    assert await asked(stage, booking_id) == [1_250, 2_650]
    assert (await stage.document(booking_id))["kept"] == 1_250


# --- a part ----------------------------------------------------------------------------------------------------------


async def test_some_seats_go_back_and_the_booking_goes_on_with_the_others(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, payment_id = await stage.bought(showtime, "A1", "A2", "A3", buyer=ann)
    told = await quote(ann, booking_id, "A2", "A3")
    assert (told["seatIds"], told["paidAmount"], told["refundAmount"]) == (["A2", "A3"], 5_000, 5_000)
    body = (await cancel(ann, booking_id, seatIds=["A3", "A2"])).json()
    assert (body["status"], body["seatIds"], body["finalAmount"]) == ("confirmed", ["A1"], ONE_VIP + FEE)
    (part,) = body["cancelledParts"]
    assert (part["seatIds"], part["value"], part["amount"], part["status"]) == (["A2", "A3"], 5_000, 5_000, "requested")
    (request,) = await stage.events(booking_id, "RefundRequested")
    assert (request["data"]["amount"], request["data"]["paymentId"]) == (5_000, payment_id)
    assert await stage.taken(showtime) == {"A1": "booked"}
    (reduced,) = await stage.events(booking_id, "BookingReduced")
    assert (reduced["data"]["seatIds"], reduced["data"]["amount"]) == (["A1"], ONE_VIP + FEE)
    ticket = (await ann.get(f"/bookings/{booking_id}/ticket")).json()
    assert [seat["seatId"] for seat in ticket["seats"]] == ["A1"]
    await stage.sound()

    await refunded(stage.inventory, booking_id, 5_000)
    body = (await ann.get(f"/bookings/{booking_id}")).json()
    assert (body["status"], body["cancelledParts"][0]["status"]) == ("confirmed", "succeeded")
    assert (await stage.hold(showtime, "A2", "A3")) != booking_id


async def test_part_after_part_and_then_the_rest_pay_back_what_was_paid(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", "B1", "E1", buyer=ann)
    for seat in ("B1", "A1"):
        assert (await cancel(ann, booking_id, seatIds=[seat])).status_code == 200
    progress = (await stage.buyer("admin").get(f"/showtimes/{showtime.showtime_id}/refunds")).json()
    assert (progress["refunding"], progress["done"]) == (1, False)
    assert (await cancel(ann, booking_id)).json()["status"] == "cancelled"
    assert await asked(stage, booking_id) == [1_000, 2_500, 800 + FEE]
    await refunded(stage.inventory, booking_id, 3_500)
    assert (await stage.document(booking_id))["status"] == "cancelled"
    await refunded(stage.inventory, booking_id, 4_450)
    assert (await stage.document(booking_id))["status"] == "refunded"
    await stage.sound()


async def test_who_gives_the_paid_seat_back_keeps_the_one_that_cost_nothing(stage: Stage) -> None:
    showtime, ann = await opened(stage, pricing=FREE_BALCONY), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", "E1", buyer=ann)
    assert (await cancel(ann, booking_id, seatIds=["A1"])).status_code == 200
    assert await asked(stage, booking_id) == [ONE_VIP]
    await refunded(stage.inventory, booking_id, ONE_VIP)
    body = (await ann.get(f"/bookings/{booking_id}")).json()
    assert (body["status"], body["seatIds"], body["finalAmount"]) == ("confirmed", ["E1"], 0)
    assert await stage.taken(showtime) == {"E1": "booked"}
    await stage.sound()


@pytest.mark.parametrize("money_first", [True, False], ids=["money first", "seat first"])
async def test_the_seat_that_cost_nothing_can_be_given_back_too(stage: Stage, money_first: bool) -> None:
    showtime, ann = await opened(stage, pricing=FREE_BALCONY), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", "E1", buyer=ann)
    await cancel(ann, booking_id, seatIds=["A1"])
    if money_first:
        await refunded(stage.inventory, booking_id, ONE_VIP)
    assert (await cancel(ann, booking_id)).status_code == 200
    if not money_first:
        await refunded(stage.inventory, booking_id, ONE_VIP)
    assert (await stage.document(booking_id))["status"] == "cancelled"
    assert await asked(stage, booking_id) == [ONE_VIP]
    assert await stage.taken(showtime) == {}
    await stage.sound()


async def test_half_of_a_part_comes_back_within_a_day_and_the_venue_keeps_the_other_half(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", "A2", buyer=ann)
    stage.clock.advance(timedelta(days=2, hours=1))
    body = (await cancel(ann, booking_id, seatIds=["A1"])).json()
    assert (body["finalAmount"], body["cancelledParts"][0]["amount"]) == (2_650, 1_250)
    await refunded(stage.inventory, booking_id, 1_250)
    assert (await stage.document(booking_id))["status"] == "confirmed"


async def test_a_discount_that_the_rest_does_not_reach_is_taken_off_what_comes_back(stage: Stage) -> None:
    showtime = await opened(stage, promotions=[{"kind": "third-ticket"}])
    ann = stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", "A2", "A3", buyer=ann)
    assert (await stage.document(booking_id))["amount"] == 6_250 + FEE
    assert (await quote(ann, booking_id, "A3"))["refundAmount"] == 1_250
    body = (await cancel(ann, booking_id, seatIds=["A3"])).json()
    assert (body["finalAmount"], body["price"]["discounts"]) == (5_150, [])
    await stage.sound()


async def test_a_repeat_of_giving_back_a_part_gives_back_no_more(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", "A2", buyer=ann)
    answers = await asyncio.gather(*(cancel(ann, booking_id, seatIds=["A2"]) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert {tuple(answer.json()["seatIds"]) for answer in answers} == {("A1",)}
    assert await asked(stage, booking_id) == [2_500]
    await stage.sound()


async def test_all_seats_named_one_by_one_cancel_the_booking(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", "A2", buyer=ann)
    assert (await cancel(ann, booking_id, seatIds=["A2", "A1"])).json()["status"] == "cancelled"
    assert await asked(stage, booking_id) == [5_150]


async def test_parts_and_the_whole_given_back_at_once_pay_back_what_was_paid_once(stage: Stage) -> None:
    showtime = await opened(stage)
    for _ in range(6):
        ann = stage.buyer()
        booking_id, _ = await stage.bought(showtime, "A1", "A2", "A3", buyer=ann)
        await asyncio.gather(
            cancel(ann, booking_id, seatIds=["A1"]),
            cancel(ann, booking_id, seatIds=["A2"]),
            cancel(ann, booking_id),
            cancel(ann, booking_id, seatIds=["A2", "A3"]),
        )
        await cancel(ann, booking_id)
        assert sum(await asked(stage, booking_id)) == 7_650
        assert await stage.taken(showtime) == {}
        await stage.sound()


@pytest.mark.parametrize(
    ("seat_ids", "status"), [([], 422), (["B1"], 422), (["A1", "A1"], 422), (["A1", "Z9"], 422), (["A1"] * 2_000, 422)]
)
async def test_what_is_no_seat_of_the_booking_can_not_be_given_back(
    stage: Stage, seat_ids: list[str], status: int
) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", "A2", buyer=ann)
    assert (await cancel(ann, booking_id, seatIds=seat_ids)).status_code == status
    assert (await stage.document(booking_id))["status"] == "confirmed"


async def test_a_hold_is_given_up_whole(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id = await stage.hold(showtime, "A1", "A2", buyer=ann)
    problem(await cancel(ann, booking_id, seatIds=["A1"]), 409, "booking-not-cancellable")
    assert (await quote(ann, booking_id))["refundAmount"] == 0
    assert (await cancel(ann, booking_id, seatIds=["A1", "A2"])).json()["status"] == "cancelled"


async def test_a_part_of_a_used_ticket_or_of_somebody_elses_booking_can_not_be_given_back(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", "A2", buyer=ann)
    assert (await cancel(stage.buyer(), booking_id, seatIds=["A1"])).status_code == 404
    assert (await stage.buyer().get(f"/bookings/{booking_id}/cancellation")).status_code == 404
    code = (await ann.get(f"/bookings/{booking_id}/ticket")).json()["code"]
    assert (await stage.buyer("admin").post("/tickets/scan", {"code": code})).status_code == 200
    problem(await cancel(ann, booking_id, seatIds=["A1"]), 409, "booking-not-cancellable")
    problem(await ann.get(f"/bookings/{booking_id}/cancellation"), 409, "booking-not-cancellable")


# --- a show that was moved -------------------------------------------------------------------------------------------


def later(showtime: ShowtimeState, version: int = 2, hours: int = 24) -> ShowtimeState:
    by = timedelta(hours=hours)
    update = {"version": version, "starts_at": showtime.starts_at + by, "ends_at": showtime.ends_at + by}
    return showtime.model_copy(update=update)


async def test_buyers_of_a_moved_show_are_told_once_and_may_have_everything_back(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    moved = later(showtime, hours=-70)  # so near that the policy would give little
    for _ in range(2):
        await stage.tell("ShowtimeUpdated", moved)
    body = (await ann.get(f"/bookings/{booking_id}")).json()
    assert set(body["rescheduled"]) == {"from", "to"}
    (event,) = await stage.events(booking_id, "BookingRescheduled")
    assert event["data"]["movedTo"] != event["data"]["startsAt"]
    told = await quote(ann, booking_id)
    assert (told["rescheduled"], told["percent"], told["refundAmount"]) == (True, 100, 2_650)
    assert (await cancel(ann, booking_id)).json()["refund"]["amount"] == 2_650
    await stage.sound()


async def test_who_keeps_his_tickets_is_under_the_policy_again_at_the_new_time(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    moved = later(showtime, hours=-70)
    await stage.tell("ShowtimeUpdated", moved)
    problem(await ann.put(f"/bookings/{booking_id}/keep", {"startsAt": "2030-01-01T00:00:00Z"}), 409, "time-differs")
    for _ in range(2):
        answer = await ann.put(f"/bookings/{booking_id}/keep", {"startsAt": moved.starts_at.isoformat()})
        assert answer.status_code == 200
        assert "rescheduled" not in answer.json()
    assert (await quote(ann, booking_id))["percent"] == 50


async def test_a_show_that_is_moved_back_is_as_it_was(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    await stage.tell("ShowtimeUpdated", later(showtime))
    await stage.tell("ShowtimeUpdated", showtime.model_copy(update={"version": 3}))
    body = (await ann.get(f"/bookings/{booking_id}")).json()
    assert "rescheduled" not in body
    assert len(await stage.events(booking_id, "BookingRescheduled")) == 2


async def test_late_money_for_a_show_that_was_moved_meanwhile_is_told_of_the_move(stage: Stage) -> None:
    showtime, ann = await opened(stage), stage.buyer()
    booking_id = await stage.hold(showtime, "A1", buyer=ann)
    payment_id = await stage.prepared(booking_id)
    stage.clock.advance(timedelta(minutes=11))
    await sweep(stage.inventory)
    await stage.tell("ShowtimeUpdated", later(showtime))
    assert (await stage.settle(booking_id, payment_id)).json()["status"] == "confirmed"
    await follow_up(stage.inventory)
    assert "rescheduled" in (await ann.get(f"/bookings/{booking_id}")).json()
    assert len(await stage.events(booking_id, "BookingRescheduled")) == 1


async def test_a_change_that_moves_nothing_tells_nobody(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id, _ = await stage.bought(showtime, "A1")
    await stage.tell("ShowtimeUpdated", showtime.model_copy(update={"version": 2, "hall_name": "Small Hall"}))
    assert await stage.events(booking_id, "BookingRescheduled") == []
    assert not await stage.inventory.seat_maps.is_behind(showtime.showtime_id)


# --- many at once ----------------------------------------------------------------------------------------------------


async def test_calling_off_goes_on_where_a_crash_left_it_and_its_progress_can_be_seen(stage: Stage) -> None:
    showtime, staff = await opened(stage), stage.buyer("admin")
    bookings = [(await stage.bought(showtime, f"{row}{n}"))[0] for row in "ABC" for n in range(1, 6)]
    path = f"/showtimes/{showtime.showtime_id}/refunds"
    assert not (await staff.get(path)).json()["done"]
    await stage.inventory.seat_maps.follow(
        [showtime.model_copy(update={"version": 2, "status": "cancelled"})], stage.clock.now()
    )
    assert not (await staff.get(path)).json()["done"]
    assert await dies_after(stage.inventory, 20, follow_up)
    halfway = (await staff.get(path)).json()
    # They end together, and the writes of one more than these: how many had is a matter of chance.
    assert halfway["bookings"].get("cancelled", 0) < len(bookings)
    assert not halfway["done"]
    await follow_up(stage.inventory)
    body = (await staff.get(path)).json()
    assert body["bookings"] == {"cancelled": len(bookings)}
    assert (body["refunding"], body["done"]) == (len(bookings), False)
    for booking_id in bookings:
        assert len(await asked(stage, booking_id)) == 1
        await refunded(stage.inventory, booking_id, (await stage.document(booking_id))["amount"])
    body = (await staff.get(path)).json()
    assert body["done"]
    assert body["askedAmount"] == body["refundedAmount"] == 5 * (2_650 + 1_150 + 1_150)
    problem(await stage.buyer().get(path), 403, "forbidden")
    await stage.sound()


async def test_one_booking_that_can_not_be_dealt_with_does_not_stop_the_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    showtime = await opened(stage)
    bookings = [(await stage.bought(showtime, f"A{n}"))[0] for n in range(1, 5)]
    real = stage.inventory.seat_maps.unbook
    broken = {bookings[1]}

    async def unbook(seat_map: Any, released: Any, now: Any) -> bool:
        if released.booking_id in broken:
            raise DomainError("it can't be done")
        return await real(seat_map, released, now)

    monkeypatch.setattr(stage.inventory.seat_maps, "unbook", unbook)
    await stage.tell("ShowtimeCancelled", showtime.model_copy(update={"version": 2, "status": "cancelled"}))
    assert [(await stage.document(id_))["status"] for id_ in bookings].count("cancelled") == 3
    broken.clear()
    stage.clock.advance(timedelta(seconds=6))
    await follow_up(stage.inventory)
    assert [(await stage.document(id_))["status"] for id_ in bookings].count("cancelled") == 4


async def test_bookings_of_shows_that_are_called_off_together_end_32_at_a_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other a full house took minutes; all at once they would crowd out who buys and pays meanwhile."""
    shows = [await opened(stage), await opened(stage)]
    seats = [f"{row}{n}" for row in "AB" for n in range(1, 11)]
    bookings = [(await stage.bought(show, seat))[0] for show in shows for seat in seats]
    real, full = stage.inventory.seat_maps.unbook, asyncio.Event()
    inside = most = 0

    async def unbook(*step: Any) -> bool:
        nonlocal inside, most
        inside, most = inside + 1, max(most, inside + 1)
        if most == BOOKINGS_AT_ONCE:
            full.set()
        async with asyncio.timeout(10):
            await full.wait()
        done = await real(*step)
        inside -= 1
        return done

    monkeypatch.setattr(stage.inventory.seat_maps, "unbook", unbook)
    off = [show.model_copy(update={"version": 2, "status": "cancelled"}) for show in shows]
    await stage.tell("ShowtimeCancelled", *off)
    assert most == BOOKINGS_AT_ONCE == 32
    for booking_id in bookings:
        assert (await stage.document(booking_id))["status"] == "cancelled"
        assert len(await asked(stage, booking_id)) == 1
    await stage.sound()


async def test_an_outage_while_a_show_is_called_off_is_told_once_nothing_of_it_runs_any_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    showtime = await opened(stage)
    bookings = [(await stage.bought(showtime, f"{row}{n}"))[0] for row in "ABCD" for n in range(1, 11)]
    real, down = stage.inventory.seat_maps.unbook, True
    begun: list[str] = []

    async def unbook(seat_map: Any, released: Any, now: Any) -> bool:
        begun.append(released.booking_id)
        if down and released.booking_id == bookings[1]:
            raise AutoReconnect("MongoDB is away")
        return await real(seat_map, released, now)

    monkeypatch.setattr(stage.inventory.seat_maps, "unbook", unbook)
    with pytest.raises(AutoReconnect):
        await stage.tell("ShowtimeCancelled", showtime.model_copy(update={"version": 2, "status": "cancelled"}))
    count = len(begun)
    statuses = [(await stage.document(id_))["status"] for id_ in bookings]
    assert set(begun) < set(bookings)
    assert len(begun) == count
    assert statuses.count("cancelled") < len(bookings)
    down = False
    await follow_up(stage.inventory)
    for booking_id in bookings:
        assert (await stage.document(booking_id))["status"] == "cancelled"
        assert len(await asked(stage, booking_id)) == 1
    await stage.sound()


async def test_staff_see_the_bookings_of_a_showtime_by_status_and_page(stage: Stage) -> None:
    showtime, staff = await opened(stage), stage.buyer("admin")
    sold = [(await stage.bought(showtime, f"A{n}"))[0] for n in range(1, 4)]
    held = await stage.hold(showtime, "B1")
    path = f"/showtimes/{showtime.showtime_id}/bookings"
    first = (await staff.get(path, params={"status": "confirmed", "limit": 2})).json()
    second = (await staff.get(path, params={"status": "confirmed", "limit": 2, "cursor": first["nextCursor"]})).json()
    assert [item["bookingId"] for item in first["items"] + second["items"]] == sorted(sold)
    assert second["nextCursor"] is None
    everything = (await staff.get(path)).json()["items"]
    assert {item["bookingId"] for item in everything} == {*sold, held}
    problem(await stage.buyer().get(path), 403, "forbidden")
    assert (await staff.get("/showtimes/nothing/bookings")).status_code == 404
