"""A TCP connection that can be cut, or slow: stands between a client and an engine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class Cable:
    """`url` leads to the same engine, through here."""

    def __init__(self, url: str) -> None:
        self._engine = urlsplit(url)
        self._ends: set[asyncio.StreamWriter] = set()
        self.url = url
        self.connections = 0
        # So long each answer is under way.
        self.delay = 0.0
        self._broken = False

    def plug(self, port: int) -> None:
        user, at, _ = self._engine.netloc.rpartition("@")
        self.url = urlunsplit(self._engine._replace(netloc=f"{user}{at}127.0.0.1:{port}"))

    def cut(self) -> None:
        """Every connection is lost; new ones can be made at once."""
        for end in self._ends:
            end.transport.abort()

    def sever(self) -> None:
        """Every connection is lost, and none can be made until it is mended."""
        self._broken = True
        self.cut()

    def mend(self) -> None:
        self._broken = False

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._broken:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection(self._engine.hostname, self._engine.port)
        ends = {writer, back}
        self._ends |= ends
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer, self))
        finally:
            self._ends -= ends


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, slow: Cable | None = None) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            if slow:
                await asyncio.sleep(slow.delay)
            sink.write(data)
            await sink.drain()
    sink.close()
    with suppress(OSError):
        await sink.wait_closed()


@asynccontextmanager
async def cable_to(url: str) -> AsyncIterator[Cable]:
    cable = Cable(url)
    server = await asyncio.start_server(cable.connected, "127.0.0.1", 0)
    async with server:
        cable.plug(server.sockets[0].getsockname()[1])
        try:
            yield cable
        finally:
            cable.cut()
