"""A hall is seated anew while its show is on sale: through the gateway, the broker and search."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.journeys.story import Json, Story, layout
from tests.servers.stack import Stack
from tests.support import eventually


@pytest.fixture
async def story(stack: Stack) -> AsyncIterator[Story]:
    async with httpx2.AsyncClient(base_url=stack.url, timeout=30) as client:
        yield Story(stack, client)


def reseated(*, rows: int, without: str = "") -> Json:
    """The story's hall with its rows from their other ends, the last row first."""
    hall = layout(rows)
    (section,) = hall["sections"]
    section["rows"] = [
        {**row, "seats": [seat for seat in reversed(row["seats"]) if seat["id"] != without]}
        for row in reversed(section["rows"])
    ]
    return hall


async def publish(story: Story, show: Json, seat_layout: Json) -> int:
    path = f"/api/v1/venue/{show['venue']['venueId']}/hall/{show['hall']['hallId']}/layout"
    version: int = (await story.call("PUT", path, json=seat_layout, headers=story.stack.admin))["layoutVersion"]
    return version


async def move(story: Story, show: Json, version: int, expected: int = 200, **query: str) -> Json:
    path, body = f"/api/v1/showtimes/{show['showtimeId']}/layout", {"layoutVersion": version}
    return await story.call("POST", path, expected, json=body, params=query, headers=story.stack.admin)


async def test_a_show_on_sale_is_moved_to_a_new_layout_and_everybody_keeps_his_seats(story: Story) -> None:
    show, buyer = await story.showtime(), await story.guest()
    path = f"/api/v1/showtimes/{show['showtimeId']}"
    sold = await story.hold(show["showtimeId"], ["A1", "A2"], buyer)
    await story.pay(await story.prepare(sold, buyer))
    await story.becomes(sold, "confirmed", buyer)
    held = await story.hold(show["showtimeId"], ["B1"], buyer)

    smaller = await publish(story, show, reseated(rows=3, without="B1"))
    larger = await publish(story, show, reseated(rows=4))
    seats = await story.seats(show["showtimeId"])
    assert (len(seats), seats["A1"], seats["A2"], seats["B1"]) == (18, "booked", "booked", "held")
    assert (await story.call("GET", path))["layoutVersion"] == 1

    plan = await move(story, show, smaller, dryRun="true")
    assert [(one["bookingId"], one["blocking"]) for one in plan["bookings"]] == [(held["bookingId"], True)]
    assert (await move(story, show, smaller, 409))["bookings"] == plan["bookings"]
    assert await story.seats(show["showtimeId"]) == seats

    moved = await move(story, show, larger)
    assert (moved["applied"], moved["seatCount"]) == (True, {"before": 18, "after": 24})
    after = await story.seats(show["showtimeId"])
    assert {seat for seat, status in after.items() if status != "available"} == {"A1", "A2", "B1"}
    found = await eventually(
        lambda: story.call("GET", path), until=lambda showtime: showtime["layoutVersion"] == larger
    )
    assert found["seatCount"] == 24
    offer = await eventually(
        lambda: story.offer(show),
        until=lambda offer: offer and offer["availability"] and offer["availability"]["total"] == 24,
    )
    assert offer is not None
    assert offer["availability"]["available"] == 21

    await story.pay(await story.prepare(held, buyer))
    await story.becomes(held, "confirmed", buyer)
    ticket = await story.call("GET", f"/api/v1/bookings/{held['bookingId']}/ticket", headers=buyer)
    assert [seat["seatId"] for seat in ticket["seats"]] == ["B1"]
    assert (await story.hold(show["showtimeId"], ["D1"], buyer))["status"] == "pending"
