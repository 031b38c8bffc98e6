"""A delivery: one event for one endpoint, with every try."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

State = Literal["pending", "delivered", "failed"]
KEPT = timedelta(days=30)
# Of an answer's body, in the log.
EXCERPT = 1_000
MOST_ATTEMPTS_KEPT = 50


@dataclass(frozen=True, slots=True)
class Message:
    """An event as organisers get it. `body` is the very JSON that is signed; `venue_id` None where it has no venue."""

    event_id: str
    type: str
    occurred_at: datetime
    venue_id: str | None
    body: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: the answer's status and first bytes, or why there was none."""

    at: datetime
    duration_ms: int
    status_code: int | None
    answer: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """`due_at` while it is pending: the next try, or the end of a worker's claim. `error`: why it ended without a try.

    `tries` counts from the last replay.
    """

    id: str
    version: int
    endpoint_id: str
    message: Message
    state: State
    tries: int
    attempts: tuple[Attempt, ...]
    created_at: datetime
    due_at: datetime | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this worker alone may send until its claim lapses; `token` fences what it writes."""

    delivery: Delivery
    token: str
