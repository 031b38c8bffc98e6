"""Sets of seats over time, as integers with a bit for each seat."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """`seats` from `start` to `end`, both included (nanoseconds of the monotonic clock)."""

    start: int
    end: int
    seats: int


def positions(seats: int) -> Iterator[int]:
    """The seats of a set, ascending."""
    while seats:
        low = seats & -seats
        yield low.bit_length() - 1
        seats ^= low


class Timeline:
    """The union of spans at each moment, so that asking about any stretch of time is a look-up.

    The union changes at a span's ends only. `_moments` has those ends, `_unions` what holds from each on.
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        events = []
        for span in spans:
            if span.start <= span.end:
                events += [(span.start, 1, span.seats), (span.end + 1, -1, span.seats)]
        events.sort()
        covered: dict[int, int] = {}
        union = 0
        self._moments = [-1]
        self._unions = [0]
        for moment, step, seats in events:
            for seat in positions(seats):
                covered[seat] = covered.get(seat, 0) + step
                if covered[seat] == 0 or (step == 1 and covered[seat] == 1):
                    union ^= 1 << seat
            if moment == self._moments[-1]:
                self._unions[-1] = union
            else:
                self._moments.append(moment)
                self._unions.append(union)

    def ever(self, start: int, end: int) -> int:
        """The seats that are in the set at some moment from `start` to `end`."""
        union = 0
        for seats in self._between(start, end):
            union |= seats
        return union

    def always(self, start: int, end: int) -> int:
        """The seats that are in the set the whole time from `start` to `end`."""
        common = -1
        for seats in self._between(start, end):
            common &= seats
        return common

    def _between(self, start: int, end: int) -> list[int]:
        return self._unions[bisect_right(self._moments, start) - 1 : bisect_right(self._moments, end)]
