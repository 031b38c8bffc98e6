"""The collection `halls`.

A hall's document holds the slots of its showtimes, so that claiming one, and refusing to delete a hall in use, are each
one conditional update of one document: with any number of processes two overlapping slots can't both be claimed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel, UpdateOne

from messaging.envelope import Event
from messaging.events import HallState
from messaging.outbox import outbox_entry
from service_kit.mongo import Document
from service_kit.pages import cut
from venues_service.domain.halls import Hall, Slot
from venues_service.domain.layouts import Layout
from venues_service.store.base import ALIVE, Collection, after, new_document
from venues_service.store.layouts import types_document, types_of

READ = {"outbox": 0, "layouts": 0}


@dataclass(frozen=True)
class LayoutVersion:
    """Where the content of a layout version is stored."""

    digest: str
    extras_digest: str | None


class Halls(Collection):
    name = "halls"
    indexes = (
        IndexModel([("venueId", ASCENDING), ("_id", ASCENDING)], name="venue"),
        # Whether an event has upcoming slots anywhere, when it is to be deleted.
        IndexModel([("slots.eventId", ASCENDING)], name="slots_of_event", sparse=True),
    )

    async def find(self, hall_id: str) -> Hall | None:
        document = await self.collection.find_one({"_id": hall_id, **ALIVE}, READ)
        return _hall(document) if document else None

    async def find_each(self, ids: Sequence[str]) -> dict[str, Hall]:
        if not ids:
            return {}
        found = self.collection.find({"_id": {"$in": list(set(ids))}, **ALIVE}, READ)
        return {document["_id"]: _hall(document) async for document in found}

    async def of_venue(self, venue_id: str) -> list[Hall]:
        found = self.collection.find({"venueId": venue_id, **ALIVE}, READ)
        return [_hall(document) async for document in found]

    async def page(self, position: Sequence[Any] | None, limit: int, *, venue_id: str) -> tuple[list[Hall], str | None]:
        query = {"$and": [{"venueId": venue_id, **ALIVE}, after(position, "_id")]}
        rows = await self.collection.find(query, READ).sort("_id", ASCENDING).limit(limit + 1).to_list()
        rows, following = cut(rows, limit, lambda row: [row["_id"]])
        return [_hall(row) for row in rows], following

    async def layout(self, venue_id: str, hall_id: str, version: int) -> LayoutVersion | None:
        """Deleted halls included: old bookings still show their seats."""
        document = await self.collection.find_one(
            {"_id": hall_id, "venueId": venue_id}, {"layouts": {"$elemMatch": {"version": version}}}
        )
        found = (document or {}).get("layouts")
        return LayoutVersion(found[0]["digest"], found[0].get("extras")) if found else None

    async def publish(self, hall: HallState, layout: Layout, event: Event[Any]) -> bool:
        """Make `layout` the hall's newest; False when the hall was changed meanwhile."""
        outcome = await self.collection.update_one(
            {"_id": hall.hall_id, "version": hall.version - 1, **ALIVE},
            {
                "$set": {"version": hall.version, "updatedAt": event.time, **_layout_fields(hall, layout)},
                "$push": {
                    "layouts": _version_document(hall, layout),
                    "outbox": outbox_entry(event),
                },
            },
        )
        return outcome.matched_count == 1

    async def delete_unused(self, hall: HallState, now: datetime, event: Event[Any]) -> bool:
        """Delete the hall at this version unless a slot is still to come; False when it could not be."""
        outcome = await self.collection.update_one(
            {"_id": hall.hall_id, "version": hall.version, **ALIVE, "slots": _none({"ends": {"$gt": now}})},
            self.deletion(event),
        )
        return outcome.matched_count == 1

    async def in_use_by(self, event_id: str, now: datetime) -> list[Hall]:
        """Halls with a slot of this event that is still to come."""
        query = {"slots": {"$elemMatch": {"eventId": event_id, "ends": {"$gt": now}}}}
        return [_hall(document) async for document in self.collection.find(query, READ)]

    async def claim(self, wanted: dict[str, list[Slot]], now: datetime) -> set[str]:
        """Claim slots, for each hall all or none; returns the claims that stand.

        An earlier slot of the same showtime is no hindrance (it may be moved by an hour). Past slots are dropped on
        the way, so a hall's list stays as long as its programme.
        """
        updates = [
            UpdateOne(
                {
                    "_id": hall_id,
                    **ALIVE,
                    "slots": _none({"$or": [_overlapping(slot) for slot in slots]}),
                },
                [{"$set": {"slots": {"$concatArrays": [_still_to_come(now), [_slot_document(s) for s in slots]]}}}],
            )
            for hall_id, slots in wanted.items()
        ]
        outcome = await self.collection.bulk_write(updates, ordered=False)
        if outcome.matched_count == len(updates):
            return {slot.claim for slots in wanted.values() for slot in slots}
        halls = await self.find_each(list(wanted))
        return {slot.claim for hall in halls.values() for slot in hall.slots}

    async def release(self, claims: dict[str, list[str]]) -> None:
        """Give slots free, by hall."""
        updates = [
            UpdateOne({"_id": hall_id}, {"$pull": {"slots": {"claim": {"$in": marks}}}})
            for hall_id, marks in claims.items()
        ]
        if updates:
            await self.collection.bulk_write(updates, ordered=False)


def document_of(hall: HallState, layout: Layout, ref: str | None, event: Event[Any]) -> Document:
    return new_document(
        hall.hall_id,
        ref,
        event,
        {
            "venueId": hall.venue_id,
            "name": hall.name,
            **_layout_fields(hall, layout),
            "layouts": [_version_document(hall, layout)],
            "slots": [],
        },
    )


def _version_document(hall: HallState, layout: Layout) -> Document:
    return {"version": hall.layout_version, "digest": layout.digest, "extras": layout.extras_digest}


def _layout_fields(hall: HallState, layout: Layout) -> Document:
    """What is often asked of the newest layout."""
    return {
        "layoutVersion": hall.layout_version,
        "layoutDigest": layout.digest,
        "extrasDigest": layout.extras_digest,
        "seatCount": layout.seat_count,
        "types": types_document(layout.types_by_section),
    }


def _hall(document: Document) -> Hall:
    state = HallState(
        hall_id=document["_id"],
        venue_id=document["venueId"],
        version=document["version"],
        name=document["name"],
        layout_version=document["layoutVersion"],
        seat_count=document["seatCount"],
    )
    return Hall(
        state,
        types_of(document["types"]),
        document["layoutDigest"],
        document.get("extrasDigest"),
        [_slot(slot) for slot in document["slots"]],
    )


def _slot_document(slot: Slot) -> Document:
    return {
        "claim": slot.claim,
        "showtimeId": slot.showtime_id,
        "eventId": slot.event_id,
        "starts": slot.starts,
        "ends": slot.ends,
        "until": slot.until,
        "at": slot.at,
    }


def _slot(document: Document) -> Slot:
    return Slot(
        document["claim"],
        document["showtimeId"],
        document["eventId"],
        document["starts"],
        document["ends"],
        document["until"],
        document["at"],
    )


def _overlapping(slot: Slot) -> Document:
    return {
        "showtimeId": {"$ne": slot.showtime_id},
        "starts": {"$lt": slot.until},
        "until": {"$gt": slot.starts},
    }


def _none(condition: Document) -> Document:
    return {"$not": {"$elemMatch": condition}}


def _still_to_come(now: datetime) -> Document:
    return {"$filter": {"input": "$slots", "cond": {"$gt": ["$$this.until", now]}}}
