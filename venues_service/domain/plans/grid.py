"""Seats drawn as plain text: a line a row, a character a seat. The format is described in `docs/hall-import.md`."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from venues_service.domain.layouts import FURTHEST, SEAT_TYPES
from venues_service.domain.plans.categories import STANDARD, type_of
from venues_service.domain.plans.draft import Draft, Gathered, RawSeat
from venues_service.domain.plans.findings import Faults, Findings, as_id, as_label
from venues_service.domain.plans.text import check_characters, decoded

CHARACTERS = {"#": STANDARD, "S": STANDARD, "P": "premium", "V": "vip", "W": "wheelchair", "C": "companion"}
GAPS = " ._"
# These begin other kinds of lines, or part a label from its seats.
RESERVED = "[]=;:" + GAPS
DEFAULT_SECTION = "Hall"
DEFAULT_IDS = "{section}-{row}-{seat}"
_DIGITS = "0123456789"
_MOST_REPEATS = 100_000
_NUMBERING = re.compile(r"(left-to-right|right-to-left|odd-even)(?: from (\d{1,6}))?", re.ASCII)
_PAIR = re.compile(r"(-?\d{1,7}(?:\.\d{1,4})?)\s*,\s*(-?\d{1,7}(?:\.\d{1,4})?)", re.ASCII)
_PLACEHOLDER = re.compile(r"\{(section|row|seat)\}")


Scheme = Literal["left-to-right", "right-to-left", "odd-even"]


class Numbering(NamedTuple):
    scheme: str = "left-to-right"
    start: int = 1

    def labels(self, count: int) -> list[str]:
        """The seat labels of a row, as one reads it: odd-even counts from the middle, odd numbers to the left."""
        if self.scheme == "odd-even":
            left = (count + 1) // 2
            return [str(2 * n - 1) for n in range(left, 0, -1)] + [str(2 * n) for n in range(1, count - left + 1)]
        labels = [str(self.start + n) for n in range(count)]
        return labels if self.scheme == "left-to-right" else labels[::-1]


PLAIN = Numbering()


class Cell(NamedTuple):
    column: int
    seat_type: str
    at: int


@dataclass
class State:
    """What directives have set so far; reading and writing go through the same states."""

    characters: dict[str, str] = field(default_factory=lambda: dict(CHARACTERS))
    numbering: Numbering = PLAIN
    ids: str = DEFAULT_IDS
    step: tuple[float, float] = (1.0, 1.0)
    x: float = 0.0
    y: float = 0.0
    # Empty lines since the last row; None before the first row, and after an origin.
    blanks: int | None = None

    def next_y(self) -> float:
        return self.y if self.blanks is None else self.y + self.step[1] * (1 + self.blanks)


def seat_id(template: str, section: str, row: str, seat: str) -> str:
    values = {"section": section, "row": row, "seat": seat}
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def row_letters(number: int) -> str:
    """A … Z, AA, AB …, as spreadsheets name columns; the first is 0."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def read_grid(body: bytes, findings: Findings, numbering: Scheme = "left-to-right") -> Gathered:
    """`numbering` holds until the file itself says otherwise."""
    text = decoded(body)
    check_characters(text)
    return _Reader(findings, numbering).read(text)


