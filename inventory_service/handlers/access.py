"""Who may buy through a channel: admins, services, and who has the access code of one of its blocks."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from inventory_service.domain.access_codes import opens
from inventory_service.domain.seat_map import Block
from inventory_service.handlers.attempts import NotOpenYet
from inventory_service.handlers.context import Inventory
from service_kit.auth import Principal
from service_kit.errors import Forbidden, Invalid
from service_kit.limits import Limit, Limiter

WINDOW = timedelta(minutes=15)
WRONG_CODES_PER_PERSON = Limit("access-codes-per-person", 10, WINDOW)
# Many people may share one address.
WRONG_CODES_PER_ADDRESS = Limit("access-codes-per-address", 50, WINDOW)
# Right codes count too while they are being checked: a crowd with the right one must not use up the attempts.
CHECKED_AT_ONCE = 4


class ChannelRefused(Forbidden):
    """Says the same of a wrong code and of a channel that does not exist."""

    slug, title = "channel-refused", "This channel is not open to you"


class UnknownChannel(Invalid):
    slug, title = "unknown-channel", "This showtime has no such channel"


@dataclass(frozen=True)
class Knock:
    """Somebody at the door of a channel; `address` is where he calls from."""

    showtime_id: str
    channel: str
    access_code: str | None
    caller: Principal
    address: str


@dataclass(frozen=True)
class Access:
    inventory: Inventory
    limiter: Limiter
    _doorkeepers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CHECKED_AT_ONCE))

    async def require(self, knock: Knock) -> None:
        """Raises ChannelRefused, UnknownChannel for admins and services, TooManyRequests, NotFound, NotOpenYet."""
        blocks = await self._blocks(knock)
        if knock.caller.privileged:
            if not blocks:
                raise UnknownChannel(faults=[("/channel", "no block has this channel")])
            return
        if knock.access_code is None:
            raise ChannelRefused
        spent = ((WRONG_CODES_PER_ADDRESS, knock.address), (WRONG_CODES_PER_PERSON, knock.caller.subject))
        async with self._doorkeepers:
            for limit, key in spent:
                await self.limiter.spend(limit, key)
            if not await asyncio.to_thread(opens, knock.access_code, knock.showtime_id, knock.channel, blocks):
                raise ChannelRefused
            for limit, key in spent:
                await self.limiter.refund(limit, key)

    async def _blocks(self, knock: Knock) -> list[Block]:
        """The blocks of the channel."""
        await self.inventory.showtime(knock.showtime_id)
        seen = await self.inventory.seat_maps.outline(knock.showtime_id)
        if seen is None:
            raise NotOpenYet
        return [block for block in seen.blocks if block.channel == knock.channel]
