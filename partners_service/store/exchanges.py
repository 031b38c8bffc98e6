"""The log of exchanges in MongoDB: `{_id, partnerId, bookingId, kind, at, milliseconds, outcome, status, detail}`."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Literal

from pydantic.alias_generators import to_camel
from pymongo import DESCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.write_concern import WriteConcern

from service_kit.mongo import Database, Document

KEPT = timedelta(days=30)
Kind = Literal["confirm", "cancel", "reduce", "move"]
Outcome = Literal["confirmed", "refused", "cancelled", "reduced", "moved", "failed"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and what came of it. `id` is what the theatre saw as `Marquee-Request-Id`."""

    id: str
    partner_id: str
    booking_id: str
    kind: Kind
    at: datetime
    milliseconds: int
    outcome: Outcome
    status: int | None
    detail: str


NAMES = {field.name: "_id" if field.name == "id" else to_camel(field.name) for field in fields(Exchange)}


class Exchanges:
    def __init__(self, database: Database) -> None:
        # A log: lines that are lost in a failover are of no consequence.
        self._collection: AsyncCollection[Document] = database["exchanges"].with_options(
            write_concern=WriteConcern(w=1)
        )

    async def prepare(self) -> None:
        # A partner's page, newest first, of all its bookings or of one.
        await self._collection.create_index([("partnerId", 1), ("_id", DESCENDING)])
        await self._collection.create_index([("bookingId", 1), ("_id", DESCENDING)])
        await self._collection.create_index("at", expireAfterSeconds=int(KEPT.total_seconds()))

    async def add(self, exchange: Exchange) -> None:
        await self._collection.insert_one({wire: getattr(exchange, name) for name, wire in NAMES.items()})

    async def page(self, partner_id: str, booking_id: str | None, before: str | None, limit: int) -> Sequence[Exchange]:
        """Newest first, from a position on."""
        condition: Document = {"partnerId": partner_id} | ({"bookingId": booking_id} if booking_id else {})
        if before:
            condition["_id"] = {"$lt": before}
        cursor = self._collection.find(condition, sort=[("_id", DESCENDING)], limit=limit)
        return [Exchange(**{name: document[wire] for name, wire in NAMES.items()}) async for document in cursor]
