"""Choosing seats for a buyer: the best free block, by the score of `docs/choosing.md`."""

from dataclasses import dataclass

from inventory_service.domain.choosing.best import best
from inventory_service.domain.choosing.blocks import Choice
from inventory_service.domain.layout import Layout
from inventory_service.domain.pricing import class_prices
from inventory_service.domain.wishes import NoFreeBlock
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.read import MapView, view_map
from service_kit.errors import Invalid


@dataclass(frozen=True, slots=True)
class Party:
    """So many people, perhaps on seats of a type or in a section, none dearer than `max_price` (minor units)."""

    count: int
    seat_type: str | None = None
    section: str | None = None
    max_price: int | None = None


async def best_block(inventory: Inventory, showtime_id: str, party: Party) -> tuple[MapView, Choice]:
    """The best free block now. It promises nothing: only a hold does.

    Raises NotFound, Invalid for a section or type that the hall doesn't have, NoFreeBlock, and Gone once it started.
    """
    view = await view_map(inventory, showtime_id)
    view.seat_map.require_bookable(view.now)
    require_known_party(view.layout, party)
    free = view.free
    choice = best(
        view.layout,
        free,
        party.count,
        seat_type=party.seat_type,
        section=party.section,
        prices=class_prices(view.layout, view.showtime.pricing),
        max_price=party.max_price,
    )
    if choice is None:
        raise NoFreeBlock(available=free.bit_count())
    return view, choice


def require_known_party(layout: Layout, party: Party) -> None:
    """Raises Invalid for a section or type that the hall doesn't have."""
    faults = []
    if party.seat_type is not None and party.seat_type not in layout.types:
        faults.append(("/best/seatType", "no seat of this type in this hall"))
    if party.section is not None and party.section not in {section for section, _ in layout.classes}:
        faults.append(("/best/section", "no such section in this hall"))
    if not faults and party.seat_type and party.section and (party.section, party.seat_type) not in layout.classes:
        faults.append(("/best/seatType", "no seat of this type in this section"))
    if faults:
        raise Invalid(faults=faults)
