"""MongoDB with the product's own representation, bits in blocks and live holds beside, but one update per request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bson.int64 import Int64

from bench.peers.document import document_of
from inventory_service.domain.bits import WORD, word_count
from inventory_service.domain.booking import Booking
from service_kit.mongo import Database


class MongoBits:
    def __init__(self, database: Database) -> None:
        self._maps = database["peer_bits"]
        self._bookings = database["peer_bits_bookings"]

    async def prepare(self, houses: Sequence[str], seats: int) -> None:
        taken = [Int64(0)] * word_count(seats)
        await self._maps.insert_many([{"_id": house, "taken": taken, "holds": {}} for house in houses])

    async def take(self, house: str, first: int, booking_id: str, until: datetime) -> bool:
        block, bit = divmod(first, WORD)
        mask = Int64(3 << bit)
        found = await self._maps.find_one_and_update(
            {"_id": house, f"taken.{block}": {"$bitsAllClear": [bit, bit + 1]}},
            {
                "$bit": {f"taken.{block}": {"or": mask}},
                "$set": {f"holds.{booking_id}": {"until": until, "seats": {str(block): mask}}},
            },
            {"_id": 1},
        )
        return found is not None

    async def hold(self, house: str, first: int, booking: Booking) -> bool:
        if not await self.take(house, first, booking.id, booking.held_until):
            return False
        await self._bookings.insert_one({"_id": booking.id, **document_of(booking)})
        return True
