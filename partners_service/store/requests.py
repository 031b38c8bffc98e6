"""Requests in MongoDB, one per booking: `{_id: booking id, version, partnerId, state, …, dueAt, outbox[]}`.

Each change is one update on the version that it was made from, with its event in it.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime

from pydantic.alias_generators import to_camel
from pymongo import ASCENDING, ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from partners_service.domain.requests import LEASE, Request
from service_kit.mongo import EVER, Database, Document, due

NAMES = {field.name: "_id" if field.name == "id" else to_camel(field.name) for field in fields(Request)}


class Requests:
    def __init__(self, database: Database) -> None:
        self.collection: AsyncCollection[Document] = database["requests"]

    async def prepare(self) -> None:
        # The worker finds what is due, of those partners that have room; a partner's page counts what it still owes.
        await self.collection.create_index(
            [("dueAt", ASCENDING), ("partnerId", ASCENDING)],
            partialFilterExpression={"dueAt": {"$gt": EVER}},
            name="due_by_partner",
        )
        await self.collection.create_index(
            "partnerId", partialFilterExpression={"dueAt": {"$gt": EVER}}, name="open_of_partner"
        )

    async def add(self, request: Request) -> bool:
        """False where there is one for that booking."""
        try:
            await self.collection.insert_one({**_document(request), "outbox": []})
        except DuplicateKeyError:
            return False
        return True

    async def get(self, booking_id: str) -> Request | None:
        document = await self.collection.find_one({"_id": booking_id}, {"outbox": 0})
        return _request(document) if document else None

    async def claim(self, now: datetime, full: Sequence[str] = ()) -> Request | None:
        """The request that is due longest, but of no partner that is `full`; kept from other workers for a while."""
        document = await self.collection.find_one_and_update(
            {"dueAt": due(now)} | ({"partnerId": {"$nin": list(full)}} if full else {}),
            {"$set": {"dueAt": now + LEASE}, "$inc": {"version": 1}},
            {"outbox": 0},
            sort=[("dueAt", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )
        return _request(document) if document else None

    async def save(self, request: Request, event: Document | None) -> Request | None:
        """Write a request that was made from this version; None where it has changed since."""
        after = replace(request, version=request.version + 1)
        document = _document(after)
        update: Document = {"$set": {name: value for name, value in document.items() if name != "_id"}}
        if event:
            update["$push"] = {"outbox": event}
        written = await self.collection.update_one({"_id": request.id, "version": request.version}, update)
        return after if written.modified_count else None

    async def open_of(self, partner_id: str) -> dict[str, int]:
        """How many bookings the partner is being asked for, and of how many it has yet to hear that they are over."""
        asking = {"$cond": [{"$eq": ["$state", "asking"]}, "asking", "telling"]}
        pipeline: list[Document] = [
            {"$match": {"partnerId": partner_id, "dueAt": {"$gt": EVER}}},
            {"$group": {"_id": asking, "count": {"$sum": 1}}},
        ]
        counts = {row["_id"]: row["count"] async for row in await self.collection.aggregate(pipeline)}
        return {"asking": 0, "telling": 0} | counts


def _document(request: Request) -> Document:
    """Tickets as a list: a seat's id may have dots, which the name of a field should not."""
    document = {wire: getattr(request, name) for name, wire in NAMES.items()}
    document["tickets"] = [{"seatId": seat, "ticketId": ticket} for seat, ticket in request.tickets.items()]
    return document


def _request(document: Document) -> Request:
    # One that was stored before a field was there has none of it.
    values = {name: document[wire] for name, wire in NAMES.items() if wire in document}
    values["tickets"] = {ticket["seatId"]: ticket["ticketId"] for ticket in document["tickets"]}
    return Request(**values)
