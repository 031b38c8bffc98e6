"""How a seat map is written: the document and what is read from it, and the conditions and changes of its updates.

    { _id: showtimeId, version, status: open|cancelled, startsAt, layout{hallId, version}, showtimeVersion, seats: N,
      taken: [long…], booked: [long…]            32 seats a word
      holds: { bucket: { bookingId: { until, seats: { word: bits } } } }      marks: mark and payment in place of until
      blocks: { blockId: { seats: { word: bits }, channel, code, reason, madeAt } }, blockVersion
      turns: { bucket: times }, nextExpiry, pausedUntil, dirty, updatedAt, outbox: […] }

MongoDB looks for a field by walking over those before it. In 256 buckets a hold is found in a few steps among tens of
thousands, and a batch of holds does not cost the square of their number. An entry is kept small (about 85 bytes), for
all of them are rewritten with each update: who holds, at what price, is in the booking.
"""

import zlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from bson.int64 import Int64

from inventory_service.domain.bits import FULL, from_sparse, from_words, positions, to_words, word_count
from inventory_service.domain.layout import LayoutKey
from inventory_service.domain.seat_map import Block, Glance, Hold, Mark, SeatMap, Standing
from messaging.events import ShowtimeState
from service_kit.mongo import Document

# A mark lives for milliseconds; one that is older was left by a crash.
MARK_CHECKED_AFTER = timedelta(seconds=15)
BUCKETS = 256
# What `glance_from` needs besides the blocks, which change so seldom that most readings go without.
GLANCED = {
    "status": 1,
    "startsAt": 1,
    "layout": 1,
    "showtimeVersion": 1,
    "taken": 1,
    "blockVersion": 1,
    "nextExpiry": 1,
    "pausedUntil": 1,
}
# What `standing_from` needs besides the entries of bookings.
STOOD = {"showtimeVersion": 1, "status": 1, "layout": 1, "turns": 1, "pausedUntil": 1}


def empty_map(showtime: ShowtimeState, event: Document, now: datetime) -> Document:
    return {
        "_id": showtime.showtime_id,
        "version": 1,
        "status": "cancelled" if showtime.status == "cancelled" else "open",
        "startsAt": showtime.starts_at,
        "layout": {"hallId": showtime.hall_id, "version": showtime.layout_version},
        "showtimeVersion": showtime.version,
        "seats": showtime.seat_count,
        "taken": dense(0, showtime.seat_count),
        "booked": dense(0, showtime.seat_count),
        "holds": {},
        "blocks": {},
        "blockVersion": 0,
        "turns": {},
        "updatedAt": now,
        "outbox": [event],
    }


def seat_map_from(document: Document) -> SeatMap:
    return SeatMap(
        showtime_id=document["_id"],
        version=document["version"],
        status=document["status"],
        starts_at=document["startsAt"],
        updated_at=document["updatedAt"],
        layout=layout_from(document),
        showtime_version=document["showtimeVersion"],
        taken=from_words(document["taken"]),
        booked=from_words(document["booked"]),
        holds=holds_from(document),
        turns=document.get("turns", {}),
        blocks=blocks_from(document),
        block_version=document["blockVersion"],
        next_expiry=document.get("nextExpiry"),
        paused_until=document.get("pausedUntil"),
    )


def glance_from(document: Document, blocks: tuple[Block, ...]) -> Glance:
    return Glance(
        status=document["status"],
        starts_at=document["startsAt"],
        layout=layout_from(document),
        showtime_version=document["showtimeVersion"],
        taken=from_words(document["taken"]),
        blocks=blocks,
        block_version=document["blockVersion"],
        next_expiry=document.get("nextExpiry"),
        own=holds_from(document),
        paused_until=document.get("pausedUntil"),
    )


def standing_from(document: Document, entry: Hold | None) -> Standing:
    return Standing(
        showtime_id=document["_id"],
        showtime_version=document["showtimeVersion"],
        status=document["status"],
        layout=layout_from(document),
        entry=entry,
        turns=document.get("turns", {}),
        paused_until=document.get("pausedUntil"),
    )


def layout_from(document: Document) -> LayoutKey:
    return LayoutKey(document["layout"]["hallId"], document["layout"]["version"])


def holds_from(document: Document) -> dict[str, Hold]:
    return {
        booking_id: Hold(
            booking_id,
            Mark(entry.get("mark", Mark.HOLD)),
            entry.get("until"),
            from_sparse(entry["seats"]),
            entry.get("payment"),
        )
        for bucket in document.get("holds", {}).values()
        for booking_id, entry in bucket.items()
    }


