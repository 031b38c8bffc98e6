"""The seat map of one showtime: which seats are taken, which are booked, and the live holds.

A bit has no owner. What says who owns it is the entry in `holds`, which is there from the hold until the booking
document has caught up with what became of it:

    hold ──confirm──▶ booked mark ──(booking confirmed)──▶ tidied: bits stay taken and booked
      └──release/expiry──▶ gone, bits cleared
    (booked, tidied) ──cancel──▶ released mark, bits cleared ──(booking cancelled)──▶ tidied

Every step is one conditional update that matches the entry it starts from, so a step can be repeated after a crash, and
a late step of an old owner can't touch the next owner's seats. Two steps start with no entry: cancelling a tidied
booking, and taking seats again for a late payment. `turns` counts them, and both match it: only such a step for the
same booking in between could make them act on a past that no longer holds. It counts by a hash of the booking, so that
people who cancel at the same time don't get in each other's way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from inventory_service.domain.layout import LayoutKey
from service_kit.errors import Conflict, Gone

SHORTEST_HOLD, LONGEST_HOLD = timedelta(seconds=60), timedelta(seconds=1_800)


class SeatsTaken(Conflict):
    """`seat_ids`: the seats in the way."""

    slug, title = "seats-taken", "Some of these seats are taken"


class ShowtimeStarted(Gone):
    slug, title = "showtime-started", "This showtime has started"


class ShowtimeCancelled(Gone):
    slug, title = "showtime-cancelled", "This showtime was cancelled"


class Mark(StrEnum):
    """What an entry in `holds` says of its seats."""

    HOLD = "hold"
    BOOKED = "booked"
    RELEASED = "released"


@dataclass(slots=True)
class Hold:
    """An entry in `holds`. The marks never expire (`until` is None); a booked one names its payment, if any."""

    booking_id: str
    mark: Mark
    until: datetime | None
    mask: int
    payment_id: str | None = None

    def live(self, now: datetime) -> bool:
        return self.mark is Mark.HOLD and self.until is not None and self.until > now

    def expired(self, now: datetime) -> bool:
        return self.mark is Mark.HOLD and self.until is not None and self.until <= now


@dataclass(frozen=True, slots=True)
class Block:
    """Seats that an admin keeps from sale: from everybody, or from all but those who buy through `channel`.

    A block says who may buy a seat, not who has it: its seats are not taken, and one that is sold through the channel
    comes back to the channel when it is released. `code_digest` is what `access_codes` makes of the code that opens it.
    """

    id: str
    mask: int
    made_at: datetime
    channel: str | None = None
    reason: str = ""
    code_digest: str | None = None


def closed_to(blocks: Iterable[Block], channel: str | None) -> int:
    """The blocked seats that who buys through `channel` (None: as everybody) can't have."""
    closed = 0
    for block in blocks:
        if channel is None or block.channel != channel:
            closed |= block.mask
    return closed


@dataclass(frozen=True, slots=True)
class Glance:
    """A reading of a map without its holds: enough to tell who can be served, however many people hold seats.

    `own` are those entries that were asked for. `taken` includes holds that ran out, which there are where
    `next_expiry` has passed.
    """

    status: str
    starts_at: datetime
    layout: LayoutKey
    showtime_version: int
    taken: int
    blocks: tuple[Block, ...]
    block_version: int
    next_expiry: datetime | None
    own: Mapping[str, Hold]
    paused_until: datetime | None = None
    _closed: dict[str | None, int] = field(default_factory=dict, compare=False, repr=False)

    def closed(self, channel: str | None) -> int:
        """The blocked seats that who buys through `channel` can't have: worked out once for all who come together."""
        if channel not in self._closed:
            self._closed[channel] = closed_to(self.blocks, channel)
        return self._closed[channel]

    def opened(self, channel: str | None) -> int:
        """The blocked seats that are for `channel`."""
        return self.closed(None) & ~self.closed(channel)

    def require_bookable(self, now: datetime) -> None:
        """Raises ShowtimeCancelled, ShowtimeStarted."""
        _require_bookable(self.status, self.starts_at, now)

    def paused(self, now: datetime) -> bool:
        return _later(self.paused_until, now)

    def may_have_expired(self, now: datetime) -> bool:
        """Whether some of what is taken may be under a hold that ran out, and so be free."""
        return self.next_expiry is not None and self.next_expiry <= now


@dataclass(frozen=True, slots=True)
class Standing:
    """How one booking stands in the map of its showtime: its entry, if it has one, and what its next step asks for.

    It costs the same however many others hold seats. What is free it can't tell.
    """

    showtime_id: str
    showtime_version: int
    status: str
    layout: LayoutKey
    entry: Hold | None
    turns: Mapping[str, int]
    paused_until: datetime | None = None

    def paused(self, now: datetime) -> bool:
        return _later(self.paused_until, now)


@dataclass(frozen=True, slots=True)
class SeatMap:
    """One reading of a seat map document."""

    showtime_id: str
    version: int
    status: str
    starts_at: datetime
    updated_at: datetime
    layout: LayoutKey
    showtime_version: int
    taken: int
    booked: int
    holds: dict[str, Hold]
    turns: Mapping[str, int]
    blocks: tuple[Block, ...] = ()
    block_version: int = 0
    next_expiry: datetime | None = None
    paused_until: datetime | None = None

    def paused(self, now: datetime) -> bool:
        """Whether seats stay as they are for a moment, so that the map can be moved to another layout."""
        return _later(self.paused_until, now)

    def bookable(self, now: datetime) -> bool:
        return self.status == "open" and self.starts_at > now

    def require_bookable(self, now: datetime) -> None:
        """Raises ShowtimeCancelled, ShowtimeStarted."""
        _require_bookable(self.status, self.starts_at, now)

    def may_have_expired(self, now: datetime) -> bool:
        """Whether some hold may have run out: then only a reading with its holds tells what is occupied."""
        return self.next_expiry is not None and self.next_expiry <= now

    def expired_holds(self, now: datetime) -> list[Hold]:
        return [hold for hold in self.holds.values() if hold.expired(now)]

    def occupied(self, now: datetime) -> int:
        """Seats that somebody has now: booked or under a live hold. An expired hold is claimable at once."""
        claimable = 0
        for hold in self.expired_holds(now):
            claimable |= hold.mask
        return self.taken & ~claimable

    def closed(self, channel: str | None = None) -> int:
        """The blocked seats that who buys through `channel` can't have."""
        return closed_to(self.blocks, channel)

    def in_the_way(self, mask: int, now: datetime) -> list[Hold]:
        """Expired holds that must be evicted to take `mask`."""
        return [hold for hold in self.expired_holds(now) if hold.mask & mask]


def _later(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment > now


def _require_bookable(status: str, starts_at: datetime, now: datetime) -> None:
    if status == "cancelled":
        raise ShowtimeCancelled
    if starts_at <= now:
        raise ShowtimeStarted
