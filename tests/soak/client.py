"""A client that does not give up: processes die under it, so a request is repeated until somebody answers it."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

import httpx2

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
Json = dict[str, Any]


class Unanswered(Exception):
    """Nobody answered for too long."""


class Client:
    """Everything that is sent can be repeated without harm; `statuses` counts all answers by server and status."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        limits = httpx2.Limits(max_connections=400, max_keepalive_connections=100, keepalive_expiry=3)
        self._http = httpx2.AsyncClient(timeout=20, limits=limits)
        self.statuses: Counter[str] = Counter()
        self.lost = 0

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def ask(self, method: str, url: str, **arguments: Any) -> httpx2.Response:
        """The first answer that says what became of it. Raises Unanswered."""
        pause, deadline = FIRST_PAUSE, time.monotonic() + self._patience
        while time.monotonic() < deadline:
            try:
                answer = await self._http.request(method, url, **arguments)
            except httpx2.HTTPError:
                self.lost += 1
            else:
                self.statuses[
                    f"{'gateway' if '/v1/' in url.replace('/api/v1/', '') else 'api'} {answer.status_code}"
                ] += 1
                if answer.status_code < 500 and not _in_progress(answer):
                    return answer
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)
        raise Unanswered(f"{method} {url}")

    async def listen(self, url: str, headers: dict[str, str], until: float) -> AsyncGenerator[Json, None]:
        """The data of each `status` event of a stream, until it ends or breaks, or the first line after that moment.

        Not by a timeout from outside: a cancellation may be swallowed.
        """
        try:
            async with self._http.stream("GET", url, headers=headers) as answer:
                if answer.status_code != 200:
                    return
                event = ""
                async for line in answer.aiter_lines():
                    if time.monotonic() > until:
                        return
                    name, _, value = line.partition(": ")
                    if name == "event":
                        event = value
                    elif name == "data" and event == "status":
                        yield json.loads(value)
        except httpx2.HTTPError:
            self.lost += 1


def _in_progress(answer: httpx2.Response) -> bool:
    return answer.status_code == 409 and b"request-in-progress" in answer.content
