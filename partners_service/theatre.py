"""The HTTP adapter: one signed question to a theatre and its signed answer, in bounded time and size, no redirects."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from partners_service.domain.protocol import (
    LARGEST_ANSWER,
    Answer,
    Unusable,
    asked_body,
    changed_body,
    read_answer,
    read_cancellation,
    read_change,
)
from partners_service.domain.requests import Request
from partners_service.domain.signing import (
    REQUEST_ID,
    SIGNATURE,
    BadSignature,
    answer_text,
    request_text,
    sign,
    verify,
)
from partners_service.hosts import HostNotAllowed, Hosts
from service_kit.clock import Clock
from service_kit.pinned import pinned_session
from service_kit.resolving import Resolve, system_resolver


class Unheard(Exception):
    """Nothing that counts came back; `status` where there was an answer at all."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Line:
    """How one theatre is reached for one exchange: `exchange_id` marks it at both ends."""

    url: str
    secrets: Sequence[str]
    timeout_seconds: float
    exchange_id: str


@dataclass(frozen=True, slots=True)
class _Said:
    status: int
    body: bytes


class Theatres:
    def __init__(self, tls: ssl.SSLContext, hosts: Hosts, resolve: Resolve, clock: Clock) -> None:
        self._tls = tls
        self._hosts = hosts
        self._resolve = resolve
        self._clock = clock

    async def ask(self, line: Line, request: Request) -> tuple[int, Answer]:
        """The status and what the theatre says of the seats. Raises Unheard."""
        said = await self._say(line, "PUT", request, asked_body(dict(request.asked)))
        try:
            return said.status, read_answer(said.status, said.body, request.id, request.asked["seatIds"])
        except Unusable as error:
            raise Unheard(str(error), said.status) from error

    async def tell(self, line: Line, request: Request) -> int:
        """Say that the booking is over, or what has become of it: the status once that was heard. Raises Unheard."""
        over = request.cancelling == "due"
        body = b"" if over else changed_body(request.id, request.seat_ids, request.starts_at)
        said = await self._say(line, "DELETE" if over else "PATCH", request, body)
        try:
            (read_cancellation if over else read_change)(said.status, said.body, request.id)
        except Unusable as error:
            raise Unheard(str(error), said.status) from error
        return said.status

    async def _say(self, line: Line, method: str, request: Request, body: bytes) -> _Said:
        try:
            async with asyncio.timeout(line.timeout_seconds):
                return await self._exchange(line, method, f"/bookings/{request.id}", body)
        except TimeoutError as error:
            raise Unheard(f"it did not answer within {line.timeout_seconds:g} s") from error
        except HostNotAllowed as error:
            raise Unheard(error.detail) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unheard(f"it can't be reached: {type(error).__name__}") from error

    async def _exchange(self, line: Line, method: str, path: str, body: bytes) -> _Said:
        place = await self._hosts.find(line.url, path, self._resolve)
        headers = {
            "User-Agent": "Marquee",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            REQUEST_ID: line.exchange_id,
            SIGNATURE: sign(line.secrets, self._seconds(), request_text(method, place.path, line.exchange_id, body)),
        }
        if body:
            headers["Content-Type"] = "application/json"
        url = URL(place.url, encoded=True)  # as it was signed
        async with (
            pinned_session(place.addresses, self._tls) as session,
            session.request(method, url, data=body or None, headers=headers, allow_redirects=False) as answer,
        ):
            status = answer.status
            if status not in {200, 409}:
                raise Unheard(
                    "it redirects, which is not followed" if 300 <= status < 400 else f"it answered {status}", status
                )
            said = await _bounded(answer)
            try:
                text = answer_text(status, place.path, line.exchange_id, said)
                verify(answer.headers.get(SIGNATURE), line.secrets, self._seconds(), text)
            except BadSignature as error:
                raise Unheard(f"its answer is not to be trusted: {error}", status) from error
            return _Said(status, said)

    def _seconds(self) -> int:
        return int(self._clock.now().timestamp())


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise Unheard(f"its answer is larger than {LARGEST_ANSWER} bytes", answer.status)
    return body


@asynccontextmanager
async def open_theatres(hosts: Hosts, clock: Clock) -> AsyncIterator[Theatres]:
    tls = ssl.create_default_context()
    async with system_resolver() as resolve:
        yield Theatres(tls, hosts, resolve, clock)
