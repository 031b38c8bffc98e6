"""Seat layouts: sections of rows of seats, checked to the last seat; or of general admission, which have a capacity.

A layout of 100,000 seats is an ordinary case, so checks run in Rust (the drafts' types) or in one plain pass.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, StringConstraints, with_config
from pydantic_core import to_json
from typing_extensions import TypedDict

from venues_service.domain.drafts import MOST_FAULTS, refuse

MOST_SEATS = 100_000
# A hall's document names each with its types, and has 16 MB for all.
MOST_SECTIONS = 10_000
MOST_WARNINGS = 100
FURTHEST = 1_000_000
# fmt: off
SEAT_TYPES = frozenset((
    "standard", "regular", "premium", "vip", "recliner", "loveseat", "couple", "sofa", "balcony", "box", "stalls",
    "circle", "gallery", "orchestra", "economy", "gold", "silver", "platinum", "executive", "accessible", "wheelchair",
    "companion", "standing", "restricted",
))
# fmt: on
STANDING = "standing"
WHEELCHAIR_TYPES = frozenset(("wheelchair", "accessible"))

# No control characters, no separators of lines, nothing that turns the direction of what follows.
_LETTER = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
Label = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=f"^[^{_LETTER}]+$")]
# Ids become keys of prices, so none may look like a database operator.
LayoutId = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=100, pattern=f"^[^${_LETTER}][^{_LETTER}]*$")
]
Places = Annotated[int, Field(strict=True, ge=1, le=MOST_SEATS)]
Coordinate = Annotated[float, Field(strict=True, ge=-FURTHEST, le=FURTHEST, allow_inf_nan=False)]

CLOSED = ConfigDict(extra="forbid")
Finding = tuple[str, str]


# Typed dicts, not models: pydantic checks 100,000 seats of these in a tenth of a second, a seventh of what models take.
@with_config(CLOSED)
class PointDraft(TypedDict):
    """A place on the plan of the hall; its unit and origin are the client's own."""

    x: Coordinate
    y: Coordinate


@with_config(CLOSED)
class SeatDraft(TypedDict):
    id: LayoutId
    label: NotRequired[Label | None]
    coordinates: NotRequired[PointDraft | None]
    seatType: Label


@with_config(CLOSED)
class RowDraft(TypedDict):
    label: Label
    seats: list[SeatDraft]


@with_config(CLOSED)
class SectionDraft(TypedDict):
    """Either rows of seats, or general admission: a capacity and one seat type for all of it, else `standing`."""

    id: LayoutId
    name: NotRequired[Label | None]
    rows: NotRequired[list[RowDraft] | None]
    capacity: NotRequired[Places | None]
    seatType: NotRequired[Label | None]


@with_config(CLOSED)
class LayoutDraft(TypedDict):
    sections: list[SectionDraft]


@dataclass(frozen=True)
class Layout:
    """A sound layout. `text` is its one JSON form and `digest` names that form: equal layouts have equal digests.

    A section of general admission is `{id, name, seatType, capacity}` there, without rows. `seat_count` and
    `types_by_section` (section id → seat type → seats of it) count its capacity as seats.
    """

    text: bytes
    digest: str
    seat_count: int
    types_by_section: dict[str, dict[str, int]]
    warnings: list[Finding] = field(default_factory=list)
    # JSON of what only the file knew that the layout came from, for the way back; b"" for none.
    extras: bytes = b""

    @property
    def extras_digest(self) -> str | None:
        return hashlib.sha256(self.extras).hexdigest() if self.extras else None


def checked(draft: LayoutDraft, base: str = "/seatLayout") -> Layout:
    """The layout of a draft. Raises Invalid with a fault for each problem, pointers beginning with `base`."""
    faults = list(islice(_faults(draft, base), MOST_FAULTS))
    if faults:
        raise refuse(faults)
    sections, generated = _complete(draft)
    text = to_json({"sections": sections})
    types = {section["id"]: _types(section) for section in sections}
    count = sum(sum(counts.values()) for counts in types.values())
    warnings = list(islice(_warnings(sections, base, generated), MOST_WARNINGS))
    return Layout(text, hashlib.sha256(text).hexdigest(), count, types, warnings)


def _types(section: Mapping[str, Any]) -> dict[str, int]:
    if "capacity" in section:
        return {section["seatType"]: section["capacity"]}
    return dict(Counter(seat["seatType"] for row in section["rows"] for seat in row["seats"]))


