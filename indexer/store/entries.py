"""What is known of each event and venue, in the collections `events` and `venues`:

    { _id: eventId | venueId, rank, state{…},
      revision, indexedRevision, pushAt, nextPushAt, listed      as of a row, for its entry in Elasticsearch
      remaining           showtimes that the entry was last made of, less those gone since }

Those without a `revision` never had a showtime, so nothing of them is in Elasticsearch.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from indexer.domain import KINDS, Kind, Mark, Part, Push
from indexer.store.expressions import choose, note, older, touch
from search_index.entries import MOST_LOCATIONS, Shows
from service_kit.clock import Clock
from service_kit.mongo import Database

Document = dict[str, Any]

# While only numbers change: all showtimes of an event are added up for one write of its entry.
ENTRY_PAUSE = timedelta(seconds=5)
# Adding up takes the database at most this fraction of its time, however many showtimes an event has.
PAUSE_FOR_WORK = 20
MOST_KEPT = 100_000
UNKNOWN = -2


@dataclass(frozen=True, slots=True)
class Entry:
    """An event or venue at the `revision` of its entry. `push_at` is None while nothing waits."""

    kind: Kind
    id: str
    revision: int
    state: Document
    push_at: datetime | None


class Entries:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._of: dict[Kind, AsyncCollection[Document]] = {"event": database["events"], "venue": database["venues"]}
        self._rows = database["showtimes"]
        # The rank at least at which each is kept, as far as this process has seen to it.
        self._kept: dict[tuple[Kind, str], int] = {}

    async def prepare(self) -> None:
        for collection in self._of.values():
            # What is due. Holds only what waits.
            await collection.create_index(
                [("pushAt", ASCENDING)], partialFilterExpression={"pushAt": {"$exists": True}}
            )
        # The shows to come of an event and of a venue, without those of the last weeks.
        await self._rows.create_indexes(
            [IndexModel([(f"{kind}.{kind}Id", ASCENDING), ("facts.startsAt", ASCENDING)]) for kind in KINDS]
        )

    async def remember(self, parts: Sequence[Part]) -> None:
        """Keep each event and venue unless a newer one is known; an entry of it is due at once."""
        await self._update(
            (part, _keep(part, touch(self._clock.now(), KNOWN_AND_NEWER, at_once=True))) for part in parts
        )

    async def mark(self, marks: Iterable[Mark]) -> None:
        """Have entries pushed whose showtimes have changed: at once when it comes to have one or its last one goes."""
        now = self._clock.now()
        new: list[Mark] = []
        alike: dict[tuple[Kind, bool, int], list[str]] = {}
        for one in marks:
            if self._kept.get((one.part.kind, one.part.id), UNKNOWN) < one.part.rank:
                new.append(one)
            else:
                alike.setdefault((one.part.kind, one.appeared, one.gone), []).append(one.part.id)
        await self._update(
            (one.part, _keep(one.part, _count(one.appeared, one.gone, now, at_once="$newer"))) for one in new
        )
        if len(self._kept) > MOST_KEPT:
            self._kept.clear()
        self._kept.update({(one.part.kind, one.part.id): one.part.rank for one in new})
        # The state of most is there already: then one update does for all that changed alike.
        for (kind, appeared, gone), ids in alike.items():
            counted = [{"$set": _count(appeared, gone, now, at_once=False)}]
            await self._of[kind].update_many({"_id": {"$in": ids}}, counted)

    async def _update(self, pipelines: Iterable[tuple[Part, list[Document]]]) -> None:
        updates: dict[Kind, list[UpdateOne]] = {kind: [] for kind in KINDS}
        for part, pipeline in pipelines:
            updates[part.kind].append(UpdateOne({"_id": part.id}, pipeline, upsert=True))
        for kind, those in updates.items():
            if those:
                await self._of[kind].bulk_write(those, ordered=False)

    async def known(self, ids: Iterable[tuple[Kind, str]]) -> list[Part]:
        """The latest of these events and venues, as far as any is known."""
        wanted: dict[Kind, set[str]] = {kind: set() for kind in KINDS}
        for kind, id_ in ids:
            wanted[kind].add(id_)
        return [
            Part(kind, one["_id"], one["rank"], one["state"])
            for kind, those in wanted.items()
            if those
            async for one in self._of[kind].find({"_id": {"$in": list(those)}})
        ]

    async def due(self, limit: int) -> list[Entry]:
        """Up to `limit` of each kind, longest waiting first."""
        wanted = {"pushAt": {"$lte": self._clock.now()}}
        return [
            _entry(kind, one)
            for kind, collection in self._of.items()
            async for one in collection.find(wanted, sort=[("pushAt", ASCENDING)], limit=limit)
        ]

    async def some(self, kind: Kind, ids: Sequence[str]) -> list[Entry]:
        return [_entry(kind, one) async for one in self._of[kind].find({"_id": {"$in": list(ids)}})]

    async def all(self, kind: Kind, batch: int, after: str = "") -> AsyncIterator[list[Entry]]:
        """Every event or venue that has or had a showtime, in order of id."""
        wanted = {"_id": {"$gt": after}, "revision": {"$gt": 0}}
        found = self._of[kind].find(wanted, sort=[("_id", ASCENDING)], batch_size=batch)
        while documents := await found.to_list(batch):
            yield [_entry(kind, one) for one in documents]

    async def called_for(self, kind: Kind, batch: int) -> AsyncIterator[list[str]]:
        """The ids of all that have a showtime to come."""
        match = {"facts.status": "scheduled", "facts.startsAt": {"$gt": self._clock.now()}}
        group = {"_id": f"${kind}.{kind}Id"}
        found = await self._rows.aggregate([{"$match": match}, {"$group": group}], allowDiskUse=True, batchSize=batch)
        while documents := await found.to_list(batch):
            yield [one["_id"] for one in documents]

    async def shows(self, entries: Sequence[Entry]) -> dict[tuple[Kind, str], Shows]:
        """What the showtimes to come of each add up to; those that have none are left out."""
        found: dict[tuple[Kind, str], Shows] = {}
        for kind in KINDS:
            ids = [entry.id for entry in entries if entry.kind == kind]
            if ids:
                async for sums in await self._rows.aggregate(_sums(kind, ids, self._clock.now())):
                    shows = Shows(sums["count"], sums["next"], sums["booked"], sums["locations"])
                    found[kind, sums["_id"]] = shows
        return found

    async def awaiting(self, kind: Kind, ids: Sequence[str]) -> set[str]:
        """Those of which a showtime is due, so that they will be told of it."""
        key = f"{kind}.{kind}Id"
        return set(await self._rows.distinct(key, {"pushAt": {"$exists": True}, key: {"$in": list(ids)}}))

    async def introduce(self, parts: Iterable[Part]) -> None:
        """Have an entry for each of these, which all have showtimes, without pushing it."""
        await self._update((part, _keep(part, {"revision": {"$max": ["$revision", 1]}})) for part in parts)

    async def pushed(self, pushes: Sequence[tuple[Kind, Push]], took: timedelta) -> None:
        """Note what Elasticsearch has. What `took` long to add up waits longer for its next turn."""
        now, pause = self._clock.now(), max(ENTRY_PAUSE, took * PAUSE_FOR_WORK)
        for kind, collection in self._of.items():
            updates = [UpdateOne({"_id": push.id}, note(push, now, pause)) for of, push in pushes if of == kind]
            if updates:
                await collection.bulk_write(updates, ordered=False)


# An event that never had a showtime has no entry to be renamed in.
KNOWN_AND_NEWER = {"$and": ["$newer", {"$gt": [{"$ifNull": ["$revision", 0]}, 0]}]}


def _keep(part: Part, fields: Document) -> list[Document]:
    return [
        {"$set": {"newer": older("$rank", part.rank)}},
        {
            "$set": {
                "state": choose("$newer", part.state, "$state"),
                "rank": choose("$newer", part.rank, "$rank"),
                **fields,
            }
        },
        {"$unset": "newer"},
    ]


def _count(appeared: bool, gone: int, now: datetime, *, at_once: str | bool) -> Document:
    remaining = {"$subtract": [{"$ifNull": ["$remaining", 0]}, gone]}
    first = {"$and": [appeared, {"$not": [{"$ifNull": ["$listed", False]}]}]}
    last = {"$and": [gone > 0, {"$lte": [remaining, 0]}]}
    return {"remaining": remaining, **touch(now, True, at_once={"$or": [at_once, first, last]})}


def _sums(kind: Kind, ids: Sequence[str], now: datetime) -> list[Document]:
    """By venue first: an event's places are its venues', in an order that stays."""
    key = f"{kind}.{kind}Id"
    availability = [{"$ifNull": [f"$availability.{name}", 0]} for name in ("total", "available")]
    return [
        {
            "$match": {
                key: {"$in": list(ids)},
                "facts.startsAt": {"$gt": now},
                "facts.status": "scheduled",
                "event.deleted": False,
                "venue.deleted": False,
            }
        },
        {
            "$group": {
                "_id": {"entry": f"${key}", "venue": "$venue.venueId"},
                "count": {"$sum": 1},
                "next": {"$min": "$facts.startsAt"},
                "booked": {"$sum": {"$subtract": availability}},
                "location": {"$first": "$venue.location"},
            }
        },
        {"$sort": {"_id.venue": 1}},
        {
            "$group": {
                "_id": "$_id.entry",
                "count": {"$sum": "$count"},
                "next": {"$min": "$next"},
                "booked": {"$sum": "$booked"},
                "locations": {"$push": "$location"},
            }
        },
        {"$set": {"locations": {"$slice": ["$locations", MOST_LOCATIONS]}}},
    ]


def _entry(kind: Kind, one: Document) -> Entry:
    return Entry(kind, one["_id"], one.get("revision", 0), one["state"], one.get("pushAt"))
