"""The best free seats for a party. What "best" means is told in docs/choosing.md."""

from collections.abc import Mapping
from itertools import islice

from inventory_service.domain.bits import positions
from inventory_service.domain.choosing.accessible import best_with_space
from inventory_service.domain.choosing.blocks import Blocks, Choice, choice, standing
from inventory_service.domain.choosing.runs import RESERVED, SPACES
from inventory_service.domain.choosing.split import best_split
from inventory_service.domain.layout import Layout

Prices = Mapping[tuple[str, str], int]


def best(
    layout: Layout,
    free: int,
    count: int,
    *,
    seat_type: str | None = None,
    section: str | None = None,
    prices: Prices | None = None,
    max_price: int | None = None,
) -> Choice | None:
    """The best `count` of the seats `free`: neighbours in a row, else a split over neighbouring rows, else None.

    `prices` by (section, seat type), in minor units as `max_price`, which each seat keeps to. No price: free of charge.
    Places of a section with a capacity are for who asks for that section, or when there are no such seats.
    """
    if count < 1:
        raise ValueError("a party has at least one person")
    matching = free & _matching(layout, section, prices, max_price)
    seated = _best_seats(layout, free, matching & ~layout.standing, count, seat_type)
    return seated or _first_places(layout, matching & layout.standing, count, seat_type)


def _first_places(layout: Layout, affordable: int, count: int, seat_type: str | None) -> Choice | None:
    """The first free places of the first section that has so many: where people stand, all stand together."""
    wanted = affordable & layout.of_type(seat_type)
    for section in layout.standing_sections.values():
        if (wanted & section).bit_count() >= count:
            return standing(layout.plan, list(islice(positions(wanted & section), count)))
    return None


def _best_seats(layout: Layout, free: int, affordable: int, count: int, seat_type: str | None) -> Choice | None:
    if seat_type in SPACES:
        return best_with_space(layout, affordable, count, seat_type)
    eligible = affordable & layout.of_type(seat_type)
    if eligible.bit_count() < count:
        return None
    blocks = Blocks(layout, eligible, 0 if seat_type in RESERVED else free & layout.strandable)
    return _best_block(blocks, count) or best_split(blocks, count)


def _matching(layout: Layout, section: str | None, prices: Prices | None, max_price: int | None) -> int:
    """The seats of the section that cost no more than this."""
    seats = 0
    for key, members in layout.classes.items():
        price = prices.get(key, 0) if prices else 0
        if (section is None or key[0] == section) and (max_price is None or price <= max_price):
            seats |= members
    return seats


def _best_block(blocks: Blocks, count: int) -> Choice | None:
    """The cheapest block in one row."""
    offer = blocks.offer(count)
    cheapest: tuple[int, int] | None = None
    for floor, starts in offer.cheapest_first():
        if cheapest and floor > cheapest[0]:
            break
        for start in starts:
            found = offer.cost(start), start
            if (not cheapest or found < cheapest) and offer.allowed(start):
                cheapest = found
    return choice(blocks.plan, [(cheapest[1], count)]) if cheapest else None