def blocks_from(document: Document) -> tuple[Block, ...]:
    return tuple(
        Block(
            block_id,
            from_sparse(entry["seats"]),
            entry["madeAt"],
            entry.get("channel"),
            entry.get("reason", ""),
            entry.get("code"),
        )
        for block_id, entry in document["blocks"].items()
    )


def block_document(block: Block) -> Document:
    known = {"channel": block.channel, "code": block.code_digest, "reason": block.reason or None}
    return {"seats": sparse(block.mask), "madeAt": block.made_at} | {k: v for k, v in known.items() if v is not None}


def blocks_as_in(seat_map: SeatMap, now: datetime) -> Document:
    """The condition that no block was made or changed since this reading."""
    return {
        "_id": seat_map.showtime_id,
        **under(seat_map.layout),
        **unpaused(now),
        "blockVersion": seat_map.block_version,
    }


def entry_of(booking_id: str) -> str:
    """Where the entry of a booking is."""
    return f"holds.{_bucket(booking_id)}.{booking_id}"


def turns_of(booking_id: str) -> str:
    """Where it is counted how often bookings like this one took or gave up booked seats without a hold."""
    return f"turns.{_bucket(booking_id)}"


def no_turn_since(sight: SeatMap | Standing, booking_id: str) -> Document:
    """The condition that no such step was taken for this booking since the reading."""
    return {turns_of(booking_id): sight.turns.get(_bucket(booking_id), {"$exists": False})}


def _bucket(booking_id: str) -> str:
    return str(zlib.crc32(booking_id.encode()) % BUCKETS)


def hold_document(hold: Hold) -> Document:
    seats = sparse(hold.mask)
    if hold.mark is Mark.HOLD:
        return {"until": hold.until, "seats": seats}
    return {"mark": hold.mark.value, "seats": seats} | ({"payment": hold.payment_id} if hold.payment_id else {})


def sparse(mask: int) -> Document:
    """A set of seats as {word number: bits}."""
    return {str(number): Int64(bits) for number, bits in to_words(mask).items()}


def dense(mask: int, seats: int) -> list[Int64]:
    """A set of seats as the list of all words of a house of so many."""
    words = to_words(mask)
    return [Int64(words.get(number, 0)) for number in range(word_count(seats))]


def buckets(holds: Iterable[Hold]) -> Document:
    """All of `holds`."""
    buckets: Document = {}
    for hold in holds:
        _, bucket, booking_id = entry_of(hold.booking_id).split(".")
        buckets.setdefault(bucket, {})[booking_id] = hold_document(hold)
    return buckets


def set_mark(update: Document, mark: Hold, now: datetime) -> Document:
    """Leave `mark` in place of the hold, and have the sweeper look whether it was tidied."""
    return {
        "$set": {**update["$set"], entry_of(mark.booking_id): hold_document(mark)},
        "$min": {"nextExpiry": now + MARK_CHECKED_AFTER},
    }


def union(holds: Iterable[Hold]) -> int:
    mask = 0
    for hold in holds:
        mask |= hold.mask
    return mask


def all_clear(field: str, mask: int) -> Document:
    return {f"{field}.{number}": {"$bitsAllClear": list(positions(bits))} for number, bits in to_words(mask).items()}


def under(layout: LayoutKey) -> Document:
    """The condition that sets of seats still mean the same seats."""
    return {"layout.hallId": layout.hall_id, "layout.version": layout.version}


def unpaused(now: datetime) -> Document:
    return {"pausedUntil": {"$not": {"$gt": now}}}


def still_as(holds: Iterable[Hold]) -> Document:
    """The condition that these entries have not changed since they were read: the fence of every step."""
    condition: Document = {}
    for hold in holds:
        entry = entry_of(hold.booking_id)
        if hold.mark is Mark.HOLD:
            condition[f"{entry}.until"] = hold.until  # a mark has no end, so this tells its kind as well
        else:
            condition[f"{entry}.mark"] = hold.mark.value
    return condition


def unset(holds: Iterable[Hold]) -> Document:
    entries = {entry_of(hold.booking_id): "" for hold in holds}
    return {"$unset": entries} if entries else {}


def bit_changes(field: str, set_: int, cleared: int) -> Document:
    """`$bit` operations that clear some bits and then set others, block by block."""
    to_set, to_clear = to_words(set_), to_words(cleared)
    operations: Document = {}
    for number in to_set.keys() | to_clear.keys():
        operation: Document = {}
        if number in to_clear:
            operation["and"] = Int64(FULL & ~to_clear[number])
        if number in to_set:
            operation["or"] = Int64(to_set[number])
        operations[f"{field}.{number}"] = operation
    return operations
