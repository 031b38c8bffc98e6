"""Which seats an admin wants to keep from sale, and when that can't be done."""

from collections.abc import Sequence
from dataclasses import dataclass

from inventory_service.domain.bits import mask_of, positions
from inventory_service.domain.layout import Layout, require_none_twice
from service_kit.errors import Conflict, Invalid

# Every buyer's seats are looked at in the light of all blocks, so there may not be too many.
MOST_BLOCKS = 200


class TooFewFree(Conflict):
    """`available`: how many places of the section are free."""

    slug, title = "too-few-free", "The section has not so many free places"


class TooManyBlocks(Conflict):
    slug, title = "too-many-blocks", f"A showtime has at most {MOST_BLOCKS} blocks"


class NotInBlock(Invalid):
    """`seat_ids`: the seats that the block has not."""

    slug, title = "not-in-block", "Some of these seats are not in this block"


@dataclass(frozen=True, slots=True)
class Which:
    """The seats `seat_ids`; or all of a section, of a type, or of a type in a section; or, of a section that has a
    capacity instead of seats, the last `count` free places.
    """

    seat_ids: Sequence[str] | None = None
    section: str | None = None
    seat_type: str | None = None
    count: int | None = None

    def require_one_way(self) -> None:
        """Raises Invalid."""
        by_kind = self.section is not None or self.seat_type is not None
        if (self.seat_ids is not None) == by_kind:
            raise Invalid(
                "Give either seatIds, or section, seatType or both", faults=[("/seatIds", "give this or the others")]
            )
        if self.count is not None and (self.section is None or self.seat_type is not None):
            raise Invalid("A count goes with a section alone", faults=[("/count", "needs a section and nothing else")])
        require_none_twice(self.seat_ids or [])

    def pick(self, layout: Layout, unavailable: int) -> int:
        """The set of these seats, unavailable ones too. Raises UnknownSeats, Invalid, TooFewFree."""
        if self.seat_ids is not None:
            return layout.mask(self.seat_ids)
        mask = self._of_kind(layout)
        if self.count is None:
            return mask
        if self.section not in layout.general:
            raise Invalid(
                "This section has seats; name them", faults=[("/count", "only for a section with a capacity")]
            )
        free = list(positions(mask & ~unavailable))
        if len(free) < self.count:
            raise TooFewFree(f"Only {len(free)} places of the section are free", available=len(free))
        return mask_of(free[-self.count :])

    def _of_kind(self, layout: Layout) -> int:
        faults = []
        if self.section is not None and self.section not in {section for section, _ in layout.classes}:
            faults.append(("/section", "no such section in this hall"))
        if self.seat_type is not None and self.seat_type not in layout.types:
            faults.append(("/seatType", "no seat of this type in this hall"))
        mask = 0
        for (section, seat_type), seats in layout.classes.items():
            if self.section in {None, section} and self.seat_type in {None, seat_type}:
                mask |= seats
        if not mask and not faults:
            faults.append(("/seatType", "no seat of this type in this section"))
        if faults:
            raise Invalid(faults=faults)
        return mask
