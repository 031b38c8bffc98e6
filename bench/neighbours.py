"""The two services that inventory asks, as far as benchmarks need them: accounts' keys and venues' layouts."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.halls import layout
from service_kit.clock import SystemClock
from service_kit.ids import new_id
from service_kit.tokens import SigningKey, issue_token

# A hall's id ends with its number of seats.
LAYOUT_PATH = re.compile(r"/api/v1/venue/[^/]+/hall/(?P<hall>[^/]+-(?P<seats>\d+))/layout/1")


@dataclass
class Neighbours:
    url: str = ""
    key: SigningKey = field(default_factory=lambda: SigningKey(Ed25519PrivateKey.generate()))
    _layouts: dict[int, bytes] = field(default_factory=dict)

    @property
    def jwks_url(self) -> str:
        return f"{self.url}/jwks.json"

    def token(self) -> str:
        """Of a user who is new."""
        return issue_token(self.key, subject=new_id(), role="user", ttl=timedelta(hours=12), clock=SystemClock())

    def know(self, seats: int) -> None:
        """Have the layout of so many seats ready to send, so that making it is not measured."""
        if seats not in self._layouts:
            self._layouts[seats] = json.dumps(layout(seats)).encode()

    def answer(self, path: str) -> bytes | None:
        if path == "/jwks.json":
            return json.dumps({"keys": [self.key.jwk]}).encode()
        asked = LAYOUT_PATH.fullmatch(path)
        if asked is None:
            return None
        seats = int(asked["seats"])
        self.know(seats)
        head = json.dumps({"hallId": asked["hall"], "layoutVersion": 1})[:-1].encode()
        return head + b"," + self._layouts[seats][1:]


@asynccontextmanager
async def neighbours() -> AsyncIterator[Neighbours]:
    """Served on a free port of loopback, in this loop."""
    near = Neighbours()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        body = near.answer(request.split(b" ", 2)[1].decode())
        status = b"404 Not Found" if body is None else b"200 OK"
        writer.write(
            b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
            % (status, len(body or b""), body or b"")
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        near.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield near
