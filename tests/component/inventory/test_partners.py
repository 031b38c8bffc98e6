"""Bookings of a venue with a partner theatre: paid for, they wait until the theatre has answered."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from inventory_service.handlers.audit import audit
from inventory_service.handlers.cancel import refunded
from inventory_service.handlers.confirm import confirm
from inventory_service.handlers.expire import sweep
from inventory_service.handlers.follow_up import follow_up
from inventory_service.handlers.give_back import cancel_by_owner
from inventory_service.handlers.partner import partner_confirmed, partner_refused
from messaging.events import GeoPoint, Pricing, ShowtimeState, VenueState
from service_kit.ids import new_id
from tests.component.inventory.crashes import Step, dies_after, meddled
from tests.component.inventory.stage import Stage, problem
from tests.component.inventory.test_crash_points import crash_everywhere, the_money_goes_back_once

TEN_MINUTES = timedelta(minutes=10)
TICKETS = {"A1": "T-1", "A2": "T-2"}
FREE = Pricing(currency="EUR", tiers={"standard": 0, "vip": 0, "balcony": 0})


async def opened(stage: Stage, **changes: Any) -> ShowtimeState:
    """A showtime at a venue whose sales a theatre must agree to."""
    venue = VenueState(
        venue_id=new_id(),
        version=1,
        name="Partner House",
        city="Vienna",
        timezone="Europe/Vienna",
        location=GeoPoint(lat=48.2, lon=16.37),
        partner={"adapter": "http", "id": "burg"},
    )
    return await stage.open(venue=venue, **changes)


async def asked(stage: Stage, showtime: ShowtimeState) -> str:
    """The id of a booking that is paid for and that the theatre is asked for."""
    booking_id = await stage.hold(showtime, "A1", "A2")
    await stage.settle(booking_id, await stage.prepared(booking_id))
    assert (await stage.document(booking_id))["partner"]["state"] == "asked"
    return booking_id


async def told(stage: Stage, booking_id: str) -> dict[str, Any]:
    """The booking as its buyer sees it."""
    booking = await stage.inventory.booking(booking_id)
    answer = await stage.buyer(subject=booking.user_id).get(f"/bookings/{booking_id}")
    body: dict[str, Any] = answer.json()
    return body


async def types(stage: Stage, booking_id: str) -> list[str]:
    return [event["type"] for event in await stage.events(booking_id)]


async def test_what_is_paid_for_waits_for_the_theatre_with_its_seats_booked(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id = await asked(stage, showtime)
    body = await told(stage, booking_id)
    deadline = stage.clock.now() + timedelta(seconds=120)
    assert body["status"] == "pending"
    assert "heldUntil" not in body
    assert body["partner"]["state"] == "asked"
    assert body["partner"]["partnerId"] == "burg"
    assert await stage.taken(showtime) == {"A1": "booked", "A2": "booked"}
    (request,) = await stage.events(booking_id)
    assert request["type"] == "PartnerConfirmationRequested"
    assert request["data"]["seatIds"] == ["A1", "A2"]
    assert request["data"]["amount"] == body["finalAmount"]
    assert request["data"]["deadline"].startswith(deadline.isoformat()[:19])
    await stage.sound()


async def test_the_theatre_s_tickets_are_in_the_booking_and_on_the_ticket(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id = await asked(stage, showtime)
    await partner_confirmed(stage.inventory, booking_id, TICKETS)
    body = await told(stage, booking_id)
    assert body["status"] == "confirmed"
    assert {t["seatId"]: t["ticketId"] for t in body["partner"]["tickets"]} == TICKETS
    owner = stage.buyer(subject=body["userId"])
    ticket = (await owner.get(f"/bookings/{booking_id}/ticket")).json()
    assert [seat["partnerTicketId"] for seat in ticket["seats"]] == ["T-1", "T-2"]
    assert "T-2" in (await owner.get(f"/bookings/{booking_id}/ticket.html")).text
    assert await types(stage, booking_id) == ["PartnerConfirmationRequested", "BookingConfirmed"]
    assert await stage.holds(showtime) == {}
    await stage.sound()


async def test_a_refusal_gives_seats_and_money_back_and_tells_the_buyer_why(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id = await asked(stage, showtime)
    await partner_refused(stage.inventory, booking_id, "The circle is closed tonight")
    body = await told(stage, booking_id)
    assert body["status"] == "failed"
    assert body["partner"] == {
        "partnerId": "burg",
        "state": "refused",
        "reason": "The circle is closed tonight",
    }
    assert await stage.taken(showtime) == {}
    (refund,) = await stage.events(booking_id, "RefundRequested")
    assert (refund["data"]["amount"], refund["data"]["reason"]) == (body["finalAmount"], "partner-refused")
    await refunded(stage.inventory, booking_id, body["finalAmount"])
    assert (await told(stage, booking_id))["status"] == "refunded"
    await stage.sound()


async def test_answers_and_news_of_money_may_come_again(stage: Stage) -> None:
    showtime = await opened(stage)
    good, bad = await asked(stage, showtime), await stage.hold(showtime, "B1")
    payment = await stage.prepared(bad)
    await stage.settle(bad, payment)
    for _ in range(2):
        await partner_confirmed(stage.inventory, good, TICKETS)
        await partner_refused(stage.inventory, good, "too late")
        await partner_refused(stage.inventory, bad, "no")
        await partner_confirmed(stage.inventory, bad, {"B1": "T-3"})
        await confirm(stage.inventory, bad, payment)
    assert (await stage.document(good))["status"] == "confirmed"
    assert (await types(stage, good)).count("BookingConfirmed") == 1
    await the_money_goes_back_once(stage, bad, status="failed")
    await stage.sound()


async def test_what_is_asked_for_does_not_run_out_and_the_audit_says_when_no_answer_comes(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id = await asked(stage, showtime)
    stage.clock.advance(timedelta(hours=1))
    for _ in range(3):
        await sweep(stage.inventory)
        stage.clock.advance(timedelta(seconds=20))
    assert (await stage.document(booking_id))["partner"]["state"] == "asked"
    assert await stage.taken(showtime) == {"A1": "booked", "A2": "booked"}
    (finding,) = await audit(stage.inventory)
    assert f"Booking {booking_id} still waits for its partner theatre" in finding
    await partner_confirmed(stage.inventory, booking_id, TICKETS)
    await stage.sound()


async def test_a_booking_confirmed_without_the_theatre_s_tickets_is_found_by_the_audit(stage: Stage) -> None:
    booking_id = await asked(stage, await opened(stage))
    await partner_confirmed(stage.inventory, booking_id, {"A1": "T-1"})
    assert await audit(stage.inventory) == [f"Booking {booking_id} is confirmed without its partner theatre's tickets"]


async def test_a_failed_payment_that_is_heard_of_late_changes_nothing(stage: Stage) -> None:
    booking_id = await asked(stage, await opened(stage))
    payment_id = (await stage.document(booking_id))["paymentId"]
    assert (await stage.settle(booking_id, payment_id, "failed")).json()["status"] == "pending"
    await stage.sound()


async def test_the_hold_of_what_is_asked_for_is_neither_extended_nor_paid_for_again(stage: Stage) -> None:
    booking_id = await asked(stage, await opened(stage))
    booking = await stage.inventory.booking(booking_id)
    owner = stage.buyer(subject=booking.user_id)
    answer = await owner.post(f"/bookings/{booking_id}/extend", {"additionalMinutes": 5})
    problem(answer, 409, "booking-not-pending")
    paying = {"finalAmount": booking.amount, "currency": booking.currency}
    problem(await owner.post(f"/bookings/{booking_id}/preparePayment", paying), 409, "booking-not-pending")


async def test_what_costs_nothing_is_asked_for_too_and_needs_no_refund(stage: Stage) -> None:
    showtime = await opened(stage, pricing=FREE)
    booking_id = await stage.hold(showtime, "A1")
    owner = stage.buyer(subject=(await stage.inventory.booking(booking_id)).user_id)
    paying = {"finalAmount": 0, "currency": "EUR"}
    for _ in range(2):
        answer = await owner.post(f"/bookings/{booking_id}/preparePayment", paying)
        assert answer.json()["status"] == "pending", answer.text
        stage.clock.advance(TEN_MINUTES)
    await partner_refused(stage.inventory, booking_id, "no")
    assert await types(stage, booking_id) == ["PartnerConfirmationRequested", "BookingFailed", "SeatsReleased"]
    await confirm(stage.inventory, booking_id, None)
    assert (await told(stage, booking_id))["status"] == "failed"
    assert await stage.taken(showtime) == {}
    await stage.sound()


async def test_a_buyer_may_cancel_while_the_theatre_is_asked_and_its_answer_comes_too_late(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id = await asked(stage, showtime)
    owner = stage.buyer(subject=(await stage.inventory.booking(booking_id)).user_id)
    assert (await owner.put(f"/bookings/{booking_id}/cancel")).json()["status"] == "cancelled"
    await partner_confirmed(stage.inventory, booking_id, TICKETS)
    await the_money_goes_back_once(stage, booking_id, status="cancelled")
    (event,) = await stage.events(booking_id, "BookingCancelled")
    assert event["data"]["partner"] == "burg"
    assert await stage.taken(showtime) == {}
    await stage.sound()


async def test_the_theatre_is_told_which_seats_are_left_where_some_are_given_back(stage: Stage) -> None:
    booking_id = await asked(stage, await opened(stage))
    await partner_confirmed(stage.inventory, booking_id, TICKETS)
    owner = stage.buyer(subject=(await stage.inventory.booking(booking_id)).user_id)
    answer = await owner.put(f"/bookings/{booking_id}/cancel", {"seatIds": ["A1"]})
    assert answer.status_code == 200, answer.text
    (event,) = await stage.events(booking_id, "BookingReduced")
    assert (event["data"]["partner"], event["data"]["seatIds"]) == ("burg", ["A2"])
    assert (await told(stage, booking_id))["partner"]["tickets"] == [{"seatId": "A2", "ticketId": "T-2"}]
    await stage.sound()


async def test_a_confirmed_booking_that_has_ended_is_withdrawn_from_the_theatre(stage: Stage) -> None:
    booking_id = await asked(stage, await opened(stage))
    await partner_confirmed(stage.inventory, booking_id, TICKETS)
    assert (await told(stage, booking_id))["partner"]["state"] == "confirmed"
    owner = stage.buyer(subject=(await stage.inventory.booking(booking_id)).user_id)
    cancelled = (await owner.put(f"/bookings/{booking_id}/cancel")).json()
    assert (cancelled["status"], cancelled["partner"]["state"]) == ("cancelled", "withdrawn")
    await refunded(stage.inventory, booking_id, cancelled["finalAmount"])
    body = await told(stage, booking_id)
    assert (body["status"], body["partner"]["state"]) == ("refunded", "withdrawn")


async def test_the_theatre_hears_of_a_move_of_what_it_was_asked_for(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id = await asked(stage, showtime)
    await partner_confirmed(stage.inventory, booking_id, TICKETS)
    later = showtime.model_copy(update={"version": 2, "starts_at": showtime.starts_at + timedelta(days=1)})
    await stage.tell("ShowtimeUpdated", later)
    (event,) = await stage.events(booking_id, "BookingRescheduled")
    assert event["data"]["partner"] == "burg"
    assert datetime.fromisoformat(event["data"]["movedTo"]) == later.starts_at


async def test_the_theatre_is_asked_for_the_show_at_its_new_time_whatever_a_process_remembers(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id = await stage.hold(showtime, "A1", "A2")
    payment_id = await stage.prepared(booking_id)
    await stage.inventory.showtime(showtime.showtime_id)
    later = showtime.model_copy(update={"version": 2, "starts_at": showtime.starts_at + timedelta(days=1)})
    await stage.tell("ShowtimeUpdated", later)
    await stage.settle(booking_id, payment_id)
    (request,) = await stage.events(booking_id, "PartnerConfirmationRequested")
    assert datetime.fromisoformat(request["data"]["startsAt"]) == later.starts_at


async def test_the_theatre_is_told_only_of_bookings_it_was_asked_for(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id = await stage.hold(showtime, "A1")
    await cancel_by_owner(stage.inventory, await stage.inventory.booking(booking_id))
    (event,) = await stage.events(booking_id, "BookingCancelled")
    assert event["data"]["partner"] is None


async def test_a_showtime_called_off_ends_what_the_theatre_is_asked_for(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id = await asked(stage, showtime)
    await stage.tell("ShowtimeCancelled", showtime.model_copy(update={"version": 2, "status": "cancelled"}))
    await partner_confirmed(stage.inventory, booking_id, TICKETS)
    await the_money_goes_back_once(stage, booking_id, status="cancelled")
    (refund,) = await stage.events(booking_id, "RefundRequested")
    assert refund["data"]["reason"] == "showtime-cancelled"
    await stage.sound()


async def test_an_answer_for_a_showtime_about_to_be_called_off_ends_in_a_refund(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id = await asked(stage, showtime)
    cancelled = showtime.model_copy(update={"version": 2, "status": "cancelled"})
    await stage.inventory.seat_maps.follow([cancelled], stage.clock.now())
    await partner_confirmed(stage.inventory, booking_id, TICKETS)
    await the_money_goes_back_once(stage, booking_id, status="cancelled")
    await follow_up(stage.inventory)
    await stage.sound()


async def test_money_that_is_back_already_ends_the_asking_without_a_second_refund(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id = await asked(stage, showtime)
    await refunded(stage.inventory, booking_id, (await stage.inventory.booking(booking_id)).amount)
    await partner_confirmed(stage.inventory, booking_id, TICKETS)
    assert (await stage.document(booking_id))["status"] == "refunded"
    assert await stage.events(booking_id, "RefundRequested") == []
    assert await stage.taken(showtime) == {}
    await stage.sound()


async def late(stage: Stage, showtime: ShowtimeState) -> tuple[str, str]:
    booking_id = await stage.hold(showtime, "A1", "A2")
    payment_id = await stage.prepared(booking_id)
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)
    assert (await stage.document(booking_id))["status"] == "expired"
    return booking_id, payment_id


async def test_late_money_has_the_theatre_asked_once_the_seats_are_taken_again(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id, payment_id = await late(stage, showtime)
    assert (await stage.settle(booking_id, payment_id)).json()["partner"]["state"] == "asked"
    await stage.sound()
    await partner_confirmed(stage.inventory, booking_id, TICKETS)
    assert (await stage.document(booking_id))["status"] == "confirmed"
    await stage.sound()


async def test_the_theatre_is_not_asked_for_seats_that_are_gone(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id, payment_id = await late(stage, showtime)
    await stage.hold(showtime, "A2")
    await stage.settle(booking_id, payment_id)
    await the_money_goes_back_once(stage, booking_id, status="expired")
    assert await stage.events(booking_id, "PartnerConfirmationRequested") == []


async def test_the_theatre_is_asked_for_the_equal_seats_that_late_money_got(stage: Stage) -> None:
    showtime = await opened(stage)
    booking_id = await stage.hold(showtime, "B1", "B2", acceptOther=True)
    payment_id = await stage.prepared(booking_id)
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)
    await stage.hold(showtime, "B2")
    await stage.settle(booking_id, payment_id)
    (request,) = await stage.events(booking_id, "PartnerConfirmationRequested")
    seats = request["data"]["seatIds"]
    assert "B2" not in seats
    assert (await told(stage, booking_id))["seatIds"] == seats
    await stage.sound()
    await partner_confirmed(stage.inventory, booking_id, {seat_id: f"T-{seat_id}" for seat_id in seats})
    assert (await stage.document(booking_id))["status"] == "confirmed"
    await stage.sound()


async def test_the_waiting_client_sees_the_asking_and_the_end_of_it(stage: Stage) -> None:
    booking_id = await asked(stage, await opened(stage))
    assert not (await stage.inventory.booking(booking_id)).settled
    await partner_refused(stage.inventory, booking_id, "no")
    assert (await stage.inventory.booking(booking_id)).settled


# --- crashes and races -----------------------------------------------------------------------------------------------


async def paying(stage: Stage, showtime: ShowtimeState) -> Any:
    booking_id = await stage.hold(showtime, "A1", "A2")
    payment_id = await stage.prepared(booking_id)

    async def outcome() -> None:
        assert await types(stage, booking_id) == ["PartnerConfirmationRequested"]
        assert await stage.taken(showtime) == {"A1": "booked", "A2": "booked"}
        await partner_confirmed(stage.inventory, booking_id, TICKETS)

    return lambda inventory: confirm(inventory, booking_id, payment_id), outcome


async def paying_late(stage: Stage, showtime: ShowtimeState) -> Any:
    booking_id, payment_id = await late(stage, showtime)

    async def outcome() -> None:
        assert len(await stage.events(booking_id, "PartnerConfirmationRequested")) == 1
        assert (await stage.document(booking_id))["status"] == "pending"
        await partner_confirmed(stage.inventory, booking_id, TICKETS)

    return lambda inventory: confirm(inventory, booking_id, payment_id), outcome


async def being_confirmed(stage: Stage, showtime: ShowtimeState) -> Any:
    booking_id = await asked(stage, showtime)

    async def outcome() -> None:
        assert (await stage.document(booking_id))["status"] == "confirmed"
        assert await stage.taken(showtime) == {"A1": "booked", "A2": "booked"}

    return lambda inventory: partner_confirmed(inventory, booking_id, TICKETS), outcome


async def being_refused(stage: Stage, showtime: ShowtimeState) -> Any:
    booking_id = await asked(stage, showtime)

    async def outcome() -> None:
        await the_money_goes_back_once(stage, booking_id, status="failed")
        assert await stage.taken(showtime) == {}

    return lambda inventory: partner_refused(inventory, booking_id, "no"), outcome


async def being_cancelled(stage: Stage, showtime: ShowtimeState) -> Any:
    booking_id = await asked(stage, showtime)
    booking = await stage.inventory.booking(booking_id)

    async def outcome() -> None:
        await the_money_goes_back_once(stage, booking_id, status="cancelled")
        assert await stage.taken(showtime) == {}

    return lambda inventory: cancel_by_owner(inventory, booking), outcome


STORIES = [paying, paying_late, being_confirmed, being_refused, being_cancelled]
Story = Callable[[Stage, ShowtimeState], Awaitable[Any]]


def at_the_partner_s(story: Story) -> Any:
    """The story in a showtime of a venue with a partner, whatever showtime is offered."""

    async def told(stage: Stage, _: ShowtimeState) -> Any:
        return await story(stage, await opened(stage))

    return told


@pytest.mark.parametrize("story", STORIES)
async def test_a_repeat_after_a_crash_finishes_the_step(stage: Stage, story: Story) -> None:
    async def mend(step: Step) -> None:
        stage.clock.advance(timedelta(seconds=6))
        await step(stage.inventory)

    await crash_everywhere(stage, at_the_partner_s(story), mend)


@pytest.mark.parametrize("story", STORIES)
async def test_the_sweeper_alone_finishes_the_step(stage: Stage, story: Story) -> None:
    async def mend(_: Step) -> None:
        for writes in (1, 2, 50, 50):
            stage.clock.advance(timedelta(seconds=16))
            await dies_after(stage.inventory, writes, sweep)

    await crash_everywhere(stage, at_the_partner_s(story), mend)


@pytest.mark.parametrize("step", ["confirmed", "refused", "cancelled"])
@pytest.mark.parametrize("other", ["confirmed", "refused", "cancelled", "refunded", "swept", "paid again"])
async def test_whatever_comes_in_between_there_is_a_ticket_or_the_money_never_both(
    stage: Stage, step: str, other: str
) -> None:
    for at in range(1, 30):
        showtime = await opened(stage)
        booking_id = await asked(stage, showtime)
        booking = await stage.inventory.booking(booking_id)
        steps: dict[str, Step] = {
            "confirmed": partial(partner_confirmed, booking_id=booking_id, ticket_ids=TICKETS),
            "refused": partial(partner_refused, booking_id=booking_id, reason="no"),
            "cancelled": partial(cancel_by_owner, booking=booking),
            "refunded": partial(refunded, booking_id=booking_id, amount=booking.amount),
            "swept": sweep,
            "paid again": partial(confirm, booking_id=booking_id, payment_id=booking.payment_id),
        }
        in_time = await meddled(stage.inventory, at, steps[step], partial(steps[other], stage.inventory))
        for _ in range(2):
            stage.clock.advance(timedelta(seconds=16))
            await sweep(stage.inventory)
        document = await stage.document(booking_id)
        sold = document["status"] == "confirmed"
        assert sold or "refund" in document or document.get("refunded") == booking.amount, document
        assert await stage.taken(showtime) == ({"A1": "booked", "A2": "booked"} if sold else {})
        await stage.sound()
        if not in_time:
            return
    raise AssertionError("the step never came to its end")
