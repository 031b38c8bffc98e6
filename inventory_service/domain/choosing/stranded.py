"""The rule against leaving a single seat (docs/choosing.md has it with pictures)."""

from dataclasses import dataclass

from inventory_service.domain.bits import mask_of, positions
from inventory_service.domain.choosing.runs import FreeRuns, singles
from inventory_service.domain.layout import Layout


@dataclass(frozen=True, slots=True)
class Stranded:
    """`seats`: the seats that would be left single. `alternative`: as many seats near by that leave none single."""

    seats: int
    alternative: int


def stranded(layout: Layout, free: int, mask: int) -> Stranded | None:
    """What taking the seats `mask` of the seats `free` would needlessly leave single; None when nothing."""
    allowed = layout.strandable
    if not mask or mask & ~allowed:
        return None
    before = free & allowed | mask
    alone = _newly_alone(before, mask, layout.segment_ends)
    if not alone:
        return None
    runs = FreeRuns(layout.plan, before)
    left, alternative = 0, mask
    for run in {runs.around(seat) for seat in positions(alone)}:
        within = (1 << run.stop) - (1 << run.start)
        chosen = list(positions(mask & within))
        at = runs.tidy_place(run, chosen)
        if at is not None:
            left |= alone & within
            alternative = alternative & ~within | mask_of(range(at, at + len(chosen)))
    return Stranded(left, alternative) if left else None


def _newly_alone(before: int, mask: int, segment_ends: int) -> int:
    """The seats that the choice leaves single: they are next to it, and two seats away is as far as one has to look."""
    start = max((mask & -mask).bit_length() - 3, 0)
    window = (1 << mask.bit_length() + 2 - start) - 1
    free, chosen, ends = before >> start & window, mask >> start, segment_ends >> start & window
    beside = chosen << 1 | chosen >> 1
    return (singles(free & ~chosen, ends) & ~singles(free, ends) & beside) << start
