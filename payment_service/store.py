"""Payments and webhook events in MongoDB: the only file that knows it.

payments: `{_id, version, bookingId, …, refunds[], dueAt, outbox[]}`; every change is one update on the version it was
made from, with its events in it. webhook_events: `{_id: the gateway's event id, type, body, state, tries, dueAt}`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic.alias_generators import to_camel
from pymongo import ASCENDING, ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError
from pymongo.write_concern import WriteConcern

from messaging.envelope import Event
from messaging.events import PaymentState
from messaging.outbox import outbox_entry
from payment_service.domain import Change, IntentReport, Payment, Refund, Report, WebhookEvent
from service_kit.mongo import Database, Document

EventState = Literal["received", "applied", "ignored", "unmatched", "failed"]
PaymentEvents = Sequence[Event[PaymentState]]
# Gateways repeat a webhook for days; after months its event is of no more use.
EVENTS_KEPT = timedelta(days=90)
WIRE_NAMES = {field.name: "_id" if field.name == "id" else to_camel(field.name) for field in fields(Payment)}


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    """A stored webhook event that this worker alone applies until its claim (`due_at`) lapses."""

    event: WebhookEvent
    tries: int
    due_at: datetime


class Store:
    def __init__(self, database: Database) -> None:
        self.payments: AsyncCollection[Document] = database["payments"]
        self._events: AsyncCollection[Document] = database["webhook_events"]
        # Claims and marks on stored events: one that is lost in a failover only has an event applied again.
        self._marks = self._events.with_options(write_concern=WriteConcern(w=1))

    async def prepare(self) -> None:
        """Indexes: one payment per booking; a webhook finds its payment; the worker finds what is due."""
        await self.payments.create_index("bookingId", unique=True)
        await self.payments.create_index(
            "reference", unique=True, partialFilterExpression={"reference": {"$type": "string"}}
        )
        await self.payments.create_index("dueAt", partialFilterExpression={"dueAt": {"$type": "date"}})
        await self._events.create_index("dueAt", partialFilterExpression={"state": "received"})
        await self._events.create_index("finishedAt", expireAfterSeconds=int(EVENTS_KEPT.total_seconds()))

    async def add(self, payment: Payment, events: PaymentEvents) -> bool:
        """Insert a new payment; False where its booking has one already."""
        try:
            await self.payments.insert_one({**_document(payment), "outbox": [outbox_entry(event) for event in events]})
        except DuplicateKeyError:
            return False
        return True

    async def save(self, change: Change, events: PaymentEvents) -> bool:
        """Write a change; False where somebody else changed the payment since it was read."""
        fields_set = _document(change.payment)
        written = await self.payments.update_one(
            {"_id": fields_set.pop("_id"), "version": change.before},
            {"$set": fields_set, "$push": {"outbox": {"$each": [outbox_entry(event) for event in events]}}},
        )
        return written.modified_count == 1

    async def get(self, payment_id: str) -> Payment | None:
        return _payment(await self.payments.find_one({"_id": payment_id}))

    async def of_booking(self, booking_id: str) -> Payment | None:
        return _payment(await self.payments.find_one({"bookingId": booking_id}))

    async def of_report(self, report: Report) -> Payment | None:
        """The payment a report is about: by the gateway's reference, or by our own id where that isn't stored yet."""
        known = _payment(await self.payments.find_one({"reference": report.intent}))
        if known or not isinstance(report, IntentReport) or report.payment_id is None:
            return known
        return _payment(await self.payments.find_one({"_id": report.payment_id, "reference": None}))

    async def claim_payment(self, now: datetime, lease: timedelta) -> Payment | None:
        """One payment that must be looked after, put off for others by `lease`."""
        return _payment(
            await self.payments.find_one_and_update(
                {"dueAt": {"$lte": now}},
                {"$set": {"dueAt": now + lease}},
                sort=[("dueAt", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
        )

    async def attended(self, claimed: Payment, next_due: datetime | None) -> None:
        """Set when to look next, unless a change did so since the claim."""
        await self.payments.update_one({"_id": claimed.id, "dueAt": claimed.due_at}, {"$set": {"dueAt": next_due}})

    async def keep_event(self, event: WebhookEvent, now: datetime) -> bool:
        """Store a webhook event; False where it is there already."""
        try:
            await self._events.insert_one(
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
        except DuplicateKeyError:
            return False
        return True

    async def claim_event(self, now: datetime, lease: timedelta) -> ClaimedEvent | None:
        """The event that waits longest, kept from other workers for `lease`."""
        document = await self._marks.find_one_and_update(
            {"state": "received", "dueAt": {"$lte": now}},
            {"$set": {"dueAt": now + lease}, "$inc": {"tries": 1}},
            sort=[("dueAt", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )
        if document is None:
            return None
        event = WebhookEvent(document["_id"], document["type"], document["body"])
        return ClaimedEvent(event, document["tries"], document["dueAt"])

    async def finish_event(self, claimed: ClaimedEvent, state: EventState, now: datetime, error: str = "") -> None:
        await self._marks.update_one(
            _same(claimed), {"$set": {"state": state, "finishedAt": now, "error": error}, "$unset": {"dueAt": 1}}
        )

    async def retry_event(self, claimed: ClaimedEvent, at: datetime, error: str) -> None:
        await self._marks.update_one(_same(claimed), {"$set": {"dueAt": at, "error": error}})

    async def watch_events(self, wake: asyncio.Event) -> None:
        """Set `wake` whenever an event is stored; for ever."""
        pipeline: list[Document] = [{"$match": {"operationType": "insert"}}, {"$project": {"_id": 1}}]
        async with await self._events.watch(pipeline, max_await_time_ms=1_000) as stream:
            async for _ in stream:
                wake.set()


def _same(claimed: ClaimedEvent) -> Document:
    """Matches only while the claim holds: a worker thought dead must not undo what its successor did."""
    return {"_id": claimed.event.id, "state": "received", "dueAt": claimed.due_at}


def _document(payment: Payment) -> Document:
    values = {wire: getattr(payment, name) for name, wire in WIRE_NAMES.items()}
    values["refunds"] = [{to_camel(name): value for name, value in asdict(each).items()} for each in payment.refunds]
    return values


def _payment(document: Document | None) -> Payment | None:
    if document is None:
        return None
    values: dict[str, Any] = {name: document[wire] for name, wire in WIRE_NAMES.items()}
    values["refunds"] = tuple(
        Refund(**{field.name: each[to_camel(field.name)] for field in fields(Refund)}) for each in document["refunds"]
    )
    return Payment(**values)
