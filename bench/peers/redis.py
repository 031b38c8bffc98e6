"""Redis with a bit per seat: one script, run as a whole, holds both seats and writes the booking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pydantic_core import to_json
from redis.asyncio import ConnectionPool, Redis

from inventory_service.domain.booking import Booking
from inventory_service.store.booking_document import booking_document

# One for each request under way. Sharing fewer was slower, and so was the newer protocol.
CONNECTIONS = 1_000
PROTOCOL = 2

HOLD = """
local pair = ARGV[1]
if redis.call('BITFIELD_RO', KEYS[1], 'GET', 'u2', pair)[1] ~= 0 then
    return 0
end
redis.call('BITFIELD', KEYS[1], 'SET', 'u2', pair, 3)
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[3])
redis.call('HSET', KEYS[3], 'status', 'pending', 'heldUntil', ARGV[2], 'document', ARGV[4])
return 1
"""


class RedisPeer:
    def __init__(self, client: Any, script: str) -> None:
        self._client = client
        self._script = script

    async def prepare(self, houses: Sequence[str], seats: int) -> None:
        """Nothing: a bit that was never set is clear."""

    async def hold(self, house: str, first: int, booking: Booking) -> bool:
        keys = (f"seats:{house}", f"holds:{house}", f"booking:{booking.id}")
        until = int(booking.held_until.timestamp())
        document = to_json(booking_document(booking))
        return bool(await self._client.evalsha(self._script, 3, *keys, first, until, booking.id, document))


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[RedisPeer]:
    pool = ConnectionPool.from_url(url, max_connections=CONNECTIONS, protocol=PROTOCOL)
    async with Redis.from_pool(pool) as client:
        yield RedisPeer(client, await client.script_load(HOLD))
