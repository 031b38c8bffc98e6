"""Seat maps in MongoDB: one document per showtime (`seat_map_document`), every change one conditional update.

A method that changes something returns whether its condition held; on False the caller reads again and decides anew.
Sets of seats mean something under one layout only, so every change of seats has the layout's version in its condition.
While a map is paused, and it is for the moment in which it is moved to another layout, no such condition holds.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, ReturnDocument, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from inventory_service.domain.layout import LayoutKey
from inventory_service.domain.seat_map import Block, Glance, Hold, Mark, SeatMap, Standing
from inventory_service.store.seat_map_document import (
    GLANCED,
    STOOD,
    all_clear,
    bit_changes,
    block_document,
    blocks_as_in,
    blocks_from,
    buckets,
    dense,
    empty_map,
    entry_of,
    glance_from,
    hold_document,
    holds_from,
    no_turn_since,
    seat_map_from,
    set_mark,
    sparse,
    standing_from,
    still_as,
    turns_of,
    under,
    union,
    unpaused,
    unset,
)
from messaging.events import ShowtimeState
from messaging.outbox import ensure_outbox_index
from service_kit.lanes import Lane
from service_kit.mongo import Document, only_known_already
from service_kit.together import Readings, Updates, found_by

LOOKS = 256
STANDINGS = 128
WAITING = 10_000
OUTLINES_KEPT = 10_000


class SeatMaps:
    def __init__(self, collection: AsyncCollection[Document]) -> None:
        self.collection = collection
        self._looks: Lane[str, SeatMap | None] = Lane(self._look, batch=LOOKS, waiting=WAITING)
        self._standings: Lane[tuple[str, str], Standing | None] = Lane(self._stand, batch=STANDINGS, waiting=WAITING)
        self._readings = Readings(collection, {"outbox": 0}, seat_map_from)
        self._updates = Updates(collection)
        self._outlines: OrderedDict[str, SeatMap] = OrderedDict()

    async def prepare(self) -> None:
        # The sweeper's query: holds that have run out.
        await self.collection.create_index([("nextExpiry", ASCENDING)], sparse=True)
        # The announcer's query: maps whose summary has not gone out. Holds only those.
        await self.collection.create_index(
            [("dirty", ASCENDING), ("_id", ASCENDING)], partialFilterExpression={"dirty": True}
        )
        # Maps whose bookings have not been told yet of what became of the showtime.
        await self.collection.create_index([("behindSince", ASCENDING)], sparse=True)
        await ensure_outbox_index(self.collection)

    # --- opening -----------------------------------------------------------------------------------------------------

    async def open(self, showtimes: Sequence[tuple[ShowtimeState, Document]], now: datetime) -> None:
        """Insert a map for each showtime that has none, with the event to publish; the others are left as they are."""
        documents = [empty_map(showtime, event, now) for showtime, event in showtimes]
        try:
            await self.collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if not only_known_already(error):
                raise

    async def follow(self, showtimes: Iterable[ShowtimeState], now: datetime) -> None:
        """Take over start and status of newer showtimes. An older version changes nothing; cancelled stays so.

        Where there is something that bookings must be told of, the map says that they are behind.
        """
        changes = []
        for showtime in showtimes:
            condition = {"_id": showtime.showtime_id, "showtimeVersion": {"$lt": showtime.version}}
            state = {
                "showtimeVersion": showtime.version,
                "status": "cancelled" if showtime.status == "cancelled" else "open",
                "startsAt": showtime.starts_at,
                "dirty": True,
                "updatedAt": now,
            }
            same = {"startsAt": showtime.starts_at} if showtime.status != "cancelled" else {"status": "cancelled"}
            moved = {name: {"$ne": value} for name, value in same.items()}
            # Whichever is taken first, the other finds the version there already.
            changes.append(UpdateOne(condition | same, {"$set": state, "$inc": {"version": 1}}))
            changes.append(UpdateOne(condition | moved, {"$set": state | {"behindSince": now}, "$inc": {"version": 1}}))
        if changes:
            await self.collection.bulk_write(changes, ordered=False)

    async def behind(self, now: datetime, limit: int) -> list[SeatMap]:
        """Maps whose bookings must be told what became of the showtime, those that wait longest first."""
        cursor = self.collection.find(
            {"behindSince": {"$lte": now}}, {"outbox": 0, "holds": 0}, sort=[("behindSince", ASCENDING)], limit=limit
        )
        return [seat_map_from({**document, "holds": {}}) async for document in cursor]

    async def caught_up(self, seat_map: SeatMap, again: datetime | None) -> None:
        """Note that the bookings were told of this version of the showtime, or when to try again."""
        condition = {"_id": seat_map.showtime_id, "showtimeVersion": seat_map.showtime_version}
        change = {"$set": {"behindSince": again}} if again else {"$unset": {"behindSince": ""}}
        await self.collection.update_one(condition, change)

    async def fall_behind(self, showtime_id: str, now: datetime) -> None:
        """Have its bookings told once more: one of them came later."""
        await self.collection.update_one({"_id": showtime_id}, {"$set": {"behindSince": now}})

    async def is_behind(self, showtime_id: str) -> bool:
        return bool(
            await self.collection.count_documents({"_id": showtime_id, "behindSince": {"$exists": True}}, limit=1)
        )

    # --- reading -----------------------------------------------------------------------------------------------------

    async def get(self, showtime_id: str) -> SeatMap | None:
        """As it is after this was asked for; who asks together shares the reading."""
        return await self._readings.get(showtime_id)

    async def standing(self, showtime_id: str, booking_id: str) -> Standing | None:
        """How a booking stands, read after this was asked for; who asks together shares the reading."""
        return await self._standings.submit((showtime_id, booking_id))

    async def _stand(self, asked: Sequence[tuple[str, str]]) -> list[Standing | Exception | None]:
        entries = {entry_of(booking_id): 1 for _, booking_id in asked}
        maps = await found_by(self.collection, "_id", (showtime_id for showtime_id, _ in asked), STOOD | entries)
        holds = {showtime_id: holds_from(document) for showtime_id, document in maps.items()}
        return [
            standing_from(maps[showtime_id], holds[showtime_id].get(booking_id)) if showtime_id in maps else None
            for showtime_id, booking_id in asked
        ]

    async def glance(self, showtime_id: str, booking_ids: Sequence[str]) -> Glance | None:
        """A reading without holds, but for the entries of these bookings."""
        own = dict.fromkeys(map(entry_of, booking_ids), 1)
        document = await self.collection.find_one({"_id": showtime_id}, {**GLANCED, "blocks": 1, **own})
        return glance_from(document, blocks_from(document)) if document else None

    async def outline(self, showtime_id: str) -> SeatMap | None:
        """The map without its holds, read after this was asked for; who asks together shares the reading.

        While a map does not change this gives the same object, and costs a question for its version.
        """
        return await self._looks.submit(showtime_id)

    async def _look(self, showtime_ids: Sequence[str]) -> list[SeatMap | Exception | None]:
        versions = await self.versions(list(set(showtime_ids)))
        known = self._outlines
        moved = [id_ for id_, version in versions.items() if id_ not in known or known[id_].version != version]
        for seat_map in await self.outlines(moved) if moved else []:
            known[seat_map.showtime_id] = seat_map
        found: list[SeatMap | Exception | None] = [known[id_] if id_ in versions else None for id_ in showtime_ids]
        while len(known) > OUTLINES_KEPT:
            known.popitem(last=False)
        return found

    async def versions(self, showtime_ids: Sequence[str]) -> dict[str, int]:
        cursor = self.collection.find({"_id": {"$in": showtime_ids}}, {"version": 1})
        return {document["_id"]: document["version"] async for document in cursor}

    async def outlines(self, showtime_ids: Sequence[str]) -> list[SeatMap]:
        """These maps without their holds: what is read doesn't grow with the number of people who hold seats."""
        cursor = self.collection.find({"_id": {"$in": showtime_ids}}, {"outbox": 0, "holds": 0})
        return [seat_map_from({**document, "holds": {}}) async for document in cursor]

    async def with_expired_holds(self, now: datetime, limit: int) -> list[SeatMap]:
        cursor = self.collection.find(
            {"nextExpiry": {"$lte": now}}, {"outbox": 0}, sort=[("nextExpiry", ASCENDING)], limit=limit
        )
        return [seat_map_from(document) async for document in cursor]

    async def page(self, after: str, limit: int) -> list[SeatMap]:
        """All maps in the order of their ids, from `after` on."""
        cursor = self.collection.find({"_id": {"$gt": after}}, {"outbox": 0}, sort=[("_id", ASCENDING)], limit=limit)
        return [seat_map_from(document) async for document in cursor]

    async def dirty(self, after: str, limit: int) -> list[SeatMap]:
        """Maps that changed since their summary was last announced, in the order of their ids from `after` on."""
        cursor = self.collection.find(
            {"dirty": True, "_id": {"$gt": after}}, {"outbox": 0}, sort=[("_id", ASCENDING)], limit=limit
        )
        return [seat_map_from(document) async for document in cursor]

    async def announced(self, announced: Iterable[SeatMap]) -> None:
        """Note that these versions were announced; a map that changed meanwhile stays dirty."""
        notes = [
            UpdateOne({"_id": map_.showtime_id, "version": map_.version}, {"$set": {"dirty": False}})
            for map_ in announced
        ]
        if notes:
            await self.collection.bulk_write(notes, ordered=False)

    # --- holds -------------------------------------------------------------------------------------------------------

    async def hold(self, showtime_id: str, holds: Sequence[Hold], sight: Glance, now: datetime) -> Glance | None:
        """Take all seats of all `holds` or none, while layout and blocks are as in `sight`. The holds must not overlap.

        What the map is like afterwards; None where the condition did not hold.
        """
        condition, update = self._taking(showtime_id, holds, sight, now)
        found = await self.collection.find_one_and_update(
            condition, update, GLANCED, return_document=ReturnDocument.AFTER
        )
        return glance_from(found, sight.blocks) if found else None

    async def hold_each(self, wanted: Sequence[tuple[str, Hold, Glance]], now: datetime) -> list[bool]:
        """As `hold`, for single holds of different showtimes in one write; whether each has its seats.

        The maps are not read afterwards, so each must also follow the showtime version of its sight.
        """
        changes = []
        for showtime_id, hold, sight in wanted:
            condition, update = self._taking(showtime_id, [hold], sight, now)
            changes.append(UpdateOne(condition | {"showtimeVersion": sight.showtime_version}, update))
        result = await self.collection.bulk_write(changes, ordered=False)
        if result.matched_count == len(changes):
            return [True] * len(changes)
        # A bulk write tells how many matched, not which: those whose entry is there. One that ends at another time was
        # made before, for the same request.
        entries = dict.fromkeys((entry_of(hold.booking_id) for _, hold, _ in wanted), 1)
        cursor = self.collection.find({"_id": {"$in": [showtime_id for showtime_id, _, _ in wanted]}}, entries)
        held = {(entry.booking_id, entry.until) async for document in cursor for entry in holds_from(document).values()}
        return [(hold.booking_id, hold.until) in held for _, hold, _ in wanted]

    def _taking(
        self, showtime_id: str, holds: Sequence[Hold], sight: Glance, now: datetime
    ) -> tuple[Document, Document]:
        wanted = union(holds)
        entries = {entry_of(hold.booking_id): hold for hold in holds}
        condition = {
            "_id": showtime_id,
            "status": "open",
            "startsAt": {"$gt": now},
            **under(sight.layout),
            **unpaused(now),
            "blockVersion": sight.block_version,
            **all_clear("taken", wanted),
            **{entry: {"$exists": False} for entry in entries},
        }
        update = self._change(now, taken=(wanted, 0))
        update["$set"] |= {entry: hold_document(hold) for entry, hold in entries.items()}
        update["$min"] = {"nextExpiry": min(hold.until for hold in holds if hold.until)}
        return condition, update

    async def extend(self, showtime_id: str, hold: Hold, until: datetime, now: datetime) -> bool:
        """Move the end of a hold that is still as it was read."""
        update = self._change(now)
        update["$set"][f"{entry_of(hold.booking_id)}.until"] = until
        condition = {"_id": showtime_id, **unpaused(now), **still_as([hold])}
        return await self._apply(condition, update)

    async def release(self, showtime_id: str, layout: LayoutKey, holds: Sequence[Hold], now: datetime) -> bool:
        """Give back the seats of holds that are still as they were read."""
        update = self._change(now, taken=(0, union(holds))) | unset(holds)
        condition = {"_id": showtime_id, **under(layout), **unpaused(now), **still_as(holds)}
        return await self._apply(condition, update)

    async def set_next_expiry(self, seat_map: SeatMap, until: datetime | None, at_least: datetime) -> None:
        """Note when the next hold of this reading runs out.

        Where the map has changed since, there may be holds that this reading has not, none of which ends before
        `at_least`: then that is noted, at the latest.
        """
        change = {"$set": {"nextExpiry": until}} if until else {"$unset": {"nextExpiry": ""}}
        if not await self._apply({"_id": seat_map.showtime_id, "version": seat_map.version}, change):
            earliest = min(until, at_least) if until else at_least
            condition = {"_id": seat_map.showtime_id, "nextExpiry": seat_map.next_expiry}
            await self._apply(condition, {"$set": {"nextExpiry": earliest}})

    # --- blocks ------------------------------------------------------------------------------------------------------

    async def block(self, seat_map: SeatMap, block: Block, now: datetime) -> bool:
        """Keep seats that nobody has from sale, while layout and blocks are as they were read and the show is on."""
        condition = {
            **blocks_as_in(seat_map, now),
            "status": "open",
            "startsAt": {"$gt": now},
            **all_clear("taken", block.mask),
        }
        return await self._apply(condition, self._change_of_blocks(now, {f"blocks.{block.id}": block_document(block)}))

    async def unblock(self, seat_map: SeatMap, block: Block, left: int, now: datetime) -> bool:
        """Leave a block these seats only; a block without seats is gone."""
        place = f"blocks.{block.id}"
        update = self._change_of_blocks(now, {f"{place}.seats": sparse(left)} if left else {})
        if not left:
            update["$unset"] = {place: ""}
        return await self._apply(blocks_as_in(seat_map, now), update)

    # --- bookings ----------------------------------------------------------------------------------------------------

    async def book(self, standing: Standing, hold: Hold, payment_id: str | None, now: datetime) -> bool:
        """Turn a hold, run out or not, into booked seats; the booked mark stays until `tidy`.

        Sales that arrive together are written together; False may be told of one that was made, too.
        """
        update = self._change(now, booked=(hold.mask, 0))
        booked = replace(hold, mark=Mark.BOOKED, until=None, payment_id=payment_id)
        update |= set_mark(update, booked, now)
        condition = {
            "_id": standing.showtime_id,
            **under(standing.layout),
            **unpaused(now),
            **still_as([hold]),
        }
        return await self._updates.apply(condition, update)

    async def retake(self, seat_map: SeatMap, booked: Hold, evicted: Sequence[Hold], now: datetime) -> bool:
        """Book seats whose hold is gone, if they are free (or only under expired holds) and the show is on."""
        freed = union(evicted)
        condition = {
            "_id": seat_map.showtime_id,
            "status": "open",
            "startsAt": {"$gt": now},
            **under(seat_map.layout),
            **unpaused(now),
            "blockVersion": seat_map.block_version,
            **no_turn_since(seat_map, booked.booking_id),
            entry_of(booked.booking_id): {"$exists": False},
            **all_clear("taken", booked.mask & ~freed),
            **still_as(evicted),
        }
        update = self._change(now, taken=(booked.mask, freed), booked=(booked.mask, 0))
        update["$inc"][turns_of(booked.booking_id)] = 1
        update |= set_mark(update, booked, now) | unset(evicted)
        return await self._apply(condition, update)

    async def unbook(self, standing: Standing, released: Hold, now: datetime) -> bool:
        """Give back booked seats; the released mark stays until `tidy`. False as in `book`."""
        condition = {
            "_id": standing.showtime_id,
            **under(standing.layout),
            **unpaused(now),
            **no_turn_since(standing, released.booking_id),
            **(still_as([standing.entry]) if standing.entry else {entry_of(released.booking_id): {"$exists": False}}),
        }
        update = self._change(now, taken=(0, released.mask), booked=(0, released.mask))
        update["$inc"][turns_of(released.booking_id)] = 1
        update |= set_mark(update, released, now)
        return await self._updates.apply(condition, update)

    async def tidy(self, showtime_id: str, booking_id: str, mark: Mark, mask: int | None = None) -> None:
        """Remove a mark, now that the booking says the same.

        `mask`: only one of these seats. A booking may give up seats more than once, and who is late with tidying the
        first time must not take the mark of the next.
        """
        entry = entry_of(booking_id)
        condition: Document = {"_id": showtime_id, f"{entry}.mark": mark.value}
        if mask is not None:
            condition[f"{entry}.seats"] = sparse(mask)
        await self._updates.apply(condition, {"$unset": {entry: ""}})

    # --- another layout ----------------------------------------------------------------------------------------------

    async def pause(self, showtime_id: str, until: datetime) -> None:
        """Have no seats change until then, or until `resume`: whoever moves the map would be overtaken for ever else.

        It ends by itself where its maker dies. Nothing is safe by it alone: `move` asks whether the map has changed.
        """
        await self.collection.update_one({"_id": showtime_id}, {"$set": {"pausedUntil": until}})

    async def resume(self, showtime_id: str, until: datetime) -> None:
        """End this pause, not another's."""
        condition = {"_id": showtime_id, "pausedUntil": until}
        await self.collection.update_one(condition, {"$unset": {"pausedUntil": ""}})

    async def move(self, seat_map: SeatMap, moved: SeatMap, seats: int, event: Document, now: datetime) -> bool:
        """Put `moved` in the place of this reading, from which it was made, with the event that tells of it.

        Tidying a mark does not make a new version, so the marks are asked for one by one.
        """
        marks = [entry for entry in seat_map.holds.values() if entry.mark is not Mark.HOLD]
        update = self._change(now)
        update["$set"] |= {
            "layout": {"hallId": moved.layout.hall_id, "version": moved.layout.version},
            "seats": seats,
            "taken": dense(moved.taken, seats),
            "booked": dense(moved.booked, seats),
            "holds": buckets(moved.holds.values()),
            **{f"blocks.{block.id}.seats": sparse(block.mask) for block in moved.blocks},
        }
        update["$unset"] = {"pausedUntil": ""}
        update["$push"] = {"outbox": event}
        condition = {"_id": seat_map.showtime_id, "version": seat_map.version, **still_as(marks)}
        return await self._apply(condition, update)

    # --- one shape for all changes -----------------------------------------------------------------------------------

    def _change(
        self, now: datetime, *, taken: tuple[int, int] = (0, 0), booked: tuple[int, int] = (0, 0)
    ) -> dict[str, dict[str, Any]]:
        """An update that sets and clears bits (set, cleared) and marks the summary as to be announced."""
        update: dict[str, dict[str, Any]] = {"$set": {"dirty": True, "updatedAt": now}, "$inc": {"version": 1}}
        bits = {**bit_changes("taken", *taken), **bit_changes("booked", *booked)}
        if bits:
            update["$bit"] = bits
        return update

    def _change_of_blocks(self, now: datetime, fields: Document) -> dict[str, dict[str, Any]]:
        update = self._change(now)
        update["$set"] |= fields
        update["$inc"]["blockVersion"] = 1
        return update

    async def _apply(self, condition: Document, update: Document) -> bool:
        result = await self.collection.update_one(condition, update)
        return result.matched_count == 1
