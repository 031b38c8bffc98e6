"""A small HTTP/1.1 client: what makes the load must cost a fraction of what serves it."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

# The server closes what was idle for 5 s; a request sent at that moment would be lost for no good reason.
IDLE_SECONDS = 3.0
# A server that takes so long is given up on, and the request counts as lost.
PATIENCE_SECONDS = 30.0
AFTER_A_REFUSED_CONNECTION = 0.1
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
WITHOUT_BODY = frozenset({204, 304})


class Lost(Exception):
    """The connection ended before the answer came: nobody knows what became of the request."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    head: bytes
    body: bytes

    def header(self, name: bytes) -> bytes:
        """The value of a header, named in small letters; empty where it is not there."""
        _, found, rest = self.head.partition(b"\r\n" + name + b": ")
        return rest.partition(b"\r\n")[0] if found else b""


class Wire(asyncio.Protocol):
    """A kept connection with at most one request on it."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._waiting: asyncio.Future[Reply] | None = None
        self._transport: asyncio.Transport | None = None
        self._used = time.monotonic()
        self.open = True

    @property
    def fresh(self) -> bool:
        return self.open and time.monotonic() - self._used < IDLE_SECONDS

    async def call(self, request: bytes) -> Reply:
        """Raises Lost."""
        if not self.open or self._transport is None:
            raise Lost
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        reply = await self._waiting
        self._used = time.monotonic()
        return reply

    def cut(self) -> None:
        """Leave without waiting for the answer."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one, but does not say so

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Lost())

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(HEAD_END)
        if end < 0:
            return
        head = bytes(self._received[: end + 2])
        status = int(head[9:12])
        start = end + len(HEAD_END)
        whole = start + (0 if status in WITHOUT_BODY else _length(head))
        if len(self._received) >= whole and self._waiting is not None and not self._waiting.done():
            body = bytes(self._received[start:whole])
            self._received.clear()
            self._waiting.set_result(Reply(status, head, body))


def _length(head: bytes) -> int:
    at = head.index(LENGTH) + len(LENGTH)
    return int(head[at : head.index(b"\r", at)])


class Doors:
    """One client's connections to all processes of the service. Each request takes a door at random."""

    def __init__(self, ports: Sequence[int], chance: random.Random) -> None:
        self._ports = ports
        self._chance = chance
        self._wires: dict[int, Wire] = {}

    async def call(self, request: bytes, *, cut_after: float | None = None) -> Reply:
        """Send by a process that takes connections; one that is away was never asked. Raises Lost."""
        wire = await self._wire()
        loop = asyncio.get_running_loop()
        leaving = loop.call_later(PATIENCE_SECONDS if cut_after is None else cut_after, wire.cut)
        try:
            return await wire.call(request)
        finally:
            leaving.cancel()

    async def _wire(self) -> Wire:
        while True:
            port = self._chance.choice(self._ports)
            wire = self._wires.get(port)
            if wire is not None and wire.fresh:
                return wire
            if wire is not None:
                wire.cut()
            try:
                _, made = await asyncio.get_running_loop().create_connection(Wire, "127.0.0.1", port)
            except OSError:
                self._wires.pop(port, None)
                await asyncio.sleep(AFTER_A_REFUSED_CONNECTION)
                continue
            self._wires[port] = made
            return made

    def close(self) -> None:
        for wire in self._wires.values():
            wire.cut()
