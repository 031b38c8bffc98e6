"""The read model in MongoDB: one denormalised row per showtime; `entries` has the latest of each event and venue.

    showtimes: { _id: showtimeId, catalogVersion, facts{status, startsAt, …, priceFrom},
      event{…}, eventRank, venue{…}, venueRank, availability{…}, availabilityVersion,
      revision            counts every change; the version of the document in Elasticsearch
      indexedRevision     what Elasticsearch has
      pushAt              when to push the row; not there while nothing waits
      nextPushAt          not before: a row changing again and again is written at most every PUSH_PAUSE
      listed              whether it is in the index
      made                of which event, venue and version of availability it was last pushed }

Every change is one update with a pipeline that compares versions inside the database, so any order and any repeat
of events ends in the same row.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, UpdateMany, UpdateOne

from indexer.domain import AvailabilityChange, Part, Push, ShowtimeChange
from indexer.store.entries import Entries
from indexer.store.expressions import Expression, choose, note, older, touch
from indexer.store.leases import Leases
from service_kit.clock import Clock
from service_kit.mongo import Database

Row = dict[str, Any]

# At most four writes a second for one showtime.
PUSH_PAUSE = timedelta(milliseconds=250)
KEPT_AFTER_END = timedelta(days=30)
# Of an event and a venue that are known: which they are.
BRIEF = (
    *("facts.status", "facts.startsAt", "facts.currency", "facts.priceFrom", "facts.onSale"),
    *("availability", "revision"),
    *("event.eventId", "event.deleted", "eventRank", "venue.venueId", "venue.deleted", "venueRank"),
)


class ReadModel:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._showtimes = database["showtimes"]
        self.entries = Entries(database, clock)
        self.leases = Leases(database, clock)

    async def prepare(self) -> None:
        await self.entries.prepare()
        await self._showtimes.create_indexes(
            [
                # The pusher's query: what is due, longest waiting first. Holds only what waits.
                IndexModel([("pushAt", ASCENDING)], partialFilterExpression={"pushAt": {"$exists": True}}),
                # Fan-out of a change of an event or a venue.
                IndexModel([("event.eventId", ASCENDING), ("eventRank", ASCENDING)]),
                IndexModel([("venue.venueId", ASCENDING), ("venueRank", ASCENDING)]),
                # The sweep of what has started.
                IndexModel([("facts.startsAt", ASCENDING)], partialFilterExpression={"listed": True}, name="started"),
                IndexModel([("facts.endsAt", ASCENDING)], expireAfterSeconds=int(KEPT_AFTER_END.total_seconds())),
            ]
        )

    async def fan_out(self, parts: Sequence[Part]) -> None:
        """Bring events and venues into every row that has an older one."""
        updates = [
            UpdateMany(
                {f"{part.kind}.{part.kind}Id": part.id, f"{part.kind}Rank": {"$lt": part.rank}},
                [
                    {
                        "$set": {
                            part.kind: {"$literal": part.state},
                            f"{part.kind}Rank": part.rank,
                            **self._touch(True),
                        }
                    }
                ],
            )
            for part in parts
        ]
        if updates:
            await self._showtimes.bulk_write(updates, ordered=False)

    async def merge_showtimes(self, changes: Sequence[ShowtimeChange]) -> None:
        updates = [
            UpdateOne({"_id": change.showtime_id}, self._merge_showtime(change), upsert=True) for change in changes
        ]
        if updates:
            await self._showtimes.bulk_write(updates, ordered=False)

    def _merge_showtime(self, change: ShowtimeChange) -> list[Expression]:
        """Facts by the showtime's version; event and venue each by their own, for a stale message may bring a newer."""
        return [
            {"$set": {"new": {"facts": older("$catalogVersion", change.version)}}},
            {
                "$set": {
                    "new.event": _newer_part(change.event),
                    "new.venue": _newer_part(change.venue),
                }
            },
            {
                "$set": {
                    "catalogVersion": choose("$new.facts", change.version, "$catalogVersion"),
                    "facts": choose("$new.facts", change.facts, "$facts"),
                    "event": choose("$new.event", change.event.state, "$event"),
                    "eventRank": choose("$new.event", change.event.rank, "$eventRank"),
                    "venue": choose("$new.venue", change.venue.state, "$venue"),
                    "venueRank": choose("$new.venue", change.venue.rank, "$venueRank"),
                    **self._touch({"$or": ["$new.facts", "$new.event", "$new.venue"]}),
                }
            },
            {"$unset": "new"},
        ]

    async def merge_availability(self, changes: Sequence[AvailabilityChange]) -> None:
        """Availability may come before its showtime: the row then waits for its facts."""
        updates = [
            UpdateOne(
                {"_id": change.showtime_id},
                [
                    {"$set": {"new": older("$availabilityVersion", change.version)}},
                    {
                        "$set": {
                            "availability": choose("$new", change.state, "$availability"),
                            "availabilityVersion": choose("$new", change.version, "$availabilityVersion"),
                            **self._touch("$new"),
                        }
                    },
                    {"$unset": "new"},
                ],
                upsert=True,
            )
            for change in changes
        ]
        if updates:
            await self._showtimes.bulk_write(updates, ordered=False)

    async def mark_started(self) -> None:
        """Have every row pushed that is in the index although its show has begun."""
        await self._showtimes.update_many(
            {"listed": True, "facts.startsAt": {"$lte": self._clock.now()}, "pushAt": {"$exists": False}},
            [{"$set": self._touch(True)}],
        )

    async def due(self, limit: int) -> list[Row]:
        """Rows to push now, longest waiting first."""
        due = self._showtimes.find({"pushAt": {"$lte": self._clock.now()}}, sort=[("pushAt", ASCENDING)], limit=limit)
        return await due.to_list()

    async def pushed(self, pushes: Sequence[Push]) -> None:
        """Note what Elasticsearch has; a row that has changed meanwhile is due again after its pause."""
        now = self._clock.now()
        updates = [UpdateOne({"_id": push.id}, note(push, now, PUSH_PAUSE)) for push in pushes]
        if updates:
            await self._showtimes.bulk_write(updates, ordered=False)

    async def all_scheduled(self, batch: int, after: str = "") -> AsyncIterator[list[Row]]:
        """Every row with a show to come, in order of id, so that each is met exactly once while writes go on.

        They come with `BRIEF` alone: reading again and again what an event and a venue say of themselves costs most.
        """
        found = self._showtimes.find(
            {"_id": {"$gt": after}, **self._scheduled()},
            dict.fromkeys(BRIEF, 1),
            sort=[("_id", ASCENDING)],
            batch_size=batch,
        )
        while rows := await found.to_list(batch):
            yield rows

    async def ids_scheduled(self, batch: int) -> AsyncIterator[list[str]]:
        found = self._showtimes.find(self._scheduled(), {"_id": 1}, sort=[("_id", ASCENDING)], batch_size=batch)
        while rows := await found.to_list(batch):
            yield [row["_id"] for row in rows]

    async def count_scheduled(self) -> int:
        return await self._showtimes.count_documents(self._scheduled())

    async def some(self, ids: Sequence[str]) -> list[Row]:
        return await self._showtimes.find({"_id": {"$in": list(ids)}}).to_list()

    def _scheduled(self) -> Row:
        return {"facts.status": "scheduled", "facts.startsAt": {"$gt": self._clock.now()}}

    def _touch(self, changed: Any) -> Expression:
        return touch(self._clock.now(), changed)


def _newer_part(part: Part) -> Expression:
    """Whether a showtime's message brings a newer event or venue, or the newer showtime has another one."""
    other = {"$ne": [f"${part.kind}.{part.kind}Id", {"$literal": part.id}]}
    return {"$cond": [other, "$new.facts", older(f"${part.kind}Rank", part.rank)]}
