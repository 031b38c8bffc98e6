"""The buyers' banks of a soak: what the house answers to their disputes, and what they took."""

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress

from tests.soak import plan as shares
from tests.soak.client import Client, Json
from tests.soak.listing import listed
from tests.soak.plan import drawn

OPEN = {"needs_response", "warning_needs_response"}
DECIDING = {"under_review", "warning_under_review"}


async def answer_disputes(client: Client, gateway: str, chance: random.Random) -> None:
    """For ever: each is answered a while after it arose."""
    while True:
        with suppress(OSError):
            await answer_some(client, gateway, chance)
        await asyncio.sleep(3)


async def answer_some(client: Client, gateway: str, chance: random.Random) -> int:
    """Give evidence wherever it is wanted; how many disputes are not over."""
    left = [each async for each in listed(client, gateway, "disputes") if each["status"] in OPEN | DECIDING]
    for dispute in left:
        if dispute["status"] in OPEN:
            text = drawn(chance, shares.EVIDENCE)
            if dispute["status"] == "needs_response" and text == "escalate_inquiry_evidence":
                text = "losing_evidence"
            data = {"evidence[uncategorized_text]": text}
            await client.ask("POST", f"{gateway}/v1/disputes/{dispute['id']}", data=data)
    return len(left)


def taken_by_banks(disputes: Iterable[Json]) -> dict[str, int]:
    """By intent, what banks have taken and not given back."""
    found: dict[str, int] = {}
    for dispute in disputes:
        moved = -sum(each["amount"] for each in dispute["balance_transactions"])
        found[dispute["payment_intent"]] = found.get(dispute["payment_intent"], 0) + moved
    return found
