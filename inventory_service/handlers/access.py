"""Who may buy through a channel: admins, services, and who has the access code of one of its blocks."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from inventory_service.domain.access_codes import opens
from inventory_service.domain.seat_map import Block
from inventory_service.handlers.attempts import NotOpenYet
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.doorkeeper import Doorkeeper
from service_kit.auth import Principal
from service_kit.errors import Forbidden, Invalid
from service_kit.limits import Limit, Limiter

WINDOW = timedelta(minutes=15)
WRONG_CODES_PER_PERSON = Limit("access-codes-per-person", 10, WINDOW)
# Many people may share one address.
WRONG_CODES_PER_ADDRESS = Limit("access-codes-per-address", 50, WINDOW)


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


class Access:
    def __init__(self, inventory: Inventory, limiter: Limiter) -> None:
        self._inventory = inventory
        self._doorkeeper = Doorkeeper(limiter, WRONG_CODES_PER_PERSON, WRONG_CODES_PER_ADDRESS)

    async def require(self, knock: Knock) -> None:
        """Raises ChannelRefused, UnknownChannel for admins and services, TooManyRequests, NotFound, NotOpenYet."""
        blocks = await self._blocks(knock)
        if knock.caller.privileged:
            if not blocks:
                raise UnknownChannel(faults=[("/channel", "no block has this channel")])
            return
        if knock.access_code is None:
            raise ChannelRefused
        is_right = partial(asyncio.to_thread, opens, knock.access_code, knock.showtime_id, knock.channel, blocks)
        if not await self._doorkeeper.admits(knock.caller.subject, knock.address, is_right):
            raise ChannelRefused

    async def _blocks(self, knock: Knock) -> list[Block]:
        """The blocks of the channel."""
        await self._inventory.showtime(knock.showtime_id)
        seen = await self._inventory.seat_maps.outline(knock.showtime_id)
        if seen is None:
            raise NotOpenYet
        return [block for block in seen.blocks if block.channel == knock.channel]
