"""What tests of every service need: tokens with their published key, an app over HTTP, waiting for a condition."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from service_kit.clock import SystemClock
from service_kit.ids import new_id
from service_kit.tokens import Role, SigningKey, issue_token

T = TypeVar("T")


class TokenMint:
    """Issues tokens that verify against the key set served at `jwks_url`."""

    def __init__(self, jwks_url: str, key: SigningKey) -> None:
        self.jwks_url = jwks_url
        self.key = key

    def token(self, role: Role, subject: str | None = None, ttl: timedelta = timedelta(hours=1)) -> str:
        return issue_token(self.key, subject=subject or new_id(), role=role, ttl=ttl, clock=SystemClock())

    def headers(self, role: Role, subject: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(role, subject)}"}


@asynccontextmanager
async def token_mint() -> AsyncIterator[TokenMint]:
    """A fresh signing key whose public half is served on loopback, as the accounts service does."""
    key = SigningKey(Ed25519PrivateKey.generate())
    body = json.dumps({"keys": [key.jwk]}).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield TokenMint(f"http://127.0.0.1:{port}/jwks.json", key)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """The app with its lifespan entered, and a client that talks to it in process."""
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://marquee.test", timeout=30) as client:
            yield client


async def eventually(
    probe: Callable[[], Awaitable[T]], *, until: Callable[[T], Any] = bool, seconds: float = 15, pause: float = 0.05
) -> T:
    """Call `probe` until its answer satisfies `until`; fail with the last answer when time runs out."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        answer = await probe()
        if until(answer):
            return answer
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not so within {seconds} s; the last answer was {answer!r}")
        await asyncio.sleep(pause)
