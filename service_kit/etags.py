"""Conditional requests (RFC 9110): `ETag` from a version, `If-Match`, `If-None-Match`."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Request, Response

from service_kit.errors import PreconditionFailed

T = TypeVar("T")


def etag(version: int | str) -> str:
    return f'"{version}"'


def not_modified(request: Request, tag: str) -> bool:
    """Whether the reader has this very version already."""
    given = request.headers.get("if-none-match")
    return given is not None and _matches(given, tag, weak=True)


def answer_304(tag: str, **headers: str) -> Response:
    return Response(status_code=304, headers={"ETag": tag, **headers})


def require_match(request: Request, tag: str) -> None:
    """Raise PreconditionFailed where an `If-Match` names another version than the present one."""
    given = request.headers.get("if-match")
    if given is not None and not _matches(given, tag, weak=False):
        raise PreconditionFailed(f"The present version is {tag}")


def _precondition(request: Request) -> Callable[[int], None]:
    return lambda version: require_match(request, etag(version))


# To be called with the present version: raises PreconditionFailed where the caller has another.
IfMatch = Annotated[Callable[[int], None], Depends(_precondition)]


def tagged(request: Request, response: Response, version: int, state: T) -> T | Response:
    """`state` with its ETag, or 304 for a reader who has it."""
    tag = etag(version)
    if request.method == "GET" and not_modified(request, tag):
        return answer_304(tag)
    response.headers["ETag"] = tag
    return state


def _matches(given: str, tag: str, *, weak: bool) -> bool:
    if given.strip() == "*":
        return True
    candidates = [candidate.strip() for candidate in given.split(",")]
    if weak:
        candidates = [candidate.removeprefix("W/") for candidate in candidates]
    return tag in candidates
