"""A partner theatre as we know it, and the breaker that keeps us from one that does not answer.

closed ──(5 failures in a row)──▶ open ──(its time is over)──▶ half-open: one probe ──▶ closed, or open for longer
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from service_kit.errors import Conflict, NotFound

BreakerState = Literal["closed", "open", "half-open"]
MOST_FAILURES = 5
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(seconds=60)
# A probe whose process died is given up after so long; longer than any exchange takes.
PROBE = timedelta(seconds=15)
# Two are valid while one is being replaced by the other.
MOST_SECRETS = 2


class PartnerNotFound(NotFound):
    slug, title = "partner-not-found", "There is no such partner"


class PartnerInUse(Conflict):
    """Names the venues: `venueIds`, a hundred at most."""

    slug, title = "partner-in-use", "Venues name this partner: what is sold there could not be confirmed"


class LastSecret(Conflict):
    slug, title = "last-secret", "A partner needs one secret at least"


@dataclass(frozen=True, slots=True)
class Breaker:
    """`failures` in a row; `trips`: how often it opened since the last success; `until` when it stays open."""

    failures: int = 0
    trips: int = 0
    until: datetime | None = None
    probing: bool = False

    @property
    def closed(self) -> bool:
        return self.failures < MOST_FAILURES

    def state(self, now: datetime) -> BreakerState:
        if self.closed:
            return "closed"
        return "open" if not self.probing and self.until is not None and self.until > now else "half-open"

    def wait_until(self, now: datetime) -> datetime | None:
        """When one may try again, if not now."""
        return None if self.closed or self.until is None or self.until <= now else self.until

    def probed(self, now: datetime) -> "Breaker":
        """While one request goes to see whether the theatre is back."""
        return replace(self, until=now + PROBE, probing=True)

    def succeeded(self) -> "Breaker":
        return Breaker()

    def failed(self, now: datetime) -> "Breaker":
        """What fails after the breaker has opened, having been sent before, does not keep it open for longer."""
        failures = self.failures + 1
        opens = failures >= MOST_FAILURES and (self.probing or self.closed or self.wait_until(now) is None)
        if not opens:
            return replace(self, failures=failures)
        pause = min(FIRST_PAUSE * 2**self.trips, LONGEST_PAUSE)
        return Breaker(failures, min(self.trips + 1, 10), now + pause)


@dataclass(frozen=True, slots=True)
class Secret:
    """As it is kept: sealed."""

    id: str
    sealed: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LastError:
    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Partner:
    """`version` counts what admins change; `secrets` newest first. A `deleted` one is told of cancellations only."""

    id: str
    version: int
    name: str
    url: str
    timeout_seconds: float
    secrets: tuple[Secret, ...]
    created_at: datetime
    updated_at: datetime
    breaker: Breaker = Breaker()
    last_error: LastError | None = None
    deleted: bool = False

    def secret(self, secret_id: str) -> Secret | None:
        return next((secret for secret in self.secrets if secret.id == secret_id), None)

    def with_secret(self, secret: Secret, now: datetime) -> "Partner":
        """A new secret beside the newest there is; the one before that is no longer valid."""
        return replace(self, version=self.version + 1, secrets=(secret, *self.secrets)[:MOST_SECRETS], updated_at=now)

    def without_secret(self, secret_id: str, now: datetime) -> "Partner":
        """Raises LastSecret, PartnerNotFound."""
        left = tuple(secret for secret in self.secrets if secret.id != secret_id)
        if len(left) == len(self.secrets):
            raise PartnerNotFound("The partner has no such secret")
        if not left:
            raise LastSecret
        return replace(self, version=self.version + 1, secrets=left, updated_at=now)
