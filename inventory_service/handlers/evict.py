"""Evicting holds that ran out: their seats are free, and their bookings are told.

Such seats are claimable at once by whoever wants them; evicting only makes that visible in the map.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from inventory_service.domain.seat_map import SHORTEST_HOLD, Hold, SeatMap
from inventory_service.store.seat_map_document import MARK_CHECKED_AFTER
from inventory_service.store.seat_maps import SeatMaps

HOLDS_AN_UPDATE = 200

TellExpired = Callable[[Sequence[Hold]], Awaitable[None]]


async def evict(seat_maps: SeatMaps, seat_map: SeatMap, now: datetime, tell_expired: TellExpired) -> None:
    """Free the seats of all holds of this reading that have run out, and note when the next one will.

    A hold that has changed since is left as it is.
    """
    expired = seat_map.expired_holds(now)
    for start in range(0, len(expired), HOLDS_AN_UPDATE):
        some = expired[start : start + HOLDS_AN_UPDATE]
        if await seat_maps.release(seat_map.showtime_id, seat_map.layout, some, now):
            await tell_expired(some)
    fresh = await seat_maps.get(seat_map.showtime_id)
    if fresh:
        dates = [hold.until or now + MARK_CHECKED_AFTER for hold in fresh.holds.values()]
        await seat_maps.set_next_expiry(fresh, min(dates, default=None), now + SHORTEST_HOLD)
