"""Holders in MongoDB: one document per person, guest session or address, gone once nothing is live or remembered.

    { _id: key, version, claims: { bookingId: { showtimeId, seats, until } }, abandoned: { bookingId: at },
      coolingUntil, expiresAt }

`version` is drawn anew with every write, so that one of a document that vanished and came again is never mistaken for
the present one.
"""

from collections.abc import Iterable
from datetime import datetime

from pymongo import InsertOne, ReplaceOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from inventory_service.domain.hoarding import Claim, Holder
from service_kit.ids import new_id
from service_kit.mongo import Document, only_known_already


class Holders:
    def __init__(self, collection: AsyncCollection[Document]) -> None:
        # A claim lost in a failover lets somebody hold a little more for some minutes; seats rest on the seat map. So
        # writes need not wait for the majority's disks. What was just written must be seen, so neither do reads.
        self.collection = collection.with_options(write_concern=WriteConcern(w=1), read_concern=ReadConcern("local"))

    async def prepare(self) -> None:
        # MongoDB drops holders by itself once nothing of them matters any more.
        await self.collection.create_index("expiresAt", expireAfterSeconds=0)

    async def read(self, keys: Iterable[str]) -> dict[str, Holder]:
        """A holder for each key, an empty one where nothing is known of it."""
        holders = {key: Holder(key) for key in keys}
        async for document in self.collection.find({"_id": {"$in": list(holders)}}):
            holders[document["_id"]] = _from_document(document)
        return holders

    async def write(self, holders: Iterable[tuple[Holder, datetime]]) -> bool:
        """Store each as changed since it was read, to be dropped after that moment.

        False where one had been changed by somebody else meanwhile; others may be written by then.
        """
        version = new_id()
        writes = [_write(holder, _to_document(holder, version, expires_at)) for holder, expires_at in holders]
        if not writes:
            return True
        try:
            result = await self.collection.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            if error.details["writeConcernErrors"] or not only_known_already(error):
                raise
            return False
        return result.matched_count + result.inserted_count == len(writes)


def _write(holder: Holder, document: Document) -> InsertOne[Document] | ReplaceOne[Document]:
    if holder.version is None:
        return InsertOne(document)
    return ReplaceOne({"_id": holder.key, "version": holder.version}, document)


def _to_document(holder: Holder, version: str, expires_at: datetime) -> Document:
    return {
        "_id": holder.key,
        "version": version,
        "claims": {
            claim.booking_id: {"showtimeId": claim.showtime_id, "seats": claim.seats, "until": claim.until}
            for claim in holder.claims.values()
        },
        "abandoned": holder.abandoned,
        "coolingUntil": holder.cooling_until,
        "expiresAt": expires_at,
    }


def _from_document(document: Document) -> Holder:
    return Holder(
        key=document["_id"],
        claims={
            booking_id: Claim(booking_id, entry["showtimeId"], entry["seats"], entry["until"])
            for booking_id, entry in document["claims"].items()
        },
        abandoned=document["abandoned"],
        cooling_until=document["coolingUntil"],
        version=document["version"],
    )
