"""Sends one request to a URL that a stranger chose.

The host is resolved here, every address is checked, and the connection goes to one of those very addresses. No redirect
is followed, and of an answer only the beginning is read.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from service_kit.pinned import pinned_session
from service_kit.public_addresses import Address
from service_kit.resolving import Resolve
from webhooks_service.domain.targets import Rules, Target, TargetRefused, parse_address

# Until the answer's headers are there, and after that for the beginning of its body.
ANSWER_SECONDS = 10.0
BODY_SECONDS = 3.0
MOST_READ = 64 * 1024
RESOLVE_SECONDS = 5.0
LONGEST_ERROR = 300


class NotSent(Exception):
    """There was no answer; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    retry_after: str | None


class Sender:
    def __init__(self, rules: Rules, resolve: Resolve, tls: ssl.SSLContext) -> None:
        self._rules = rules
        self._resolve = resolve
        self._tls = tls

    async def check(self, url: str) -> Target:
        """The URL as it will be sent to. Raises TargetRefused."""
        target, _ = await self._find(url)
        return target

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises TargetRefused, NotSent."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS) as patience:
                target, addresses = await self._find(url)
                async with (
                    pinned_session(addresses, self._tls) as session,
                    session.post(
                        URL(target.url, encoded=True), data=body, headers=headers, allow_redirects=False
                    ) as response,
                ):
                    patience.reschedule(None)
                    beginning = await _beginning(response.content)
                    response.close()
                    return Answer(response.status, beginning, response.headers.get("Retry-After"))
        except TimeoutError as error:
            raise NotSent(f"No answer within {ANSWER_SECONDS:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotSent(_storable(f"{type(error).__name__}: {error}")) from error

    async def _find(self, url: str) -> tuple[Target, list[Address]]:
        """Raises TargetRefused."""
        target = self._rules.read(url)
        addresses = [target.address] if target.address else await self._addresses(target.host)
        self._rules.check(target, addresses)
        return target, addresses

    async def _addresses(self, host: str) -> list[Address]:
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                return [parse_address(text) for text in await self._resolve(host)]
        except (OSError, UnicodeError) as error:
            raise TargetRefused("The host can't be resolved") from error


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """The first bytes of a body. That it ends badly or never doesn't matter: the status was the answer."""
    read = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while len(read) < MOST_READ and (chunk := await content.read(MOST_READ - len(read))):
                read += chunk
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass
    return bytes(read)


def _storable(text: str) -> str:
    """What a receiver sent may be part of an error, and need not be text."""
    return text[:LONGEST_ERROR].encode("utf-8", "replace").decode()
