"""Halls: a name, a layout that may be replaced by newer versions, and the times it is in use."""

from dataclasses import dataclass, field
from datetime import datetime

from messaging.events import HallState
from service_kit.errors import Conflict
from service_kit.models import Model, Name
from venues_service.domain.layouts import Layout, LayoutDraft


class HallInUse(Conflict):
    slug, title = "hall-in-use", "The hall has upcoming showtimes"


class HallBusy(Conflict):
    """Names the showtime in the way, when it is one that stands: `showtimeId`, `startsAt`, `endsAt`."""

    slug, title = "hall-busy", "The hall is in use then"


class HallDraft(Model):
    name: Name
    seat_layout: LayoutDraft


class LayoutChange(Model):
    """A new layout for a hall that is there."""

    seat_layout: LayoutDraft


@dataclass(frozen=True)
class HallPlan:
    """A hall about to be created; its layout is checked."""

    venue_id: str
    name: str
    layout: Layout


@dataclass(frozen=True)
class Slot:
    """The time a showtime occupies its hall: `[starts, until)`, cleaning included.

    A slot is claimed in the hall before its showtime is stored. `claim` is the mark by which the showtime shows that it
    is the owner; a slot whose showtime does not bear it was left behind by a crash.
    """

    claim: str
    showtime_id: str
    event_id: str
    starts: datetime
    ends: datetime
    until: datetime
    at: datetime

    def overlaps(self, other: "Slot") -> bool:
        return self.starts < other.until and other.starts < self.until


@dataclass(frozen=True)
class Hall:
    """A hall as stored: the types by section and the digests are those of its newest layout."""

    state: HallState
    types_by_section: dict[str, dict[str, int]]
    layout_digest: str
    extras_digest: str | None = None
    slots: list[Slot] = field(default_factory=list)

    @property
    def seat_types(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for counts in self.types_by_section.values():
            for seat_type, count in counts.items():
                total[seat_type] = total.get(seat_type, 0) + count
        return total

    def has(self, layout: Layout) -> bool:
        """Whether this is its newest layout already. Extras count where there are some."""
        return self.layout_digest == layout.digest and layout.extras_digest in (None, self.extras_digest)
