"""The collection `showtimes`.

`claim` is the mark of the showtime's slot in its hall; a slot with another mark is not (or no longer) its own. `fence`
counts the times that somebody declared a claim of it abandoned. A document with status `abandoned` is no showtime: it
takes the id of one whose maker died between claiming the slot and storing it, so that he can't go on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from messaging.envelope import Event
from messaging.events import EventState, Pricing, SalesWindow, ShowtimeState, VenueState
from messaging.outbox import outbox_entry
from service_kit.mongo import Document
from venues_service.store.base import Collection, after, new_document

STANDING = {"status": {"$in": ["scheduled", "cancelled"]}}


@dataclass(frozen=True)
class Showtime:
    """A showtime as stored: its event, venue and hall by id."""

    id: str
    version: int
    status: str
    event_id: str
    venue_id: str
    hall_id: str
    hall_name: str
    starts_at: datetime
    ends_at: datetime
    layout_version: int
    seat_count: int
    pricing: Pricing
    promotions: list[dict[str, Any]]
    on_sale: SalesWindow
    single_seat_rule: bool
    claim: str
    fence: int
    # The version of the seat map at which it got its layout; 0 for the layout that the showtime began with.
    map_version: int = 0

    def state(self, event: EventState, venue: VenueState) -> ShowtimeState:
        return ShowtimeState(
            showtime_id=self.id,
            version=self.version,
            status="scheduled" if self.status == "scheduled" else "cancelled",
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            hall_id=self.hall_id,
            hall_name=self.hall_name,
            layout_version=self.layout_version,
            seat_count=self.seat_count,
            pricing=self.pricing,
            promotions=self.promotions,
            on_sale=self.on_sale,
            single_seat_rule=self.single_seat_rule,
            event=event,
            venue=venue,
        )


@dataclass(frozen=True)
class Upcoming:
    """How many showtimes of an event are to come, and the start of the next one."""

    count: int
    next: datetime


class Showtimes(Collection):
    name = "showtimes"
    indexes = (
        # Lists of an event, of a venue, and of everything, by time.
        IndexModel([("eventId", ASCENDING), ("startsAt", ASCENDING), ("_id", ASCENDING)], name="event"),
        IndexModel([("venueId", ASCENDING), ("startsAt", ASCENDING), ("_id", ASCENDING)], name="venue"),
        IndexModel([("startsAt", ASCENDING), ("_id", ASCENDING)], name="start"),
        # Counts by city read this index alone and no document.
        IndexModel(
            [("status", ASCENDING), ("startsAt", ASCENDING), ("venueId", ASCENDING), ("eventId", ASCENDING)],
            name="upcoming",
        ),
    )

    async def find(self, showtime_id: str) -> Showtime | None:
        document = await self.collection.find_one({"_id": showtime_id, **STANDING}, {"outbox": 0})
        return _showtime(document) if document else None

    async def find_claims(self, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Showtime id → (status, claim), abandoned ones included."""
        found = self.collection.find({"_id": {"$in": list(ids)}}, {"status": 1, "claim": 1})
        return {document["_id"]: (document["status"], document.get("claim", "")) async for document in found}

    async def page(
        self,
        position: Sequence[Any] | None,
        batch: int,
        *,
        since: datetime,
        until: datetime | None,
        event_id: str | None,
        venue_ids: Sequence[str] | None,
        hall_id: str | None,
    ) -> list[Showtime]:
        """Up to `batch` scheduled showtimes that start within `[since, until)`, by time."""
        query: Document = {"status": "scheduled", "startsAt": {"$gte": since} | ({"$lt": until} if until else {})}
        if event_id is not None:
            query["eventId"] = event_id
        if venue_ids is not None:
            query["venueId"] = {"$in": list(venue_ids)}
        if hall_id is not None:
            query["hallId"] = hall_id
        found = self.collection.find({"$and": [query, after(position, "startsAt", "_id")]}, {"outbox": 0})
        rows = await found.sort([("startsAt", ASCENDING), ("_id", ASCENDING)]).limit(batch).to_list()
        return [_showtime(row) for row in rows]

    async def upcoming_in(self, venue_ids: Sequence[str], now: datetime) -> dict[str, Upcoming]:
        """By event: its scheduled showtimes to come in these venues."""
        match = {"status": "scheduled", "startsAt": {"$gt": now}, "venueId": {"$in": list(venue_ids)}}
        group = {"_id": "$eventId", "count": {"$sum": 1}, "next": {"$min": "$startsAt"}}
        rows = await self.collection.aggregate([{"$match": match}, {"$group": group}])
        return {row["_id"]: Upcoming(row["count"], row["next"]) async for row in rows}

    async def upcoming_by_venue(self, now: datetime) -> dict[str, tuple[int, set[str]]]:
        """By venue: how many scheduled showtimes are to come, and of which events."""
        match = {"status": "scheduled", "startsAt": {"$gt": now}}
        group = {"_id": "$venueId", "count": {"$sum": 1}, "events": {"$addToSet": "$eventId"}}
        rows = await self.collection.aggregate([{"$match": match}, {"$group": group}])
        return {row["_id"]: (row["count"], set(row["events"])) async for row in rows}

    async def move(self, showtime: Showtime, new: Showtime, event: Event[Any]) -> bool:
        """Replace `showtime` by its next version; False when it changed or its new claim was declared abandoned."""
        outcome = await self.collection.update_one(
            {"_id": showtime.id, "version": showtime.version, "fence": showtime.fence, "status": "scheduled"},
            {
                "$set": {**_fields(new), "version": new.version, "updatedAt": event.time},
                "$push": {"outbox": outbox_entry(event)},
            },
        )
        return outcome.matched_count == 1

    async def follow_map(self, showtime: Showtime, new: Showtime, event: Event[Any]) -> bool:
        """As `move`, for a layout that the seat map has already."""
        outcome = await self.collection.update_one(
            {"_id": showtime.id, "version": showtime.version, "status": "scheduled"},
            {
                "$set": {
                    "layoutVersion": new.layout_version,
                    "seatCount": new.seat_count,
                    "mapVersion": new.map_version,
                    "version": new.version,
                    "updatedAt": event.time,
                },
                "$push": {"outbox": outbox_entry(event)},
            },
        )
        return outcome.matched_count == 1

    async def disown(self, showtime_id: str, claim: str) -> bool:
        """Make sure that this claim never becomes the showtime's; False when it is (or has just become) its own."""
        outcome = await self.collection.update_one(
            {"_id": showtime_id, "$or": [{"claim": {"$ne": claim}}, {"status": {"$ne": "scheduled"}}]},
            {"$inc": {"fence": 1}},
        )
        if outcome.matched_count:
            return True
        try:
            await self.collection.insert_one({"_id": showtime_id, "status": "abandoned", "fence": 0})
        except DuplicateKeyError:
            return False
        return True


