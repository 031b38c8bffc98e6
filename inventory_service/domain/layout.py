"""A hall's layout as the seat map sees it: positions, rows, types. Immutable for a (hall, version)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from inventory_service.domain.bits import mask_of, positions
from inventory_service.domain.choosing.plan import Place, Plan
from inventory_service.domain.choosing.runs import RESERVED
from service_kit.errors import Invalid

MOST_SEATS_PER_BOOKING = 10


class UnknownSeats(Invalid):
    slug, title = "unknown-seats", "Some of these seats are not in this hall"


@dataclass(frozen=True, slots=True)
class LayoutKey:
    hall_id: str
    version: int


class Seat(NamedTuple):
    """A seat; its position is its index in the layout. A tuple, for a large hall makes 100,000 of them."""

    id: str
    label: str
    row: str
    section: str
    section_name: str
    seat_type: str


@dataclass(frozen=True)
class Layout:
    """Seats in the order of the layout, row after row, so that neighbours have neighbouring positions.

    `places` has every seat's coordinates, or nothing; where they are not known they are (place in the row, row).
    """

    key: LayoutKey
    seats: tuple[Seat, ...]
    row_ends: int
    places: tuple[Place, ...] = ()
    # Sections that have a capacity instead of seats.
    general: frozenset[str] = frozenset()

    @classmethod
    def from_json(cls, key: LayoutKey, layout: dict[str, Any]) -> "Layout":
        """From the contract's `seatLayout`.

        A section with a capacity instead of rows has places that are told apart only by number: `floor:1`, `floor:2` …
        They are held, booked and audited like seats.
        """
        seats: list[Seat] = []
        places: list[Place] = []
        ends: list[int] = []
        for section in layout["sections"]:
            section_id = section["id"]
            name = section.get("name") or section_id
            for row in _rows(section):
                label, depth = row["label"], float(len(ends))
                for number, seat in enumerate(row["seats"]):
                    place = seat.get("coordinates")
                    places.append((place["x"], place["y"]) if place else (float(number), depth))
                    id_ = seat["id"]
                    seats.append(Seat(id_, seat.get("label") or id_, label, section_id, name, seat["seatType"]))
                ends.append(len(seats) - 1)
        general = frozenset(section["id"] for section in layout["sections"] if section.get("capacity") is not None)
        return cls(key, tuple(seats), mask_of(ends), tuple(places), general)

    @cached_property
    def everything(self) -> int:
        return (1 << len(self.seats)) - 1

    @cached_property
    def position(self) -> dict[str, int]:
        return {seat.id: index for index, seat in enumerate(self.seats)}

    @cached_property
    def classes(self) -> dict[tuple[str, str], int]:
        """Seats by (section, type): all seats of a class have one price."""
        groups: dict[tuple[str, str], list[int]] = {}
        for index, seat in enumerate(self.seats):
            groups.setdefault((seat.section, seat.seat_type), []).append(index)
        return {key: mask_of(members) for key, members in groups.items()}

    @cached_property
    def types(self) -> dict[str, int]:
        """Seats by type."""
        masks: dict[str, int] = {}
        for (_, seat_type), mask in self.classes.items():
            masks[seat_type] = masks.get(seat_type, 0) | mask
        return masks

    @cached_property
    def ordinary(self) -> int:
        """All seats but those of wheelchair users and their companions."""
        reserved = 0
        for seat_type in RESERVED:
            reserved |= self.types.get(seat_type, 0)
        return self.everything & ~reserved

    def of_type(self, seat_type: str | None) -> int:
        """The seats of this type; without one, those that are for nobody in particular."""
        return self.ordinary if seat_type is None else self.types.get(seat_type, 0)

    @cached_property
    def standing_sections(self) -> dict[str, int]:
        """The places of each section that has a capacity instead of seats."""
        places: dict[str, int] = {}
        for (section, _), mask in self.classes.items():
            if section in self.general:
                places[section] = places.get(section, 0) | mask
        return places

    @cached_property
    def standing(self) -> int:
        """The places of all these sections."""
        return sum(self.standing_sections.values())

    @cached_property
    def strandable(self) -> int:
        """The seats that nobody likes to sit next to a single one of: ordinary ones, where places are seats."""
        return self.ordinary & ~self.standing

    @cached_property
    def plan(self) -> Plan:
        """Where the seats are: aisles, neighbouring rows, and how good each seat is."""
        return Plan(self.seats, self.places, self.row_ends)

    @cached_property
    def segment_ends(self) -> int:
        """The last seat before every end of a row and before every aisle: as `row_ends`, but for who sits together."""
        return self.plan.segment_ends

    def mask(self, seat_ids: Iterable[str]) -> int:
        """The set of these seats. Raises UnknownSeats."""
        ids, known = list(seat_ids), self.position
        try:
            return mask_of([known[seat_id] for seat_id in ids])
        except KeyError as error:
            unknown = {f"/seatIds/{index}": seat_id for index, seat_id in enumerate(ids) if seat_id not in known}
            faults = [(pointer, "no such seat in this hall") for pointer in unknown]
            raise UnknownSeats(faults=faults, seat_ids=list(unknown.values())) from error

    def known(self, seat_ids: Iterable[str]) -> int:
        """The set of those of these seats that the layout has: others may have been sold under another version."""
        return mask_of(self.position[seat_id] for seat_id in seat_ids if seat_id in self.position)

    def ids(self, mask: int) -> list[str]:
        return [self.seats[position].id for position in positions(mask)]


def _rows(section: dict[str, Any]) -> list[dict[str, Any]]:
    capacity = section.get("capacity")
    if capacity is None:
        rows: list[dict[str, Any]] = section["rows"]
        return rows
    numbers = range(1, capacity + 1)
    places = [{"id": f"{section['id']}:{n}", "label": str(n), "seatType": section["seatType"]} for n in numbers]
    return [{"label": "", "seats": places}]


def require_valid_selection(seat_ids: Sequence[str]) -> None:
    """One to ten seats, none twice. Raises Invalid."""
    if not seat_ids:
        raise Invalid("Choose at least one seat", faults=[("/seatIds", "must not be empty")])
    if len(seat_ids) > MOST_SEATS_PER_BOOKING:
        raise Invalid(
            f"A booking has at most {MOST_SEATS_PER_BOOKING} seats",
            faults=[("/seatIds", f"at most {MOST_SEATS_PER_BOOKING}")],
        )
    require_none_twice(seat_ids)


def require_none_twice(seat_ids: Sequence[str]) -> None:
    """Raises Invalid."""
    if len(set(seat_ids)) < len(seat_ids):
        last = {seat_id: index for index, seat_id in enumerate(seat_ids)}
        again = next(last[seat_id] for index, seat_id in enumerate(seat_ids) if last[seat_id] > index)
        raise Invalid("A seat is named twice", faults=[(f"/seatIds/{again}", "named twice")])
