"""One id follows a request over HTTP and AMQP: the trace id of W3C Trace Context.

A request that brings no `traceparent` starts a new trace. The id stands in every log line,
in every event a service publishes, and in the header `X-Correlation-Id` of every answer.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$")
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def new_traceparent() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def child_of(traceparent: str | None) -> str:
    """The same trace with a new span id; a new trace where `traceparent` is absent or malformed."""
    match = TRACEPARENT.match(traceparent or "")
    if not match or match[1] == "0" * 32:
        return new_traceparent()
    return f"00-{match[1]}-{secrets.token_hex(8)}-{match[3]}"


def current_traceparent() -> str:
    return _current.get() or new_traceparent()


def correlation_id() -> str | None:
    """The trace id of the work in hand, or None outside any."""
    value = _current.get()
    return value.split("-")[1] if value else None


@contextmanager
def correlated(traceparent: str | None) -> Iterator[str]:
    """Run a block as a child of `traceparent` (or as a new trace)."""
    value = child_of(traceparent)
    token = _current.set(value)
    try:
        yield value
    finally:
        _current.reset(token)