def document_of(state: ShowtimeState, claim: str, ref: str | None, event: Event[Any]) -> Document:
    return new_document(state.showtime_id, ref, event, {**_fields(from_state(state, claim, 0)), "fence": 0})


def from_state(state: ShowtimeState, claim: str, fence: int) -> Showtime:
    return Showtime(
        id=state.showtime_id,
        version=state.version,
        status=state.status,
        event_id=state.event.event_id,
        venue_id=state.venue.venue_id,
        hall_id=state.hall_id,
        hall_name=state.hall_name,
        starts_at=state.starts_at,
        ends_at=state.ends_at,
        layout_version=state.layout_version,
        seat_count=state.seat_count,
        pricing=state.pricing,
        promotions=state.promotions,
        on_sale=state.on_sale,
        single_seat_rule=state.single_seat_rule,
        claim=claim,
        fence=fence,
    )


def _fields(showtime: Showtime) -> Document:
    pricing = showtime.pricing
    return {
        "status": showtime.status,
        "eventId": showtime.event_id,
        "venueId": showtime.venue_id,
        "hallId": showtime.hall_id,
        "hallName": showtime.hall_name,
        "startsAt": showtime.starts_at,
        "endsAt": showtime.ends_at,
        "layoutVersion": showtime.layout_version,
        "seatCount": showtime.seat_count,
        # Pairs, since a section's id may have a dot in it.
        "pricing": {
            "currency": pricing.currency,
            "tiers": list(map(list, pricing.tiers.items())),
            "fee": pricing.fee,
        },
        "promotions": showtime.promotions,
        "onSale": showtime.on_sale.model_dump(by_alias=True),
        "singleSeatRule": showtime.single_seat_rule,
        "claim": showtime.claim,
    }


def _showtime(document: Document) -> Showtime:
    pricing = document["pricing"]
    return Showtime(
        id=document["_id"],
        version=document["version"],
        status=document["status"],
        event_id=document["eventId"],
        venue_id=document["venueId"],
        hall_id=document["hallId"],
        hall_name=document["hallName"],
        starts_at=document["startsAt"],
        ends_at=document["endsAt"],
        layout_version=document["layoutVersion"],
        seat_count=document["seatCount"],
        pricing=Pricing(currency=pricing["currency"], tiers=dict(pricing["tiers"]), fee=pricing["fee"]),
        promotions=document["promotions"],
        # Showtimes from before there were settings of sales have none.
        on_sale=SalesWindow.model_validate(document.get("onSale", {})),
        single_seat_rule=document.get("singleSeatRule", True),
        claim=document["claim"],
        fence=document["fence"],
        map_version=document.get("mapVersion", 0),
    )
