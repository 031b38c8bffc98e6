"""The summary of a seat map: what search needs to know of it."""

from datetime import datetime

from inventory_service.domain.bits import longest_run, runs_around
from inventory_service.domain.choosing.runs import COMPANION, SPACES
from inventory_service.domain.layout import MOST_SEATS_PER_BOOKING, Layout
from inventory_service.domain.pricing import class_prices
from inventory_service.domain.seat_map import SeatMap
from messaging.events import Availability, Pricing, TypeAvailability

ClassPrices = dict[tuple[str, str], int]


def summarize(seat_map: SeatMap, layout: Layout, pricing: Pricing, now: datetime) -> Availability:
    """Free seats in total and by type, the cheapest one, and what so many together cost.

    Neighbours are those that `seats/best` takes for neighbours, and the seats of wheelchair users and their companions
    are nobody else's: so what is told here can be booked there.
    """
    free = layout.everything & ~seat_map.occupied(now) & ~seat_map.closed() if seat_map.status == "open" else 0
    prices = class_prices(layout, pricing)
    by_type = {}
    for seat_type, mask in layout.types.items():
        costs = [price for (_, kind), price in prices.items() if kind == seat_type]
        by_type[seat_type] = TypeAvailability(
            total=mask.bit_count(),
            available=(free & mask).bit_count(),
            largest_block=_largest_block(layout, free, seat_type),
            price=min(costs),
            together=_together(layout, free, prices, seat_type),
        )
    anybodys = free & layout.ordinary or free
    free_prices = [prices[key] for key, mask in layout.classes.items() if anybodys & mask]
    return Availability(
        showtime_id=seat_map.showtime_id,
        version=seat_map.version,
        as_of=now,
        status="open" if seat_map.status == "open" else "cancelled",
        total=len(layout.seats),
        available=free.bit_count(),
        largest_block=_largest_block(layout, free, None),
        min_price=min(free_prices, default=None),
        currency=pricing.currency,
        together=_together(layout, free, prices, None),
        by_seat_type=by_type,
    )


def _together(layout: Layout, free: int, prices: ClassPrices, seat_type: str | None) -> list[int]:
    """For 1, 2, 3 … neighbours the least that the dearest of them costs."""
    together: list[int] = []
    affordable = 0
    for price in sorted({prices[key] for key, mask in layout.classes.items() if free & mask}):
        for key, mask in layout.classes.items():
            affordable |= free & mask if prices[key] == price else 0
        largest = _largest_block(layout, affordable, seat_type)
        together += [price] * (min(largest, MOST_SEATS_PER_BOOKING) - len(together))
        if len(together) == MOST_SEATS_PER_BOOKING:
            break
    return together


def _largest_block(layout: Layout, free: int, seat_type: str | None) -> int:
    """The longest run of neighbours, or the most free places of one section where people stand."""
    seats = longest_run(_party_seats(layout, free & ~layout.standing, seat_type), layout.segment_ends)
    places = free & layout.of_type(seat_type)
    return max(seats, *((places & section).bit_count() for section in layout.standing_sections.values()), 0)


def _party_seats(layout: Layout, free: int, seat_type: str | None) -> int:
    """The seats among `free` for a party that asks for this type; around a wheelchair space its own people sit too."""
    seats = free & layout.of_type(seat_type)
    if seat_type not in SPACES:
        return seats
    usable = seats | free & (layout.types.get(COMPANION, 0) | layout.ordinary)
    return runs_around(seats, usable, layout.segment_ends)
