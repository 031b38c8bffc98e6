"""The summary of a seat map: what search needs to know of it."""

from datetime import datetime

from inventory_service.domain.bits import longest_run
from inventory_service.domain.layout import Layout
from inventory_service.domain.pricing import class_prices
from inventory_service.domain.seat_map import SeatMap
from messaging.events import Availability, Pricing, TypeAvailability


def summarize(seat_map: SeatMap, layout: Layout, pricing: Pricing, now: datetime) -> Availability:
    """Free seats in total and by type, the longest free run in a row, the cheapest free seat."""
    free = layout.everything & ~seat_map.occupied(now) & ~seat_map.closed() if seat_map.status == "open" else 0
    prices = class_prices(layout, pricing)
    by_type = {}
    for seat_type, mask in layout.types.items():
        costs = [price for (_, kind), price in prices.items() if kind == seat_type]
        by_type[seat_type] = TypeAvailability(
            total=mask.bit_count(),
            available=(free & mask).bit_count(),
            largest_block=longest_run(free & mask, layout.row_ends),
            price=min(costs),
        )
    free_prices = [prices[key] for key, mask in layout.classes.items() if free & mask]
    return Availability(
        showtime_id=seat_map.showtime_id,
        version=seat_map.version,
        as_of=now,
        status="open" if seat_map.status == "open" else "cancelled",
        total=len(layout.seats),
        available=free.bit_count(),
        largest_block=longest_run(free, layout.row_ends),
        min_price=min(free_prices, default=None),
        currency=pricing.currency,
        by_seat_type=by_type,
    )
