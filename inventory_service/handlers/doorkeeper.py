"""Codes that people could guess at: wrong ones are counted, and after too many nobody is let in for a while."""

import asyncio
from collections.abc import Awaitable, Callable

from service_kit.limits import Limit, Limiter

# Right codes count too while they are being checked: a crowd with the right one must not use up the attempts.
CHECKED_AT_ONCE = 4


class Doorkeeper:
    def __init__(self, limiter: Limiter, per_person: Limit, per_address: Limit) -> None:
        self._limiter = limiter
        self._per_person = per_person
        self._per_address = per_address
        self._gate = asyncio.Semaphore(CHECKED_AT_ONCE)

    async def admits(self, subject: str, address: str, is_right: Callable[[], Awaitable[bool]]) -> bool:
        """Whether the code is right. Raises TooManyRequests, for right ones too: else going on would pay."""
        spent = ((self._per_address, address), (self._per_person, subject))
        async with self._gate:
            for limit, key in spent:
                await self._limiter.spend(limit, key)
            if not await is_right():
                return False
            for limit, key in spent:
                await self._limiter.refund(limit, key)
            return True
