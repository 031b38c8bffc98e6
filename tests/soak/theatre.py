"""The partner theatre of a soak: it refuses, fails, loses answers, is silent for a while; and what its books say."""

import asyncio
import math
import time
from contextlib import suppress

from tests.soak import plan as shares
from tests.soak.buyers import Shop
from tests.soak.client import Client, Json
from tests.soak.house import House


async def be_faulty(house: House, shop: Shop) -> None:
    """For ever. A theatre that starts again forgets its faults: they are set every second."""
    for share in (*shares.SILENCES, math.inf):
        while len(shop.made) < share * shop.plan.bookings:
            await _dial(house, shares.THEATRE_DIAL)
        end = time.monotonic() + shop.plan.answer_seconds + 3
        while time.monotonic() < end:
            await _dial(house, shares.SILENT_DIAL)


async def _dial(house: House, dial: Json) -> None:
    with suppress(OSError):
        await house.client.ask("POST", f"{house.stack.info['partnerUrl']}/sandbox/faults", json=dial)
    await asyncio.sleep(1)


async def known(client: Client, house: House, booking: str) -> Json | None:
    """What the theatre knows of a booking."""
    answer = await client.ask("GET", f"{house.stack.info['partnerUrl']}/sandbox/bookings/{booking}")
    return answer.json() if answer.status_code == 200 else None
