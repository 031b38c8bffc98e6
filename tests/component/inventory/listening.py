"""Listening to live seat maps: the service on a real server, a client that reads when asked to, and what it saw."""

import asyncio
import base64
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from inventory_service.config import Settings
from service_kit.runtime import Server
from tests.support import eventually

SMALL_BUFFER = 16_384


@dataclass(frozen=True)
class House:
    """One process of the service, or as good as one."""

    port: int
    client: httpx2.AsyncClient
    app: FastAPI | None = None
    server: Server | None = None
    process: asyncio.subprocess.Process | None = None

    @property
    def unsent(self) -> int:
        """Bytes that the server keeps for clients that don't read."""
        assert self.server is not None
        return sum(link.transport.get_write_buffer_size() for link in self.server.server_state.connections)

    async def compact(self, showtime_id: str) -> Any:
        answer = await self.client.get(f"/api/v1/showtimes/{showtime_id}/inventory", params={"view": "compact"})
        return answer.json()


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[House]:
    """The app on a free port, in this loop."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    # What the kernel takes in is nobody's backlog, so it should be little.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
    port = listening.getsockname()[1]
    server = Server(uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=8))
    server.capture_signals = nullcontext  # type: ignore[assignment]  # the signals are pytest's
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            await eventually(lambda: _started(server))
            yield House(port, client, app, server)
    finally:
        server.should_exit = True
        await task
        listening.close()


async def _started(server: Server) -> bool:
    return server.started


@asynccontextmanager
async def in_own_process(settings: Settings, **environment: str) -> AsyncIterator[House]:
    """`python -m inventory_service api` on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "inventory_service", "api", "--port", str(port)),
        env={**os.environ, **_environment(settings), **environment},
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            await eventually(lambda: _alive(client), seconds=30)
            yield House(port, client, process=process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "MARQUEE_MONGO_URL": settings.mongo_url.get_secret_value(),
        "MARQUEE_TICKET_SECRET": settings.ticket_secret.get_secret_value(),
        "MARQUEE_NAMESPACE": settings.namespace,
        "MARQUEE_JWKS_URL": settings.jwks_address,
        "MARQUEE_VENUES_URL": settings.venues_address,
        "MARQUEE_PAYMENTS_URL": settings.payments_address,
        "MARQUEE_LIMITS": "off",
        "MARQUEE_LOG_LEVEL": "WARNING",
    }


async def _alive(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/livez")).status_code == 200
    except httpx2.TransportError:
        return False


@dataclass(frozen=True)
class Told:
    """One event; heartbeats and the like are those without a name."""

    name: str | None
    id: str | None
    data: Any


@dataclass
class Listener:
    """An EventSource that reads only when asked, and counts the heartbeats that it skips."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: Mapping[str, str]
    heartbeats: int = 0
    _text: str = ""

    async def next(self, seconds: float = 10) -> Told | None:
        """The next event with a name; None when the server has ended the stream, which a cut connection is not."""
        async with asyncio.timeout(seconds):
            while told := await self._block():
                if told.name:
                    return told
                self.heartbeats += told.data is None
        return None

    async def expect(self, name: str, seconds: float = 10) -> Told:
        told = await self.next(seconds)
        assert told is not None
        assert told.name == name, told
        return told

    async def beat(self, seconds: float = 10) -> None:
        """Returns at the next heartbeat, which has to come before any event."""
        async with asyncio.timeout(seconds):
            before = self.heartbeats
            while self.heartbeats == before:
                told = await self._block()
                assert told is not None
                assert told.name is None, told
                self.heartbeats += told.data is None

    async def problem(self) -> Any:
        return json.loads(await self.reader.readexactly(int(self.headers["content-length"])))

    async def _block(self) -> Told | None:
        while "\n\n" not in self._text:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            if not size:
                return None
            self._text += (await self.reader.readexactly(size + 2))[:-2].decode()
        block, _, self._text = self._text.partition("\n\n")
        fields = dict(line.partition(":")[::2] for line in block.split("\n"))
        fields = {name: value.removeprefix(" ") for name, value in fields.items()}
        data = json.loads(fields["data"]) if "data" in fields else fields.get("retry")
        return Told(fields.get("event"), fields.get("id"), data)


def listening(house: House, showtime_id: str, **how: Any) -> AbstractAsyncContextManager[Listener]:
    """A stream of seats."""
    return hearing(house, f"/api/v1/showtimes/{showtime_id}/inventory/stream", **how)


@asynccontextmanager
async def hearing(
    house: House, path: str, *, buffer: int | None = None, last_seen: str | None = None, token: str | None = None
) -> AsyncIterator[Listener]:
    """A stream whose head has come; `buffer` bounds what the kernel takes in ahead of the reader."""
    link = socket.socket()
    link.setblocking(False)
    if buffer:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    await asyncio.get_running_loop().sock_connect(link, ("127.0.0.1", house.port))
    reader, writer = await asyncio.open_connection(sock=link, limit=buffer or 65_536)
    lines = f"Last-Event-ID: {last_seen}\r\n" if last_seen else ""
    lines += f"Authorization: Bearer {token}\r\n" if token else ""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: marquee.test\r\n{lines}\r\n".encode())
    try:
        async with asyncio.timeout(30):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        answered = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        yield Listener(reader, writer, int(head[0].split()[1]), answered)
    finally:
        writer.transport.abort()


@dataclass
class Picture:
    """What somebody who listens believes of the seats."""

    version: int = 0
    held: set[int] = field(default_factory=set)
    booked: set[int] = field(default_factory=set)
    blocked: set[int] = field(default_factory=set)

    def see(self, told: Told) -> None:
        data = told.data
        match told.name:
            case "snapshot":
                self.held, self.booked = unpacked(data["held"]), unpacked(data["booked"])
                self.blocked = unpacked(data.get("blocked", ""))
            case "change":
                assert data["version"] > self.version
                for seats, name in ((self.held, "held"), (self.booked, "booked"), (self.blocked, "blocked")):
                    seats.difference_update(data["held"], data["booked"], data["freed"], data["blocked"])
                    seats.update(data[name])
            case _:
                return
        assert told.id == str(data["version"])
        self.version = data["version"]

    async def until(self, listener: Listener, version: int) -> list[Told]:
        """Listen until this version is reached; returns what was told."""
        heard = []
        while self.version < version:
            told = await listener.next()
            assert told is not None
            heard.append(told)
            self.see(told)
        return heard

    async def agrees_with(self, house: House, showtime_id: str) -> bool:
        """Whether this is what the service itself shows."""
        seen = await house.compact(showtime_id)
        sets = [unpacked(seen.get(name, "")) for name in ("held", "booked", "blocked")]
        return self == Picture(seen["version"], *sets)


def unpacked(packed: str) -> set[int]:
    mask = int.from_bytes(base64.b64decode(packed), "little")
    return {position for position in range(mask.bit_length()) if mask >> position & 1}
