"""Answers of the inventory service as the history keeps them."""

import base64
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic_core import from_json

from tests.chaos.history import Answer
from tests.chaos.wire import Reply


def wall_offset() -> int:
    """The wall clock minus the monotonic one, in nanoseconds: of several readings the one least interrupted."""
    readings = []
    for _ in range(20):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]


OFFSET = wall_offset()


def monotonic(moment: datetime) -> int:
    """A moment of the wall clock on the monotonic one, in nanoseconds."""
    return round(moment.timestamp() * 1_000) * 1_000_000 - OFFSET


def seat_set(seat_ids: Iterable[str]) -> int:
    """Halls of these tests name a seat by its position: `s0`, `s1` …"""
    return sum(1 << int(seat_id[1:]) for seat_id in seat_ids)


def seat_ids(seats: Iterable[int]) -> list[str]:
    return [f"s{seat}" for seat in seats]


def of_booking(reply: Reply, asked: int = 0) -> Answer:
    """What was answered to a request about a booking of one's own; `asked`: the seats wanted."""
    body = from_json(reply.body)
    replayed = reply.header(b"idempotency-replayed") == b"true"
    if reply.status >= 400:
        slug = body["type"].rpartition("/")[2]
        taken = seat_set(body["seatIds"]) if slug == "seats-taken" else 0
        available = body.get("available", -1)
        free = asked & ~taken if taken else 0
        return Answer(reply.status, slug, taken=taken, free=free, available=available, replayed=replayed)
    return Answer(
        reply.status,
        "",
        body["bookingId"],
        body["status"],
        seat_set(body.get("seatIds", ())),
        body.get("finalAmount", 0),
        monotonic(datetime.fromisoformat(body["heldUntil"])) if "heldUntil" in body else 0,
        replayed=replayed,
    )


def of_map(reply: Reply, hall: int) -> Answer:
    """The packed form of a seat map of so many seats."""
    if reply.status != 200:
        return of_booking(reply)
    body = from_json(reply.body)
    taken = _unpacked(body["held"]) | _unpacked(body["booked"])
    free = (1 << hall) - 1 & ~taken
    return Answer(200, taken=taken, free=free, available=body["summary"]["available"])


def of_check(reply: Reply) -> Answer:
    if reply.status != 200:
        return of_booking(reply)
    body = from_json(reply.body)
    return Answer(200, taken=seat_set(body["unavailable"]), free=seat_set(body["available"]))


def of_best(reply: Reply) -> Answer:
    """The best free block, by itself: no hold."""
    if reply.status != 200:
        return of_booking(reply)
    return Answer(200, free=seat_set(from_json(reply.body)["seatIds"]))


def booked_and_held(body: dict[str, Any]) -> tuple[int, dict[str, int]]:
    """A full seat map as a service sees it: all booked seats, and the held ones by the booking that holds them."""
    held: dict[str, int] = {}
    booked = 0
    for seat in body["seatMap"]["seats"]:
        bit = seat_set([seat["seatId"]])
        if seat["status"] == "held":
            booking = seat.get("bookingId", "?")
            held[booking] = held.get(booking, 0) | bit
        elif seat["status"] == "booked":
            booked |= bit
    return booked, held


def _unpacked(text: str) -> int:
    return int.from_bytes(base64.b64decode(text), "little")
