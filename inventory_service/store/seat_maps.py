"""Seat maps in MongoDB: one document per showtime, every change one conditional update.

    { _id: showtimeId, version, status: open|cancelled, startsAt, layout{hallId, version}, showtimeVersion, seats: N,
      taken: [long…], booked: [long…]            32 seats a block
      holds: { bookingId: { user, mark, until, seats: { block: bits } } }
      unbooked, nextExpiry, dirty, updatedAt, outbox: […] }

A method that changes something returns whether its condition held; on False the caller reads again and decides anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bson.int64 import Int64
from pymongo import ASCENDING, ReturnDocument, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from inventory_service.domain.bits import FULL, block_count, from_blocks, from_sparse, positions, to_blocks
from inventory_service.domain.layout import LayoutKey
from inventory_service.domain.seat_map import Hold, Mark, SeatMap, Seen
from inventory_service.store.common import Document, only_known_already
from messaging.events import ShowtimeState
from messaging.outbox import ensure_outbox_index

# A mark lives for milliseconds; one that is older was left by a crash.
MARK_CHECKED_AFTER = timedelta(seconds=15)


class SeatMaps:
    def __init__(self, collection: AsyncCollection[Document]) -> None:
        self.collection = collection

    async def prepare(self) -> None:
        # The sweeper's query: holds that have run out.
        await self.collection.create_index([("nextExpiry", ASCENDING)], sparse=True)
        # The announcer's query: maps whose summary has not gone out. Holds only those.
        await self.collection.create_index(
            [("dirty", ASCENDING), ("_id", ASCENDING)], partialFilterExpression={"dirty": True}
        )
        await ensure_outbox_index(self.collection)

    # --- opening -----------------------------------------------------------------------------------------------------

    async def open(self, showtimes: Sequence[tuple[ShowtimeState, Document]], now: datetime) -> None:
        """Insert a map for each showtime that has none, with the event to publish; the others are left as they are."""
        documents = [_empty_map(showtime, event, now) for showtime, event in showtimes]
        try:
            await self.collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if not only_known_already(error):
                raise

    async def follow(self, showtimes: Iterable[ShowtimeState], now: datetime) -> None:
        """Take over start and status of newer showtimes. An older version changes nothing; cancelled stays so."""
        changes = [
            UpdateOne(
                {"_id": showtime.showtime_id, "showtimeVersion": {"$lt": showtime.version}},
                {
                    "$set": {
                        "showtimeVersion": showtime.version,
                        "status": "cancelled" if showtime.status == "cancelled" else "open",
                        "startsAt": showtime.starts_at,
                        "dirty": True,
                        "updatedAt": now,
                    },
                    "$inc": {"version": 1},
                },
            )
            for showtime in showtimes
        ]
        if changes:
            await self.collection.bulk_write(changes, ordered=False)

    # --- reading -----------------------------------------------------------------------------------------------------

    async def get(self, showtime_id: str) -> SeatMap | None:
        document = await self.collection.find_one({"_id": showtime_id}, {"outbox": 0})
        return _from_document(document) if document else None

    async def versions(self, showtime_ids: Sequence[str]) -> dict[str, int]:
        cursor = self.collection.find({"_id": {"$in": showtime_ids}}, {"version": 1})
        return {document["_id"]: document["version"] async for document in cursor}

    async def outlines(self, showtime_ids: Sequence[str]) -> list[SeatMap]:
        """These maps without their holds: what is read doesn't grow with the number of people who hold seats."""
        cursor = self.collection.find({"_id": {"$in": showtime_ids}}, {"outbox": 0, "holds": 0})
        return [_from_document({**document, "holds": {}}) async for document in cursor]

    async def with_expired_holds(self, now: datetime, limit: int) -> list[SeatMap]:
        cursor = self.collection.find(
            {"nextExpiry": {"$lte": now}}, {"outbox": 0}, sort=[("nextExpiry", ASCENDING)], limit=limit
        )
        return [_from_document(document) async for document in cursor]

    async def page(self, after: str, limit: int) -> list[SeatMap]:
        """All maps in the order of their ids, from `after` on."""
        cursor = self.collection.find({"_id": {"$gt": after}}, {"outbox": 0}, sort=[("_id", ASCENDING)], limit=limit)
        return [_from_document(document) async for document in cursor]

    async def dirty(self, after: str, limit: int) -> list[SeatMap]:
        """Maps that changed since their summary was last announced, in the order of their ids from `after` on."""
        cursor = self.collection.find(
            {"dirty": True, "_id": {"$gt": after}}, {"outbox": 0}, sort=[("_id", ASCENDING)], limit=limit
        )
        return [_from_document(document) async for document in cursor]

    async def announced(self, announced: Iterable[SeatMap]) -> None:
        """Note that these versions were announced; a map that changed meanwhile stays dirty."""
        notes = [
            UpdateOne({"_id": map_.showtime_id, "version": map_.version}, {"$set": {"dirty": False}})
            for map_ in announced
        ]
        if notes:
            await self.collection.bulk_write(notes, ordered=False)

    # --- holds -------------------------------------------------------------------------------------------------------

    async def hold(
        self, showtime_id: str, holds: Sequence[Hold], evicted: Sequence[Hold], now: datetime
    ) -> Seen | None:
        """Take all seats of all `holds` or none, evicting these expired holds in the same update.

        The holds must not overlap. None where the condition did not hold.
        """
        wanted, freed = _union(holds), _union(evicted)
        condition = {
            "_id": showtime_id,
            "status": "open",
            "startsAt": {"$gt": now},
            **{f"holds.{hold.booking_id}": {"$exists": False} for hold in holds},
            **_all_clear("taken", wanted & ~freed),
            **_still_as(evicted),
        }
        update = self._change(now, taken=(wanted, freed))
        update["$set"] |= {f"holds.{hold.booking_id}": _hold_document(hold) for hold in holds}
        update["$min"] = {"nextExpiry": min(hold.until for hold in holds if hold.until)}
        update |= _unset(evicted)
        found = await self.collection.find_one_and_update(
            condition,
            update,
            {"taken": 1, "showtimeVersion": 1, "nextExpiry": 1},
            return_document=ReturnDocument.AFTER,
        )
        return Seen(from_blocks(found["taken"]), found["showtimeVersion"], found["nextExpiry"]) if found else None

    async def extend(self, showtime_id: str, hold: Hold, until: datetime, now: datetime) -> bool:
        """Move the end of a hold that is still as it was read."""
        update = self._change(now)
        update["$set"][f"holds.{hold.booking_id}.until"] = until
        return await self._apply({"_id": showtime_id, **_still_as([hold])}, update)

    async def release(self, showtime_id: str, holds: Sequence[Hold], now: datetime) -> bool:
        """Give back the seats of holds that are still as they were read."""
        update = self._change(now, taken=(0, _union(holds))) | _unset(holds)
        return await self._apply({"_id": showtime_id, **_still_as(holds)}, update)

    async def set_next_expiry(self, seat_map: SeatMap, until: datetime | None) -> bool:
        """Note when the next hold runs out, unless the map has changed since it was read."""
        change = {"$set": {"nextExpiry": until}} if until else {"$unset": {"nextExpiry": ""}}
        return await self._apply({"_id": seat_map.showtime_id, "version": seat_map.version}, change)

    # --- bookings ----------------------------------------------------------------------------------------------------

    async def book(self, showtime_id: str, hold: Hold, payment_id: str | None, now: datetime) -> bool:
        """Turn a hold, run out or not, into booked seats; the booked mark stays until `tidy`."""
        update = self._change(now, booked=(hold.mask, 0))
        booked = replace(hold, mark=Mark.BOOKED, until=None, payment_id=payment_id)
        update |= _set_mark(update, booked, now)
        return await self._apply({"_id": showtime_id, **_still_as([hold])}, update)

    async def retake(self, seat_map: SeatMap, booked: Hold, evicted: Sequence[Hold], now: datetime) -> bool:
        """Book seats whose hold is gone, if they are free (or only under expired holds) and the show is on."""
        freed = _union(evicted)
        condition = {
            "_id": seat_map.showtime_id,
            "status": "open",
            "startsAt": {"$gt": now},
            "unbooked": seat_map.unbooked,
            f"holds.{booked.booking_id}": {"$exists": False},
            **_all_clear("taken", booked.mask & ~freed),
            **_still_as(evicted),
        }
        update = self._change(now, taken=(booked.mask, freed), booked=(booked.mask, 0))
        update |= _set_mark(update, booked, now) | _unset(evicted)
        return await self._apply(condition, update)

    async def unbook(self, seat_map: SeatMap, released: Hold, now: datetime) -> bool:
        """Give back booked seats; the released mark stays until `tidy`."""
        entry = seat_map.holds.get(released.booking_id)
        condition = {
            "_id": seat_map.showtime_id,
            "unbooked": seat_map.unbooked,
            **(_still_as([entry]) if entry else {f"holds.{released.booking_id}": {"$exists": False}}),
        }
        update = self._change(now, taken=(0, released.mask), booked=(0, released.mask))
        update["$inc"]["unbooked"] = 1
        update |= _set_mark(update, released, now)
        return await self._apply(condition, update)

    async def tidy(self, showtime_id: str, booking_id: str, mark: Mark) -> None:
        """Remove a mark, now that the booking says the same."""
        entry = f"holds.{booking_id}"
        await self.collection.update_one({"_id": showtime_id, f"{entry}.mark": mark.value}, {"$unset": {entry: ""}})

    # --- one shape for all changes -----------------------------------------------------------------------------------

    def _change(
        self, now: datetime, *, taken: tuple[int, int] = (0, 0), booked: tuple[int, int] = (0, 0)
    ) -> dict[str, dict[str, Any]]:
        """An update that sets and clears bits (set, cleared) and marks the summary as to be announced."""
        update: dict[str, dict[str, Any]] = {"$set": {"dirty": True, "updatedAt": now}, "$inc": {"version": 1}}
        bits = {**_bits("taken", *taken), **_bits("booked", *booked)}
        if bits:
            update["$bit"] = bits
        return update

    async def _apply(self, condition: Document, update: Document) -> bool:
        result = await self.collection.update_one(condition, update)
        return result.matched_count == 1


