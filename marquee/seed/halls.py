"""Halls of a venue: a real plan where one is assigned, else rows made to fit the real number of seats."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from string import ascii_uppercase
from typing import Any

from marquee.seed.draws import draw, pick
from marquee.seed.records import Venue

PITCH, ROW_DEPTH = 24, 30
HALL_NAMES = {
    "FR": "Salle",
    "CH": "Saal",
    "LI": "Saal",
    "AT": "Saal",
    "DE": "Saal",
    "DK": "Sal",
    "AR": "Sala",
    "IT": "Sala",
    "JP": "スクリーン",
}
STAGE_NAMES = {"DE": "Großer Saal", "DK": "Store Sal", "IT": "Sala grande", "US": "Main Stage"}
# Only where no source tells the number of seats.
STAGE_SIZES = (90, 140, 200, 280, 360, 480, 620)
CINEMA_SIZES = (48, 64, 80, 96, 120, 150, 190, 240, 310)
ROW_NAMES = [letter for letter in ascii_uppercase if letter not in "IO"]


@dataclass(frozen=True)
class Block:
    """A section: for each row the seat types from left to right."""

    id: str
    name: str
    rows: list[list[str]]


@dataclass(frozen=True)
class Hall:
    """One hall of a venue, numbered from 1; `plan` is a shipped layout, else it is made for `seats`."""

    venue: Venue
    number: int
    seats: int
    plan: dict[str, Any] | None = None

    @property
    def ref(self) -> str:
        return f"hall:{ref_part(self.venue.id)}:{self.number}"

    @property
    def name(self) -> str:
        if self.venue.kind != "cinema":
            return STAGE_NAMES.get(self.venue.country, "Main Hall")
        return f"{HALL_NAMES.get(self.venue.country, 'Screen')} {self.number}"

    @cached_property
    def seat_types(self) -> frozenset[str]:
        if self.plan:
            return frozenset(seat["seatType"] for seat in _seats(self.plan))
        return frozenset(kind for block in self._blocks() for row in block.rows for kind in row)

    def layout(self) -> dict[str, Any]:
        return self.plan or _drawn(self._blocks())

    def _blocks(self) -> list[Block]:
        return (
            _stage_blocks(self.seats, self.ref) if self.venue.kind != "cinema" else _cinema_blocks(self.seats, self.ref)
        )


def ref_part(record_id: str) -> str:
    return record_id.replace("/", "-")


def halls_of(venue: Venue, plans: dict[str, dict[str, Any]]) -> list[Hall]:
    """All halls of the venue, the biggest first."""
    if venue.layout:
        plan = plans[venue.layout]
        return [Hall(venue, 1, sum(1 for _ in _seats(plan)), plan)]
    if venue.capacity:
        sizes = _shared_out(venue.capacity, min(venue.screens or 1, venue.capacity))
    elif venue.kind == "cinema":
        count = venue.screens or 1 + int(3 * draw(venue.id, "screens"))
        sizes = sorted((pick(CINEMA_SIZES, venue.id, "size", number) for number in range(count)), reverse=True)
    else:
        sizes = [pick(STAGE_SIZES, venue.id, "size")]
    return [Hall(venue, number, seats) for number, seats in enumerate(sizes, 1)]


def _shared_out(capacity: int, screens: int) -> list[int]:
    """From 1.4 down to 0.6 times the mean, as multiplexes are built; the sum stays the real one."""
    weights = [1.4 - 0.8 * number / (screens - 1) for number in range(screens)] if screens > 1 else [1.0]
    sizes = [max(1, int(capacity * weight / sum(weights))) for weight in weights]
    sizes[0] += capacity - sum(sizes)
    return sizes


def _rows(seats: int, width: int) -> list[int]:
    """Row lengths that sum to `seats`: narrower in front, wider behind."""
    count = max(1, round(seats / width))
    base, over = divmod(seats, count)
    lengths = [base + (number >= count - over) for number in range(count)]
    if count >= 4 and base >= 8:
        for front in range(count // 3):
            lengths[front] -= 2
            lengths[-1 - front] += 2
    return lengths


def _cinema_blocks(seats: int, mark: str) -> list[Block]:
    if seats > 500:
        upstairs = seats // 4
        stalls = Block("stalls", "Stalls", _cinema_rows(seats - upstairs, mark))
        balcony = Block("balcony", "Balcony", _plain(_rows(upstairs, _width(upstairs)), "balcony"))
        return [stalls, balcony]
    return [Block("main", "Main", _cinema_rows(seats, mark))]


def _cinema_rows(seats: int, mark: str) -> list[list[str]]:
    rows = _plain(_rows(seats, _width(seats)), "standard")
    if seats >= 80:
        first = len(rows) * 3 // 5
        for row in rows[first : first + max(1, len(rows) // 5)]:
            row[:] = ["premium"] * len(row)
    if seats >= 60 and draw(mark, "back row") < 0.3:
        pairs = len(rows[-1]) // 2 * 2
        rows[-1][:pairs] = ["loveseat" if draw(mark, "kind") < 0.5 else "recliner"] * pairs
    _wheelchairs(rows, seats, front=draw(mark, "wheelchair") < 0.6)
    return rows


def _stage_blocks(seats: int, mark: str) -> list[Block]:
    if seats < 150:
        rows = _plain(_rows(seats, _width(seats)), "standard")
        _wheelchairs(rows, seats, front=True)
        return [Block("stalls", "Stalls", rows)]
    boxes = seats // 50 * 4 if seats >= 300 else 0
    upstairs = seats // 4
    below = seats - boxes - upstairs
    stalls = _plain(_rows(below, _width(below)), "standard")
    for row in stalls[1 : 1 + len(stalls) // 3]:
        row[:] = ["premium"] * len(row)
    _wheelchairs(stalls, seats, front=draw(mark, "wheelchair") < 0.5)
    blocks = [
        Block("stalls", "Stalls", stalls),
        Block("circle", "Circle", _plain(_rows(upstairs, _width(below)), "balcony")),
    ]
    if boxes:
        blocks.append(Block("boxes", "Boxes", _plain([4] * (boxes // 4), "box")))
    return blocks


def _width(seats: int) -> int:
    return min(40, max(6, round(sqrt(seats * 1.5))))


def _plain(lengths: Iterable[int], kind: str) -> list[list[str]]:
    return [[kind] * length for length in lengths]


def _wheelchairs(rows: list[list[str]], seats: int, *, front: bool) -> None:
    """One space with a companion's seat beside it per hundred seats, at least one, from the ends of one row inwards."""
    row = rows[0] if front else rows[-1]
    places = min(max(1, seats // 100), 6, len(row) // 4)
    for place in range(places):
        at = 2 * (place // 2)
        if place % 2:
            row[len(row) - 1 - at], row[len(row) - 2 - at] = "wheelchair", "companion"
        else:
            row[at], row[at + 1] = "wheelchair", "companion"


def _drawn(blocks: list[Block]) -> dict[str, Any]:
    """Seats on a plain grid; wide halls get two straight aisles, sections stand one behind another."""
    sections, y = [], 0
    for block in blocks:
        widest = max(map(len, block.rows))
        aisles = (widest // 4, widest - widest // 4) if widest > 12 else ()
        rows = []
        for number, kinds in enumerate(block.rows):
            label = ROW_NAMES[number] if number < len(ROW_NAMES) else 2 * ROW_NAMES[number % len(ROW_NAMES)]
            left = (widest - len(kinds)) // 2
            seats = [
                {
                    "id": f"{block.id}-{label}-{place + 1}",
                    "label": str(place + 1),
                    "coordinates": {"x": PITCH * (left + place + sum(left + place >= at for at in aisles)), "y": y},
                    "seatType": kind,
                }
                for place, kind in enumerate(kinds)
            ]
            rows.append({"label": label, "seats": seats})
            y += ROW_DEPTH
        sections.append({"id": block.id, "name": block.name, "rows": rows})
        y += 2 * ROW_DEPTH
    return {"sections": sections}


def _seats(layout: dict[str, Any]) -> Iterable[dict[str, Any]]:
    return (seat for section in layout["sections"] for row in section["rows"] for seat in row["seats"])
