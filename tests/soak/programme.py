"""What the house does to its programme while it sells: showtimes are called off and moved."""

import asyncio
import random

from tests.soak import plan as shares
from tests.soak.buyers import Purchase, Shop
from tests.soak.client import Unanswered
from tests.soak.house import Hall, House
from tests.soak.plan import drawn
from tests.soak.returns import choose

CHOOSING_AT_ONCE = 10


async def change_programme(house: House, shop: Shop) -> None:
    """One of each kind is called off, and one of the venue that keeps a part and one of the theatre's is moved."""
    off = [house.of(kind)[0] for kind in ("open", "partner", "keeping") if house.of(kind)]
    moved = [house.of(kind)[-1] for kind in ("keeping", "partner") if house.of(kind)]
    steps = [*zip(shares.CALLED_OFF, off, strict=False), *zip(shares.MOVES, moved, strict=False)]
    async with asyncio.TaskGroup() as choosing:
        for share, hall in sorted(steps, key=lambda step: step[0]):
            await shop.reached(share)
            if hall in off:
                await house.call_off(hall)
            else:
                await _move(house, shop, hall, choosing)


async def _move(house: House, shop: Shop, hall: Hall, choosing: asyncio.TaskGroup) -> None:
    bought = [each for each in shop.made if each.hall is hall and each.heard[-1:] == ["confirmed"]]
    hall.told = {each.booking for each in bought}
    await house.move(hall)
    free, chance = asyncio.Semaphore(CHOOSING_AT_ONCE), random.Random(shop.chance.random())
    for purchase in bought:
        choosing.create_task(_choose(shop, purchase, drawn(chance, shares.MOVED), free))


async def _choose(shop: Shop, purchase: Purchase, choice: str, free: asyncio.Semaphore) -> None:
    async with free:
        try:
            await choose(shop.client, shop.api, purchase, choice)
        except Unanswered as fault:
            shop.unanswered.append(str(fault))
