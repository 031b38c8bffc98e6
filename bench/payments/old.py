"""What years of sales leave behind: settled payments, ended bookings, webhook events that were applied."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pymongo import WriteConcern

from bench.halls import created, seat_ids
from bench.payments.hooks import succeeded
from bench.payments.shop import Shop
from service_kit.clock import SystemClock
from service_kit.ids import new_id

BATCH = 5_000
AGE = timedelta(days=60)
Document = dict[str, Any]


async def add_old(shop: Shop, count: int) -> None:
    """So many of each, written in bulk; the databases are the product's, with their indexes."""
    template = await shop.money["payments"].find_one({"status": "completed"})
    booking = await shop.seats["bookings"].find_one({"status": "confirmed"})
    if template is None or booking is None:
        raise RuntimeError("sell something first: what is old is made like it")
    collections = [shop.seats["bookings"], shop.money["payments"], shop.money["webhook_events"]]
    quick = [each.with_options(write_concern=WriteConcern(w=1, j=False)) for each in collections]
    showtimes = [created(240).data.showtime_id for _ in range(max(1, count // 500))]
    made = _made(booking, template, showtimes, count)
    for _ in range(0, count, BATCH):
        rows = [row for _, row in zip(range(BATCH), made, strict=False)]
        for collection, documents in zip(quick, zip(*rows, strict=True), strict=True):
            await collection.insert_many(list(documents), ordered=False)


def _made(
    booking: Document, payment: Document, showtimes: list[str], count: int
) -> Iterator[tuple[Document, Document, Document]]:
    at: datetime = SystemClock().now() - AGE
    for number in range(count):
        booking_id, payment_id, intent = new_id(), new_id(), f"pi_old{number}"
        ids = {"bookingId": booking_id, "paymentId": payment_id}
        yield (
            booking
            | {"_id": booking_id, "showtimeId": showtimes[number % len(showtimes)], "status": "cancelled"}
            | {"paymentId": payment_id, "seatIds": seat_ids(2 * (number % 100)), "createdAt": at, "outbox": []},
            payment
            | {"_id": payment_id, "bookingId": booking_id, "reference": intent, "dueAt": None}
            | {"createdAt": at, "updatedAt": at, "outbox": []},
            {
                "_id": f"evt_old{number}",
                "type": "payment_intent.succeeded",
                "body": succeeded(intent, 2_100, ids).decode(),
                "state": "applied",
                "receivedAt": at,
                "finishedAt": at,
                "tries": 1,
                "error": "",
            },
        )
