"""Blocks of neighbours that a party may be given, and what a choice of them looks like."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from inventory_service.domain.bits import mask_of
from inventory_service.domain.choosing.plan import ONE, Plan
from inventory_service.domain.choosing.runs import FreeRuns, flags, leaving_one, starts
from inventory_service.domain.layout import Layout

# What a block's seats cost more, each, when a single seat is left beside it: as much as sitting between the best spot
# and two ninths of the way to the farthest seat.
LEAVING_ONE = ONE // 20


@dataclass(frozen=True, slots=True)
class Choice:
    """Seats for a party: one block of neighbours, or one per row, front to back in the layout's order.

    `cost` is the mean of the seats' costs: 0 is the best spot of the hall, 1 the farthest seat from it.
    """

    seats: int
    blocks: tuple[int, ...]
    cost: float

    @property
    def together(self) -> bool:
        return len(self.blocks) == 1


def choice(plan: Plan, blocks: Iterable[tuple[int, int]]) -> Choice:
    """Of blocks (start, size)."""
    spans = [range(start, start + size) for start, size in blocks]
    masks = tuple(mask_of(span) for span in spans)
    total = sum(plan.totals[span.stop] - plan.totals[span.start] for span in spans)
    return Choice(sum(masks), masks, total / ONE / sum(map(len, spans)))


def standing(plan: Plan, places: Sequence[int]) -> Choice:
    """Of places of one section without seats: one block, whatever their numbers."""
    mask = mask_of(places)
    total = sum(plan.totals[place + 1] - plan.totals[place] for place in places)
    return Choice(mask, (mask,), total / ONE / len(places))


@dataclass(frozen=True)
class Blocks:
    """The blocks of seats of `eligible`; none may needlessly leave a seat of `minded` single."""

    layout: Layout
    eligible: int
    minded: int

    @property
    def plan(self) -> Plan:
        return self.layout.plan

    def offer(self, size: int, within: int = -1) -> "Offer":
        """All blocks of this size that begin within these seats."""
        ends = self.plan.segment_ends
        begins = starts(self.eligible, ends, size) & within
        untidy = begins & leaving_one(self.minded, ends, size)
        seats = len(self.layout.seats)
        return Offer(self.plan, FreeRuns(self.plan, self.minded), size, flags(begins, seats), flags(untidy, seats))


@dataclass(frozen=True, slots=True)
class Offer:
    """Blocks of one size: where they begin, and which of them leave a single seat, as from `flags`."""

    plan: Plan
    minded: FreeRuns
    size: int
    begins: bytes
    untidy: bytes

    def cheapest_first(self) -> Iterator[tuple[int, Iterator[int]]]:
        """(least cost that any further block can have, where blocks begin), segment after segment."""
        extra = LEAVING_ONE if self.untidy == self.begins else 0
        for floor, segment in self.plan.cheapest_segments:
            if 1 in self.begins[segment.start : segment.stop]:
                yield (floor + extra) * self.size, self.among(segment)

    def floor(self) -> int:
        """What no block costs less than; there must be a block."""
        return next(self.cheapest_first())[0]

    def among(self, seats: range) -> Iterator[int]:
        """Where blocks begin among these seats, ascending."""
        at = self.begins.find(1, seats.start, seats.stop)
        while at >= 0:
            yield at
            at = self.begins.find(1, at + 1, seats.stop)

    def cost(self, start: int) -> int:
        seats = self.plan.totals[start + self.size] - self.plan.totals[start]
        return seats + LEAVING_ONE * self.size if self.untidy[start] else seats

    def allowed(self, start: int) -> bool:
        """Whether the block leaves no single seat, or can't help it: the same test as in `stranded`."""
        if not self.untidy[start]:
            return True
        return self.minded.tidy_place(self.minded.around(start), range(start, start + self.size)) is None
