"""Bookings in MongoDB. Each transition is one conditional update with its events in the document's outbox."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, ReturnDocument, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from inventory_service.domain.booking import Booking
from inventory_service.domain.money import BookingMoney
from inventory_service.domain.partner import Partner
from inventory_service.domain.refunds import Leaving
from inventory_service.store.booking_document import MONEY, booking_document, booking_from, money_from, partner_document
from messaging.events import BookingStatus
from messaging.outbox import ensure_outbox_index
from service_kit.errors import Unavailable
from service_kit.lanes import Lane
from service_kit.mongo import Document, insert_new
from service_kit.together import Readings, Updates

BATCH = 256
WAITING = 10_000


class Bookings:
    def __init__(self, collection: AsyncCollection[Document]) -> None:
        self.collection = collection
        self._inserts: Lane[Document, bool] = Lane(self._insert_all, batch=BATCH, waiting=WAITING)
        self._readings = Readings(collection, {"outbox": 0}, booking_from)
        self._updates = Updates(collection)

    async def prepare(self) -> None:
        # A person's own list, newest first.
        await self.collection.create_index([("userId", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)])
        # What an admin sees on a seat map, and what a cancelled showtime must refund.
        await self.collection.create_index([("showtimeId", ASCENDING), ("status", ASCENDING), ("_id", ASCENDING)])
        # The sweeper's two queries: bookings that lag behind their hold, cancellations cut short by a crash.
        await self.collection.create_index(
            [("heldUntil", ASCENDING)], partialFilterExpression={"status": "pending"}, name="pending_by_end"
        )
        await self.collection.create_index(
            [("updatedAt", ASCENDING)], partialFilterExpression={"leaving": {"$exists": True}}, name="leaving"
        )
        await self.collection.create_index(
            [("updatedAt", ASCENDING)],
            partialFilterExpression={"partner.ending": {"$type": "string"}},
            name="let_go_by_partner",
        )
        await ensure_outbox_index(self.collection)

    async def insert(self, booking: Booking) -> Booking:
        """Write a new booking; gives the one that is there already where a retry made it before.

        Bookings that arrive together are written together: one write waits for majority and journal, not each.
        """
        if await self._inserts.submit(booking_document(booking)):
            return booking
        found = await self.get(booking.id)
        if found is None:  # it was there a moment ago, and bookings are never deleted
            raise Unavailable
        return found

    async def _insert_all(self, documents: Sequence[Document]) -> list[bool | Exception]:
        """Whether each is new; the error of one that could not be written."""
        return await insert_new(self.collection, documents)

    async def get(self, booking_id: str) -> Booking | None:
        """As it is after this was asked for."""
        return await self._readings.get(booking_id)

    async def some(self, booking_ids: Sequence[str]) -> list[Booking]:
        """Those of these bookings that there are."""
        cursor = self.collection.find({"_id": {"$in": list(booking_ids)}}, {"outbox": 0})
        return [booking_from(document) async for document in cursor]

    async def versions(self, booking_ids: Sequence[str]) -> dict[str, int]:
        found = self.collection.find({"_id": {"$in": list(booking_ids)}}, {"version": 1})
        return {document["_id"]: document["version"] async for document in found}

    async def of_user(self, user_id: str, after: tuple[datetime, str] | None, limit: int) -> list[Booking]:
        """Newest first, from a position on."""
        condition: Document = {"userId": user_id}
        if after:
            at, last = after
            condition["$or"] = [{"createdAt": {"$lt": at}}, {"createdAt": at, "_id": {"$lt": last}}]
        cursor = self.collection.find(
            condition, {"outbox": 0}, sort=[("createdAt", DESCENDING), ("_id", DESCENDING)], limit=limit
        )
        return [booking_from(document) async for document in cursor]

    async def of_showtime(
        self,
        showtime_id: str,
        statuses: Sequence[BookingStatus],
        *,
        user_id: str | None = None,
        after: str = "",
        limit: int = 0,
    ) -> list[Booking]:
        """In the order of their ids, from `after` on."""
        condition: Document = {"showtimeId": showtime_id, "status": {"$in": list(statuses)}, "_id": {"$gt": after}}
        if user_id is not None:
            condition["userId"] = user_id
        cursor = self.collection.find(condition, {"outbox": 0}, sort=[("_id", ASCENDING)], limit=limit)
        return [booking_from(found) async for found in cursor]

    async def concerned(self, showtime_ids: Sequence[str], booking_ids: Sequence[str]) -> list[Booking]:
        """Bookings of these showtimes that ought to have seats, and these bookings whatever their state."""
        waiting_or_sold = {"showtimeId": {"$in": list(showtime_ids)}, "status": {"$in": ["pending", "confirmed"]}}
        condition = {"$or": [waiting_or_sold, {"_id": {"$in": list(booking_ids)}}]}
        return [booking_from(document) async for document in self.collection.find(condition, {"outbox": 0})]

    async def owning(self, showtime_id: str, sold: Sequence[str], booking_ids: Sequence[str]) -> list[Booking]:
        """Confirmed bookings with one of these seats of the showtime, and these bookings whatever their state."""
        confirmed = {"showtimeId": showtime_id, "status": "confirmed", "seatIds": {"$in": list(sold)}}
        condition = {"$or": [confirmed, {"_id": {"$in": list(booking_ids)}}]}
        return [booking_from(document) async for document in self.collection.find(condition, {"outbox": 0})]

    async def showtimes_without(self, seat_maps: str) -> list[str]:
        """Showtimes of bookings that the collection of seat maps does not know."""
        pipeline: list[Document] = [
            {"$group": {"_id": "$showtimeId"}},
            {"$lookup": {"from": seat_maps, "localField": "_id", "foreignField": "_id", "as": "map"}},
            {"$match": {"map": []}},
            {"$sort": {"_id": 1}},
        ]
        return [found["_id"] async for found in await self.collection.aggregate(pipeline)]

    async def priced(self, after: str, limit: int) -> list[BookingMoney]:
        """What cost something, by id, after one."""
        condition = {"_id": {"$gt": after}, "$or": [{"amount": {"$gt": 0}}, {"parts": {"$exists": True}}]}
        cursor = self.collection.find(condition, MONEY, sort=[("_id", ASCENDING)], limit=limit)
        return [money_from(document) async for document in cursor]

    async def money_of(self, booking_ids: Sequence[str]) -> list[BookingMoney]:
        cursor = self.collection.find({"_id": {"$in": list(booking_ids)}}, MONEY)
        return [money_from(document) async for document in cursor]

    async def lagging(self, before: datetime, limit: int) -> list[Booking]:
        """Bookings that wait for their payment although their hold ran out before that moment."""
        cursor = self.collection.find(
            {"status": "pending", "heldUntil": {"$lt": before}, "partner.state": {"$in": [None, "unasked"]}},
            {"outbox": 0},
            sort=[("heldUntil", ASCENDING)],
            limit=limit,
        )
        return [booking_from(document) async for document in cursor]

    async def half_left(self, before: datetime, limit: int) -> list[Booking]:
        condition = {"leaving": {"$exists": True}, "updatedAt": {"$lt": before}}
        cursor = self.collection.find(condition, {"outbox": 0}, limit=limit)
        return [booking_from(document) async for document in cursor]

    async def half_let_go(self, before: datetime, limit: int) -> list[Booking]:
        """Those that their partner theatre has not confirmed, and whose end was begun before that moment."""
        cursor = self.collection.find(
            {"partner.ending": {"$type": "string"}, "updatedAt": {"$lt": before}}, {"outbox": 0}, limit=limit
        )
        return [booking_from(document) async for document in cursor]

    async def become(
        self, booking: Booking, status: BookingStatus, now: datetime, *, events: Sequence[Document] = (), **values: Any
    ) -> Booking | None:
        """Move this very version of a booking to `status` with these events; None where it has changed.

        Sales that arrive together are written together; None may be told of one that was made, too.
        """
        condition, update = _becoming(booking, status, now, events, values)
        if status != "confirmed" or values.keys() - {"paymentId"}:
            return await self._update(condition, update)
        if not await self._updates.apply(condition, update):
            return None
        payment_id = values.get("paymentId", booking.payment_id)
        version = booking.version + 1
        return replace(booking, status=status, version=version, updated_at=now, payment_id=payment_id, leaving=None)

    async def expire(self, bookings: Sequence[tuple[Booking, Sequence[Document]]], now: datetime) -> None:
        """Move these very versions of bookings to `expired`, each with its events, in one write."""
        changes = [UpdateOne(*_becoming(booking, "expired", now, events, {})) for booking, events in bookings]
        if changes:
            await self.collection.bulk_write(changes, ordered=False)

    async def extended(self, booking: Booking, until: datetime, now: datetime) -> Booking | None:
        """Note a later end of the hold, and count it, unless another has noted one since this reading."""
        return await self._update(
            {"_id": booking.id, "status": "pending", "heldUntil": booking.held_until},
            {"$set": {"heldUntil": until, "updatedAt": now}, "$inc": {"version": 1, "extensions": 1}},
        )

    async def start_leaving(
        self, booking: Booking, leaving: Leaving, now: datetime, *, unless_scanned: bool
    ) -> Booking | None:
        """Announce that seats of a confirmed booking are about to be given back, so that a crash can be finished."""
        return await self._update(
            {"_id": booking.id, "version": booking.version} | ({"scannedAt": None} if unless_scanned else {}),
            {"$set": {"leaving": asdict(leaving), "updatedAt": now}, "$inc": {"version": 1}},
        )

    async def start_letting_go(self, booking: Booking, partner: Partner, now: datetime) -> Booking | None:
        """The same for one that its partner theatre has not confirmed, by this very version; `partner` says why."""
        return await self._update(
            {"_id": booking.id, "version": booking.version},
            {"$set": {"partner": partner_document(partner), "updatedAt": now}, "$inc": {"version": 1}},
        )

    async def reduce(self, booking: Booking, events: Sequence[Document], now: datetime) -> Booking | None:
        """Write what a booking is like without the seats that it gave up, as `booking` says; None where it changed."""
        return await self._update(
            {"_id": booking.id, "version": booking.version - 1},
            {
                "$set": {
                    "seatIds": booking.seat_ids,
                    "price": booking.price,
                    "amount": booking.amount,
                    "parts": [asdict(part) for part in booking.parts],
                    "updatedAt": now,
                },
                "$unset": {"leaving": ""},
                "$inc": {"version": 1},
                "$push": {"outbox": {"$each": list(events)}},
            },
        )

    async def agree(self, booking: Booking, starts_at: datetime, now: datetime) -> Booking | None:
        """Note that the buyer agrees to this time of the show."""
        return await self._update(
            {"_id": booking.id, "version": booking.version},
            {
                "$set": {"startsAt": starts_at, "updatedAt": now},
                "$unset": {"movedTo": ""},
                "$inc": {"version": 1},
            },
        )

    async def not_told(self, showtime_id: str, starts_at: datetime, after: str, limit: int) -> list[Booking]:
        """Bookings with seats whose buyers don't know yet that the show starts then, in the order of their ids."""
        condition: Document = {
            "_id": {"$gt": after},
            "showtimeId": showtime_id,
            "status": {"$in": ["pending", "confirmed"]},
            "movedTo": {"$ne": starts_at},
            # One that is back where the buyer agreed to is news only to who was told of another time.
            "$or": [{"startsAt": {"$ne": starts_at}}, {"movedTo": {"$exists": True}}],
        }
        cursor = self.collection.find(condition, {"outbox": 0}, sort=[("_id", ASCENDING)], limit=limit)
        return [booking_from(found) async for found in cursor]

    async def tell_move(
        self, booking: Booking, starts_at: datetime, events: Sequence[Document], now: datetime
    ) -> Booking | None:
        """Note that the buyer is told of the new time."""
        back = booking.starts_at == starts_at
        return await self._update(
            {"_id": booking.id, "version": booking.version},
            {
                "$set": {"updatedAt": now} | ({} if back else {"movedTo": starts_at}),
                "$inc": {"version": 1},
                "$push": {"outbox": {"$each": list(events)}},
            }
            | ({"$unset": {"movedTo": ""}} if back else {}),
        )

    async def sums(self, showtime_id: str) -> dict[BookingStatus, Document]:
        """By status: how many bookings of the showtime there are, what was asked back for them and what came back."""
        asked = {
            "$add": [{"$sum": "$parts.refund"}, {"$ifNull": ["$refund.amount", 0]}],
        }
        due = {"$ifNull": ["$refund.total", {"$sum": "$parts.refund"}]}
        owing = {"$lt": [{"$ifNull": ["$refunded", 0]}, due]}
        pipeline: list[Document] = [
            {"$match": {"showtimeId": showtime_id}},
            {
                "$group": {
                    "_id": "$status",
                    "count": {"$sum": 1},
                    "asked": {"$sum": asked},
                    "refunded": {"$sum": {"$ifNull": ["$refunded", 0]}},
                    "owing": {"$sum": {"$cond": [owing, 1, 0]}},
                }
            },
        ]
        return {found["_id"]: found async for found in await self.collection.aggregate(pipeline)}

    async def attach_payment(self, booking: Booking, payment_id: str, now: datetime) -> Booking | None:
        return await self._update(
            {"_id": booking.id, "paymentId": {"$in": [None, payment_id]}},
            {"$set": {"paymentId": payment_id, "updatedAt": now}, "$inc": {"version": 1}},
        )

    async def request_refund(
        self, booking: Booking, refund: Document, event: Document, now: datetime
    ) -> Booking | None:
        """Ask for money back, once per booking."""
        return await self._update(
            {"_id": booking.id, "version": booking.version, "refund": None},
            {
                "$set": {"refund": refund, "paymentId": refund["payment_id"], "updatedAt": now},
                "$inc": {"version": 1},
                "$push": {"outbox": event},
            },
        )

    async def note_refunded(self, booking: Booking, amount: int, now: datetime) -> Booking | None:
        """Note how much money has come back in all; it never shrinks, whatever order the news arrive in."""
        return await self._update(
            {"_id": booking.id}, {"$max": {"refunded": amount}, "$set": {"updatedAt": now}, "$inc": {"version": 1}}
        )

    async def note_unpaid(self, booking: Booking, now: datetime) -> Booking | None:
        """Note that no money will come any more for a hold that ran out while it was being paid for."""
        return await self._update(
            {"_id": booking.id, "status": "expired", "paymentId": booking.payment_id, "unpaid": None},
            {"$set": {"unpaid": True, "updatedAt": now}, "$inc": {"version": 1}},
        )

    async def scan(self, booking: Booking, now: datetime) -> Booking | None:
        """Let a ticket in; None where it was let in before or is no longer valid."""
        return await self._update(
            {"_id": booking.id, "status": "confirmed", "scannedAt": None, "leaving": None},
            {"$set": {"scannedAt": now}, "$inc": {"version": 1}},
        )

    async def _update(self, condition: Document, update: Document) -> Booking | None:
        found = await self.collection.find_one_and_update(
            condition, update, {"outbox": 0}, return_document=ReturnDocument.AFTER
        )
        return booking_from(found) if found else None


def _becoming(
    booking: Booking, status: BookingStatus, now: datetime, events: Sequence[Document], values: Document
) -> tuple[Document, Document]:
    """The condition and the update of a transition."""
    return {"_id": booking.id, "version": booking.version}, {
        "$set": {"status": status, "updatedAt": now, **values},
        "$unset": {"leaving": ""},
        "$inc": {"version": 1},
        "$push": {"outbox": {"$each": list(events)}},
    }