class _Reader:
    def __init__(self, findings: Findings, numbering: Scheme) -> None:
        self.findings = findings
        self.faults = Faults()
        self.draft = Draft(self.faults, findings)
        self.state = State(numbering=Numbering(numbering))
        self.section, self.section_name = DEFAULT_SECTION, DEFAULT_SECTION
        self.sections: dict[str, str] = {}
        # Row label → line, of the present section.
        self.rows: dict[str, str] = {}
        self.directives: dict[str, Callable[[str, str], None]] = {
            "key": self._key,
            "numbering": self._numbering,
            "ids": self._template,
            "step": self._step,
            "origin": self._origin,
        }

    def read(self, text: str) -> Gathered:
        for number, line in enumerate(text.split("\n"), 1):
            where = f"line {number}"
            if line.startswith("["):
                self._open(line.rstrip(), where)
            elif line.startswith("="):
                self._direct(line, where)
            elif not line.startswith(";"):
                self._row(line, where)
        return self.draft.gather("line 1")

    def _open(self, line: str, where: str) -> None:
        """`[id]` or `[id | name]`."""
        section, _, name = line[1:-1].partition(" | ")
        section_id, section_name = as_id(section), as_label(name or section)
        if not line.endswith("]") or section_id is None or section_name is None:
            self.faults.add(where, "A section line is [id] or [id | name], each of at most 100 characters")
        elif section_id in self.sections:
            self.faults.add(where, f"Section {section_id!r} is there before, at {self.sections[section_id]}")
        else:
            self.sections[section_id] = where
            self.section, self.section_name = section_id, section_name
            self.rows = {}

    def _direct(self, line: str, where: str) -> None:
        name, colon, value = line[1:].partition(":")
        directive = self.directives.get(name.strip().lower())
        if directive is None or not colon:
            self.faults.add(where, f"Unknown directive; known are {', '.join(self.directives)}, each with a colon")
        else:
            directive(value.strip(), where)

    def _key(self, value: str, where: str) -> None:
        char, _, name = (part.strip() for part in value.partition("="))
        seat_type = type_of(name)
        if len(char) != 1 or char in RESERVED or char in _DIGITS:
            self.faults.add(where, f"A key is one character = seat type; not a digit, and none of {RESERVED}")
        elif seat_type is None:
            known = ", ".join(sorted(SEAT_TYPES))
            self.faults.add(where, f"No such seat type: {name[:100]!r}; known are {known}")
        else:
            self.state.characters[char] = seat_type

    def _numbering(self, value: str, where: str) -> None:
        match = _NUMBERING.fullmatch(value)
        if match is None or (match[1] == "odd-even" and match[2]):
            self.faults.add(where, "Numbering is left-to-right or right-to-left, with `from N` or not, or odd-even")
        else:
            self.state.numbering = Numbering(match[1], int(match[2] or 1))

    def _template(self, value: str, where: str) -> None:
        if "{row}" in value and "{seat}" in value and len(value) <= 200:
            self.state.ids = value
        else:
            self.faults.add(where, f"A pattern of ids has {{row}} and {{seat}} in it, as {DEFAULT_IDS} has")

    def _step(self, value: str, where: str) -> None:
        if (pair := self._pair(value, where)) is not None:
            if min(pair) > 0:
                self.state.step = pair
            else:
                self.faults.add(where, "Steps are greater than zero")

    def _origin(self, value: str, where: str) -> None:
        if (pair := self._pair(value, where)) is not None:
            (self.state.x, self.state.y), self.state.blanks = pair, None

    def _pair(self, value: str, where: str) -> tuple[float, float] | None:
        match = _PAIR.fullmatch(value)
        if match is None:
            self.faults.add(where, f"Two numbers are needed, as in `12.5, 0`, up to {FURTHEST} and four decimals")
            return None
        return float(match[1]), float(match[2])

    def _row(self, line: str, where: str) -> None:
        head, colon, cells = line.rpartition(":")
        offset = len(head) + len(colon)
        if colon and cells.startswith(" "):
            cells, offset = cells[1:], offset + 1
        found = self._cells(cells, offset, where)
        if not found:
            if colon and not self.faults:
                self.findings.add("info", "empty-row", where, "This row has no seats and was left out")
            if self.state.blanks is not None:
                self.state.blanks += 1
            return
        label = as_label(head) if colon else row_letters(len(self.rows))
        if label is None:
            self.faults.add(where, "A row's label, before the colon, has 1 to 100 characters")
            return
        if label in self.rows:
            self.faults.add(where, f"Row {label!r} of this section is there before, at {self.rows[label]}")
            return
        self.rows[label] = where
        self.sections.setdefault(self.section, where)
        self._seats(label, found, where)

    def _seats(self, label: str, found: list[Cell], where: str) -> None:
        state = self.state
        y = state.next_y()
        for cell, number in zip(found, state.numbering.labels(len(found)), strict=True):
            given = "" if state.ids == DEFAULT_IDS else seat_id(state.ids, self.section, label, number)
            place = (state.x + cell.column * state.step[0], y)
            at = f"{where}, column {cell.at}"
            self.draft.add(
                RawSeat(self.section, self.section_name, label, number, cell.seat_type, at, given, "", place)
            )
        state.y, state.blanks = y, 0

    def _cells(self, cells: str, offset: int, where: str) -> list[Cell]:
        """A number before a character repeats it: `12#` is twelve seats, `4.` a gap of four."""
        found: list[Cell] = []
        column = 0
        digits = ""
        for at, char in enumerate(cells, offset + 1):
            if char in _DIGITS:
                digits += char
                continue
            repeats = int(digits[:7] or 1)
            if not 1 <= repeats <= _MOST_REPEATS:
                self.faults.add(f"{where}, column {at}", f"A character is repeated 1 to {_MOST_REPEATS} times")
                return []
            digits = ""
            if char in self.state.characters:
                seat_type = self.state.characters[char]
                found += (Cell(column + n, seat_type, at) for n in range(repeats))
            elif char not in GAPS:
                message = f"{char!r} is no seat; known are {' '.join(self.state.characters)}, and gaps: space . _"
                self.faults.add(f"{where}, column {at}", message)
            if len(found) > _MOST_REPEATS:
                self.faults.add(f"{where}, column {at}", f"A row has at most {_MOST_REPEATS} seats")
                return []
            column += repeats
        if digits:
            self.faults.add(f"{where}, column {offset + len(cells)}", "A number stands before the character it repeats")
        return found
