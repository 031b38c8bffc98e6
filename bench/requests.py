"""The bytes of requests, made beforehand as far as they repeat."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count, cycle

from bench.asks import Asks
from bench.halls import seat_ids
from bench.load import Source


def reserve_requests(prefix: str, asks: Asks, tokens: Sequence[str], *, keyed: bool = False) -> Source:
    """Holds of what is asked for, by these people in turn; `keyed` gives each its own Idempotency-Key."""
    people = cycle([_header("authorization", f"Bearer {token}") for token in tokens])
    starts: dict[str, bytes] = {}
    ends: dict[int, bytes] = {}
    keys = count()

    def next_request() -> bytes | None:
        ask = asks.next()
        if ask is None:
            return None
        start = starts.get(ask.house)
        if start is None:
            start = starts[ask.house] = _start("POST", f"{prefix}/showtimes/{ask.house}/seats/reserve")
        end = ends.get(ask.first)
        if end is None:
            end = ends[ask.first] = _end({"seatIds": seat_ids(ask.first)})
        key = b"idempotency-key: bench-%d\r\n" % next(keys) if keyed else b""
        return b"".join((start, next(people), key, end))

    return next_request


def get_request(path: str, **headers: str) -> bytes:
    return _start("GET", path) + b"".join(_header(name, value) for name, value in headers.items()) + b"\r\n"


def _start(method: str, path: str) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nhost: bench\r\n".encode()


def _header(name: str, value: str) -> bytes:
    return f"{name.replace('_', '-')}: {value}\r\n".encode()


def _end(body: object) -> bytes:
    text = json.dumps(body).encode()
    return b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text)
