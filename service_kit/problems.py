"""Every failure as RFC 9457 problem+json, FastAPI's own included."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import aio_pika.exceptions
import elastic_transport
import elasticsearch
import httpx2
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic.alias_generators import to_camel
from pymongo.errors import ConnectionFailure, ExecutionTimeout, NetworkTimeout, PyMongoError, WTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from service_kit import errors
from service_kit.logs import get_logger

log = get_logger(__name__)

PROBLEM_BASE = "https://marquee.example/problems/"
MEDIA_TYPE = "application/problem+json"
MOST_FAULTS = 100
# As a JSON pointer.
WHOLE_BODY = ""

# The one table from kinds of failure to HTTP status.
STATUS: dict[type[errors.DomainError], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.PreconditionFailed: 412,
    errors.Invalid: 422,
    errors.TooManyRequests: 429,
    errors.Unavailable: 503,
}

# Types must not change with the Python version: 3.13 took over these names of RFC 9110.
PHRASES = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}

# A dependency that is down or too slow; everything else a driver raises is a fault of ours.
OUTAGES: tuple[type[Exception], ...] = (
    ConnectionFailure,
    NetworkTimeout,
    ExecutionTimeout,
    WTimeoutError,
    elastic_transport.ConnectionError,
    elastic_transport.ConnectionTimeout,
    aio_pika.exceptions.AMQPError,
    httpx2.TransportError,
)


def is_outage(error: BaseException) -> bool:
    """Whether `error` says that a dependency is down, so that trying again later is right."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_outage, error.exceptions))
    if isinstance(error, (errors.Unavailable, *OUTAGES)):
        return True
    if isinstance(error, elasticsearch.ApiError):
        return error.status_code in {429, 502, 503, 504}
    return isinstance(error, PyMongoError) and error.has_error_label("RetryableWriteError")


def problem_type(slug: str) -> str:
    """The name of a kind of problem, as answers have it."""
    return PROBLEM_BASE + slug


def status_of(error: errors.DomainError) -> int:
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem(
    request: Request,
    *,
    slug: str,
    title: str,
    status: int,
    detail: str,
    headers: dict[str, str] | None = None,
    **extras: Any,
) -> Response:
    """A problem+json answer; `extras` are already in their wire names."""
    body = {
        "type": problem_type(slug),
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        **extras,
    }
    return JSONResponse(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def domain_problem(request: Request, error: errors.DomainError) -> Response:
    headers: dict[str, str] = {}
    extras = {to_camel(name): value for name, value in error.extras.items()}
    if isinstance(error, errors.Invalid):
        faults = error.faults or [(WHOLE_BODY, error.detail)]
        extras["errors"] = [{"pointer": pointer, "detail": text} for pointer, text in faults[:MOST_FAULTS]]
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.TooManyRequests) and error.quota:
        # draft-ietf-httpapi-ratelimit-headers: q = quota, w = window, r = remaining, t = seconds until there is more
        quota = error.quota
        window = f";w={quota.window_seconds}" if quota.window_seconds else ""
        headers["RateLimit-Policy"] = f'"{quota.name}";q={quota.most}{window}'
        headers["RateLimit"] = f'"{quota.name}";r={quota.remaining};t={error.retry_after}'
    return problem(
        request,
        slug=error.slug,
        title=error.title,
        status=status_of(error),
        detail=error.detail,
        headers=headers or None,
        **extras,
    )


def pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901) from a pydantic location."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def validation_problem(request: Request, error: RequestValidationError) -> Response:
    """422 with a pointer for each fault; 400 where the body is no JSON at all.

    The refused input is not echoed: it may be secret, and it may not even be encodable.
    """
    faults = []
    for fault in error.errors():
        if fault["type"] == "json_invalid":
            return domain_problem(request, errors.Malformed("The body is not valid JSON"))
        place, *path = fault["loc"]
        where = {"body": "body", "query": "parameter", "path": "parameter", "header": "header"}.get(str(place), "body")
        name = "pointer" if where == "body" else where
        value = pointer(path) if where == "body" else ".".join(map(str, path))
        faults.append({name: printable(value), "detail": _told(fault)})
    return problem(
        request,
        slug=errors.Invalid.slug,
        title=errors.Invalid.title,
        status=422,
        detail=f"{len(faults)} field(s) can't be accepted",
        errors=faults[:MOST_FAULTS],
    )


def _told(fault: dict[str, Any]) -> str:
    """pydantic counts the characters of a text that was cleaned first as "items"."""
    message = str(fault["msg"])
    if fault["type"] in {"too_short", "too_long"} and isinstance(fault.get("input"), str):
        return message.replace("items", "characters").replace("item", "character").replace(" after validation", "")
    return message


def printable(text: str) -> str:
    """`text` cut to a sane length and free of what can't be encoded (lone surrogates)."""
    return text[:300].encode("utf-8", "replace").decode()


def http_problem(request: Request, error: HTTPException) -> Response:
    phrase = PHRASES.get(error.status_code) or HTTPStatus(error.status_code).phrase
    return problem(
        request,
        slug=phrase.lower().replace(" ", "-"),
        title=phrase,
        status=error.status_code,
        detail=printable(str(error.detail)),
        headers=dict(error.headers) if error.headers else None,
    )


def unexpected_problem(request: Request, error: Exception) -> Response:
    """503 where a dependency is down, else 500; details go to the log, not to the caller."""
    if is_outage(error):
        log.warning("dependency_down", error=repr(error), path=request.url.path)
        return domain_problem(request, errors.Unavailable())
    log.error("unexpected_error", path=request.url.path, exc_info=error)
    return problem(
        request,
        slug="internal-error",
        title="Something went wrong on our side",
        status=500,
        detail="The error was logged; the correlation id in this answer's headers finds it.",
    )


def problem_for(request: Request, error: Exception) -> Response:
    """The one answer for any exception that a route raised."""
    if isinstance(error, errors.DomainError):
        return domain_problem(request, error)
    if isinstance(error, RequestValidationError):
        return validation_problem(request, error)
    if isinstance(error, HTTPException):
        return http_problem(request, error)
    return unexpected_problem(request, error)


def install_problem_handlers(app: FastAPI) -> None:
    async def handle(request: Request, error: Exception) -> Response:
        return problem_for(request, error)

    for kind in (errors.DomainError, RequestValidationError, HTTPException, PyMongoError, *OUTAGES):
        app.add_exception_handler(kind, handle)
    app.add_exception_handler(elasticsearch.ApiError, handle)
