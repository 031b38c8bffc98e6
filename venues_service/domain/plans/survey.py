"""Looks over a layout as somebody with the plan in hand would: what can be sold as it stands, but looks like a slip."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

from venues_service.domain.layouts import WHEELCHAIR_TYPES
from venues_service.domain.plans.draft import DECIMALS
from venues_service.domain.plans.findings import MOST_NAMED, Findings, Severity

Point = tuple[float, float]

# All in spacings: the usual distance from seat to seat in this hall or row.
TOO_NEAR = 0.4
LONE = 12.0
AISLE = 1.6
BLOCKED = 0.6
# A row's own spacing, and its number of seats, against the median of its section.
WIDEST, NARROWEST = 2.5, 0.4
LONGEST = 4.0
ENOUGH_ROWS = 4
ENOUGH_SEATS = 3
# Seats looked at in one cell: more stand there only in plans that are told to overlap anyway.
MOST_IN_CELL = 16
# Positions are rounded to this.
FINEST = 10.0**-DECIMALS


@dataclass(slots=True)
class _Row:
    section: str
    label: str
    where: str
    ids: list[str]
    points: list[Point]
    steps: list[float]
    spacing: float


def survey(layout: Mapping[str, Any], places: Mapping[str, str], findings: Findings) -> None:
    """Adds what is found to `findings`; `places` tells for each seat id where in the file it is."""
    rows: list[_Row] = []
    for section in layout["sections"]:
        of_section = []
        for row in section["rows"]:
            _check_words(section["id"], row, places, findings)
            of_section.append(_measured(section["id"], row, places))
        _check_shape(of_section, findings)
        rows += of_section
    spacing = median([row.spacing for row in rows if row.spacing] or [0.0])
    _check_overlaps(rows, spacing * TOO_NEAR, places, findings)
    if spacing:
        for row in _unreachable(rows, spacing):
            message = f"Row {row.label!r} of section {row.section!r} has seats of other rows at both ends and no aisle"
            findings.add("warning", "unreachable-row", row.where, message, *row.ids)


def _measured(section: str, row: Mapping[str, Any], places: Mapping[str, str]) -> _Row:
    seats = row["seats"]
    points = [(seat["coordinates"]["x"], seat["coordinates"]["y"]) for seat in seats]
    steps = [math.dist(a, b) for a, b in pairwise(points)]
    # A row of a pretix plan has a pointer of its own; lines of a text have not.
    where = places[seats[0]["id"]].rpartition("/seats/")
    ids = [seat["id"] for seat in seats]
    return _Row(section, row["label"], where[0] or where[2], ids, points, steps, median(steps or [0.0]))


def _check_words(section: str, row: Mapping[str, Any], places: Mapping[str, str], findings: Findings) -> None:
    seats = row["seats"]
    by_label: dict[str, list[str]] = defaultdict(list)
    for seat in seats:
        by_label[seat["label"]].append(seat["id"])
    for label, ids in by_label.items():
        if len(ids) > 1:
            message = f"Row {row['label']!r} of section {section!r} has {len(ids)} seats {label!r}"
            findings.add("warning", "duplicate-label", places[ids[1]], message, *ids)
    for n, seat in enumerate(seats):
        if seat["seatType"] in WHEELCHAIR_TYPES:
            neighbours = [*seats[max(n - 1, 0) : n], *seats[n + 1 : n + 2]]
            if all(neighbour["seatType"] != "companion" for neighbour in neighbours):
                message = "No companion seat is next to this wheelchair space"
                findings.add("warning", "wheelchair-without-companion", places[seat["id"]], message, seat["id"])


def _check_shape(rows: list[_Row], findings: Findings) -> None:
    """Rows unlike the others of their section."""
    measured = [row.spacing for row in rows if len(row.points) >= ENOUGH_SEATS and row.spacing]
    usual = median(measured) if len(measured) >= ENOUGH_ROWS else 0.0
    length = median([len(row.points) for row in rows]) if len(rows) >= ENOUGH_ROWS else 0.0
    for row in rows:
        oddities = []
        if usual and len(row.points) >= ENOUGH_SEATS and not NARROWEST <= row.spacing / usual <= WIDEST:
            oddities.append(f"its seats are {row.spacing:g} apart, those of the other rows {usual:g}")
        if length and len(row.points) > length * LONGEST:
            oddities.append(f"it has {len(row.points)} seats, the other rows {length:g}")
        if row.spacing and max(row.steps) > row.spacing * LONE:
            oddities.append(f"two of its neighbours are {max(row.steps):g} apart, most {row.spacing:g}")
        if oddities:
            message = f"Row {row.label!r} of section {row.section!r} is odd: {', and '.join(oddities)}"
            findings.add("warning", "odd-row", row.where, message, *row.ids)


@dataclass(slots=True)
class _Overlap:
    """Seats of one section upon seats of another, or one seat upon its own section."""

    where: str
    distance: float
    ids: list[str] = field(default_factory=list)
    count: int = 0


def _check_overlaps(rows: list[_Row], limit: float, places: Mapping[str, str], findings: Findings) -> None:
    """Each seat is held against those before it that overlap with none, so the work stays in step with the seats.

    Floors drawn one upon the other overlap in hundreds of seats: that is one finding.
    """
    cells: dict[tuple[int, int], list[tuple[Point, str, str]]] = defaultdict(list)
    size = limit or FINEST
    overlaps: dict[tuple[str, str, str], _Overlap] = {}
    for row in rows:
        for point, seat_id in zip(row.points, row.ids, strict=True):
            cell = (math.floor(point[0] / size), math.floor(point[1] / size))
            near = _nearest(cells, cell, point, limit)
            if near is None:
                cells[cell].append((point, seat_id, row.section))
                continue
            distance, other, section = near
            key = (row.section, section, seat_id if row.section == section else "")
            overlap = overlaps.setdefault(key, _Overlap(places[seat_id], distance))
            overlap.distance = min(overlap.distance, distance)
            overlap.count += 1
            if overlap.count <= MOST_NAMED // 2:
                overlap.ids += [seat_id, other]
    for (section, other_section, single), overlap in overlaps.items():
        far = f"{overlap.distance:g} apart" if overlap.distance else "at the very same place"
        message = (
            f"Seats {overlap.ids[0]!r} and {overlap.ids[1]!r} are {far}"
            if single
            else f"{overlap.count} seat(s) of section {section!r} are upon seats of {other_section!r}, {far}"
        )
        severity: Severity = "warning" if overlap.distance else "error"
        findings.add(severity, "overlapping-seats", overlap.where, message, *overlap.ids)


def _nearest(
    cells: Mapping[tuple[int, int], list[tuple[Point, str, str]]], cell: tuple[int, int], point: Point, limit: float
) -> tuple[float, str, str] | None:
    """(distance, seat id, section) of the nearest seat within `limit`."""
    best: tuple[float, str, str] | None = None
    for here in _around(cell):
        for other, seat_id, section in cells.get(here, ()):
            distance = math.dist(point, other)
            if (distance < limit or distance == 0) and (best is None or distance < best[0]):
                best = (distance, seat_id, section)
    return best


def _around(cell: tuple[int, int]) -> Iterator[tuple[int, int]]:
    x, y = cell
    return ((x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1))


def _unreachable(rows: list[_Row], spacing: float) -> list[_Row]:
    """Rows that nobody could enter: both ends walled in by other rows, no aisle between their seats.

    A row that goes on in the row of the next block, end to end, is entered through that one.
    """
    cells: dict[tuple[int, int], list[tuple[Point, int, bool]]] = defaultdict(list)
    for number, row in enumerate(rows):
        last = len(row.points) - 1
        for n, point in enumerate(row.points):
            cell = cells[math.floor(point[0] / spacing), math.floor(point[1] / spacing)]
            if len(cell) < MOST_IN_CELL:
                cell.append((point, number, n in {0, last}))
    open_rows: list[int] = []
    leads_to: dict[int, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        if len(row.points) < 2 or not row.spacing or max(row.steps) > row.spacing * AISLE:
            open_rows.append(number)
            continue
        for end in (_beyond(row.points[1], row.points[0]), _beyond(row.points[-2], row.points[-1])):
            inner = [found for found in _seats_at(cells, end, spacing) if found[0] != number]
            if not inner:
                open_rows.append(number)
            for other, is_end in inner:
                if is_end:
                    leads_to[other].append(number)
    reached = set(open_rows)
    while open_rows:
        fresh = [number for number in leads_to[open_rows.pop()] if number not in reached]
        reached.update(fresh)
        open_rows += fresh
    return [row for number, row in enumerate(rows) if number not in reached]


def _beyond(inner: Point, end: Point) -> Point:
    """Where one would stand to enter a row: one step past its end."""
    return 2 * end[0] - inner[0], 2 * end[1] - inner[1]


def _seats_at(
    cells: Mapping[tuple[int, int], list[tuple[Point, int, bool]]], point: Point, spacing: float
) -> Iterator[tuple[int, bool]]:
    cell = (math.floor(point[0] / spacing), math.floor(point[1] / spacing))
    for here in _around(cell):
        for other, number, is_end in cells.get(here, ()):
            if math.dist(point, other) < spacing * BLOCKED:
                yield number, is_end
