"""Partners in MongoDB: `{_id, version, name, url, timeoutSeconds, secrets[], breaker, lastError, deleted, …}`.

What admins change is written on the `version` that was read; the breaker on itself as it was read.
"""

from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime

from pydantic.alias_generators import to_camel
from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from partners_service.domain.partners import Breaker, LastError, Partner, Secret
from service_kit.mongo import Database, Document

NAMES = {field.name: "_id" if field.name == "id" else to_camel(field.name) for field in fields(Partner)}


class Partners:
    def __init__(self, database: Database) -> None:
        self._collection: AsyncCollection[Document] = database["partners"]

    async def add(self, partner: Partner) -> bool:
        """False where it is there already."""
        try:
            await self._collection.insert_one(_document(partner))
        except DuplicateKeyError:
            return False
        return True

    async def save(self, partner: Partner, before: int) -> bool:
        """Write what admins change; False where another has changed it since version `before`."""
        document = {
            name: value for name, value in _document(partner).items() if name not in {"_id", "breaker", "lastError"}
        }
        written = await self._collection.update_one({"_id": partner.id, "version": before}, {"$set": document})
        return written.modified_count == 1

    async def get(self, partner_id: str) -> Partner | None:
        document = await self._collection.find_one({"_id": partner_id})
        return _partner(document) if document else None

    async def page(self, after: str, limit: int) -> list[Partner]:
        cursor = self._collection.find(
            {"_id": {"$gt": after}, "deleted": False}, sort=[("_id", ASCENDING)], limit=limit
        )
        return [_partner(document) async for document in cursor]

    async def all(self) -> list[Partner]:
        """With those that were deleted: they are told of what they have confirmed. There are few."""
        return [_partner(document) async for document in self._collection.find()]

    async def take_probe(self, partner: Partner, now: datetime) -> bool:
        """Be the one who tries; False where another is, or the breaker has changed."""
        return await self._set_breaker(partner.id, partner.breaker, partner.breaker.probed(now), None)

    async def note(
        self, partner_id: str, change: Callable[[Breaker], Breaker], error: LastError | None = None
    ) -> Breaker | None:
        """Change the breaker as it is now; what it was changed to, None without such a partner."""
        while True:
            partner = await self.get(partner_id)
            if partner is None:
                return None
            after = change(partner.breaker)
            if after == partner.breaker and error is None:
                return after
            if await self._set_breaker(partner_id, partner.breaker, after, error):
                return after

    async def _set_breaker(self, partner_id: str, before: Breaker, after: Breaker, error: LastError | None) -> bool:
        change: Document = {"breaker": asdict(after)} | ({"lastError": asdict(error)} if error else {})
        written = await self._collection.update_one({"_id": partner_id, "breaker": asdict(before)}, {"$set": change})
        return written.matched_count == 1


def _document(partner: Partner) -> Document:
    document = {wire: getattr(partner, name) for name, wire in NAMES.items()}
    document["secrets"] = [asdict(secret) for secret in partner.secrets]
    document["breaker"] = asdict(partner.breaker)
    document["lastError"] = asdict(partner.last_error) if partner.last_error else None
    return document


def _partner(document: Document) -> Partner:
    values = {name: document[wire] for name, wire in NAMES.items()}
    values["secrets"] = tuple(Secret(**secret) for secret in document["secrets"])
    values["breaker"] = Breaker(**document["breaker"])
    values["last_error"] = LastError(**document["lastError"]) if document["lastError"] else None
    return Partner(**values)
