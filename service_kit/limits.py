"""Limits on attempts: so many per key and window, counted in MongoDB, so that all processes share the count."""

import hashlib
import ipaddress
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request
from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.write_concern import WriteConcern

from service_kit.clock import Clock
from service_kit.errors import Quota, TooManyRequests


@dataclass(frozen=True)
class Limit:
    """At most `most` attempts per key in each fixed window; `name` is what callers get to see."""

    name: str
    most: int
    window: timedelta


class Limiter:
    """Counts of attempts: `{_id: "<limit>:<hash of key>:<window>", count, expiresAt}`."""

    def __init__(self, collection: AsyncCollection[Any], clock: Clock, *, enabled: bool) -> None:
        # A count lost in a failover does no harm, so it need not wait for the majority's disks.
        self._counts = collection.with_options(write_concern=WriteConcern(w=1))
        self._clock = clock
        self._enabled = enabled

    async def prepare(self) -> None:
        # MongoDB drops counts by itself once their window is over.
        await self._counts.create_index("expiresAt", expireAfterSeconds=0)

    async def spend(self, limit: Limit, key: str) -> None:
        """Count one attempt. Raises TooManyRequests once the window's attempts are spent.

        Counting comes before the attempt, so that many at once can't all slip through.
        """
        if not self._enabled:
            return
        now = self._clock.now()
        name, ends = _slot(limit, key, now)
        counted = await self._counts.find_one_and_update(
            {"_id": name},
            {"$inc": {"count": 1}, "$setOnInsert": {"expiresAt": ends}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        if counted and counted["count"] > limit.most:
            raise TooManyRequests(
                retry_after=max(1, math.ceil((ends - now).total_seconds())),
                quota=Quota(limit.name, limit.most, int(limit.window.total_seconds())),
            )

    async def refund(self, limit: Limit, key: str) -> None:
        """Take back an attempt that should not count, such as a login that succeeded."""
        if self._enabled:
            name, _ = _slot(limit, key, self._clock.now())
            await self._counts.update_one({"_id": name, "count": {"$gt": 0}}, {"$inc": {"count": -1}})


def _slot(limit: Limit, key: str, now: datetime) -> tuple[str, datetime]:
    """The id of the count in the present window, and the window's end. Keys may be personal, so only a hash is kept."""
    seconds = int(limit.window.total_seconds())
    window = int(now.timestamp()) // seconds
    hashed = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{limit.name}:{hashed}:{window}", datetime.fromtimestamp((window + 1) * seconds, UTC)


def caller_address(request: Request) -> str:
    """The caller's address as a limit's key: an IPv6 caller owns a whole /64, so that counts as one."""
    host = request.client.host if request.client else "-"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(ipaddress.ip_network(f"{host}/64", strict=False)) if address.version == 6 else host