def _empty_map(showtime: ShowtimeState, event: Document, now: datetime) -> Document:
    blocks = block_count(showtime.seat_count)
    return {
        "_id": showtime.showtime_id,
        "version": 1,
        "status": "cancelled" if showtime.status == "cancelled" else "open",
        "startsAt": showtime.starts_at,
        "layout": {"hallId": showtime.hall_id, "version": showtime.layout_version},
        "showtimeVersion": showtime.version,
        "seats": showtime.seat_count,
        "taken": [Int64(0)] * blocks,
        "booked": [Int64(0)] * blocks,
        "holds": {},
        "unbooked": 0,
        "updatedAt": now,
        "outbox": [event],
    }


def _from_document(document: Document) -> SeatMap:
    return SeatMap(
        showtime_id=document["_id"],
        version=document["version"],
        status=document["status"],
        starts_at=document["startsAt"],
        updated_at=document["updatedAt"],
        layout=LayoutKey(document["layout"]["hallId"], document["layout"]["version"]),
        showtime_version=document["showtimeVersion"],
        taken=from_blocks(document["taken"]),
        booked=from_blocks(document["booked"]),
        holds={
            booking_id: Hold(
                booking_id,
                entry["user"],
                Mark(entry["mark"]),
                entry["until"],
                from_sparse(entry["seats"]),
                entry.get("payment"),
            )
            for booking_id, entry in document["holds"].items()
        },
        unbooked=document["unbooked"],
    )


