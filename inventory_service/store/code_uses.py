"""Uses of promo codes in MongoDB: each tally is spread over documents of up to `PART` uses, so that none grows large.

    { _id: "<part>:<key>", key, part, n, version, uses: { bookingId: until or "kept" }, nextLapse }

`n` is how many there are. A use is counted by one conditional update of one document, and changed or dropped only as it
was read.
"""

from collections.abc import Sequence
from datetime import datetime
from zlib import crc32

from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from inventory_service.domain.code_uses import Becomes, Tally, Use, parts
from service_kit.mongo import Document

PART = 1_000
KEPT = "kept"


class CodeUses:
    def __init__(self, collection: AsyncCollection[Document], part: int = PART) -> None:
        self.collection = collection
        self._part = part

    async def prepare(self) -> None:
        # A document of a tally with room, and how many uses there are, without reading the documents.
        await self.collection.create_index([("key", ASCENDING), ("part", ASCENDING), ("n", ASCENDING)])
        # The sweeper's query: uses that have lapsed.
        await self.collection.create_index([("nextLapse", ASCENDING)], sparse=True)

    async def count(self, tally: Tally) -> int:
        pipeline: list[Document] = [{"$match": {"key": tally.key}}, {"$group": {"_id": None, "n": {"$sum": "$n"}}}]
        found = await (await self.collection.aggregate(pipeline)).to_list()
        return int(found[0]["n"]) if found else 0

    async def claim(self, tally: Tally, booking_id: str, until: datetime) -> str | None:
        """Count one more use; its place, or None where there is no room."""
        # Parts that a limit lowered since has no room for, and late payments, may hold what other parts have room for.
        if tally.most > self._part and await self.count(tally) >= tally.most:
            return None
        rooms = list(parts(tally.most, self._part))
        # Who come together write to different documents first, or they would wait for each other.
        number, room = rooms[crc32(booking_id.encode()) % len(rooms)]
        found = await self._add_where({"part": number, "n": {"$lt": room}}, tally, booking_id, until)
        if found is None and await self._open(tally, number):
            found = await self._add_where({"part": number, "n": {"$lt": room}}, tally, booking_id, until)
        return found or await self._claim_anywhere(rooms, tally, booking_id, until)

    async def _claim_anywhere(
        self, rooms: Sequence[tuple[int, int]], tally: Tally, booking_id: str, until: datetime
    ) -> str | None:
        last, room = rooms[-1]
        free = {"$or": [{"part": {"$lt": last}, "n": {"$lt": self._part}}, {"part": last, "n": {"$lt": room}}]}
        while True:
            if found := await self._add_where(free, tally, booking_id, until):
                return found
            there = {found["part"] async for found in self.collection.find({"key": tally.key}, {"_id": 0, "part": 1})}
            missing = next((number for number, _ in rooms if number not in there), None)
            if missing is None:
                return None
            await self._open(tally, missing)

    async def _add_where(self, free: Document, tally: Tally, booking_id: str, until: datetime) -> str | None:
        entry = f"uses.{booking_id}"
        found = await self.collection.find_one_and_update(
            {"key": tally.key, **free, entry: {"$exists": False}}, _adding(entry, until), {"_id": 1}
        )
        return str(found["_id"]) if found else None

    async def _open(self, tally: Tally, number: int) -> bool:
        """Make this document; whether it was not there."""
        document = {
            "_id": f"{number}:{tally.key}",
            "key": tally.key,
            "part": number,
            "n": 0,
            "version": 0,
            "uses": {},
        }
        try:
            await self.collection.insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    async def own(self, tally: Tally, booking_id: str) -> str | None:
        """The place of a use that a request for this booking claimed before."""
        found = await self.collection.find_one({"key": tally.key, f"uses.{booking_id}": {"$exists": True}}, {"_id": 1})
        return str(found["_id"]) if found else None

    async def find(self, place: str, booking_id: str) -> Use | None:
        found = await self.collection.find_one({"_id": place}, {f"uses.{booking_id}": 1})
        return next(iter(_uses(found)), None) if found else None

    async def add(self, place: str, booking_id: str, until: datetime) -> None:
        """Count a use whether there is room or not, unless it is there."""
        entry = f"uses.{booking_id}"
        await self.collection.update_one({"_id": place, entry: {"$exists": False}}, _adding(entry, until))

    async def change(self, use: Use, becomes: Becomes) -> bool:
        update: Document = {
            "$set": {_entry(use): becomes.until or KEPT},
            "$inc": {"version": 1},
        }
        if becomes.until:
            update["$min"] = {"nextLapse": becomes.until}
        result = await self.collection.update_one({"_id": use.place, _entry(use): use.until or KEPT}, update)
        return result.matched_count == 1

    async def drop(self, use: Use) -> bool:
        result = await self.collection.update_one(
            {"_id": use.place, _entry(use): use.until or KEPT},
            {"$unset": {_entry(use): ""}, "$inc": {"n": -1, "version": 1}},
        )
        return result.matched_count == 1

    async def loosen(self, place: str, booking_id: str, at: datetime) -> None:
        """Have a use lapse at that moment, however it was before."""
        entry = f"uses.{booking_id}"
        await self.collection.update_one(
            {"_id": place, entry: {"$exists": True}},
            {"$set": {entry: at}, "$inc": {"version": 1}, "$min": {"nextLapse": at}},
        )

    async def lapsed(self, now: datetime, limit: int) -> list[tuple[str, list[Use]]]:
        """Documents with uses that have lapsed, and these."""
        cursor = self.collection.find({"nextLapse": {"$lte": now}}, sort=[("nextLapse", ASCENDING)], limit=limit)
        return [
            (document["_id"], [use for use in _uses(document) if use.until and use.until <= now])
            async for document in cursor
        ]

    async def note_next_lapse(self, place: str) -> None:
        """By a fresh reading; one that changes meanwhile is looked at again in the next round."""
        document = await self.collection.find_one({"_id": place})
        if document is None:
            return
        dates = [use.until for use in _uses(document) if use.until]
        change = {"$set": {"nextLapse": min(dates)}} if dates else {"$unset": {"nextLapse": ""}}
        await self.collection.update_one({"_id": place, "version": document["version"]}, change)


def _adding(entry: str, until: datetime) -> Document:
    return {"$set": {entry: until}, "$inc": {"n": 1, "version": 1}, "$min": {"nextLapse": until}}


def _entry(use: Use) -> str:
    return f"uses.{use.booking_id}"


def _uses(document: Document) -> list[Use]:
    entries = document.get("uses", {}).items()
    return [Use(document["_id"], booking_id, None if at == KEPT else at) for booking_id, at in entries]
