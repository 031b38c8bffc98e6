"""The collection `deliveries`: `{_id, version, endpointId, eventId, …, state, tries, attempts[], waiting?, dueAt?}`.

`waiting` (the endpoint's id) and `dueAt` are there while a delivery is pending, and only then: the index that workers
look through holds nothing else. Under a claim `dueAt` is its end, so that a claim whose worker died lapses by itself.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.write_concern import WriteConcern

from service_kit.ids import new_id
from service_kit.mongo import Database, Document, insert_new
from service_kit.pages import cut
from webhooks_service.domain.deliveries import KEPT, MOST_ATTEMPTS_KEPT, Attempt, Claimed, Delivery, Message, State

WAITING_INDEX = "waiting"


@dataclass(frozen=True, slots=True)
class Span:
    """A time of events, `[since, until)`; `types` None: all."""

    since: datetime
    until: datetime | None = None
    types: Sequence[str] | None = None


class Deliveries:
    def __init__(self, database: Database) -> None:
        self._deliveries = database["deliveries"]
        # Claims and outcomes of tries: one that is lost in a failover only has an event sent again.
        self._marks = self._deliveries.with_options(write_concern=WriteConcern(w=1))

    async def prepare(self) -> None:
        await self._deliveries.create_indexes(
            [
                # An event goes to an endpoint once, however often it is consumed.
                IndexModel([("endpointId", ASCENDING), ("eventId", ASCENDING)], name="once", unique=True),
                # The log of an endpoint, whole or by state; replays.
                IndexModel([("endpointId", ASCENDING), ("_id", DESCENDING)], name="log"),
                IndexModel([("endpointId", ASCENDING), ("state", ASCENDING), ("_id", DESCENDING)], name="log_by_state"),
                # What workers look for: per endpoint what is due first.
                IndexModel([("waiting", ASCENDING), ("dueAt", ASCENDING)], name=WAITING_INDEX, sparse=True),
                IndexModel("createdAt", name="kept", expireAfterSeconds=int(KEPT.total_seconds())),
            ]
        )

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Store those that are new."""
        outcomes = await insert_new(self._deliveries, [_document(each) for each in deliveries]) if deliveries else []
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def find(self, endpoint_id: str, delivery_id: str) -> Delivery | None:
        document = await self._deliveries.find_one({"_id": delivery_id, "endpointId": endpoint_id})
        return _delivery(document) if document else None

    async def page(
        self, endpoint_id: str, position: Sequence[Any] | None, limit: int, state: State | None
    ) -> tuple[list[Delivery], str | None]:
        """The newest first."""
        wanted: Document = {"endpointId": endpoint_id}
        if state:
            wanted["state"] = state
        if position:
            wanted["_id"] = {"$lt": position[0]}
        rows = await self._deliveries.find(wanted).sort("_id", DESCENDING).limit(limit + 1).to_list()
        rows, following = cut(rows, limit, lambda row: [row["_id"]])
        return [_delivery(row) for row in rows], following

    async def delete_all(self, endpoint_id: str) -> None:
        await self._deliveries.delete_many({"endpointId": endpoint_id})

    async def replay(self, delivery: Delivery, now: datetime) -> None:
        """Send it anew, unless somebody is sending it just now."""
        await self._deliveries.update_one({"_id": delivery.id, "claim": None}, _afresh(delivery.endpoint_id, now))

    async def replay_failed(self, endpoint_id: str, span: Span, now: datetime) -> int:
        """Send all failed ones of a time anew; how many those are."""
        when: Document = {"$gte": span.since}
        if span.until:
            when["$lt"] = span.until
        wanted: Document = {"endpointId": endpoint_id, "state": "failed", "occurredAt": when}
        if span.types is not None:
            wanted["type"] = {"$in": list(span.types)}
        replayed = await self._deliveries.update_many(wanted, _afresh(endpoint_id, now))
        return replayed.modified_count

    async def earliest(self) -> dict[str, datetime]:
        """When each endpoint that has anything pending is due first. One step in the index for each endpoint."""
        pipeline: list[Document] = [
            {"$sort": {"waiting": ASCENDING, "dueAt": ASCENDING}},
            {"$group": {"_id": "$waiting", "dueAt": {"$first": "$dueAt"}}},
        ]
        found = await self._deliveries.aggregate(pipeline, hint=WAITING_INDEX)
        return {row["_id"]: row["dueAt"] async for row in found}

    async def claim(self, endpoint_id: str, now: datetime, lease: timedelta) -> Claimed | None:
        """The delivery that is due first, kept from other workers for `lease`."""
        token = new_id()
        document = await self._marks.find_one_and_update(
            {"waiting": endpoint_id, "dueAt": {"$lte": now}},
            {"$set": {"dueAt": now + lease, "claim": token}, "$inc": {"tries": 1, "version": 1}},
            sort=[("dueAt", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )
        return Claimed(_delivery(document), token) if document else None

    async def finish(self, claimed: Claimed, state: State, attempt: Attempt | None, error: str = "") -> None:
        """It ended, by an attempt or without one (`error` says why)."""
        await self._mark(claimed, attempt, {"state": state, "error": error}, ["waiting", "dueAt"])

    async def put_off(self, claimed: Claimed, attempt: Attempt, until: datetime) -> None:
        await self._mark(claimed, attempt, {"dueAt": until}, [])

    async def drop(self, claimed: Claimed) -> None:
        await self._marks.delete_one({"_id": claimed.delivery.id, "claim": claimed.token})

    async def _mark(self, claimed: Claimed, attempt: Attempt | None, values: Document, gone: Sequence[str]) -> None:
        """Only while the claim holds: a worker thought dead must not undo what its successor did."""
        update: Document = {"$set": values, "$unset": {"claim": 1, **dict.fromkeys(gone, 1)}, "$inc": {"version": 1}}
        if attempt:
            kept = {"$each": [_attempt_fields(attempt)], "$slice": -MOST_ATTEMPTS_KEPT}
            update["$push"] = {"attempts": kept}
        await self._marks.update_one({"_id": claimed.delivery.id, "claim": claimed.token}, update)

    async def watch(self, wake: asyncio.Event) -> None:
        """Set `wake` whenever a delivery is stored; for ever."""
        pipeline: list[Document] = [{"$match": {"operationType": "insert"}}, {"$project": {"_id": 1}}]
        async with await self._deliveries.watch(pipeline, max_await_time_ms=1_000) as stream:
            async for _ in stream:
                wake.set()


def _afresh(endpoint_id: str, now: datetime) -> Document:
    return {
        "$set": {"state": "pending", "waiting": endpoint_id, "dueAt": now, "tries": 0, "error": ""},
        "$inc": {"version": 1},
    }


def _document(delivery: Delivery) -> Document:
    message = delivery.message
    document: Document = {
        "_id": delivery.id,
        "version": delivery.version,
        "endpointId": delivery.endpoint_id,
        "eventId": message.event_id,
        "type": message.type,
        "occurredAt": message.occurred_at,
        "venueId": message.venue_id,
        "body": message.body,
        "state": delivery.state,
        "tries": delivery.tries,
        "attempts": [_attempt_fields(attempt) for attempt in delivery.attempts],
        "error": delivery.error,
        "createdAt": delivery.created_at,
    }
    if delivery.due_at is not None:
        document |= {"waiting": delivery.endpoint_id, "dueAt": delivery.due_at}
    return document


def _attempt_fields(attempt: Attempt) -> Document:
    return {
        "at": attempt.at,
        "durationMs": attempt.duration_ms,
        "statusCode": attempt.status_code,
        "answer": attempt.answer,
        "error": attempt.error,
    }


def _delivery(document: Document) -> Delivery:
    message = Message(
        document["eventId"], document["type"], document["occurredAt"], document["venueId"], document["body"]
    )
    attempts = (
        Attempt(each["at"], each["durationMs"], each["statusCode"], each["answer"], each["error"])
        for each in document["attempts"]
    )
    return Delivery(
        id=document["_id"],
        version=document["version"],
        endpoint_id=document["endpointId"],
        message=message,
        state=document["state"],
        tries=document["tries"],
        attempts=tuple(attempts),
        created_at=document["createdAt"],
        due_at=document.get("dueAt"),
        error=document["error"],
    )
