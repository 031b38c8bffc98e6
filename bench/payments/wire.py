"""Connections on which whole answers are read: what a buyer needs of one request for the next."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlencode

from bench.load import END, LENGTH, Address


class Line(asyncio.Protocol):
    """A kept-alive connection with one request under way."""

    def __init__(self) -> None:
        self._rest = b""
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own, which is none by descent

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Raises ConnectionError."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._rest += data
        head = self._rest.find(END)
        if head < 0 or self._answer is None:
            return
        at = self._rest.lower().find(LENGTH, 0, head)
        length = int(self._rest[at + len(LENGTH) : self._rest.index(b"\r", at)]) if at >= 0 else 0
        if len(self._rest) >= head + len(END) + length:
            answer, self._rest = self._rest, b""
            self._answer.set_result((int(answer[9:12]), answer[head + len(END) :]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server hung up"))

    def close(self) -> None:
        self._transport.close()


@asynccontextmanager
async def line_to(address: Address) -> AsyncIterator[Line]:
    _, line = await asyncio.get_running_loop().create_connection(Line, *address)
    try:
        yield line
    finally:
        line.close()


def json_post(path: str, token: str, body: Any) -> bytes:
    return _post(path, "application/json", json.dumps(body).encode(), f"authorization: Bearer {token}\r\n")


def form_post(path: str, **fields: str) -> bytes:
    return _post(path, "application/x-www-form-urlencoded", urlencode(fields).encode(), "")


def _post(path: str, kind: str, body: bytes, more: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\n{more}content-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body
