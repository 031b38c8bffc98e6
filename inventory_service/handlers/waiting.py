"""Bookings as they change, for their buyers who wait for the payment to be heard of.

Payments are heard of by other processes, so what is told comes from the database: one question a round for the versions
of all bookings that somebody here waits for, one more for those that have moved.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from inventory_service.domain.booking import Booking
from inventory_service.handlers.channel import THE_END
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.listener import Listener
from inventory_service.handlers.places import Places
from service_kit.tasks import background, every

ROUND_SECONDS = 0.25

Encode = Callable[[Booking, bool], bytes]


class Wait(Listener):
    """One client's: how the booking is, and up to which version he knows it."""

    def __init__(self, booking: Booking, last_seen: str | None, encode: Encode) -> None:
        super().__init__()
        self.booking = booking
        self._told = last_seen
        self._encode = encode

    def tell(self, booking: Booking) -> None:
        if booking.version > self.booking.version:
            self.booking = booking
            self.wake()

    def _events(self) -> bytes:
        version = str(self.booking.version)
        if version == self._told and not self.booking.settled:
            return b""
        self._told = version
        self.ended = self.booking.settled
        return self._encode(self.booking, self.ended)


class Waiting:
    """All who wait in one process, by booking."""

    def __init__(self, inventory: Inventory, places: Places, encode: Encode) -> None:
        self._inventory = inventory
        self._places = places
        self._encode = encode
        self._waits: defaultdict[str, set[Wait]] = defaultdict(set)
        self._stopping = False

    @asynccontextmanager
    async def watching(self, booking: Booking, address: str, last_seen: str | None) -> AsyncIterator[Wait | None]:
        """None for who saw the end already (`last_seen` is the id of his last event).

        Raises TooManyStreams, TooManyRequests.
        """
        if last_seen == THE_END and booking.settled:
            yield None
            return
        with self._places.take(address):
            wait = Wait(booking, last_seen, self._encode)
            wait.ended = self._stopping
            self._waits[booking.id].add(wait)
            try:
                yield wait
            finally:
                self._waits[booking.id].discard(wait)
                if not self._waits[booking.id]:
                    del self._waits[booking.id]

    def stop(self) -> None:
        """End all streams now, and those that are still being opened."""
        self._stopping = True
        for waits in self._waits.values():
            for wait in waits:
                wait.end()

    async def round(self) -> None:
        """Tell what has changed since the last round."""
        if not self._waits:
            return
        known = {id_: min(wait.booking.version for wait in waits) for id_, waits in self._waits.items()}
        versions = await self._inventory.bookings.versions(list(known))
        moved = [id_ for id_, version in versions.items() if version > known[id_]]
        for booking in await self._inventory.bookings.some(moved) if moved else []:
            for wait in self._waits.get(booking.id, ()):
                wait.tell(booking)


@asynccontextmanager
async def open_waiting(inventory: Inventory, places: Places, encode: Encode) -> AsyncIterator[Waiting]:
    """Bookings told to who waits for them, while entered."""
    waiting = Waiting(inventory, places, encode)
    async with background("waiting", partial(every, ROUND_SECONDS, waiting.round)):
        try:
            yield waiting
        finally:
            waiting.stop()
