"""The organiser of a soak: a server of his that is told of all by webhooks, and sometimes answers 500 at first."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from zlib import crc32

from tests.servers.receiver import Receiver, answering, receiving
from tests.soak.client import Client
from tests.soak.house import House

PATH = "/told"
# Of so many events he refuses one, until it is repeated.
REFUSES_ONE_IN = 100


class Organiser:
    """`told`: by booking or showtime the types of events that reached him."""

    def __init__(self, receiver: Receiver, secret: str) -> None:
        self._receiver = receiver
        self._secret = secret

    @property
    def requests(self) -> int:
        return len(self._receiver.of(PATH))

    def told(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for request in self._receiver.of(PATH):
            event = json.loads(request.body)
            about = event["data"].get("bookingId") or event["data"]["showtimeId"]
            found[about].add(event["type"])
        return found

    def forged(self) -> int:
        """How many were not signed by his secret."""
        return sum(not request.signed_by(self._secret) for request in self._receiver.of(PATH))


@asynccontextmanager
async def open_organiser(house: House, client: Client) -> AsyncIterator[Organiser]:
    async with receiving() as receiver:
        refused: set[str] = set()

        async def answer(writer: asyncio.StreamWriter) -> None:
            id_ = receiver.received[-1].event_id
            if crc32(id_.encode()) % REFUSES_ONE_IN == 0 and id_ not in refused:
                refused.add(id_)
                await answering(500)(writer)
            else:
                await answering(204)(writer)

        receiver.behaviours[PATH] = answer
        body = {"url": f"{receiver.url}{PATH}", "eventTypes": ["*"]}
        url = f"{house.stack.url}/api/v1/webhook-endpoints"
        made = await client.ask("POST", url, json=body, headers=house.stack.admin)
        assert made.status_code == 201, made.text
        yield Organiser(receiver, made.json()["secret"])
