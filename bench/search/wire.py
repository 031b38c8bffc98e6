"""One connection, one request after another: what a client without any comfort has to wait."""

from __future__ import annotations

import base64
import http.client
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Generic, TypeVar
from urllib.parse import unquote, urlsplit

from bench.figures import Figures, Meter, spent
from bench.race import WARM_SECONDS

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes = b""
    content_type: str = ""


class Wire:
    """A kept-alive connection. `url` may have name and password."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._headers: dict[str, str] = {}
        if parts.username:
            named = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(named.encode()).decode()}"

    def ask(self, request: Request) -> bytes:
        """The body of the answer. Raises RuntimeError where it is no 200."""
        headers = self._headers | ({"Content-Type": request.content_type} if request.body else {})
        self._connection.request(request.method, request.path, request.body or None, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{request.path} was answered {answer.status}: {content[:500]!r}")
        return content

    def close(self) -> None:
        self._connection.close()


def in_turn(url: str, asks: Sequence[Sequence[Request]], seconds: float, meter: Meter) -> Figures:
    """Each ask is all of its requests, one after another."""
    wire = Wire(url)

    def ask(requests: Sequence[Request]) -> None:
        for request in requests:
            wire.ask(request)

    try:
        return one_by_one([partial(ask, requests) for requests in asks], seconds, meter)
    finally:
        wire.close()


def one_by_one(asks: Sequence[Callable[[], object]], seconds: float, meter: Meter) -> Figures:
    """All in turn, again and again; every one is warmed up once, or for as long as warming up takes at most."""
    clock = time.perf_counter
    warm = clock() + WARM_SECONDS
    for ask in asks:
        ask()
        if clock() > warm:
            break
    laps = Laps(asks, seconds, meter)
    for ask in laps:
        ask()
    return laps.figures()


class Laps(Generic[T]):
    """All asks in turn, again and again for `seconds`; each lasts from when it is given until the next is wanted."""

    def __init__(self, asks: Sequence[T], seconds: float, meter: Meter) -> None:
        self._asks = asks
        self._seconds = seconds
        self._meter = meter
        self._latencies: list[float] = []
        self._took = 0.0
        self._cpu: dict[str, float] = {}

    def __iter__(self) -> Iterator[T]:
        clock = time.perf_counter
        before, start = self._meter.read(), clock()
        for ask in cycle(self._asks):
            began = clock()
            if began - start >= self._seconds:
                break
            yield ask
            self._latencies.append(clock() - began)
        self._took = clock() - start
        self._cpu = spent(before, self._meter.read())

    def figures(self) -> Figures:
        """Of all laps, once they are over."""
        return Figures(len(self._latencies), self._took, latencies=sorted(self._latencies), cpu=self._cpu)
