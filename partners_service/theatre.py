"""The HTTP adapter: one signed question to a theatre and its signed answer, in bounded time and size.

There are no redirects, and no connection is used twice: it was made to an address that was looked up for one call.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

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
    def __init__(self, client: httpx2.AsyncClient, hosts: Hosts, resolve: Resolve, clock: Clock) -> None:
        self._client = client
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
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ssl.SSLError) as error:
            raise Unheard(f"it can't be reached: {type(error).__name__}") from error

    async def _exchange(self, line: Line, method: str, path: str, body: bytes) -> _Said:
        place = await self._hosts.find(line.url, path, self._resolve)
        headers = {
            "Host": place.authority,
            "User-Agent": "Marquee",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            REQUEST_ID: line.exchange_id,
            SIGNATURE: sign(line.secrets, self._seconds(), request_text(method, place.path, line.exchange_id, body)),
        }
        if body:
            headers["Content-Type"] = "application/json"
        async with self._client.stream(
            method,
            place.url,
            content=body,
            headers=headers,
            timeout=line.timeout_seconds,
            extensions={"sni_hostname": place.host},
        ) as answer:
            status = answer.status_code
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


async def _bounded(answer: httpx2.Response) -> bytes:
    body = b""
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise Unheard(f"its answer is larger than {LARGEST_ANSWER} bytes", answer.status_code)
    return body


@asynccontextmanager
async def open_theatres(hosts: Hosts, clock: Clock) -> AsyncIterator[Theatres]:
    limits = httpx2.Limits(max_keepalive_connections=0)
    # Nothing of the environment, such as a proxy, may lead a call to where it was not looked up.
    # No cookie is kept: theatres behind one address would get each other's.
    cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    async with (
        httpx2.AsyncClient(follow_redirects=False, trust_env=False, limits=limits, cookies=cookies) as client,
        system_resolver() as resolve,
    ):
        yield Theatres(client, hosts, resolve, clock)
