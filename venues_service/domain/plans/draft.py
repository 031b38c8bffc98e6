"""Gathers the seats of a file, in its order, into a layout of sections and rows, and gives each its one id."""

from dataclasses import dataclass, field
from typing import Any

from venues_service.domain.layouts import FURTHEST, MOST_SEATS
from venues_service.domain.plans.findings import Faults, Findings, as_id, refusal

DECIMALS = 4
# Between sections, when places are generated: as far as an empty row.
SECTION_GAP = 1.0


@dataclass(slots=True)
class RawSeat:
    """A seat as the file has it: `id` may be missing or bad. `stem` begins the id that is made for it then."""

    section: str
    section_name: str
    row: str
    label: str
    seat_type: str
    where: str
    id: str = ""
    stem: str = ""
    place: tuple[float, float] | None = None

    @property
    def derived_id(self) -> str:
        return f"{self.stem or self.section}-{self.row}-{self.label}"


@dataclass(frozen=True)
class Gathered:
    """The layout, and where in the file each seat came from."""

    layout: dict[str, Any]
    places: dict[str, str]


@dataclass
class Draft:
    faults: Faults
    findings: Findings
    seats: list[RawSeat] = field(default_factory=list)

    def add(self, seat: RawSeat) -> None:
        if len(self.seats) >= MOST_SEATS:
            raise refusal(seat.where, f"A hall may have at most {MOST_SEATS} seats")
        self.seats.append(seat)

    def gather(self, nothing_at: str) -> Gathered:
        """Raises Invalid with every fault found so far or on the way."""
        self.faults.settle()
        if not self.seats:
            raise refusal(nothing_at, "There is no seat in this file")
        generated = self._place_all()
        ids = self._ids(generated)
        self.faults.settle()
        sections: dict[str, tuple[str, dict[str, list[dict[str, Any]]]]] = {}
        places: dict[str, str] = {}
        for seat, seat_id in zip(self.seats, ids, strict=True):
            _, rows = sections.setdefault(seat.section, (seat.section_name, {}))
            x, y = seat.place or (0.0, 0.0)
            rows.setdefault(seat.row, []).append(
                {"id": seat_id, "label": seat.label, "coordinates": {"x": x, "y": y}, "seatType": seat.seat_type}
            )
            places[seat_id] = seat.where
        layout = [
            {"id": section, "name": name, "rows": [{"label": row, "seats": seats} for row, seats in rows.items()]}
            for section, (name, rows) in sections.items()
        ]
        return Gathered({"sections": layout}, places)

    def _place_all(self) -> bool:
        """Rounds the places there are. Where the file has none at all they are generated, and the answer is True."""
        without = [seat for seat in self.seats if seat.place is None]
        if without and len(without) < len(self.seats):
            for seat in without:
                self.faults.add(seat.where, "This seat has no position, while others have one")
            self.faults.settle()
        if without:
            self._generate()
        for seat in self.seats:
            x, y = seat.place or (0.0, 0.0)
            seat.place = (_rounded(x), _rounded(y))
            if max(abs(x), abs(y)) > FURTHEST:
                self.faults.add(seat.where, f"A position may be at most {FURTHEST} from the origin")
        return bool(without)

    def _generate(self) -> None:
        rows: dict[str, dict[str, list[RawSeat]]] = {}
        for seat in self.seats:
            rows.setdefault(seat.section, {}).setdefault(seat.row, []).append(seat)
        y = 0.0
        for section in rows.values():
            for row in section.values():
                for x, seat in enumerate(row):
                    seat.place = (float(x), y)
                y += 1.0
            y += SECTION_GAP
        self.findings.add(
            "info",
            "generated-positions",
            self.seats[0].where,
            f"No positions are given; {len(self.seats)} seat(s) were placed in straight rows",
        )

    def _ids(self, generated: bool) -> list[str]:
        """One id for each seat. The first to bear an id keeps it; later ones get one made of section, row and number.

        An id that the file gives is never handed to another seat, so a repair can't start a second clash.
        """
        wanted = [as_id(seat.id) if seat.id else None for seat in self.seats]
        given = {seat_id for seat_id in wanted if seat_id}
        owner: dict[str, RawSeat] = {}
        tried: dict[str, int] = {}
        ids: list[str] = []
        doubles: list[str] = []
        for seat, own in zip(self.seats, wanted, strict=True):
            seat_id = own or as_id(seat.derived_id) or ""
            first = owner.get(seat_id)
            if not seat_id:
                self.faults.add(seat.where, "No seat id can be made of this section, row and number: it is too long")
            elif first and _is_same(seat, first, generated):
                self.faults.add(seat.where, f"Seat {seat_id!r} is listed twice, first at {first.where}")
            elif first or (own is None and seat_id in given):
                reason = f"Its id {seat_id!r} is that of {first.where if first else 'another seat'}"
                seat_id = self._repaired(seat, reason, owner, given, tried)
                doubles.append(seat_id)
            elif own is None and seat.id:
                self._tell_repair(seat, "Its id can't be used", seat_id)
            owner.setdefault(seat_id, seat)
            ids.append(seat_id)
        if doubles:
            message = f"{len(doubles)} of {len(ids)} seats bear the id of another seat; each has a new one"
            self.findings.add("warning", "duplicate-seat-id", self.seats[0].where, message, *doubles)
        return ids

    def _repaired(
        self, seat: RawSeat, reason: str, owner: dict[str, RawSeat], given: set[str], tried: dict[str, int]
    ) -> str:
        base = seat.derived_id
        number = tried.get(base, 1)
        candidate = base
        while candidate in owner or candidate in given:
            number += 1
            candidate = f"{base}-{number}"
        tried[base] = number
        if as_id(candidate) == candidate:
            self._tell_repair(seat, reason, candidate)
        else:
            self.faults.add(seat.where, f"{reason}, and no other can be made of its section, row and number")
        return candidate

    def _tell_repair(self, seat: RawSeat, reason: str, seat_id: str) -> None:
        self.findings.add("info", "repaired-id", seat.where, f"{reason}; it is {seat_id!r} now", seat_id)


def _is_same(seat: RawSeat, other: RawSeat, generated: bool) -> bool:
    """Whether two seats of one id are one seat written twice: taken in, it would be sold twice.

    Generated places follow from the order of the file, so then only the words can tell.
    """
    if generated:
        return (seat.section, seat.row, seat.label) == (other.section, other.row, other.label)
    return seat.place == other.place


def _rounded(value: float) -> float:
    # Adding up leaves 0.30000000000000004; + 0.0 turns -0.0 into 0.0.
    return round(value, DECIMALS) + 0.0
