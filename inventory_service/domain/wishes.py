"""What a buyer wants of a showtime: these seats, or the best ones for his party.

A wish is judged against the seats that can't be had, which change while he waits; so it is asked again and again.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

from inventory_service.domain.choosing.best import Prices, best
from inventory_service.domain.choosing.stranded import stranded
from inventory_service.domain.layout import Layout
from inventory_service.domain.seat_map import SeatsTaken
from service_kit.errors import Conflict, DomainError


class SingleSeatLeft(Conflict):
    """`seat_ids`: the seats that would be left single; `alternative`: as many seats near by that leave none."""

    slug, title = "single-seat-left", "This choice leaves a single seat"


class NoFreeBlock(Conflict):
    """`available`: how many seats are free in all."""

    slug, title = "no-free-block", "There are not so many free seats together"


class Wish(Protocol):
    """`layout` is the one that its seats, and the sets of seats below, are positions in.

    Wishes of one `kind` are met or refused alike; None where each is its own.
    """

    @property
    def layout(self) -> Layout: ...

    @property
    def kind(self) -> Hashable: ...

    def pick(self, unavailable: int) -> int | None:
        """The seats to take; None where the wish can't be met."""

    def refusal(self, unavailable: int) -> DomainError | None:
        """Why the wish can't be met; None where it can."""


@dataclass(slots=True)
class TheseSeats:
    """All of these seats or none. `tidy`: not where that leaves a single seat for no need."""

    layout: Layout
    mask: int
    tidy: bool

    @property
    def kind(self) -> Hashable:
        return None

    def pick(self, unavailable: int) -> int | None:
        if self.mask & unavailable or (self.tidy and stranded(self.layout, self._free(unavailable), self.mask)):
            return None
        return self.mask

    def refusal(self, unavailable: int) -> DomainError | None:
        blocked = self.mask & unavailable
        if blocked:
            return SeatsTaken(seat_ids=self.layout.ids(blocked))
        left = stranded(self.layout, self._free(unavailable), self.mask) if self.tidy else None
        if left:
            ids = self.layout.ids
            return SingleSeatLeft(seat_ids=ids(left.seats), alternative=ids(left.alternative))
        return None

    def _free(self, unavailable: int) -> int:
        return self.layout.everything & ~unavailable


@dataclass(frozen=True, slots=True)
class BestSeats:
    """The best seats for so many people, perhaps of a type or in a section, none dearer than `max_price`."""

    layout: Layout
    count: int
    seat_type: str | None = None
    section: str | None = None
    prices: Prices | None = None
    max_price: int | None = None

    @property
    def kind(self) -> Hashable:
        return self.count, self.seat_type, self.section, self.max_price

    def pick(self, unavailable: int) -> int | None:
        choice = best(
            self.layout,
            self.layout.everything & ~unavailable,
            self.count,
            seat_type=self.seat_type,
            section=self.section,
            prices=self.prices,
            max_price=self.max_price,
        )
        return choice.seats if choice else None

    def refusal(self, unavailable: int) -> DomainError | None:
        if self.pick(unavailable) is not None:
            return None
        return NoFreeBlock(available=(self.layout.everything & ~unavailable).bit_count())
