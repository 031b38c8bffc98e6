"""One connection, one request after another: what a client without any comfort has to wait."""

from __future__ import annotations

import base64
import http.client
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from urllib.parse import unquote, urlsplit

from bench.figures import Figures, Meter, spent
from bench.race import WARM_SECONDS


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
    latencies: list[float] = []
    before, start = meter.read(), clock()
    for ask in cycle(asks):
        began = clock()
        if began - start >= seconds:
            break
        ask()
        latencies.append(clock() - began)
    took = clock() - start
    return Figures(len(latencies), took, latencies=sorted(latencies), cpu=spent(before, meter.read()))
