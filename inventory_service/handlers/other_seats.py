"""Other seats for late money, where the buyer agreed to that: found in the seat map, then followed by the booking."""

from typing import Any

from inventory_service.domain.booking import Booking
from inventory_service.domain.layout import LayoutKey
from inventory_service.domain.other_seats import equal_seats, reseated
from inventory_service.domain.seat_map import Hold, SeatMap
from inventory_service.handlers.context import Inventory


async def find_other(inventory: Inventory, seat_map: SeatMap, booking: Booking) -> int | None:
    """Equal seats that are free by this reading; None where there are none, or the buyer wanted his own or nothing."""
    now = inventory.now()
    if not booking.accept_other or not seat_map.bookable(now):
        return None
    showtime = await inventory.current_showtime(booking.showtime_id)
    layout = await inventory.layouts.get(booking.venue_id, seat_map.layout)
    free = layout.everything & ~seat_map.occupied(now) & ~seat_map.closed(booking.channel)
    return equal_seats(layout, free, booking.price["lines"], showtime.pricing)


async def as_marked(inventory: Inventory, key: LayoutKey, booking: Booking, mark: Hold) -> dict[str, Any]:
    """The fields of a booking that its booked mark changes: seats, layout and price lines, where it has others."""
    if not booking.accept_other:
        return {}
    layout = await inventory.layouts.get(booking.venue_id, key)
    seat_ids = layout.ids(mark.mask)
    if set(seat_ids) == set(booking.seat_ids):
        return {}
    showtime = await inventory.current_showtime(booking.showtime_id)
    return {
        "seatIds": seat_ids,
        "layout": {"hallId": layout.key.hall_id, "version": layout.key.version},
        "price": reseated(booking.price, layout, mark.mask, showtime.pricing),
        "seatsChanged": {"from": booking.seat_ids, "to": seat_ids},
    }