def _faults(draft: LayoutDraft, base: str) -> Iterator[Finding]:
    first_at: dict[str, str] = {}
    section_ids: set[str] = set()
    count = 0
    if not draft["sections"]:
        yield f"{base}/sections", "A layout needs a section"
    if len(draft["sections"]) > MOST_SECTIONS:
        yield f"{base}/sections", f"A layout may have at most {MOST_SECTIONS} sections"
    for s, section in enumerate(draft["sections"]):
        at = f"{base}/sections/{s}"
        if section["id"] in section_ids:
            yield f"{at}/id", f"Section id {section['id']!r} is used before"
        section_ids.add(section["id"])
        rows, capacity, seat_type = section.get("rows"), section.get("capacity"), section.get("seatType")
        if capacity is None:
            yield from _row_faults(rows or [], at, first_at)
            count += sum(len(row["seats"]) for row in rows or [])
        elif rows is not None:
            yield f"{at}/capacity", "A section has either rows or a capacity"
        elif (seat_type or STANDING).lower() not in SEAT_TYPES:
            yield f"{at}/seatType", f"No such seat type: {seat_type!r}"
        if capacity is None and seat_type is not None:
            yield f"{at}/seatType", "Only a section with a capacity has a seat type; others have one for each seat"
        count += capacity or 0
    if count > MOST_SEATS:
        yield f"{base}/sections", f"A hall may have at most {MOST_SEATS} seats, not {count}"


def _row_faults(rows: list[RowDraft], at: str, first_at: dict[str, str]) -> Iterator[Finding]:
    if not rows:
        yield f"{at}/rows", "A section needs a row, or a capacity"
    labels: set[str] = set()
    for r, row in enumerate(rows):
        if row["label"] in labels:
            yield f"{at}/rows/{r}/label", f"Row label {row['label']!r} is used before in this section"
        labels.add(row["label"])
        if not row["seats"]:
            yield f"{at}/rows/{r}/seats", "A row needs a seat"
        for n, seat in enumerate(row["seats"]):
            here = f"{at}/rows/{r}/seats/{n}"
            first = first_at.setdefault(seat["id"], here)
            if first is not here:
                yield f"{here}/id", f"Seat id {seat['id']!r} is that of {first}"
            if seat["seatType"].lower() not in SEAT_TYPES:
                yield f"{here}/seatType", f"No such seat type: {seat['seatType']!r}"


def _complete(draft: LayoutDraft) -> tuple[list[dict[str, Any]], int]:
    """The layout with what was left out, and how many seats got a generated position: their place in the row."""
    generated = row_number = 0
    sections = []
    for section in draft["sections"]:
        head = {"id": section["id"], "name": section.get("name") or section["id"]}
        if (capacity := section.get("capacity")) is not None:
            seat_type = (section.get("seatType") or STANDING).lower()
            sections.append({**head, "seatType": seat_type, "capacity": capacity})
            continue
        rows = []
        for row in section.get("rows") or []:
            seats = []
            for n, seat in enumerate(row["seats"]):
                place = seat.get("coordinates")
                generated += place is None
                seats.append(
                    {
                        "id": seat["id"],
                        "label": seat.get("label") or seat["id"],
                        "coordinates": place or {"x": float(n), "y": float(row_number)},
                        "seatType": seat["seatType"].lower(),
                    }
                )
            row_number += 1
            rows.append({"label": row["label"], "seats": seats})
        sections.append({**head, "rows": rows})
    return sections, generated


def _warnings(sections: list[dict[str, Any]], base: str, generated: int) -> Iterator[Finding]:
    """What is allowed but looks like a slip."""
    if generated:
        yield base, f"{generated} seat(s) have no coordinates; their place in the row was taken"
    taken: dict[tuple[float, float], str] = {}
    for s, section in enumerate(sections):
        for r, row in enumerate(section.get("rows", ())):
            at = f"{base}/sections/{s}/rows/{r}/seats"
            seats = row["seats"]
            labels: set[str] = set()
            for n, seat in enumerate(seats):
                place = (seat["coordinates"]["x"], seat["coordinates"]["y"])
                other = taken.setdefault(place, seat["id"])
                if other != seat["id"] and not generated:
                    yield f"{at}/{n}/coordinates", f"The same place as seat {other!r}"
                if seat["label"] in labels:
                    yield f"{at}/{n}/label", f"The label {seat['label']!r} is used before in this row"
                labels.add(seat["label"])
                if seat["seatType"] in WHEELCHAIR_TYPES:
                    neighbours = [*seats[max(n - 1, 0) : n], *seats[n + 1 : n + 2]]
                    if all(neighbour["seatType"] != "companion" for neighbour in neighbours):
                        yield f"{at}/{n}/seatType", "No companion seat is next to this wheelchair space"
