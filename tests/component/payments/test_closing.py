"""A booking that is over: its intent is cancelled at the gateway, wherever a process dies and whatever comes first."""

from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

import pytest

from messaging.envelope import new_event
from messaging.events import BookingState, BookingStatus
from payment_service.domain.errors import GatewayRefused, PaymentClosed
from payment_service.domain.payment import Payment
from payment_service.handlers.payments import Order, Payments
from service_kit.clock import SystemClock
from service_kit.ids import new_id
from tests.component.payments.conftest import House, Json
from tests.component.payments.quiet import Fuse, Killed, Quiet
from tests.support import eventually

ENDS: dict[BookingStatus, str] = {
    "expired": "BookingExpired",
    "cancelled": "BookingCancelled",
    "failed": "BookingFailed",
}
# More calls to database and gateway than any of the steps makes.
MOST_CALLS = 12


async def over(house: House, booking_id: str, status: BookingStatus = "expired", amount: int = 2400) -> None:
    """Inventory's news that a booking has ended without money."""
    data = BookingState(
        booking_id=booking_id,
        version=2,
        showtime_id=new_id(),
        event_id=new_id(),
        venue_id=new_id(),
        user_id=new_id(),
        seat_ids=["A-1"],
        status=status,
        amount=amount,
        currency="EUR",
    )
    event = new_event(
        ENDS[status], source="inventory_service", subject=booking_id, version=2, data=data, clock=SystemClock()
    )
    await house.publisher.publish(event.to_document())


async def at_gateway(house: House, intent: str) -> str:
    return (await house.gateway.v1.payment_intents.retrieve_async(intent)).status


async def intents_of(house: House, payment_id: str) -> list[str]:
    """How the intents stand that were made for a payment."""
    listed = await house.gateway.v1.payment_intents.list_async({"limit": 100})
    return [each.status for each in listed.data if each.to_dict()["metadata"].get("paymentId") == payment_id]


@pytest.mark.parametrize("status", ENDS)
async def test_the_end_of_a_booking_cancels_its_intent_and_nobody_can_pay_any_more(
    house: House, status: BookingStatus
) -> None:
    payment = await house.open()
    for _ in range(2):
        await over(house, payment["bookingId"], status)
    cancelled = await house.until(payment, lambda it: it["status"] == "cancelled")
    assert (cancelled["failure"], cancelled["cancelling"]) == ("canceled", False)
    assert await at_gateway(house, payment["paymentIntent"]) == "canceled"
    assert (await house.confirm(payment)).status_code == 400
    assert await house.events_of(payment, 2) == ["PaymentRequested", "PaymentFailed"]


async def test_money_that_came_just_before_the_hold_ran_out_is_learnt_of_when_the_intent_is_to_be_cancelled(
    house: House,
) -> None:
    await house.faults(drop=True)
    payment = await house.open()
    assert (await house.confirm(payment)).status_code == 200
    await over(house, payment["bookingId"])
    done = await house.until(payment, lambda it: it["status"] == "completed")
    assert done["cancelling"] is False
    assert await house.events_of(payment, 2) == ["PaymentRequested", "PaymentSucceeded"]


async def test_money_that_is_on_its_way_when_the_hold_runs_out_is_learnt_of_once_it_is_there(house: House) -> None:
    payment = await house.open()
    assert (await house.confirm(payment, "pm_usBankAccount_success")).json()["status"] == "processing"
    await over(house, payment["bookingId"])
    await house.until(payment, lambda it: it["status"] == "completed")


async def test_a_paid_booking_that_is_cancelled_keeps_its_payment_for_the_refund(house: House) -> None:
    payment = await house.paid()
    await over(house, payment["bookingId"], "cancelled")
    other = await house.open()
    await over(house, other["bookingId"], "cancelled")
    await house.until(other, lambda it: it["status"] == "cancelled")
    assert await house.get(payment["paymentId"]) == payment


async def test_news_that_comes_before_the_payment_leaves_no_open_intent(house: House) -> None:
    booking_id = new_id()
    await over(house, booking_id)
    await eventually(lambda: house.database["closed_bookings"].find_one({"_id": booking_id}))
    body = {"bookingId": booking_id, "userId": new_id(), "amount": 2400, "currency": "EUR"}
    for _ in range(2):
        answer = await house.api.post("/api/v1/payments", json=body, headers=house.mint.headers("service"))
        assert answer.status_code == 409
        assert answer.json()["type"].endswith("payment-closed")
    written = await house.database["payments"].find_one({"bookingId": booking_id})
    assert written is not None
    payment_id = written["_id"]
    await house.until({"paymentId": payment_id}, lambda it: it["status"] == "cancelled")
    assert "requires_payment_method" not in await intents_of(house, payment_id)


