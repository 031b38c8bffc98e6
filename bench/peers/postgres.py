"""PostgreSQL with a row per seat: one statement, hence one transaction, holds both seats and writes the booking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from pydantic_core import to_json

from inventory_service.domain.booking import Booking
from inventory_service.store.booking_document import booking_document

# The best of 8 to 64: with more of them more share a flush of the log, with fewer there is less switching to and fro.
CONNECTIONS = 48

SCHEMA = """
CREATE TABLE IF NOT EXISTS seats (
    house uuid, seat int, booking uuid, held_until timestamptz NOT NULL DEFAULT '-infinity', PRIMARY KEY (house, seat)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS bookings (id uuid PRIMARY KEY, document jsonb NOT NULL);
"""

# The table is half empty at first, so that a row's new version finds room beside the old one.
OPEN = """
INSERT INTO seats (house, seat) SELECT house, seat FROM unnest($1::uuid[]) house, generate_series(0, $2::int - 1) seat
"""

# A seat that somebody else is about to take is skipped rather than waited for.
HOLD = """
WITH free AS (
    SELECT seat FROM seats WHERE house = $1 AND seat IN ($2, $2 + 1) AND held_until < now() FOR UPDATE SKIP LOCKED
), held AS (
    UPDATE seats SET booking = $3, held_until = $4
    WHERE house = $1 AND seat IN ($2, $2 + 1) AND (SELECT count(*) FROM free) = 2
    RETURNING seat
)
INSERT INTO bookings SELECT $3, $5 WHERE EXISTS (SELECT FROM held) RETURNING 1
"""


class Postgres:
    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def prepare(self, houses: Sequence[str], seats: int) -> None:
        await self._pool.execute(SCHEMA)
        await self._pool.execute(OPEN, houses, seats)
        await self._pool.execute("VACUUM (ANALYZE) seats")

    async def hold(self, house: str, first: int, booking: Booking) -> bool:
        document = to_json(booking_document(booking)).decode()
        held = await self._pool.fetchval(HOLD, house, first, booking.id, booking.held_until, document)
        return held is not None


@asynccontextmanager
async def open_postgres(url: str) -> AsyncIterator[Postgres]:
    # The driver keeps each statement prepared on its connection.
    async with asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS, reset=_leave) as pool:
        yield Postgres(pool)


async def _leave(connection: Any) -> None:
    """Nothing is left on a connection that would have to be reset: a round trip less for each hold."""
