"""The collection `venues`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING, GEOSPHERE, IndexModel

from messaging.envelope import Event
from messaging.events import VenueState
from service_kit.folding import fold
from service_kit.mongo import Document
from service_kit.pages import cut
from venues_service.domain.venues import name_key, search_key
from venues_service.store.base import ALIVE, Collection, after, new_document

STATE_FIELDS = ("version", "name", "city", "country", "timezone", "address", "imageUrls", "partner", "refundPolicy")


@dataclass(frozen=True)
class Venue:
    """A venue as stored; `derived` names the fields that its admin left to us."""

    state: VenueState
    derived: list[str]
    deleting: bool = False


class Venues(Collection):
    name = "venues"
    unique = ("externalRef", "nameKey")
    indexes = (
        # One name per city, however it is spelled. Deleted venues have no key.
        IndexModel(
            [("nameKey", ASCENDING)],
            name="name_in_city",
            unique=True,
            partialFilterExpression={"nameKey": {"$exists": True}},
        ),
        # Lists by city, and the cities with shows.
        IndexModel([("cityKey", ASCENDING), ("_id", ASCENDING)], name="city"),
        # Those that name a partner theatre; few do.
        IndexModel(
            [("partner.id", ASCENDING), ("_id", ASCENDING)],
            name="theatre",
            partialFilterExpression={"partner.id": {"$exists": True}},
        ),
        # Lists by distance.
        IndexModel([("location", GEOSPHERE)], name="location"),
    )

    async def find(self, venue_id: str, *, deleted: bool = False) -> Venue | None:
        document = await self.find_document(venue_id, deleted=deleted)
        return _venue(document) if document else None

    async def find_each(self, ids: Sequence[str], *, deleted: bool = False) -> dict[str, Venue]:
        documents = await self.find_documents(ids, deleted=deleted)
        return {venue_id: _venue(document) for venue_id, document in documents.items()}

    async def id_by_name(self, key: str) -> str | None:
        document = await self.collection.find_one({"nameKey": key}, {"_id": 1})
        return document["_id"] if document else None

    async def ids_in_city(self, city: str) -> list[str]:
        found = self.collection.find({"cityKey": fold(city), **ALIVE}, {"_id": 1})
        return [document["_id"] async for document in found]

    async def theatres(self) -> dict[str, str]:
        """The partner that each venue names, by the venue's id; those alone that name one."""
        found = self.collection.find({"partner.id": {"$exists": True}, **ALIVE}, {"partner.id": 1})
        return {document["_id"]: document["partner"]["id"] async for document in found}

    async def zones(self, ids: Sequence[str]) -> dict[str, str]:
        """The time zones of venues, deleted ones included."""
        found = self.collection.find({"_id": {"$in": list(ids)}}, {"timezone": 1})
        return {document["_id"]: document["timezone"] async for document in found}

    async def page(
        self, position: Sequence[Any] | None, limit: int, *, city: str | None, text: str | None, theatre: str | None
    ) -> tuple[list[VenueState], str | None]:
        """Venues in the order in which they were made."""
        found = self.collection.find({"$and": [_filter(city, text, theatre), after(position, "_id")]}, {"outbox": 0})
        rows = await found.sort("_id", ASCENDING).limit(limit + 1).to_list()
        rows, following = cut(rows, limit, lambda row: [row["_id"]])
        return [_venue(row).state for row in rows], following

    async def page_near(
        self,
        position: Sequence[Any] | None,
        limit: int,
        *,
        city: str | None,
        text: str | None,
        theatre: str | None,
        point: tuple[float, float],
        metres: float,
    ) -> tuple[list[VenueState], str | None]:
        """Venues within `metres` of (lat, lon), the nearest first; ties by id."""
        near: Document = {
            "near": {"type": "Point", "coordinates": [point[1], point[0]]},
            "key": "location",
            "distanceField": "distance",
            "maxDistance": metres,
            "spherical": True,
            "query": _filter(city, text, theatre),
        }
        if position is not None:
            near["minDistance"] = position[0]
        pipeline: list[Document] = [
            {"$geoNear": near},
            {"$match": after(position, "distance", "_id")},
            {"$sort": {"distance": 1, "_id": 1}},
            {"$limit": limit + 1},
            {"$unset": "outbox"},
        ]
        rows = await (await self.collection.aggregate(pipeline)).to_list()
        rows, following = cut(rows, limit, lambda row: [row["distance"], row["_id"]])
        return [_venue(row).state for row in rows], following


def document_of(venue: VenueState, derived: list[str], ref: str | None, event: Event[Any]) -> Document:
    return new_document(venue.venue_id, ref, event, fields_of(venue, derived))


def fields_of(venue: VenueState, derived: list[str]) -> Document:
    """Everything that follows from the state, for an insert or an update."""
    return {
        **venue.model_dump(by_alias=True, exclude={"venue_id", "version", "location"}),
        "location": {"type": "Point", "coordinates": [venue.location.lon, venue.location.lat]},
        "derived": derived,
        "nameKey": name_key(venue.name, venue.city, venue.country),
        "cityKey": fold(venue.city),
        "searchKey": search_key(venue),
    }


def _venue(document: Document) -> Venue:
    lon, lat = document["location"]["coordinates"]
    # A venue that was stored before a field was there has none of it.
    fields = {name: document[name] for name in STATE_FIELDS if name in document}
    state = VenueState.model_validate({**fields, "venueId": document["_id"], "location": {"lat": lat, "lon": lon}})
    return Venue(state, document["derived"], "deleting" in document)


def _filter(city: str | None, text: str | None, theatre: str | None) -> Document:
    conditions: list[Document] = [ALIVE]
    if city is not None:
        conditions.append({"cityKey": fold(city)})
    if theatre is not None:
        conditions.append({"partner.id": theatre})
    # Each word must occur somewhere; escaped, so that nobody brings a pattern of his own.
    conditions += [{"searchKey": {"$regex": re.escape(word)}} for word in fold(text or "").split()]
    return {"$and": conditions}