@pytest.mark.parametrize("fault", [{"failStatus": 500}, {"hangMs": 5_000}, {"fail": 2, "answerLost": True}], ids=str)
async def test_while_the_gateway_is_down_the_cancellation_waits(house: House, fault: Json) -> None:
    payment = await house.open()
    await house.faults(**fault)
    await over(house, payment["bookingId"])
    waiting = await house.until(payment, lambda it: it["cancelling"] or it["status"] == "cancelled")
    # Where only the answer was lost the webhook may be first.
    assert waiting["status"] == "pending" or "answerLost" in fault

    async def looked_after() -> Json | None:
        return await house.database["payments"].find_one({"_id": payment["paymentId"]})

    tried = await eventually(looked_after, until=lambda it: it and (it["dueAt"] is None or not due(it)), seconds=20)
    assert tried is not None
    await house.sandbox.delete("/sandbox/faults")
    await house.database["payments"].update_one(
        {"_id": payment["paymentId"], "dueAt": {"$ne": None}}, {"$set": {"dueAt": SystemClock().now()}}
    )
    await house.until(payment, lambda it: it["status"] == "cancelled", seconds=20)
    assert await at_gateway(house, payment["paymentIntent"]) == "canceled"


def due(document: Json) -> bool:
    left: timedelta = document["dueAt"] - SystemClock().now()
    return left <= timedelta()


def order() -> Order:
    return Order(new_id(), new_id(), 900, "EUR")


async def dies(work: Awaitable[object]) -> bool:
    """Whether the process died of it; a refusal is no death."""
    try:
        await work
    except Killed:
        return True
    except PaymentClosed:
        return False
    return False


async def require_cancelled(quiet: Quiet, wanted: Order) -> None:
    payment = await quiet.end_of(wanted)
    assert (payment.status, payment.cancel_intent) == ("cancelled", False)
    assert set(await intents_of(quiet.house, payment.id)) <= {"canceled"}
    with pytest.raises(PaymentClosed):
        await quiet.process().open(wanted, new_id())


async def test_a_death_at_any_step_of_closing_a_booking_is_made_good_by_the_redelivery(quiet: Quiet) -> None:
    deaths = 0
    for calls in range(1, MOST_CALLS):
        wanted = order()
        await quiet.process().open(wanted, new_id())
        deaths += await dies(quiet.process(Fuse(calls)).close_bookings([wanted.booking_id]))
        await quiet.process().close_bookings([wanted.booking_id])
        await require_cancelled(quiet, wanted)
    assert deaths == 3  # the note, the look for payments, the mark on one


async def test_a_death_at_any_step_of_cancelling_the_intent_is_made_good_by_the_next_worker(quiet: Quiet) -> None:
    deaths = 0
    for calls in range(1, MOST_CALLS):
        wanted = order()
        await quiet.process().open(wanted, new_id())
        await quiet.process().close_bookings([wanted.booking_id])
        deaths += await dies(quiet.process(Fuse(calls)).attend())
        await require_cancelled(quiet, wanted)
    assert deaths >= 4


async def test_a_death_at_any_step_of_opening_a_payment_leaves_no_open_intent_once_the_booking_is_over(
    quiet: Quiet,
) -> None:
    deaths = 0
    for calls in range(1, MOST_CALLS):
        wanted = order()
        deaths += await dies(quiet.process(Fuse(calls)).open(wanted, new_id()))
        await quiet.process().close_bookings([wanted.booking_id])
        await require_cancelled(quiet, wanted)
    assert deaths >= 4


async def test_a_death_at_any_step_of_opening_one_for_a_booking_that_is_over_leaves_none_either(quiet: Quiet) -> None:
    deaths = 0
    for calls in range(1, MOST_CALLS):
        wanted = order()
        await quiet.process().close_bookings([wanted.booking_id])
        deaths += await dies(quiet.process(Fuse(calls)).open(wanted, new_id()))
        await require_cancelled(quiet, wanted)
    assert deaths >= 3


