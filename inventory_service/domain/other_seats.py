"""Seats that are as good as those a booking has lost, for a buyer who agreed to such ones. docs/late-payments.md."""

from collections.abc import Iterable, Mapping
from typing import Any

from inventory_service.domain.choosing.best import best
from inventory_service.domain.choosing.runs import RESERVED, starts
from inventory_service.domain.layout import Layout
from inventory_service.domain.pricing import class_prices, unpriced
from messaging.events import Pricing

Line = Mapping[str, Any]


def equal_seats(layout: Layout, free: int, lines: Iterable[Line], pricing: Pricing) -> int | None:
    """The best seats of `free` that are equal to those of a frozen price's lines; None where there are none.

    For each band (seat type and price) as many seats of that type which cost today what was paid; neighbours in one
    row where the others were. Places of wheelchair users and their companions have no equal.
    """
    prices = class_prices(layout, pricing)
    nameless = set(unpriced(layout, pricing))
    chosen = 0
    for (seat_type, amount), seat_ids in _bands(lines).items():
        if seat_type in RESERVED:
            return None
        classes = [key for key in layout.classes if key[1] == seat_type and prices[key] == amount]
        pool = sum(layout.classes[key] for key in classes if key not in nameless)
        own = layout.known(seat_ids)
        pool &= layout.standing if own & layout.standing else ~layout.standing
        found = best(layout, free & pool, len(seat_ids), seat_type=seat_type)
        if found is None or not (found.together or _apart(layout, own, len(seat_ids))):
            return None
        chosen |= found.seats
    return chosen


def reseated(price: dict[str, Any], layout: Layout, mask: int, pricing: Pricing) -> dict[str, Any]:
    """The frozen price with these seats in its lines, each in one of its own type and price; no amount changes."""
    prices = class_prices(layout, pricing)
    left = list(price["lines"])
    lines = []
    for seat_id in layout.ids(mask):
        seat = layout.seats[layout.position[seat_id]]
        today = prices[seat.section, seat.seat_type]
        # Prices may have changed since these seats were taken: then any line of the type will do.
        line = min(
            left,
            key=lambda one: (one["seat_type"] != seat.seat_type, one["amount"] != today),
        )
        left.remove(line)
        lines.append({**line, "seat_id": seat.id, "label": f"{seat.row}{seat.label}", "section": seat.section_name})
    return {**price, "lines": lines}


def _bands(lines: Iterable[Line]) -> dict[tuple[str, int], list[str]]:
    bands: dict[tuple[str, int], list[str]] = {}
    for line in lines:
        bands.setdefault((line["seat_type"], line["amount"]), []).append(line["seat_id"])
    return bands


def _apart(layout: Layout, own: int, count: int) -> bool:
    """Whether the seats that were lost are known not to have been neighbours in one row."""
    return own.bit_count() == count and not starts(own, layout.segment_ends, count)
