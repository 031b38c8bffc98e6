"""The product's one story, through the whole stack: every process, every engine, the payment sandbox."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.journeys.story import Json, Story
from tests.servers.stack import Stack
from tests.support import eventually


@pytest.fixture
async def story(stack: Stack) -> AsyncIterator[Story]:
    async with httpx2.AsyncClient(base_url=stack.url, timeout=30) as client:
        yield Story(stack, client)


async def test_a_new_show_is_found_held_paid_and_ticketed(story: Story) -> None:
    show = await story.showtime()
    name = show["event"]["name"]
    offer = await eventually(lambda: story.offer(show, seatsTogether=2))
    assert offer is not None
    assert offer["availability"]["available"] == 18
    assert offer["price"] == {"from": 1250, "currency": "EUR"}

    buyer = await story.guest()
    booking = await story.hold(show["showtimeId"], ["A1", "A2"], buyer)
    assert (booking["status"], booking["finalAmount"], booking["currency"]) == ("pending", 2600, "EUR")
    paid = await story.pay(await story.prepare(booking, buyer))
    assert paid.json()["status"] == "succeeded"
    await story.becomes(booking, "confirmed", buyer)

    seats = await story.seats(show["showtimeId"])
    assert {seat for seat, status in seats.items() if status == "booked"} == {"A1", "A2"}
    ticket = await story.call("GET", f"/api/v1/bookings/{booking['bookingId']}/ticket", headers=buyer)
    assert (ticket["event"], [seat["seatId"] for seat in ticket["seats"]]) == (name, ["A1", "A2"])
    scan = {"json": {"code": ticket["code"]}, "headers": story.stack.admin}
    await story.call("POST", "/api/v1/tickets/scan", 200, **scan)
    await story.call("POST", "/api/v1/tickets/scan", 409, **scan)


async def test_what_is_booked_is_no_longer_offered_by_search(story: Story) -> None:
    show = await story.showtime()
    await eventually(lambda: story.offer(show, seatsTogether=6))
    buyer = await story.guest()
    for row in "ABC":
        await story.hold(show["showtimeId"], [f"{row}3"], buyer)
    await eventually(lambda: story.offer(show, seatsTogether=4), until=lambda offer: offer is None)
    left = await story.offer(show, seatsTogether=3)
    assert left is not None
    assert left["availability"]["largestBlock"] == 3


async def test_one_of_a_hundred_buyers_gets_the_pair_and_the_others_are_told_which_seats(story: Story) -> None:
    show = await story.showtime()
    buyers = [await story.guest() for _ in range(100)]

    async def try_to_hold(buyer: dict[str, str]) -> httpx2.Response:
        path = f"/api/v1/showtimes/{show['showtimeId']}/seats/reserve"
        return await story.client.post(path, json={"seatIds": ["B3", "B4"]}, headers=buyer)

    answers = await asyncio.gather(*map(try_to_hold, buyers))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 99
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["type"].endswith("/seats-taken")
            assert answer.json()["seatIds"] == ["B3", "B4"]


async def test_a_declined_card_gives_the_seats_back(story: Story) -> None:
    show = await story.showtime()
    buyer = await story.guest()
    booking = await story.hold(show["showtimeId"], ["C1"], buyer)
    declined = await story.pay(await story.prepare(booking, buyer), "pm_card_chargeDeclined")
    assert declined.status_code == 402
    await story.becomes(booking, "failed", buyer)
    assert (await story.seats(show["showtimeId"]))["C1"] == "available"


async def test_who_may_try_again_keeps_the_seats_after_a_decline_and_pays_with_another_card(story: Story) -> None:
    show = await story.showtime()
    buyer = await story.guest()
    booking = await story.hold(show["showtimeId"], ["C1"], buyer)
    intent = await story.prepare(booking, buyer, retryDeclined=True)
    assert (await story.pay(intent, "pm_card_chargeDeclined")).status_code == 402
    path = f"/api/v1/payments/{intent['paymentId']}"
    await eventually(lambda: story.call("GET", path, headers=buyer), until=lambda payment: payment["failure"])
    assert (await story.booking(booking["bookingId"], buyer))["status"] == "pending"
    assert (await story.pay(intent)).status_code == 200
    await story.becomes(booking, "confirmed", buyer)


async def test_a_hold_that_is_given_back_can_not_be_paid_any_more(story: Story) -> None:
    show = await story.showtime()
    buyer = await story.guest()
    booking = await story.hold(show["showtimeId"], ["C1"], buyer)
    intent = await story.prepare(booking, buyer)
    await story.call("PUT", f"/api/v1/bookings/{booking['bookingId']}/cancel", headers=buyer)
    await eventually(lambda: story.payment(booking), until=lambda it: it["status"] == "cancelled")
    assert (await story.pay(intent)).status_code == 400
    assert (await story.booking(booking["bookingId"], buyer))["status"] == "cancelled"
    assert (await story.seats(show["showtimeId"]))["C1"] == "available"


async def test_what_the_gateway_will_not_take_is_told_so_and_others_may_have_the_seats(story: Story) -> None:
    show = await story.showtime(standard=99_999_999)
    buyer = await story.guest()
    booking = await story.hold(show["showtimeId"], ["A1", "A2"], buyer)
    body = {"finalAmount": booking["finalAmount"], "currency": booking["currency"]}
    path = f"/api/v1/bookings/{booking['bookingId']}/preparePayment"
    refused = await story.call("POST", path, 422, json=body, headers=buyer)
    assert refused["type"].endswith("/gateway-refused")
    await story.becomes(booking, "failed", buyer)
    assert (await story.seats(show["showtimeId"]))["A1"] == "available"


async def disputed(story: Story, booking: Json, buyer: dict[str, str]) -> Json:
    """The payment of a booking that its buyer has paid for, and his bank takes back."""
    await story.pay(await story.prepare(booking, buyer), "pm_card_createDispute")
    await story.becomes(booking, "confirmed", buyer)
    return await eventually(lambda: story.payment(booking), until=lambda it: it["disputes"])


async def test_a_disputed_booking_keeps_its_seats_and_its_money_is_not_refunded_as_well(story: Story) -> None:
    show = await story.showtime()
    buyer = await story.guest()
    booking = await story.hold(show["showtimeId"], ["C3"], buyer)
    payment = await disputed(story, booking, buyer)
    await story.call("POST", f"/api/v1/payments/{payment['paymentId']}/refund", 409, headers=story.stack.admin)
    assert (await story.booking(booking["bookingId"], buyer))["status"] == "confirmed"


async def test_who_cancels_while_his_bank_disputes_the_payment_gets_his_money_once(story: Story) -> None:
    show = await story.showtime()
    buyer = await story.guest()
    booking = await story.hold(show["showtimeId"], ["C4"], buyer)
    disputes = (await disputed(story, booking, buyer))["disputes"]
    await story.call("PUT", f"/api/v1/bookings/{booking['bookingId']}/cancel", headers=buyer)
    await eventually(
        lambda: story.payment(booking), until=lambda it: [each["status"] for each in it["refunds"]] == ["waiting"]
    )
    assert (await story.booking(booking["bookingId"], buyer))["status"] == "cancelled"
    url = f"{story.stack.info['sandboxUrl']}/v1/disputes/{disputes[0]['disputeId']}/close"
    closed = await story.client.post(url, headers={"Authorization": "Bearer sk_test_journey"})
    assert closed.status_code == 200, closed.text
    await story.becomes(booking, "refunded", buyer)
    assert [each["byDispute"] for each in (await story.payment(booking))["refunds"]] == [True]


async def test_a_cancelled_booking_is_refunded_and_its_seats_are_free_again(story: Story) -> None:
    show = await story.showtime()
    buyer = await story.guest()
    booking = await story.hold(show["showtimeId"], ["A6"], buyer)
    intent = await story.prepare(booking, buyer)
    await story.pay(intent)
    await story.becomes(booking, "confirmed", buyer)
    await story.call("PUT", f"/api/v1/bookings/{booking['bookingId']}/cancel", headers=buyer)
    await story.becomes(booking, "refunded", buyer)
    assert (await story.seats(show["showtimeId"]))["A6"] == "available"
    payment = await story.call("GET", f"/api/v1/payments/{intent['paymentId']}", headers=story.stack.service)
    assert payment["status"] == "refunded"


async def test_a_cancelled_show_leaves_search_and_refunds_its_buyers(story: Story) -> None:
    show = await story.showtime()
    buyer = await story.guest()
    booking = await story.hold(show["showtimeId"], ["A1"], buyer)
    await story.pay(await story.prepare(booking, buyer))
    await story.becomes(booking, "confirmed", buyer)
    deleted = await story.client.delete(f"/api/v1/showtimes/{show['showtimeId']}", headers=story.stack.admin)
    assert deleted.status_code in {200, 204}
    await story.becomes(booking, "refunded", buyer)
    await eventually(lambda: story.offer(show), until=lambda offer: offer is None)
    refused = await story.client.post(
        f"/api/v1/showtimes/{show['showtimeId']}/seats/reserve", json={"seatIds": ["A2"]}, headers=buyer
    )
    assert refused.status_code == 410


def _signed(body: bytes, secret: str, at: float) -> str:
    stamp = int(at)
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


@pytest.mark.parametrize("case", ["forged", "old", "future", "missing"])
async def test_a_webhook_that_is_not_the_gateways_changes_nothing(story: Story, case: str) -> None:
    show = await story.showtime()
    buyer = await story.guest()
    booking = await story.hold(show["showtimeId"], ["A1"], buyer)
    intent = await story.prepare(booking, buyer)
    event = {
        "id": "evt_attack",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": int(time.time()),
        "data": {"object": {"id": intent["paymentIntent"], "object": "payment_intent", "status": "succeeded"}},
    }
    body = json.dumps(event).encode()
    secret = story.stack.info["webhookSecret"]
    signature = {
        "forged": _signed(body, "whsec_guess", time.time()),
        "old": _signed(body, secret, time.time() - 400),
        "future": _signed(body, secret, time.time() + 400),
        "missing": "",
    }[case]
    answer = await story.client.post(
        "/api/v1/payments/webhook", content=body, headers={"Stripe-Signature": signature} if signature else {}
    )
    assert answer.status_code == 400
    assert (await story.booking(booking["bookingId"], buyer))["status"] == "pending"


async def test_every_answer_of_an_unknown_path_or_method_is_a_problem(story: Story) -> None:
    for method, path, status in [("GET", "/api/v1/nothing", 404), ("DELETE", "/api/v1/search/shows", 405)]:
        answer = await story.client.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("application/problem+json")
