"""Hoarding: how much one holder may have under hold at once, and the pause after too many holds that led to nothing.

A holder is a person, a guest session, or an address with everybody behind it. Each hold is a claim in the name of its
holders for as long as it may live. A claim that runs out, or that its owner gives up, is abandoned: taking seats and
letting them go again is what bots do. A purchase never is, and neither is what was refused or called off.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from service_kit.errors import Quota, TooManyRequests

T = TypeVar("T")


class TooManyHolds(TooManyRequests):
    """`limit` by its name, `most` holds at once, `live` holds now."""

    slug, title = "too-many-holds", "Too many holds at once"


class TooManySeats(TooManyRequests):
    """`limit` by its name, `most` seats at once, `live` seats under hold now."""

    slug, title = "too-many-seats", "Too many seats under hold at once"


class CoolingDown(TooManyRequests):
    """`limit` by its name, `most` abandoned holds in `window_seconds`, `abandoned` holds in the last of these."""

    slug, title = "cooling-down", "Too many holds were abandoned"


@dataclass(frozen=True, slots=True)
class Limits:
    """The rules for one kind of holder: `whose` is user, guest or address.

    More than `abandoned` holds abandoned within `window` are followed by a pause of `cool_down`.
    """

    whose: str
    holds: int
    seats: int
    seats_per_showtime: int
    abandoned: int
    window: timedelta
    cool_down: timedelta


@dataclass(frozen=True, slots=True)
class Claim:
    """So many seats of one booking, counted until its hold is over."""

    booking_id: str
    showtime_id: str
    seats: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """What counts for one key. `abandoned` tells when each booking was, as far back as the window goes.

    Changes are made to a holder `at` the present. Each gives the holder after it, the very same object where nothing
    changes.
    """

    key: str
    claims: Mapping[str, Claim] = field(default_factory=dict)
    abandoned: Mapping[str, datetime] = field(default_factory=dict)
    cooling_until: datetime | None = None
    # As it was stored, None for one that is not.
    version: str | None = None

    def at(self, now: datetime, limits: Limits) -> "Holder":
        """As of `now`: claims that have run out were abandoned at their end."""
        lapsed = sorted((claim.until, id_) for id_, claim in self.claims.items() if claim.until <= now)
        return self._abandon(lapsed, limits) if lapsed else self

    def beside(self, claims: Collection[Claim]) -> "Holder":
        """With these claims too, which are not stored yet."""
        if not claims:
            return self
        return replace(self, claims={**self.claims, **{claim.booking_id: claim for claim in claims}})

    def require_room(self, claim: Claim, now: datetime, limits: Limits) -> None:
        """Raises TooManyRequests where this would be one too many. One that is counted already is not."""
        if claim.booking_id in self.claims:
            return
        if self.cooling_until and self.cooling_until > now:
            raise self._cooling_down(self.cooling_until, now, limits)
        breach = _breach(claim, self.claims.values(), limits)
        if breach:
            live = sorted(self.claims.values(), key=lambda other: other.until)
            ended = next((n for n in range(1, len(live)) if not _breach(claim, live[n:], limits)), len(live))
            seconds = _seconds(now, live[ended - 1].until if live else now)
            raise breach.kind(
                f"This {limits.whose} has {breach.live} {breach.of_what}, and {breach.most} at once are the most; "
                f"there is room again in {seconds} s",
                retry_after=seconds,
                quota=Quota(breach.limit, breach.most, remaining=max(0, breach.most - breach.live)),
                limit=breach.limit,
                most=breach.most,
                live=breach.live,
            )

    def claim(self, claim: Claim, now: datetime, limits: Limits) -> "Holder":
        """Count one more hold. Raises TooManyRequests."""
        self.require_room(claim, now, limits)
        claims = {**self.claims, claim.booking_id: claim}
        # Not by `replace`, which takes several times as long: this is done for every hold.
        return Holder(self.key, claims, self.abandoned, self.cooling_until, self.version)

    def extend(self, booking_id: str, until: datetime) -> "Holder":
        known = self.claims.get(booking_id)
        if known is None:
            return self
        return replace(self, claims={**self.claims, booking_id: replace(known, until=until)})

    def give_back(self, booking_id: str) -> "Holder":
        """End a claim that came to nothing through no fault of its holder."""
        return replace(self, claims=_without(self.claims, booking_id)) if booking_id in self.claims else self

    def abandon(self, booking_id: str, now: datetime, limits: Limits) -> "Holder":
        """End a live claim that its owner gave up."""
        return self._abandon([(now, booking_id)], limits) if booking_id in self.claims else self

    def buy(self, booking_id: str, limits: Limits) -> "Holder":
        """End a claim by a purchase. One that came late takes back that its hold had run out, and what followed."""
        if booking_id not in self.abandoned:
            return self.give_back(booking_id)
        abandoned = _without(self.abandoned, booking_id)
        pardoned = len(abandoned) <= limits.abandoned
        cooling_until = None if pardoned else self.cooling_until
        return replace(self.give_back(booking_id), abandoned=abandoned, cooling_until=cooling_until)

    def remembered_until(self, limits: Limits) -> datetime | None:
        """When nothing of this will matter any more; None where nothing does now."""
        ends = [claim.until for claim in self.claims.values()] + list(self.abandoned.values())
        return max(ends) + max(limits.window, limits.cool_down) if ends else None

    def _abandon(self, given_up: Iterable[tuple[datetime, str]], limits: Limits) -> "Holder":
        claims, abandoned, cooling_until = dict(self.claims), dict(self.abandoned), self.cooling_until
        for at, booking_id in given_up:
            del claims[booking_id]
            abandoned = {id_: then for id_, then in abandoned.items() if then > at - limits.window}
            abandoned[booking_id] = at
            if len(abandoned) > limits.abandoned:
                cooling_until = max(cooling_until or at, at + limits.cool_down)
        return replace(self, claims=claims, abandoned=abandoned, cooling_until=cooling_until)

    def _cooling_down(self, until: datetime, now: datetime, limits: Limits) -> CoolingDown:
        limit, window = f"{limits.whose}-abandoned", int(limits.window.total_seconds())
        seconds = _seconds(now, until)
        return CoolingDown(
            f"More than {limits.abandoned} holds of this {limits.whose} were abandoned within {window} s; "
            f"the next one is possible in {seconds} s",
            retry_after=seconds,
            quota=Quota(limit, limits.abandoned, window),
            limit=limit,
            most=limits.abandoned,
            abandoned=sum(then > now - limits.window for then in self.abandoned.values()),
            window_seconds=window,
        )


@dataclass(frozen=True, slots=True)
class _Breach:
    kind: type[TooManyHolds | TooManySeats]
    limit: str
    of_what: str
    most: int
    live: int


def _breach(claim: Claim, live: Collection[Claim], limits: Limits) -> _Breach | None:
    """The first limit that `claim` would break beside these."""
    if len(live) >= limits.holds:
        return _Breach(TooManyHolds, f"{limits.whose}-holds", "live holds", limits.holds, len(live))
    seats = here = 0
    for other in live:
        seats += other.seats
        if other.showtime_id == claim.showtime_id:
            here += other.seats
    if seats + claim.seats > limits.seats:
        return _Breach(TooManySeats, f"{limits.whose}-seats", "seats under hold", limits.seats, seats)
    if here + claim.seats > limits.seats_per_showtime:
        of_what, most = "seats of this showtime under hold", limits.seats_per_showtime
        return _Breach(TooManySeats, f"{limits.whose}-showtime-seats", of_what, most, here)
    return None


def _seconds(now: datetime, until: datetime) -> int:
    return max(1, math.ceil((until - now).total_seconds()))


def _without(entries: Mapping[str, T], booking_id: str) -> dict[str, T]:
    return {id_: entry for id_, entry in entries.items() if id_ != booking_id}
