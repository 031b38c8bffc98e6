"""Webhook events in MongoDB, stored by the API before it answers and claimed by workers.

webhook_events: `{_id: the gateway's event id, type, body, state, tries, dueAt, dismissal{by, reason, at}}`.
"""

import asyncio
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, get_args

from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from payment_service.domain.reports import WebhookEvent
from service_kit.ids import new_id
from service_kit.lanes import Lane
from service_kit.mongo import Database, Document, insert_new
from service_kit.together import Updates

EventState = Literal["received", "applied", "ignored", "unmatched", "failed", "dismissed"]
# What people should see, and can have applied again; `dismissed` is what they have seen to.
LeftState = Literal["failed", "unmatched", "dismissed"]
UNSEEN: tuple[LeftState, ...] = ("failed", "unmatched")
# Gateways repeat a webhook for days; after months its event is of no more use.
EVENTS_KEPT = timedelta(days=90)
BATCH = 128
WAITING = 10_000


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    """A stored webhook event that this worker alone applies until its claim (`due_at`) lapses."""

    event: WebhookEvent
    tries: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Dismissal:
    """Who waved an event through, and why."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A webhook event and what became of it; `error` says why it failed, or was put off."""

    id: str
    type: str
    state: EventState
    tries: int
    error: str
    received_at: datetime
    finished_at: datetime | None
    dismissal: Dismissal | None = None


class WebhookEvents:
    def __init__(self, database: Database) -> None:
        self._events: AsyncCollection[Document] = database["webhook_events"]
        # Claims and marks on stored events: one that is lost in a failover only has an event applied again.
        self._marks = self._events.with_options(write_concern=WriteConcern(w=1), read_concern=ReadConcern("local"))
        # Webhooks come by the hundred when sales do: what arrives together is written together.
        self._stored: Lane[Document, bool] = Lane(partial(insert_new, self._events), batch=BATCH, waiting=WAITING)
        self._finished = Updates(self._marks)

    async def prepare(self) -> None:
        """Indexes; those on states hold only the few documents that are in them."""
        await self._events.create_index("dueAt", partialFilterExpression={"state": "received"})
        await self._events.create_index(
            [("state", ASCENDING), ("finishedAt", DESCENDING), ("_id", DESCENDING)],
            partialFilterExpression={"state": {"$in": get_args(LeftState)}},
            name="come_to_nothing",
        )
        # The audit tells those that could not be applied.
        await self._events.create_index("receivedAt", partialFilterExpression={"state": "failed"})
        await self._events.create_index("finishedAt", expireAfterSeconds=int(EVENTS_KEPT.total_seconds()))

    async def keep(self, event: WebhookEvent, now: datetime) -> bool:
        """Store a webhook event; False where it is there already."""
        return await self._stored.submit(
            {
                "_id": event.id,
                "type": event.type,
                "body": event.body,
                "state": "received",
                "receivedAt": now,
                "dueAt": now,
                "tries": 0,
            }
        )

    async def claim(self, now: datetime, lease: timedelta, most: int) -> list[ClaimedEvent]:
        """The events that wait longest, kept from other workers for `lease`."""
        due = {"state": "received", "dueAt": {"$lte": now}}
        found = await self._marks.find(due, {"_id": 1}, sort=[("dueAt", ASCENDING)], limit=most).to_list()
        if not found:
            return []
        claim, ids = new_id(), {"_id": {"$in": [document["_id"] for document in found]}}
        await self._marks.update_many(ids | due, {"$set": {"dueAt": now + lease, "claim": claim}, "$inc": {"tries": 1}})
        return [_claimed(document) async for document in self._marks.find(ids | {"claim": claim})]

    async def finish(self, claimed: ClaimedEvent, state: EventState, now: datetime, error: str = "") -> None:
        await self._finished.apply(
            _same(claimed),
            {"$set": {"state": state, "finishedAt": now, "error": error}, "$unset": {"dueAt": 1, "claim": 1}},
        )

    async def retry(self, claimed: ClaimedEvent, at: datetime, error: str) -> None:
        await self._marks.update_one(_same(claimed), {"$set": {"dueAt": at, "error": error}})

    async def left(self, state: LeftState, after: tuple[datetime, str] | None, limit: int) -> list[StoredEvent]:
        """Events that came to nothing, the latest first, from a position on."""
        wanted: Document = {"state": state}
        if after:
            at, last = after
            wanted["$or"] = [{"finishedAt": {"$lt": at}}, {"finishedAt": at, "_id": {"$lt": last}}]
        order = [("finishedAt", DESCENDING), ("_id", DESCENDING)]
        found = self._events.find(wanted, {"body": 0}, sort=order, limit=limit)
        return [_stored(document) async for document in found]

    async def get(self, event_id: str) -> StoredEvent | None:
        document = await self._events.find_one({"_id": event_id}, {"body": 0})
        return _stored(document) if document else None

    async def replay(self, event_id: str, now: datetime) -> None:
        """Let the worker apply an event that came to nothing once more."""
        await self._events.update_one(
            {"_id": event_id, "state": {"$in": get_args(LeftState)}},
            {
                "$set": {"state": "received", "dueAt": now, "tries": 0},
                "$unset": {"finishedAt": 1, "error": 1, "dismissal": 1},
            },
        )

    async def dismiss(self, event_id: str, dismissal: Dismissal) -> bool:
        """Have an event that came to nothing counted as seen to; False where it is no such event (any more)."""
        done = await self._events.update_one(
            {"_id": event_id, "state": {"$in": UNSEEN}},
            {"$set": {"state": "dismissed", "dismissal": asdict(dismissal)}},
        )
        return bool(done.matched_count)

    async def unapplied(self, before: datetime, limit: int) -> list[tuple[str, str, str]]:
        """Id, type and error (or "") of events that could not be applied, or that have waited since then."""
        waiting = {"state": "received", "receivedAt": {"$lt": before}}
        found = []
        for condition, order in (({"state": "failed"}, "receivedAt"), (waiting, "dueAt")):
            cursor = self._events.find(condition, {"body": 0}, sort=[(order, ASCENDING)], limit=limit)
            found += [(event["_id"], event["type"], event.get("error", "")) async for event in cursor]
        return found[:limit]

    async def watch(self, wake: asyncio.Event) -> None:
        """Set `wake` whenever an event is stored; for ever."""
        pipeline: list[Document] = [{"$match": {"operationType": "insert"}}, {"$project": {"_id": 1}}]
        async with await self._events.watch(pipeline, max_await_time_ms=1_000) as stream:
            async for _ in stream:
                wake.set()


def _claimed(document: Document) -> ClaimedEvent:
    event = WebhookEvent(document["_id"], document["type"], document["body"])
    return ClaimedEvent(event, document["tries"], document["dueAt"])


def _same(claimed: ClaimedEvent) -> Document:
    """Matches only while the claim holds: a worker thought dead must not undo what its successor did."""
    return {"_id": claimed.event.id, "state": "received", "dueAt": claimed.due_at}


def _stored(document: Document) -> StoredEvent:
    return StoredEvent(
        document["_id"],
        document["type"],
        document["state"],
        document["tries"],
        document.get("error", ""),
        document["receivedAt"],
        document.get("finishedAt"),
        Dismissal(**document["dismissal"]) if "dismissal" in document else None,
    )
