"""A wheelchair space, with the companion seat next to it and the rest of the party beside them."""

from inventory_service.domain.bits import positions
from inventory_service.domain.choosing.blocks import Choice, choice
from inventory_service.domain.choosing.runs import COMPANION, FreeRuns, flags
from inventory_service.domain.layout import Layout


def best_with_space(layout: Layout, free: int, count: int, space_type: str) -> Choice | None:
    """The best block of neighbours with a space of this type in it, never split.

    The best has a companion seat next to the space, then takes the fewest spaces from others, then costs least.
    """
    spaces = free & layout.types.get(space_type, 0)
    companions = free & layout.types.get(COMPANION, 0)
    usable = spaces | companions | free & layout.ordinary
    plan = layout.plan
    runs = FreeRuns(plan, usable)
    space_flags = flags(spaces, len(layout.seats))
    companion_flags = flags(companions, len(layout.seats))
    found = []
    for space in positions(spaces):
        run = runs.around(space)
        for start in range(max(run.start, space - count + 1), min(space, run.stop - count) + 1):
            stop = start + count
            alone = count > 1 and not any(companion_flags[max(space - 1, start) : min(space + 2, stop)])
            cost = plan.totals[stop] - plan.totals[start]
            found.append((alone, sum(space_flags[start:stop]), cost, start))
    if not found:
        return None
    *_, start = min(found)
    return choice(plan, [(start, count)])
