"""Payments in MongoDB, one document each.

payments: `{_id, version, bookingId, …, refunds[], disputes[], dueAt, outbox[]}`; every change is one update on the
version it was made from, with its events in it. closed_bookings: `{_id: booking id, at}`, bookings
that want no money any more.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from functools import partial
from typing import Any, get_args

from pydantic.alias_generators import to_camel
from pymongo import ASCENDING, DESCENDING, ReturnDocument, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from messaging.envelope import Event
from messaging.events import PaymentState
from messaging.outbox import outbox_entry
from payment_service.domain.disputes import Dispute
from payment_service.domain.payment import Change, Payment
from payment_service.domain.refunds import Mismatch, Refund
from payment_service.domain.reports import Charge, IntentReport, Report
from service_kit.lanes import Lane
from service_kit.mongo import EVER, Database, Document, due, insert_new
from service_kit.together import Readings, Updates

PaymentEvents = Sequence[Event[PaymentState]]
# A hold lasts minutes: after days nobody opens a payment for its booking any more.
CLOSED_KEPT = timedelta(days=7)
# What a payment has lists of.
PARTS: dict[str, type[Refund] | type[Dispute]] = {"refunds": Refund, "disputes": Dispute}
Part = Refund | Dispute | Mismatch
BATCH = 128
WAITING = 10_000
PART_NAMES = {kind: {field.name: to_camel(field.name) for field in fields(kind)} for kind in get_args(Part)}
WIRE_NAMES = {field.name: "_id" if field.name == "id" else to_camel(field.name) for field in fields(Payment)}


class Store:
    def __init__(self, database: Database) -> None:
        self.payments: AsyncCollection[Document] = database["payments"]
        self._closed: AsyncCollection[Document] = database["closed_bookings"]
        # Webhooks come by the hundred when sales do: what arrives together is read and written together.
        self._new: Lane[Document, bool] = Lane(partial(insert_new, self.payments), batch=BATCH, waiting=WAITING)
        self._changes = Updates(self.payments)
        self._referred = Readings(self.payments, {"outbox": 0}, _known, key="reference")

    async def prepare(self) -> None:
        """Indexes: one payment per booking; a webhook finds its payment; the worker finds what is due.

        Those on states hold only the few documents that are in them.
        """
        await self.payments.create_index("bookingId", unique=True)
        await self.payments.create_index(
            "reference", unique=True, partialFilterExpression={"reference": {"$gt": ""}}, name="by_reference"
        )
        await self.payments.create_index("dueAt", partialFilterExpression={"dueAt": {"$gt": EVER}}, name="due")
        await self.payments.create_index(
            "refunds.status", partialFilterExpression={"refunds.status": "pending"}, name="refunds_pending"
        )
        await self._closed.create_index("at", expireAfterSeconds=int(CLOSED_KEPT.total_seconds()))

    async def add(self, payment: Payment, events: PaymentEvents) -> bool:
        """Insert a new payment; False where its booking has one already."""
        return await self._new.submit({**_document(payment), "outbox": [outbox_entry(event) for event in events]})

    async def save(self, change: Change, events: PaymentEvents) -> bool:
        """Write a change; False where somebody else changed the payment since it was read.

        False may be told of a change that was made, too: then who reads again finds it there.
        """
        fields_set = _document(change.payment)
        return await self._changes.apply(
            {"_id": fields_set.pop("_id"), "version": change.before},
            {"$set": fields_set, "$push": {"outbox": {"$each": [outbox_entry(event) for event in events]}}},
        )

    async def get(self, payment_id: str) -> Payment | None:
        return _payment(await self.payments.find_one({"_id": payment_id}))

    async def of_booking(self, booking_id: str) -> Payment | None:
        return _payment(await self.payments.find_one({"bookingId": booking_id}))

    async def newest(self, booking_id: str | None, before: str | None, limit: int) -> list[Payment]:
        """Payments (of one booking, where it is given), newest first: their ids are in the order of time."""
        wanted: Document = {"bookingId": booking_id} if booking_id else {}
        if before:
            wanted["_id"] = {"$lt": before}
        found = self.payments.find(wanted, sort=[("_id", DESCENDING)], limit=limit)
        return [_known(document) async for document in found]

    async def close_bookings(self, booking_ids: Sequence[str], now: datetime) -> None:
        """Remember that these want no money any more; a repeat remembers it for longer."""
        notes = [UpdateOne({"_id": each}, {"$set": {"at": now}}, upsert=True) for each in booking_ids]
        await self._closed.bulk_write(notes, ordered=False)

    async def is_closed(self, booking_id: str) -> bool:
        return await self._closed.find_one({"_id": booking_id}, {"_id": 1}) is not None

    async def pending_of(self, booking_ids: Sequence[str]) -> list[Payment]:
        wanted = {"bookingId": {"$in": list(booking_ids)}, "status": "pending"}
        return [_known(document) async for document in self.payments.find(wanted)]

    async def count_due(self, now: datetime) -> int:
        return await self.payments.count_documents({"dueAt": due(now)})

    async def count_pending_refunds(self) -> int:
        """Payments with a refund that is under way."""
        return await self.payments.count_documents({"refunds.status": "pending"})

    async def of_report(self, report: Report) -> Payment | None:
        """The payment a report is about: by the gateway's reference, or by our own id where that isn't stored yet."""
        known = await self._referred.get(report.intent)
        if known or not isinstance(report, IntentReport) or report.payment_id is None:
            return known
        return _payment(await self.payments.find_one({"_id": report.payment_id, "reference": None}))

    async def page(self, after_booking: str, limit: int) -> list[Payment]:
        """In the order of their bookings, those after one."""
        condition = {"bookingId": {"$gt": after_booking}}
        return await self._some(condition, sort=[("bookingId", ASCENDING)], limit=limit)

    async def of_bookings(self, booking_ids: Sequence[str]) -> list[Payment]:
        return await self._some({"bookingId": {"$in": list(booking_ids)}})

    async def of_charges(self, charges: Sequence[Charge]) -> list[Payment]:
        """Those of these intents, and those that the charges name."""
        intents = {"reference": {"$in": [charge.intent for charge in charges]}}
        named = {"_id": {"$in": [charge.payment_id for charge in charges if charge.payment_id]}}
        return await self._some({"$or": [intents, named]})

    async def _some(self, condition: Document, **options: Any) -> list[Payment]:
        found = self.payments.find(condition, {"outbox": 0}, **options)
        return [payment async for document in found if (payment := _payment(document))]

    async def claim_payment(self, now: datetime, lease: timedelta) -> Payment | None:
        """One payment that must be looked after, put off for others by `lease`."""
        return _payment(
            await self.payments.find_one_and_update(
                {"dueAt": due(now)},
                {"$set": {"dueAt": now + lease}},
                sort=[("dueAt", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
        )

    async def attended(self, claimed: Payment, next_due: datetime | None) -> None:
        """Set when to look next, unless a change did so since the claim."""
        await self.payments.update_one({"_id": claimed.id, "dueAt": claimed.due_at}, {"$set": {"dueAt": next_due}})


def _document(payment: Payment) -> Document:
    values = {wire: getattr(payment, name) for name, wire in WIRE_NAMES.items()}
    for name in PARTS:
        values[name] = [_part_document(each) for each in getattr(payment, name)]
    values["mismatch"] = _part_document(payment.mismatch) if payment.mismatch else None
    return values


def _part_document(part: Part) -> Document:
    return {to_camel(key): value for key, value in asdict(part).items()}


def _payment(document: Document | None) -> Payment | None:
    return _known(document) if document is not None else None


def _known(document: Document) -> Payment:
    # Payments of earlier versions lack what came later; its default is what it was then.
    present = {name: wire for name, wire in WIRE_NAMES.items() if wire in document}
    values: dict[str, Any] = {name: document[wire] for name, wire in present.items() if name not in PARTS}
    for name, kind in PARTS.items():
        values[name] = tuple(_part(kind, each) for each in document.get(name, ()))
    if mismatch := values.get("mismatch"):
        values["mismatch"] = _part(Mismatch, mismatch)
    return Payment(**values)


def _part(kind: type[Part], document: Document) -> Part:
    return kind(**{name: document[wire] for name, wire in PART_NAMES[kind].items() if wire in document})
