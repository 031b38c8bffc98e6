"""The read model in MongoDB: one denormalised row per showtime, and the latest version of each event and venue.

    showtimes: { _id: showtimeId, catalogVersion, facts{status, startsAt, …, priceFrom},
      event{…}, eventRank, venue{…}, venueRank, availability{…}, availabilityVersion,
      revision            counts every change; the version of the document in Elasticsearch
      indexedRevision     what Elasticsearch has
      pushAt              when to push the row; not there while nothing waits
      nextPushAt          not before: a row changing again and again is written at most every PUSH_PAUSE
      listed              whether it is in the index }

Every change is one update with a pipeline that compares versions inside the database, so any order and any repeat
of events ends in the same row. Values from outside are always `$literal`: a title may well begin with a `$`.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, UpdateMany, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from indexer.domain import AvailabilityChange, Kind, Part, Push, ShowtimeChange
from service_kit.clock import Clock
from service_kit.errors import Conflict
from service_kit.mongo import Database

Row = dict[str, Any]
Expression = dict[str, Any]

# At most four writes a second for one showtime.
PUSH_PAUSE = timedelta(milliseconds=250)
# A row that Elasticsearch refuses is tried again, in case a later release can write it.
REFUSED_PAUSE = timedelta(minutes=1)
KEPT_AFTER_END = timedelta(days=30)
REBUILD_LEASE = timedelta(seconds=60)


class RebuildRunning(Conflict):
    slug, title = "rebuild-running", "The index is being rebuilt already"


class ReadModel:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._showtimes = database["showtimes"]
        self._parts: dict[Kind, AsyncCollection[Row]] = {"event": database["events"], "venue": database["venues"]}
        self._leases = database["leases"]

    async def prepare(self) -> None:
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

    async def remember(self, parts: Sequence[Part]) -> None:
        """Keep each event and venue, unless a newer one is known."""
        for kind, collection in self._parts.items():
            updates = [
                UpdateOne(
                    {"_id": part.id},
                    [
                        {"$set": {"newer": _older("$rank", part.rank)}},
                        {
                            "$set": {
                                "state": _choose("$newer", part.state, "$state"),
                                "rank": _choose("$newer", part.rank, "$rank"),
                            }
                        },
                        {"$unset": "newer"},
                    ],
                    upsert=True,
                )
                for part in parts
                if part.kind == kind
            ]
            if updates:
                await collection.bulk_write(updates, ordered=False)

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
            {"$set": {"new": {"facts": _older("$catalogVersion", change.version)}}},
            {
                "$set": {
                    "new.event": _newer_part(change.event),
                    "new.venue": _newer_part(change.venue),
                }
            },
            {
                "$set": {
                    "catalogVersion": _choose("$new.facts", change.version, "$catalogVersion"),
                    "facts": _choose("$new.facts", change.facts, "$facts"),
                    "event": _choose("$new.event", change.event.state, "$event"),
                    "eventRank": _choose("$new.event", change.event.rank, "$eventRank"),
                    "venue": _choose("$new.venue", change.venue.state, "$venue"),
                    "venueRank": _choose("$new.venue", change.venue.rank, "$venueRank"),
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
                    {"$set": {"new": _older("$availabilityVersion", change.version)}},
                    {
                        "$set": {
                            "availability": _choose("$new", change.state, "$availability"),
                            "availabilityVersion": _choose("$new", change.version, "$availabilityVersion"),
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

    async def known_parts(self, ids: Iterable[tuple[Kind, str]]) -> list[Part]:
        """The latest of these events and venues, as far as any is known."""
        wanted: dict[Kind, set[str]] = {"event": set(), "venue": set()}
        for kind, id_ in ids:
            wanted[kind].add(id_)
        return [
            Part(kind, one["_id"], one["rank"], one["state"])
            for kind, those in wanted.items()
            if those
            async for one in self._parts[kind].find({"_id": {"$in": list(those)}})
        ]

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
        updates = [UpdateOne({"_id": push.showtime_id}, _note(push, now)) for push in pushes]
        if updates:
            await self._showtimes.bulk_write(updates, ordered=False)

    async def all_scheduled(self, batch: int) -> AsyncIterator[list[Row]]:
        """Every row with a show to come, in order of id, so that each is met exactly once while writes go on."""
        found = self._showtimes.find(
            {"facts.status": "scheduled", "facts.startsAt": {"$gt": self._clock.now()}},
            sort=[("_id", ASCENDING)],
            batch_size=batch,
        )
        rows: list[Row] = []
        async for row in found:
            rows.append(row)
            if len(rows) == batch:
                yield rows
                rows = []
        if rows:
            yield rows

    async def count_rows(self) -> int:
        return await self._showtimes.estimated_document_count()

    async def lease_rebuild(self, owner: str) -> None:
        """Take or renew the right to rebuild. Raises RebuildRunning while another has it."""
        now = self._clock.now()
        try:
            await self._leases.update_one(
                {"_id": "rebuild", "$or": [{"owner": owner}, {"until": {"$lt": now}}]},
                {"$set": {"owner": owner, "until": now + REBUILD_LEASE}},
                upsert=True,
            )
        except DuplicateKeyError as error:
            raise RebuildRunning from error

    async def release_rebuild(self, owner: str) -> None:
        await self._leases.delete_one({"_id": "rebuild", "owner": owner})

    def _touch(self, changed: Any) -> Expression:
        """Fields that have a changed row pushed: at once, or when its pause is over."""
        now = self._clock.now()
        soonest = {"$ifNull": ["$pushAt", {"$max": [now, {"$ifNull": ["$nextPushAt", now]}]}]}
        return {
            "revision": {"$add": [{"$ifNull": ["$revision", 0]}, {"$cond": [changed, 1, 0]}]},
            "pushAt": {"$cond": [changed, soonest, "$pushAt"]},
        }


def _older(field: str, version: int) -> Expression:
    """Whether `field` is missing or below `version`."""
    return {"$lt": [{"$ifNull": [field, -1]}, version]}


def _newer_part(part: Part) -> Expression:
    """Whether a showtime's message brings a newer event or venue, or the newer showtime has another one."""
    other = {"$ne": [f"${part.kind}.{part.kind}Id", {"$literal": part.id}]}
    return {"$cond": [other, "$new.facts", _older(f"${part.kind}Rank", part.rank)]}


def _choose(condition: str, new: Any, old: str) -> Expression:
    return {"$cond": [condition, {"$literal": new}, old]}


def _note(push: Push, now: datetime) -> list[Expression]:
    if push.error is not None:
        return [{"$set": {"pushError": {"$literal": push.error}, "pushAt": now + REFUSED_PAUSE}}]
    again = now + PUSH_PAUSE
    return [
        {
            "$set": {
                "indexedRevision": push.revision,
                "listed": push.listed,
                "nextPushAt": again,
                "pushAt": {"$cond": [{"$eq": ["$revision", push.revision]}, "$$REMOVE", again]},
                "pushError": "$$REMOVE",
            }
        }
    ]
