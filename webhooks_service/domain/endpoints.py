"""An endpoint: where an organiser wants to hear of which events, and how it is faring."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from service_kit.errors import Conflict, Invalid

ALL_TYPES = "*"
MOST_ENDPOINTS = 100
# After a rotation both secrets sign, so that a receiver can change over.
SECRET_OVERLAP = timedelta(hours=24)
MOST_SECRETS = 5
# An endpoint that answered nothing but failures for so long is told nothing more.
FAILING_FOR = timedelta(days=5)

DisabledReason = Literal["gone", "failing"]


class UnknownVenues(Invalid):
    """An endpoint of a venue that isn't there would wait for ever, and nobody would know why."""

    slug, title = "unknown-venues", "There are no such venues"

    def __init__(self, venue_ids: Sequence[str]) -> None:
        super().__init__(faults=[("/venueIds", f"No such venue: {', '.join(venue_ids)}")])


class TooManyEndpoints(Conflict):
    slug, title = "too-many-webhook-endpoints", "There are as many webhook endpoints as there may be"


class TooManySecrets(Conflict):
    slug, title = "too-many-secrets", "Too many secrets are valid already; wait until the oldest ends"


class EndpointInactive(Conflict):
    slug, title = "endpoint-inactive", "The endpoint is not active"


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret as it is kept, sealed; `expires_at` once another has taken its place."""

    id: str
    sealed: bytes
    expires_at: datetime | None = None

    def live(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class Disabled:
    """Why we stopped sending: `gone`, the receiver answered 410; `failing`, nothing but failures for days."""

    reason: DisabledReason
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`venue_ids` None: events of every venue. `failing_since`: the first of the failures that no success followed."""

    id: str
    version: int
    url: str
    event_types: tuple[str, ...]
    venue_ids: tuple[str, ...] | None
    description: str
    active: bool
    secrets: tuple[Secret, ...]
    created_at: datetime
    updated_at: datetime
    failing_since: datetime | None = None
    disabled: Disabled | None = None

    @property
    def listening(self) -> bool:
        """Whether events are kept for it: also those of the days on which it is disabled as failing, for a replay."""
        return self.active or (self.disabled is not None and self.disabled.reason == "failing")

    def failing_too_long(self, now: datetime) -> bool:
        return self.failing_since is not None and self.failing_since <= now - FAILING_FOR

    @property
    def newest_secret(self) -> Secret:
        return self.secrets[0]

    def signing(self, now: datetime) -> list[bytes]:
        """The secrets that sign now, sealed, the newest first."""
        return [secret.sealed for secret in self.secrets if secret.live(now)]

    def has_type(self, type_: str) -> bool:
        return ALL_TYPES in self.event_types or type_ in self.event_types

    def wants(self, type_: str, venue_id: str | None) -> bool:
        return self.has_type(type_) and (self.venue_ids is None or venue_id in self.venue_ids)

    def with_secret(self, secret: Secret, now: datetime) -> "Endpoint":
        """`secret` takes over; the one before it signs on for a day. Raises TooManySecrets."""
        newest, *older = (each for each in self.secrets if each.live(now))
        if len(older) + 2 > MOST_SECRETS:
            raise TooManySecrets
        outgoing = replace(newest, expires_at=now + SECRET_OVERLAP)
        return replace(self, secrets=(secret, outgoing, *older))

    def switched(self, *, active: bool) -> "Endpoint":
        """As its owner wants it: what we did or counted before is forgotten."""
        if active and self.active:
            return self
        return replace(self, active=active, disabled=None, failing_since=None)

    def moved(self, url: str) -> "Endpoint":
        """What became of the old address says nothing of the new one."""
        return replace(self, url=url, failing_since=self.failing_since if url == self.url else None)

    def require_active(self) -> None:
        if not self.active:
            raise EndpointInactive
