"""MongoDB with the product's own representation, bits in words and live holds beside, but one update per request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bson.int64 import Int64

from inventory_service.domain.booking import Booking
from inventory_service.store.booking_document import booking_document
from service_kit.mongo import Database

# Of 64 bits only half are used, so that none is the sign.
WORD = 32


class MongoBits:
    def __init__(self, database: Database) -> None:
        self._maps = database["peer_bits"]
        self._bookings = database["peer_bits_bookings"]

    async def prepare(self, houses: Sequence[str], seats: int) -> None:
        # Makes the collection, which the first of many inserts at once would take a second to do.
        await self._bookings.create_index("_id")
        taken = [Int64(0)] * -(-seats // WORD)
        await self._maps.insert_many([{"_id": house, "taken": taken, "holds": {}} for house in houses])

    async def take(self, house: str, first: int, booking_id: str, until: datetime) -> bool:
        word, bit = divmod(first, WORD)
        mask = Int64(3 << bit)
        found = await self._maps.find_one_and_update(
            {"_id": house, f"taken.{word}": {"$bitsAllClear": [bit, bit + 1]}},
            {
                "$bit": {f"taken.{word}": {"or": mask}},
                "$set": {f"holds.{booking_id}": {"until": until, "seats": {str(word): mask}}},
            },
            {"_id": 1},
        )
        return found is not None

    async def hold(self, house: str, first: int, booking: Booking) -> bool:
        if not await self.take(house, first, booking.id, booking.held_until):
            return False
        await self._bookings.insert_one(booking_document(booking))
        return True
