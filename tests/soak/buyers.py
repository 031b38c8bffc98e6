"""The buyers of a soak, what each of them has lived through, and what they share."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from service_kit.ids import new_id
from tests.soak.client import Client, Json
from tests.soak.house import Hall, House
from tests.soak.plan import Plan

# They come again and again, and use the code each time.
REGULARS = 8


@dataclass
class Purchase:
    """A booking as its buyer lived it. `heard`: the states he was told, in order, each once until the next one.

    `kept`: what he was told that the venue keeps of what he gave back; None once he gave back without asking.
    """

    booking: str
    buyer: dict[str, str]
    hall: Hall
    amount: int
    held_until: datetime
    ways: set[str] = field(default_factory=set)
    heard: list[str] = field(default_factory=list)
    intent: Json | None = None
    kept: int | None = 0

    def hear(self, status: str) -> None:
        if not self.heard or self.heard[-1] != status:
            self.heard.append(status)


@dataclass
class Shop:
    """What all buyers share; `made` are the bookings so far."""

    house: House
    client: Client
    plan: Plan
    chance: random.Random
    token: Any
    made: list[Purchase] = field(default_factory=list)
    refused: int = 0
    used_up: int = 0
    unanswered: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    regulars: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.regulars = [self.somebody() for _ in range(REGULARS)]

    @property
    def over(self) -> bool:
        return len(self.made) >= self.plan.bookings or time.monotonic() - self.begun > self.plan.most_seconds

    @property
    def api(self) -> str:
        return f"{self.house.stack.url}/api/v1"

    @property
    def gateway(self) -> str:
        return str(self.house.stack.info["sandboxUrl"])

    def somebody(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(new_id())}"}

    async def reached(self, share: float) -> None:
        """Wait until so much of the sale is done."""
        while len(self.made) < share * self.plan.bookings:
            await asyncio.sleep(0.2)


async def look(client: Client, api: str, purchase: Purchase) -> Json:
    """The booking as its buyer sees it."""
    answer = await client.ask("GET", f"{api}/bookings/{purchase.booking}", headers=purchase.buyer)
    assert answer.status_code == 200, answer.text
    booking: Json = answer.json()
    purchase.hear(booking["status"])
    return booking
