"""A sale that a partner theatre must agree to, through the whole stack; the theatre is its sandbox."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.journeys.story import Story
from tests.servers.stack import Stack
from tests.support import eventually


@pytest.fixture
async def story(stack: Stack) -> AsyncIterator[Story]:
    async with httpx2.AsyncClient(base_url=stack.url, timeout=30) as client:
        yield Story(stack, client)
        await client.delete(f"{stack.info['partnerUrl']}/sandbox/faults")


async def at_the_theatre(story: Story, booking: dict[str, Any]) -> dict[str, Any]:
    return await story.call("GET", f"{story.stack.info['partnerUrl']}/sandbox/bookings/{booking['bookingId']}")


async def test_a_theatre_confirms_what_was_paid_for_and_its_tickets_reach_the_buyer(story: Story) -> None:
    show = await story.showtime(partner={"adapter": "http", "id": "sandbox"})
    buyer = await story.guest()
    booking = await story.hold(show["showtimeId"], ["A1", "A2"], buyer)
    await story.pay(await story.prepare(booking, buyer))
    confirmed = await story.becomes(booking, "confirmed", buyer)
    theirs = {ticket["seatId"]: ticket["ticketId"] for ticket in (await at_the_theatre(story, booking))["tickets"]}
    assert {ticket["seatId"]: ticket["ticketId"] for ticket in confirmed["partner"]["tickets"]} == theirs
    ticket = await story.call("GET", f"/api/v1/bookings/{booking['bookingId']}/ticket", headers=buyer)
    assert {seat["seatId"]: seat["partnerTicketId"] for seat in ticket["seats"]} == theirs

    later = datetime.fromisoformat(show["startsAt"]) + timedelta(hours=1)
    path = f"/api/v1/showtimes/{show['showtimeId']}"
    await story.call("PATCH", path, json={"startsAt": later.isoformat()}, headers=story.stack.admin)
    await eventually(
        lambda: at_the_theatre(story, booking), until=lambda it: datetime.fromisoformat(it["startsAt"]) == later
    )

    ended = await story.call("PUT", f"/api/v1/bookings/{booking['bookingId']}/cancel", headers=buyer)
    assert ended["partner"]["state"] == "withdrawn"
    await eventually(lambda: at_the_theatre(story, booking), until=lambda it: it["status"] == "cancelled")


async def test_venues_and_partners_know_of_each_other_what_they_must(story: Story) -> None:
    venue = await story.venue(partner={"adapter": "http", "id": "sandbox"})
    refused = await story.call("DELETE", "/api/v1/partners/sandbox", 409, headers=story.stack.admin)
    assert refused["type"].endswith("/partner-in-use")
    path, nobody = f"/api/v1/venue/{venue['venueId']}", {"partner": {"adapter": "http", "id": "nobody"}}
    unknown = await story.call("PATCH", path, 422, json=nobody, headers=story.stack.admin)
    assert [error["pointer"] for error in unknown["errors"]] == ["/partner/id"]


async def test_a_theatre_that_refuses_has_seats_and_money_given_back(story: Story) -> None:
    show = await story.showtime(partner={"adapter": "http", "id": "sandbox"})
    await story.client.post(f"{story.stack.info['partnerUrl']}/sandbox/faults", json={"refuse": 1})
    buyer = await story.guest()
    booking = await story.hold(show["showtimeId"], ["B1"], buyer)
    await story.pay(await story.prepare(booking, buyer))
    refunded = await story.becomes(booking, "refunded", buyer)
    assert refunded["refundedAmount"] == booking["finalAmount"]
    assert refunded["partner"]["reason"] == "The theatre refuses on purpose"
    assert (await story.seats(show["showtimeId"]))["B1"] == "available"


async def test_an_admin_sees_the_ready_made_partner_and_what_was_said(story: Story) -> None:
    sandbox = await story.call("GET", "/api/v1/partners/sandbox", headers=story.stack.admin)
    assert sandbox["url"] == story.stack.info["partnerUrl"]
    assert sandbox["breaker"]["state"] == "closed"
    log = await story.call("GET", "/api/v1/partners/sandbox/exchanges", headers=story.stack.admin)
    assert {exchange["outcome"] for exchange in log["items"]} <= {"confirmed", "refused", "moved", "cancelled"}
