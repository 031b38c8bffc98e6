"""What the collections have in common: versions, refs, the outbox, deletion in two steps.

Every document is `{_id, version, …, externalRef?, deletedAt?, createdAt, updatedAt, outbox[]}`. A change and the event
that tells of it are one write. A deleted document stays, so that old bookings can still be read, but gives its ref and
its unique keys free.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.errors import BulkWriteError, DuplicateKeyError

from messaging.envelope import Event
from messaging.outbox import ensure_outbox_index, outbox_entry
from service_kit.mongo import DUPLICATE_KEY, Database, Document

ALIVE: Document = {"deletedAt": None}
REF_INDEX = "external_ref"
# A deletion that has not ended by then died with its process.
ABANDONED = timedelta(seconds=30)


class Collection:
    """One collection; `unique` names the fields that a deleted document gives free."""

    name = ""
    unique: Sequence[str] = ("externalRef",)
    indexes: Sequence[IndexModel] = ()

    def __init__(self, database: Database) -> None:
        self.collection = database[self.name]

    async def prepare(self) -> None:
        await ensure_outbox_index(self.collection)
        # A client's key stands for one thing of a kind; most things have none.
        by_ref = IndexModel(
            [("externalRef", ASCENDING)],
            name=REF_INDEX,
            unique=True,
            partialFilterExpression={"externalRef": {"$exists": True}},
        )
        await self.collection.create_indexes([by_ref, *self.indexes])

    async def ids_by_ref(self, refs: Sequence[str]) -> dict[str, str]:
        """The ids of those refs that are known."""
        if not refs:
            return {}
        found = self.collection.find({"externalRef": {"$in": list(refs)}}, {"externalRef": 1})
        return {document["externalRef"]: document["_id"] async for document in found}

    async def insert_each(self, documents: Sequence[Document]) -> dict[int, Document]:
        """Insert all that can be; for the others, by position, the unique key that was in the way."""
        if not documents:
            return {}
        try:
            await self.collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            faults = error.details["writeErrors"]
            if any(fault["code"] != DUPLICATE_KEY for fault in faults) or error.details["writeConcernErrors"]:
                raise
            return {fault["index"]: fault["keyValue"] for fault in faults}
        return {}

    async def find_document(self, document_id: str, *, deleted: bool = False) -> Document | None:
        return await self.collection.find_one({"_id": document_id} | ({} if deleted else ALIVE), {"outbox": 0})

    async def find_documents(self, ids: Sequence[str], *, deleted: bool = False) -> dict[str, Document]:
        if not ids:
            return {}
        wanted = {"_id": {"$in": list(set(ids))}} | ({} if deleted else ALIVE)
        return {document["_id"]: document async for document in self.collection.find(wanted, {"outbox": 0})}

    async def change(self, document_id: str, version: int, fields: Mapping[str, Any], event: Event[Any]) -> bool:
        """Set fields of the document at `version`.

        False when it is at another version by now, is gone, or another document has one of its unique keys.
        """
        update = {
            "$set": {**fields, "version": version + 1, "updatedAt": event.time},
            "$push": {"outbox": outbox_entry(event)},
        }
        try:
            outcome = await self.collection.update_one({"_id": document_id, "version": version, **ALIVE}, update)
        except DuplicateKeyError:
            return False
        return outcome.matched_count == 1

    async def begin_deletion(self, document_id: str, version: int, token: str, now: datetime) -> bool:
        """Mark as being deleted, so that nothing new comes to depend on it; False when others were faster."""
        outcome = await self.collection.update_one(
            {"_id": document_id, "version": version, **ALIVE, **_unmarked(now)},
            {"$set": {"deleting": {"token": token, "at": now}}},
        )
        return outcome.matched_count == 1

    async def give_up_deletion(self, document_id: str, token: str) -> None:
        await self.collection.update_one({"_id": document_id, "deleting.token": token}, {"$unset": {"deleting": 1}})

    async def unmark_abandoned(self, ids: Sequence[str], now: datetime) -> None:
        """Take away marks that a crash left behind. The deletion can't go on after that: it is fenced by its mark."""
        await self.collection.update_many(
            {"_id": {"$in": list(ids)}, "deleting.at": {"$lte": now - ABANDONED}}, {"$unset": {"deleting": 1}}
        )

    async def finish_deletion(self, document_id: str, token: str, event: Event[Any]) -> bool:
        outcome = await self.collection.update_one(
            {"_id": document_id, "deleting.token": token, **ALIVE}, self.deletion(event)
        )
        return outcome.matched_count == 1

    def deletion(self, event: Event[Any]) -> Document:
        """The update that makes a document a deleted one."""
        return {
            "$set": {"deletedAt": event.time, "updatedAt": event.time, "version": event.version},
            "$unset": {"deleting": 1, **dict.fromkeys(self.unique, 1)},
            "$push": {"outbox": outbox_entry(event)},
        }


def new_document(document_id: str, ref: str | None, event: Event[Any], fields: Mapping[str, Any]) -> Document:
    """A document at version 1 whose first event waits in its outbox."""
    return {
        "_id": document_id,
        "version": 1,
        **fields,
        **({"externalRef": ref} if ref else {}),
        "createdAt": event.time,
        "updatedAt": event.time,
        "outbox": [outbox_entry(event)],
    }


def _unmarked(now: datetime) -> Document:
    return {"$or": [{"deleting": None}, {"deleting.at": {"$lte": now - ABANDONED}}]}


def after(position: Sequence[Any] | None, *fields: str) -> Document:
    """The filter for what comes after a position when sorted ascending by these fields."""
    if position is None:
        return {}
    branches = []
    for index, name in enumerate(fields):
        equal = dict(zip(fields[:index], position[:index], strict=True))
        branches.append({**equal, name: {"$gt": position[index]}})
    return {"$or": branches}
