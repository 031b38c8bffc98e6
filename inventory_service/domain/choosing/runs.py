"""Runs of free seats, over all seats of the hall at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from inventory_service.domain.choosing.plan import Plan
from messaging.events import ON_REQUEST

RESERVED = ON_REQUEST
COMPANION = "companion"
SPACES = RESERVED - {COMPANION}

_FLAGS = bytes.maketrans(b"01", b"\x00\x01")


def flags(seats: int, count: int) -> bytes:
    """The set as one byte a seat, 0 or 1: what C-speed loops over all seats can read."""
    return format(seats, f"0{count}b").encode().translate(_FLAGS)[::-1] if count else b""


def starts(seats: int, segment_ends: int, length: int) -> int:
    """Where a run of `length` neighbours of the set begins."""
    begins, may_go_on = seats, seats & ~segment_ends
    for _ in range(length - 1):
        begins = may_go_on & (begins >> 1)
        if not begins:
            break
    return begins


def singles(seats: int, segment_ends: int) -> int:
    """Those of the set that have no neighbour in the set."""
    joined = seats & ~segment_ends & (seats >> 1)
    return seats & ~(joined | joined << 1)


def leaving_one(seats: int, segment_ends: int, length: int) -> int:
    """Where a block of `length` of the set would have to begin to leave a single seat beside it."""
    joined = seats & ~segment_ends & (seats >> 1)
    first = seats & ~(joined << 1)
    last = seats & ~joined
    return (first & joined) << 1 | ((joined << 1) & last) >> length


@dataclass(frozen=True, slots=True)
class FreeRuns:
    """Free seats, for questions about one run at a time."""

    plan: Plan
    free: int

    def around(self, position: int) -> range:
        """The run of free neighbours that this free seat is in."""
        segment = self.plan.segment_of[position]
        seat = position - segment.start
        free = flags(self.free >> segment.start & (1 << len(segment)) - 1, len(segment))
        stop = free.find(0, seat)
        return segment[free.rfind(0, 0, seat) + 1 : len(segment) if stop < 0 else stop]

    def tidy_place(self, run: range, chosen: Sequence[int]) -> int | None:
        """Where in its run a block of as many seats of the same classes would begin that leaves no single seat.

        The one nearest to the chosen seats, of two the one with the better seats. None when there is no such place.
        """
        size = len(chosen)
        classes = sorted(self.plan.classes[seat] for seat in chosen)

        def fits(at: int) -> bool:
            tidy = at - run.start != 1 and run.stop - at - size != 1
            return tidy and sorted(self.plan.classes[at : at + size]) == classes

        # Seat n of the block would move by |at + n - seat|; the sum is least at the median and grows from there on
        # either side, so the first place that fits on each side is that side's nearest.
        shifts = sorted(seat - n for n, seat in enumerate(chosen))
        middle = shifts[(size - 1) // 2]
        nearest = [
            next(filter(fits, range(middle, run.start - 1, -1)), None),
            next(filter(fits, range(middle + 1, run.stop - size + 1)), None),
        ]
        found = [at for at in nearest if at is not None]
        costs = self.plan.totals
        return min(
            found,
            key=lambda at: (sum(abs(at - shift) for shift in shifts), costs[at + size] - costs[at], at),
            default=None,
        )