def _hold_document(hold: Hold) -> Document:
    seats = {str(number): Int64(bits) for number, bits in to_blocks(hold.mask).items()}
    entry = {"user": hold.user_id, "mark": hold.mark.value, "until": hold.until, "seats": seats}
    return entry | ({"payment": hold.payment_id} if hold.payment_id else {})


def _set_mark(update: Document, mark: Hold, now: datetime) -> Document:
    """Leave `mark` in place of the hold, and have the sweeper look whether it was tidied."""
    return {
        "$set": {**update["$set"], f"holds.{mark.booking_id}": _hold_document(mark)},
        "$min": {"nextExpiry": now + MARK_CHECKED_AFTER},
    }


def _union(holds: Iterable[Hold]) -> int:
    mask = 0
    for hold in holds:
        mask |= hold.mask
    return mask


def _all_clear(field: str, mask: int) -> Document:
    return {f"{field}.{number}": {"$bitsAllClear": list(positions(bits))} for number, bits in to_blocks(mask).items()}


def _still_as(holds: Iterable[Hold]) -> Document:
    """The condition that these entries have not changed since they were read: the fence of every step."""
    condition: Document = {}
    for hold in holds:
        condition[f"holds.{hold.booking_id}.mark"] = hold.mark.value
        condition[f"holds.{hold.booking_id}.until"] = hold.until
    return condition


def _unset(holds: Iterable[Hold]) -> Document:
    entries = {f"holds.{hold.booking_id}": "" for hold in holds}
    return {"$unset": entries} if entries else {}


def _bits(field: str, set_: int, cleared: int) -> Document:
    """`$bit` operations that clear some bits and then set others, block by block."""
    to_set, to_clear = to_blocks(set_), to_blocks(cleared)
    operations: Document = {}
    for number in to_set.keys() | to_clear.keys():
        operation: Document = {}
        if number in to_clear:
            operation["and"] = Int64(FULL & ~to_clear[number])
        if number in to_set:
            operation["or"] = Int64(to_set[number])
        operations[f"{field}.{number}"] = operation
    return operations
