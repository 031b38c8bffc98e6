"""Seats as a table: one line a seat, columns in any order, a header row first.

`section,section_name?,row,seat,id?,x?,y?,type?`, parted by comma, semicolon or tab. A cell that a spreadsheet would
take for a formula is written with an apostrophe before it, which reading takes away again.
"""

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

from venues_service.domain.plans.categories import STANDARD, type_of
from venues_service.domain.plans.draft import Draft, Gathered, RawSeat
from venues_service.domain.plans.findings import Faults, Findings, as_id, as_label
from venues_service.domain.plans.text import check_characters, decoded

COLUMNS = ("section", "section_name", "row", "seat", "id", "x", "y", "type")
REQUIRED = ("section", "row", "seat")
DELIMITERS = ",;\t"
_ALIASES = {
    "section": ("section", "section id", "zone", "block", "area", "level"),
    "section_name": ("section name", "zone name"),
    "row": ("row", "row label", "row number", "row name"),
    "seat": ("seat", "seat label", "seat number", "number", "label"),
    "id": ("id", "seat id", "guid", "seat guid"),
    "x": ("x", "pos x", "position x"),
    "y": ("y", "pos y", "position y"),
    "type": ("type", "seat type", "category", "seattype"),
}
_COLUMN_OF = {alias: column for column, aliases in _ALIASES.items() for alias in aliases}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
# Spreadsheets read a formula from these, the full-width ones too.
_FORMULA = re.compile(r"'*[=+\-@＝＋－＠]")  # noqa: RUF001


def read_csv(body: bytes, findings: Findings) -> Gathered:
    text = decoded(body)
    delimiter = _delimiter(text)
    check_characters(text, allowed="\t" if delimiter == "\t" else "")
    return _Reader(delimiter, findings).read(text)


def write_csv(layout: Mapping[str, Any]) -> bytes:
    """Every layout can be written; all columns are there."""
    target = io.StringIO(newline="")
    writer = csv.writer(target)
    writer.writerow(COLUMNS)
    for section in layout["sections"]:
        for row in section["rows"]:
            for seat in row["seats"]:
                x, y = seat["coordinates"]["x"], seat["coordinates"]["y"]
                cells = (section["id"], section["name"], row["label"], seat["label"], seat["id"])
                writer.writerow([_guarded(str(cell)) for cell in (*cells, x, y, seat["seatType"])])
    return target.getvalue().encode("utf-8")


def _guarded(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _unguarded(cell: str) -> str:
    cell = cell.strip()
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _delimiter(text: str) -> str:
    """The one by which the header falls into most columns that we know."""
    header = next(line for line in text.split("\n") if line.strip())
    return max(DELIMITERS, key=lambda delimiter: sum(_column(cell) is not None for cell in header.split(delimiter)))


def _column(cell: str) -> str | None:
    return _COLUMN_OF.get(" ".join(cell.strip().strip('"').lower().replace("_", " ").split()))


class _Reader:
    def __init__(self, delimiter: str, findings: Findings) -> None:
        self.delimiter = delimiter
        self.findings = findings
        self.faults = Faults()
        self.draft = Draft(self.faults, findings)
        self.columns: list[str | None] = []
        self.names: dict[str, str] = {}
        # Type → pointer to the first, number of seats.
        self.unknown: dict[str, tuple[str, int]] = {}

    def read(self, text: str) -> Gathered:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter, skipinitialspace=True, strict=True)
        before = 0
        try:
            for cells in lines:
                where, before = f"line {before + 1}", lines.line_num
                if not any(cell.strip() for cell in cells):
                    continue
                if self.columns:
                    self._line(cells, where)
                else:
                    self._header(cells, where)
        except csv.Error as error:
            self.faults.add(f"line {before + 1}", f"This line is no CSV: {error}")
        gathered = self.draft.gather("line 1")
        for name, (where, count) in self.unknown.items():
            message = f"{name!r} is no seat type; {count} seat(s) are standard"
            self.findings.add("warning", "unknown-category", where, message)
        return gathered

    def _header(self, cells: list[str], where: str) -> None:
        self.columns = [_column(_unguarded(cell)) for cell in cells]
        for n, (column, cell) in enumerate(zip(self.columns, cells, strict=True)):
            if column is None:
                message = f"Unknown column {cell.strip()!r}; known are {', '.join(COLUMNS)}"
                self.faults.add(f"{where}, column {n + 1}", message)
            elif column in self.columns[:n]:
                self.faults.add(f"{where}, column {n + 1}", f"Column {column!r} is there twice")
        for column in REQUIRED:
            if column not in self.columns:
                self.faults.add(where, f"Column {column!r} is missing")
        self.faults.settle()

    def _line(self, cells: list[str], where: str) -> None:
        if len(cells) > len(self.columns) and any(cell.strip() for cell in cells[len(self.columns) :]):
            self.faults.add(where, f"This line has {len(cells)} cells, the header {len(self.columns)}")
            return
        values = {
            column: _unguarded(cell) for column, cell in zip(self.columns, cells, strict=False) if column is not None
        }
        faulty = False
        for column in REQUIRED:
            if (as_id if column == "section" else as_label)(values.get(column, "")) is None:
                message = f"A {column} of 1 to 100 characters is needed (and no section may begin with $)"
                self.faults.add(self._at(where, column), message)
                faulty = True
        name = values.get("section_name") or values.get("section", "")
        if not faulty and as_label(name) is None:
            self.faults.add(self._at(where, "section_name"), "A name has at most 100 characters, in one line")
            faulty = True
        place = self._place(values, where)
        if faulty:
            return
        section = values["section"]
        known_name = self.names.setdefault(section, name)
        if values.get("section_name") and name != known_name:
            self.faults.add(self._at(where, "section_name"), f"Section {section!r} was named {known_name!r} before")
        seat_type = self._type(values.get("type", ""), where)
        self.draft.add(
            RawSeat(
                section, known_name, values["row"], values["seat"], seat_type, where, values.get("id", ""), "", place
            )
        )

    def _at(self, where: str, column: str) -> str:
        return f"{where}, column {self.columns.index(column) + 1}" if column in self.columns else where

    def _type(self, text: str, where: str) -> str:
        seat_type = type_of(text) if text else STANDARD
        if seat_type is None:
            first, count = self.unknown.get(text[:100], (self._at(where, "type"), 0))
            self.unknown[text[:100]] = (first, count + 1)
        return seat_type or STANDARD

    def _place(self, values: dict[str, str], where: str) -> tuple[float, float] | None:
        given = [axis for axis in ("x", "y") if values.get(axis)]
        if not given:
            return None
        if len(given) == 1:
            self.faults.add(where, "A seat has both x and y, or neither")
        numbers = []
        for axis in given:
            text = values[axis] if self.delimiter == "," else values[axis].replace(",", ".")
            if not _NUMBER.fullmatch(text) or len(text) > 40:
                self.faults.add(self._at(where, axis), f"{values[axis][:40]!r} is no number")
                return None
            numbers.append(float(text))
        return (numbers[0], numbers[1]) if len(numbers) == 2 else None
