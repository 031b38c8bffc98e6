"""MongoDB with one document per showtime that maps each seat's id to its state."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from inventory_service.domain.booking import Booking
from inventory_service.store.booking_document import booking_document
from service_kit.mongo import Database

# Updates of one document get in each other's way in the server: with more than so many at once there are fewer holds.
UNDER_WAY = 32


class MongoMap:
    def __init__(self, database: Database) -> None:
        self._turn = asyncio.Semaphore(UNDER_WAY)
        self._maps = database["peer_map"]
        self._bookings = database["peer_map_bookings"]

    async def prepare(self, houses: Sequence[str], seats: int) -> None:
        # Makes the collection, which the first of many inserts at once would take a second to do.
        await self._bookings.create_index("_id")
        free = {f"s{number}": {"status": "available"} for number in range(seats)}
        for house in houses:
            await self._maps.insert_one({"_id": house, "seats": free})

    async def take(self, house: str, first: int, booking_id: str, until: datetime) -> bool:
        names = [f"seats.s{first}", f"seats.s{first + 1}"]
        found = await self._maps.find_one_and_update(
            {"_id": house, **{f"{name}.status": "available" for name in names}},
            {"$set": {name: {"status": "held", "by": booking_id, "until": until} for name in names}},
            {"_id": 1},
        )
        return found is not None

    async def hold(self, house: str, first: int, booking: Booking) -> bool:
        async with self._turn:
            held = await self.take(house, first, booking.id, booking.held_until)
        if not held:
            return False
        await self._bookings.insert_one(booking_document(booking))
        return True
