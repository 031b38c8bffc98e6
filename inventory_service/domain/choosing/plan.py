"""Where the seats of a layout are: who sits next to whom, which row is behind which, how good a seat is.

All of it is worked out once per layout, when first asked for. What counts as what is told in docs/choosing.md.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from math import dist
from statistics import median_low
from typing import TYPE_CHECKING

from inventory_service.domain.bits import mask_of

if TYPE_CHECKING:
    from inventory_service.domain.layout import Seat

Place = tuple[float, float]

AISLE = 1.6
FEW_GAPS = 3
NEXT_ROW = 2.0
IDEAL_DEPTH = 1 / 3

# Costs are integers, so that their sums are exact and equal on every machine.
ONE = 1_000_000
EXTRA_COST = {"restricted": ONE, "balcony": ONE // 4, "gallery": ONE // 4}


@dataclass(frozen=True)
class Plan:
    seats: Sequence["Seat"]
    known_places: Sequence[Place]
    row_ends: int

    @cached_property
    def rows(self) -> tuple[range, ...]:
        return tuple(_spans(self.row_ends, len(self.seats)))

    @cached_property
    def places(self) -> Sequence[Place]:
        return self.known_places or self._numbered

    @cached_property
    def _numbered(self) -> tuple[Place, ...]:
        return tuple((float(n), float(y)) for y, row in enumerate(self.rows) for n in range(len(row)))

    @cached_property
    def segment_ends(self) -> int:
        """The last seats before an aisle or the end of the row, as a set of positions."""
        aisles = [left for rows in self._sections for left in _before_aisles(rows, self.places)]
        return self.row_ends | mask_of(aisles)

    @cached_property
    def segments(self) -> tuple[range, ...]:
        return tuple(_spans(self.segment_ends, len(self.seats)))

    @cached_property
    def segment_of(self) -> tuple[range, ...]:
        """By position: the stretch between aisles that the seat is in."""
        return tuple(segment for segment in self.segments for _ in segment)

    @cached_property
    def classes(self) -> tuple[tuple[str, str], ...]:
        """By position: (section, seat type). Seats of a class have one price."""
        return tuple((seat.section, seat.seat_type) for seat in self.seats)

    @cached_property
    def behind(self) -> tuple[int, ...]:
        """By position: the nearest seat of the next row, or -1 where no neighbouring row follows."""
        behind = [-1] * len(self.seats)
        for rows in self._sections:
            pairs = [(row, _nearest(row, following, self.places)) for row, following in pairwise(rows)]
            apart = [_apart(row, nearest, self.places) for row, nearest in pairs]
            reach = NEXT_ROW * median_low(apart) if apart else 0.0
            for (row, nearest), gap in zip(pairs, apart, strict=True):
                if gap <= reach or not reach:
                    behind[row.start : row.stop] = nearest
        return tuple(behind)

    @cached_property
    def followed(self) -> int:
        """The seats of rows that a neighbouring row follows."""
        return sum((1 << row.stop) - (1 << row.start) for row in self.rows if self.behind[row.start] >= 0)

    @cached_property
    def costs(self) -> tuple[int, ...]:
        """By position: 0 for the best spot of the hall, ONE for the seat farthest from it; more for a bad view."""
        if not self.seats:
            return ()
        offsets = self._offsets()
        depths = self._depths()
        ideal = IDEAL_DEPTH * max(depths)
        squares = [across * across + (depth - ideal) ** 2 for across, depth in zip(offsets, depths, strict=True)]
        farthest = max(squares) or 1.0
        extra = [EXTRA_COST.get(seat.seat_type, 0) for seat in self.seats]
        return tuple(round(ONE * square / farthest) + more for square, more in zip(squares, extra, strict=True))

    @cached_property
    def totals(self) -> tuple[int, ...]:
        """Running sums of `costs`: the seats [a, b) cost totals[b] - totals[a]."""
        return tuple(accumulate(self.costs, initial=0))

    @cached_property
    def cheapest_segments(self) -> list[tuple[int, range]]:
        """The segments, each after the cost of its best seat, cheapest first: who looks in this order can stop soon."""
        floors = [(min(self.costs[segment.start : segment.stop]), segment) for segment in self.segments]
        return sorted(floors, key=lambda floor: (floor[0], floor[1].start))

    @cached_property
    def _sections(self) -> list[list[range]]:
        sections: list[list[range]] = []
        last = None
        for row in self.rows:
            section = self.seats[row.start].section
            if section != last:
                sections.append([])
                last = section
            sections[-1].append(row)
        return sections

    def _offsets(self) -> list[float]:
        """How far each seat is from the centre line: the hall's, or its row's where nobody has drawn the hall."""
        if self.places == self._numbered:
            return [number - (len(row) - 1) / 2 for row in self.rows for number in range(len(row))]
        across = [x for x, _ in self.places]
        centre = (min(across) + max(across)) / 2
        return [x - centre for x in across]

    def _depths(self) -> list[float]:
        """How far each seat is from the front, which is where row labels begin: row A before row B, row 1 before 2."""
        along = [y for _, y in self.places]
        towards_back = 0.0
        for row, following in pairwise(self.rows):
            middle = row[len(row) // 2]
            if self.behind[middle] >= 0:
                step = along[self.behind[middle]] - along[middle]
                towards_back += step if self._label(row) < self._label(following) else -step
        front = min(along) if towards_back >= 0 else max(along)
        return [abs(y - front) for y in along]

    def _label(self, row: range) -> tuple[int, str]:
        label = self.seats[row.start].row
        return len(label), label


def _spans(ends: int, count: int) -> Iterator[range]:
    """The stretches that end at these positions."""
    start = 0
    flags = format(ends, "b")[::-1]
    while start < count:
        end = flags.find("1", start)
        stop = count if end < 0 else end + 1
        yield range(start, stop)
        start = stop


def _before_aisles(rows: Iterable[range], places: Sequence[Place]) -> Iterator[int]:
    """The seats of these rows of one section that have an aisle between them and the next seat."""
    gaps = [list(map(dist, places[row.start : row.stop - 1], places[row.start + 1 : row.stop])) for row in rows]
    everywhere = [gap for row in gaps for gap in row]
    usual_here = median_low(everywhere) if everywhere else 0.0
    for row, between in zip(rows, gaps, strict=True):
        usual = median_low(between) if len(between) >= FEW_GAPS else usual_here
        if usual:
            yield from (seat for seat, gap in zip(row, between, strict=False) if gap > AISLE * usual)


def _apart(row: range, nearest: Sequence[int], places: Sequence[Place]) -> float:
    """From the middle of a row to the nearest seat of the next."""
    middle = len(row) // 2
    return dist(places[row[middle]], places[nearest[middle]])


def _nearest(front: range, back: range, places: Sequence[Place]) -> list[int]:
    """For each seat of a row the nearest of the next one, found in one walk along both.

    The next row may be numbered the other way round. Where the walk can't tell, because all places are one, the
    seats are matched by their number.
    """
    if places[back[0]] == places[back[-1]]:
        return [back[min(number, len(back) - 1)] for number in range(len(front))]
    turned = dist(places[front[0]], places[back[0]]) > dist(places[front[0]], places[back[-1]])
    order = back[::-1] if turned else back
    path = [places[seat] for seat in order]
    at, last = 0, len(path) - 1
    found = []
    for here in places[front.start : front.stop]:
        reached = dist(here, path[at])
        while at < last and (further := dist(here, path[at + 1])) < reached:
            at, reached = at + 1, further
        found.append(order[at])
    return found
