"""Choosing seats for a buyer: the best free block, by the score of `docs/choosing.md`."""

from dataclasses import dataclass, replace

from inventory_service.domain.booking import Booking
from inventory_service.domain.choosing.best import best
from inventory_service.domain.choosing.blocks import Choice
from inventory_service.domain.pricing import class_prices
from inventory_service.domain.seat_map import SeatsTaken
from inventory_service.handlers.attempts import Contended
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.read import MapView, view_map
from inventory_service.handlers.reserve import Reserve, reserve
from service_kit.errors import Conflict, Invalid

# Others may take the block between the choice and the hold; so many times it is chosen anew.
CHOICES = 10


class NoFreeBlock(Conflict):
    slug, title = "no-free-block", "There are not so many free seats together"


@dataclass(frozen=True)
class Wish:
    """So many seats together, perhaps of a type or in a section, none dearer than `max_price` (minor units)."""

    count: int
    seat_type: str | None = None
    section: str | None = None
    max_price: int | None = None


async def best_block(inventory: Inventory, showtime_id: str, wish: Wish) -> tuple[MapView, Choice]:
    """The best free block now. It promises nothing: only a hold does.

    Raises NotFound, Invalid for a section or type that the hall doesn't have, NoFreeBlock, and Gone once it started.
    """
    view = await view_map(inventory, showtime_id)
    view.seat_map.require_bookable(view.now)
    _require_known(view, wish)
    free = view.layout.everything & ~view.seat_map.occupied(view.now)
    choice = best(
        view.layout,
        free,
        wish.count,
        seat_type=wish.seat_type,
        section=wish.section,
        prices=class_prices(view.layout, view.showtime.pricing),
        max_price=wish.max_price,
    )
    if choice is None:
        raise NoFreeBlock(available=free.bit_count())
    return view, choice


async def reserve_best(inventory: Inventory, command: Reserve, wish: Wish) -> Booking:
    """Hold the best free block; chosen anew when somebody else was quicker. Raises what `reserve` does."""
    if command.retried and (made_before := await inventory.bookings.get(command.booking_id)):
        return made_before
    for _ in range(CHOICES):
        view, choice = await best_block(inventory, command.showtime_id, wish)
        try:
            return await reserve(inventory, replace(command, seat_ids=view.layout.ids(choice.seats)))
        except SeatsTaken:
            continue
    raise Contended


def _require_known(view: MapView, wish: Wish) -> None:
    faults = []
    if wish.seat_type is not None and wish.seat_type not in view.layout.types:
        faults.append(("/best/seatType", "no seat of this type in this hall"))
    if wish.section is not None and wish.section not in {section for section, _ in view.layout.classes}:
        faults.append(("/best/section", "no such section in this hall"))
    if faults:
        raise Invalid(faults=faults)
