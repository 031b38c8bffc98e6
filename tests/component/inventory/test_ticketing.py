"""Tickets: as JSON, calendar entry, QR code and page, and the scan at the door."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from icalendar import Calendar

from messaging.events import EventState
from service_kit.ids import new_id
from tests.component.inventory.stage import Stage


async def test_a_confirmed_booking_has_a_ticket_with_all_it_takes_to_find_the_seat(stage: Stage) -> None:
    starts_at = datetime(2027, 1, 21, 18, 30, tzinfo=UTC)
    showtime, ann = await stage.open(starts_at=starts_at), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "E2", "A1", buyer=ann)
    answer = await ann.get(f"/bookings/{booking_id}/ticket")
    assert answer.status_code == 200
    body = answer.json()
    assert body["event"] == "Die Zauberflöte"
    assert body["startsAt"] == "2027-01-21T19:30:00+01:00"
    assert body["endsAt"] == "2027-01-21T21:30:00+01:00"
    assert body["timezone"] == "Europe/Vienna"
    assert (body["venue"]["name"], body["venue"]["city"], body["venue"]["hall"]) == (
        "Opera House",
        "Vienna",
        "Great Hall",
    )
    assert body["seats"] == [
        {"seatId": "E2", "section": "Balcony", "row": "E", "label": "2", "seatType": "standard"},
        {"seatId": "A1", "section": "Stalls", "row": "A", "label": "1", "seatType": "vip"},
    ]
    assert "scannedAt" not in body


async def test_a_ticket_tells_the_new_time_of_a_show_that_was_moved(stage: Stage) -> None:
    showtime, ann = await stage.open(starts_at=datetime(2027, 1, 21, 18, 30, tzinfo=UTC)), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    assert (await ann.get(f"/bookings/{booking_id}/ticket")).json()["startsAt"] == "2027-01-21T19:30:00+01:00"
    moved = {"version": 2, "starts_at": datetime(2027, 1, 22, 19, tzinfo=UTC)}
    await stage.tell("ShowtimeUpdated", showtime.model_copy(update=moved))
    assert (await ann.get(f"/bookings/{booking_id}/ticket")).json()["startsAt"] == "2027-01-22T20:00:00+01:00"


@pytest.mark.parametrize("form", ["", ".ics", ".svg", ".html"])
async def test_there_is_no_ticket_before_the_payment_nor_after_the_cancellation(stage: Stage, form: str) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    waiting = await stage.hold(showtime, "A1", buyer=ann)
    gone, _ = await stage.bought(showtime, "A2", buyer=ann)
    await ann.put(f"/bookings/{gone}/cancel")
    for booking_id in (waiting, gone):
        answer = await ann.get(f"/bookings/{booking_id}/ticket{form}")
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_calendar_entry_is_read_by_a_calendar(stage: Stage) -> None:
    starts_at = datetime(2027, 7, 1, 17, 30, tzinfo=UTC)
    showtime, ann = await stage.open(starts_at=starts_at), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    answer = await ann.get(f"/bookings/{booking_id}/ticket.ics")
    assert answer.headers["content-type"].startswith("text/calendar")
    calendar = Calendar.from_ical(answer.content)
    (entry,) = calendar.walk("VEVENT")
    assert str(entry["SUMMARY"]) == "Die Zauberflöte"
    begin: datetime = entry.decoded("DTSTART")
    assert begin.astimezone(UTC) == starts_at
    assert str(begin.tzinfo) == "Europe/Vienna"
    assert booking_id in str(entry["UID"])
    assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == ["Europe/Vienna"]


async def test_the_code_comes_as_a_picture(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    answer = await ann.get(f"/bookings/{booking_id}/ticket.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.text.startswith("<svg")


async def test_names_with_markup_stay_text_on_the_page(stage: Stage) -> None:
    name = '<script>alert("x")</script>'
    event = EventState(event_id=new_id(), version=1, name=name, category="opera")
    showtime, ann = await stage.open(event=event), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    answer = await ann.get(f"/bookings/{booking_id}/ticket.html")
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "<svg" in answer.text


async def test_a_ticket_lets_in_once(stage: Stage) -> None:
    showtime, staff = await stage.open(), stage.buyer("admin")
    booking_id, _ = await stage.bought(showtime, "A1")
    code = (await staff.get(f"/bookings/{booking_id}/ticket")).json()["code"]
    first = await staff.post("/tickets/scan", {"code": code})
    assert first.status_code == 200
    assert first.json()["bookingId"] == booking_id
    scanned_at = stage.clock.now()
    stage.clock.advance(timedelta(minutes=1))
    again = await staff.post("/tickets/scan", {"code": code})
    assert again.status_code == 409
    assert again.json()["type"].endswith("/ticket-already-scanned")
    assert datetime.fromisoformat(again.json()["scannedAt"]) == scanned_at


async def test_of_many_scans_at_once_one_lets_in(stage: Stage) -> None:
    showtime, staff = await stage.open(), stage.buyer("admin")
    booking_id, _ = await stage.bought(showtime, "A1")
    code = (await staff.get(f"/bookings/{booking_id}/ticket")).json()["code"]
    answers = await asyncio.gather(*(staff.post("/tickets/scan", {"code": code}) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}


async def test_only_staff_scan(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    code = (await ann.get(f"/bookings/{booking_id}/ticket")).json()["code"]
    assert (await ann.post("/tickets/scan", {"code": code})).status_code == 403
    assert (await stage.client.post("/api/v1/tickets/scan", json={"code": code})).status_code == 401


@pytest.mark.parametrize(
    "code", ["", "x" * 201, 5, None, {"$gt": ""}, "MQ1.AAAA.BBBB", "MQ1..", "\u017f.\u017f.\u017f", "\u0000"]
)
async def test_a_code_that_is_none_of_ours_is_422(stage: Stage, code: object) -> None:
    answer = await stage.buyer("admin").post("/tickets/scan", {"code": code})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/code"


async def test_a_cancelled_ticket_does_not_let_in(stage: Stage) -> None:
    showtime, ann, staff = await stage.open(), stage.buyer(), stage.buyer("admin")
    booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
    code = (await ann.get(f"/bookings/{booking_id}/ticket")).json()["code"]
    await ann.put(f"/bookings/{booking_id}/cancel")
    answer = await staff.post("/tickets/scan", {"code": code})
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/ticket-void")


async def test_a_used_ticket_can_not_be_cancelled_whoever_comes_first(stage: Stage) -> None:
    showtime, staff = await stage.open(), stage.buyer("admin")
    for _ in range(10):
        ann = stage.buyer()
        booking_id, _ = await stage.bought(showtime, "A1", buyer=ann)
        code = (await ann.get(f"/bookings/{booking_id}/ticket")).json()["code"]
        scan, cancelled = await asyncio.gather(
            staff.post("/tickets/scan", {"code": code}), ann.put(f"/bookings/{booking_id}/cancel")
        )
        assert {scan.status_code, cancelled.status_code} == {200, 409}
        if cancelled.status_code == 409:
            await stage.database["bookings"].update_one({"_id": booking_id}, {"$unset": {"scannedAt": ""}})
            assert (await ann.put(f"/bookings/{booking_id}/cancel")).status_code == 200
    await stage.sound()