async def test_a_booking_that_ends_at_any_step_of_opening_its_payment_leaves_no_open_intent(quiet: Quiet) -> None:
    for calls in range(1, MOST_CALLS):
        wanted = order()

        async def end(booking_id: str = wanted.booking_id) -> None:
            await quiet.process().close_bookings([booking_id])

        fuse = Fuse(calls, meanwhile=end)
        refused = not await opens(quiet.process(fuse), wanted)
        if fuse.calls > 0:  # it was done before its turn came
            assert not refused
            await end()
        await require_cancelled(quiet, wanted)


async def test_a_payment_opened_at_any_step_of_closing_its_booking_is_refused_or_closed_at_once(
    quiet: Quiet,
) -> None:
    """Without waiting for the worker, whose own look at the note is only the last resort."""
    refusals = set()
    for calls in range(1, 4):
        wanted = order()
        refused: list[bool] = []

        async def begin(wanted: Order = wanted, refused: list[bool] = refused) -> None:
            refused.append(not await opens(quiet.process(), wanted))

        await quiet.process(Fuse(calls, meanwhile=begin)).close_bookings([wanted.booking_id])
        payment = await quiet.store.of_booking(wanted.booking_id)
        assert payment is None or payment.closed
        refusals.update(refused)
        if payment:
            await require_cancelled(quiet, wanted)
    assert refusals == {False, True}


async def opens(payments: Payments, wanted: Order) -> bool:
    try:
        await payments.open(wanted, new_id())
    except PaymentClosed:
        return False
    return True


async def test_a_buyer_who_pays_at_any_step_of_the_cancelling_is_heard_of_or_refused(quiet: Quiet) -> None:
    ends = set()
    for calls in range(1, MOST_CALLS):
        wanted = order()
        opened, _ = await quiet.process().open(wanted, new_id())
        await quiet.process().close_bookings([wanted.booking_id])
        answers: list[int] = []

        async def pay(opened: Payment = opened, answers: list[int] = answers) -> None:
            body = {"paymentIntent": opened.reference, "clientSecret": opened.client_secret}
            answers.append((await quiet.house.confirm(body)).status_code)

        await quiet.process(Fuse(calls, meanwhile=pay)).attend()
        payment = await quiet.end_of(wanted)
        paid = answers == [200]
        assert payment.status == ("completed" if paid else "cancelled")
        ends.add(payment.status)
    assert ends == {"completed", "cancelled"}


async def test_the_gateways_refusal_to_make_an_intent_closes_a_payment_that_never_had_one(quiet: Quiet) -> None:
    wanted = replace(order(), currency="XXX")
    await quiet.process().close_bookings([wanted.booking_id])
    assert not await opens(quiet.process(), wanted)
    payment = await quiet.end_of(wanted)
    assert (payment.status, payment.failure, payment.reference) == ("cancelled", "gateway-refused", None)


async def test_a_payment_that_the_gateway_refuses_outright_fails_at_once_and_stays_so(quiet: Quiet) -> None:
    wanted = replace(order(), currency="XXX")
    for _ in range(2):
        with pytest.raises(GatewayRefused):
            await quiet.process().open(wanted, new_id())
    payment = await quiet.end_of(wanted)
    assert (payment.status, payment.failure, payment.reference) == ("failed", "gateway-refused", None)
    document = await quiet.store.payments.find_one({"_id": payment.id})
    assert document is not None
    assert [event["type"] for event in document["outbox"]] == ["PaymentRequested", "PaymentFailed"]


@pytest.mark.parametrize("repeated", [True, False], ids=["by the repeat", "by a worker"])
async def test_a_death_while_a_payment_is_refused_outright_is_made_up_for(quiet: Quiet, repeated: bool) -> None:
    deaths = 0
    for calls in range(1, 20):
        wanted = replace(order(), currency="XXX")
        try:
            with pytest.raises(GatewayRefused):
                await quiet.process(Fuse(calls)).open(wanted, new_id())
        except Killed:
            deaths += 1
            if repeated:
                with pytest.raises(GatewayRefused):
                    await quiet.process().open(wanted, new_id())
        payment = await quiet.end_of(wanted)
        assert (payment.status, payment.failure) == ("failed", "gateway-refused")
        if deaths < calls:
            break
    assert deaths > 2
