"""Other ways to hold two seats, each in its best form: one request, one update.

Who holds seats gets a booking, written as durably as the hold. `Peer.prepare` is called by whoever opens houses,
`Peer.hold` by the process that serves; the two share nothing but the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from inventory_service.domain.booking import Booking


class Peer(Protocol):
    async def prepare(self, houses: Sequence[str], seats: int) -> None:
        """Open houses of so many seats, all free."""
        ...

    async def hold(self, house: str, first: int, booking: Booking) -> bool:
        """Hold the seats at `first` and `first + 1` and write the booking, if both are free."""
        ...
