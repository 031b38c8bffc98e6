"""Limits of promo codes: how often a code may be used in total, and by each person.

A use is an entry under its booking's id. It lapses at a moment, after which the booking says what becomes of it, or is
kept for good once the booking is bought. An entry counts as long as it is there, so a crash can only have a use counted
for longer than it should, until it lapses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from inventory_service.domain.booking import Booking
from service_kit.errors import Conflict

# A use whose booking is on its way from one state to another is looked at again after this.
SOON = timedelta(seconds=5)

Of = Literal["total", "person"]


class PromoCodeUsedUp(Conflict):
    """`limit`: whether that of all buyers together (`total`) or this buyer's own (`person`); `most` uses."""

    slug, title = "promo-code-used-up", "This promo code was used as often as it may be"


@dataclass(frozen=True, slots=True)
class Tally:
    """Uses that count together under `key`, `most` of them at the most."""

    key: str
    of: Of
    most: int

    def used_up(self) -> PromoCodeUsedUp:
        whose = "in total" if self.of == "total" else "by one person"
        return PromoCodeUsedUp(f"It may be used {self.most} times {whose}", limit=self.of, most=self.most)


def tallies(promotion: Mapping[str, Any], showtime_id: str, user_id: str) -> list[Tally]:
    """Those in which a use of this code counts, the person's own first: it is the one that fewer want at once."""
    campaign = promotion.get("campaign")
    scope = f"campaign/{campaign}" if campaign else f"showtime/{showtime_id}"
    code = promotion["code"].casefold()
    found = []
    if most := promotion.get("limitPerPerson"):
        found.append(Tally(f"{scope}/person/{user_id}/{code}", "person", most))
    if most := promotion.get("limit"):
        found.append(Tally(f"{scope}/all/{code}", "total", most))
    return found


@dataclass(frozen=True, slots=True)
class Use:
    """An entry of `place` (one document of a tally); `until` is None for one that is kept for good."""

    place: str
    booking_id: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Becomes:
    """What an entry is to say from now on; `until` as in `Use`."""

    until: datetime | None


def becomes(use: Use, booking: Booking | None, now: datetime) -> Becomes | None:
    """What an entry that was read before its booking is to say; None where it is to go.

    Without a booking the hold was never made, or is being made by a process that is so late that its hold is over.
    """
    if booking is None or use.place not in booking.code_uses:
        return None
    if booking.status == "confirmed":
        return Becomes(now + SOON if booking.ending else None)
    if booking.status == "pending":
        return Becomes(booking.held_until if booking.held_until > now else now + SOON)
    return None


def parts(most: int, size: int) -> Iterator[tuple[int, int]]:
    """(number, room) of each document that the uses of a tally are spread over."""
    for number, start in enumerate(range(0, most, size)):
        yield number, min(size, most - start)
