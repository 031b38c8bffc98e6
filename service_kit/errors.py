"""The kinds of failure a domain may state. `problems.py` alone knows their HTTP form.

A domain error is a subclass with its own `slug` and `title`; its keyword fields become the
problem's typed extras (`seat_ids=[…]` is answered as `"seatIds": […]`).
"""

from dataclasses import dataclass
from typing import Any, ClassVar


class DomainError(Exception):
    """A refusal with a stable name (`slug`), a short `title`, and typed `extras`."""

    slug: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    # In so many seconds trying again makes sense.
    retry_after: int | None = None

    def __init__(self, detail: str | None = None, **extras: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extras = extras


class Malformed(DomainError):
    """The request can't be read at all."""

    slug, title = "malformed-request", "The request can't be read"


class Unauthenticated(DomainError):
    slug, title = "unauthenticated", "A valid token is needed"


class Forbidden(DomainError):
    slug, title = "forbidden", "This role may not do that"


class NotFound(DomainError):
    slug, title = "not-found", "There is no such thing here"


class Conflict(DomainError):
    slug, title = "conflict", "This clashes with what is there"


class Gone(DomainError):
    slug, title = "gone", "This is no longer available"


class PreconditionFailed(DomainError):
    slug, title = "precondition-failed", "It was changed since you read it"


class Invalid(DomainError):
    """The request is well-formed but breaks rules; `faults` lists each as (JSON pointer, message).

    Without them the request as a whole is at fault, and the answer points there.
    """

    slug, title = "invalid-request", "The request breaks a rule"

    def __init__(
        self, detail: str | None = None, *, faults: list[tuple[str, str]] | None = None, **extras: Any
    ) -> None:
        super().__init__(detail, **extras)
        self.faults = faults or []


@dataclass(frozen=True)
class Quota:
    """A limit as the caller may know it, under a `name`: `most` attempts in `window_seconds`, or `most` at once."""

    name: str
    most: int
    window_seconds: int | None = None
    remaining: int = 0


class TooManyRequests(DomainError):
    """Try again in `retry_after` seconds; `quota` names the limit that was reached, where there is one."""

    slug, title = "too-many-requests", "Too many requests"

    def __init__(
        self, detail: str | None = None, *, retry_after: int = 1, quota: Quota | None = None, **extras: Any
    ) -> None:
        super().__init__(detail, **extras)
        self.retry_after = retry_after
        self.quota = quota


class Unavailable(DomainError):
    """A dependency is down; trying again later is right."""

    slug, title = "unavailable", "A dependency is down for the moment"

    def __init__(self, detail: str | None = None, *, retry_after: int = 2, **extras: Any) -> None:
        super().__init__(detail, **extras)
        self.retry_after = retry_after
