"""The ASGI layer around every service: correlation, size limit, metrics, last-resort 500."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.correlation import correlated
from service_kit.metrics import REQUEST_SECONDS
from service_kit.problems import http_problem, unexpected_problem
from service_kit.stopping import is_endless

UNMATCHED = "(no route)"
# As nginx counts those who hang up before they are answered: there is nobody to answer, and nothing went wrong here.
HUNG_UP = 499


class RequestShell:
    """Wraps an app so that each request is correlated, bounded, timed and always answered.

    Unlike stacked middleware this is one object with one wrapped `send`, since it is on the
    path of every hold.
    """

    def __init__(self, app: ASGIApp, *, service: str, max_body: int) -> None:
        self.app = app
        self.service = service
        self.max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        with correlated(_text(headers.get(b"traceparent"))) as traceparent:
            await self._serve(scope, headers, receive, send, traceparent.split("-")[1])

    async def _serve(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send, correlation: str
    ) -> None:
        started = time.perf_counter()
        status = 500
        begun = False
        answered: float | None = None

        async def send_counted(message: Message) -> None:
            nonlocal status, begun, answered
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                if is_endless(scope):  # how long somebody listens says nothing of how fast we are
                    answered = time.perf_counter()
                message["headers"] = [*message.get("headers", []), (b"x-correlation-id", correlation.encode())]
            await send(message)

        request = Request(scope)
        try:
            if _declared_length(headers) > self.max_body:
                raise self._too_large()
            await self.app(scope, self._bounded(receive), send_counted)
        except ClientDisconnect:
            status = HUNG_UP
        except HTTPException as error:
            if begun:
                raise
            await http_problem(request, error)(scope, receive, send_counted)
        except Exception as error:
            if begun:
                raise
            await unexpected_problem(request, error)(scope, receive, send_counted)
        finally:
            route = getattr(scope.get("route"), "path", UNMATCHED)
            labels = (self.service, scope["method"] if route != UNMATCHED else "-", route, str(status))
            REQUEST_SECONDS.labels(*labels).observe((answered or time.perf_counter()) - started)

    def _too_large(self) -> HTTPException:
        # FastAPI lets only its own HTTPException through while it reads a body.
        return HTTPException(413, f"A body may have at most {self.max_body} bytes")

    def _bounded(self, receive: Receive) -> Callable[[], Awaitable[Any]]:
        """`receive` that stops a body without a declared length at the limit."""
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self.max_body:
                    raise self._too_large()
            return message

        return bounded


def _declared_length(headers: dict[bytes, bytes]) -> int:
    value = headers.get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


def _text(value: bytes | None) -> str | None:
    return value.decode("latin-1") if value is not None else None
