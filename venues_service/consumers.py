"""Events that the catalogue follows: seat maps that were moved to another layout version."""

from collections.abc import Sequence

from messaging.consumer import Subscription
from messaging.envelope import Event
from messaging.events import SeatMapLayout
from venues_service.handlers.showtimes import ShowtimeHandlers


def subscriptions(showtimes: ShowtimeHandlers) -> Sequence[Subscription]:
    async def seat_map_moved(event: Event[SeatMapLayout]) -> None:
        await showtimes.follow_map(event.data)

    return [Subscription("venues.seatmaps", handlers={"SeatMapMoved": seat_map_moved})]
