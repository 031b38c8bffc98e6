"""Draws a layout as text, when it can be drawn: straight rows of evenly spaced, plainly numbered seats.

What is written is read again and compared, so a drawing is either the whole truth or refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import gcd
from typing import Any

from service_kit.errors import Conflict
from venues_service.domain.plans.draft import DECIMALS
from venues_service.domain.plans.findings import Findings
from venues_service.domain.plans.grid import DEFAULT_IDS, RESERVED, Numbering, State, read_grid, seat_id

MOST_COLUMNS = 2_000
MOST_BLANK_LINES = 20
MOST_TIMES = 4
_GAP = "_"
_UNIT = 10**DECIMALS
_ID_ENDINGS = ("-{row}-{seat}", "{row}-{seat}", "{row}{seat}")


class NotGridLike(Conflict):
    """Says which row stands in the way, and why."""

    slug, title = "not-grid-like", "This layout can't be drawn as a grid"


def write_grid(layout: Mapping[str, Any]) -> bytes:
    """Raises NotGridLike."""
    text = "\n".join(_Writer(layout).lines()) + "\n"
    body = text.encode("utf-8")
    if read_grid(body, Findings()).layout != layout:
        raise NotGridLike("Drawn as a grid, this layout would not be read back the same; export it as CSV")
    return body


class _Writer:
    def __init__(self, layout: Mapping[str, Any]) -> None:
        self.layout = layout
        self.state = State()

    def lines(self) -> Iterator[str]:
        yield from self._keys()
        drawn = {seat_type: char for char, seat_type in reversed(self.state.characters.items())}
        for section in self.layout["sections"]:
            section_id, name = section["id"], section["name"]
            if " | " in section_id:
                raise NotGridLike(f"The id of section {section_id!r} has a bar in it")
            yield f"[{section_id}]" if name == section_id else f"[{section_id} | {name}]"
            template = self._template(section)
            if template != self.state.ids:
                self.state.ids = template
                yield f"= ids: {template}"
            step, left = _lattice(section, self.state.step)
            for row in section["rows"]:
                yield from self._row(section, row, drawn, step, left)

    def _keys(self) -> Iterator[str]:
        """Types that have no character of their own get one: a letter of their name, else any."""
        types = {seat["seatType"]: None for _, row in _rows(self.layout) for seat in row["seats"]}
        characters = self.state.characters
        for seat_type in types:
            if seat_type not in characters.values():
                letters = [letter.upper() for letter in seat_type if letter.isalpha()] + list("ABDEFGHIJKLMNOQRTUXYZ")
                char = next(letter for letter in letters if letter not in characters)
                characters[char] = seat_type
                yield f"= key: {char} = {seat_type}"

    def _template(self, section: Mapping[str, Any]) -> str:
        seats = [(row["label"], seat["label"], seat["id"]) for row in section["rows"] for seat in row["seats"]]
        first_row, first_label, first_id = seats[0]
        candidates = [self.state.ids, DEFAULT_IDS]
        for ending in _ID_ENDINGS:
            rendered = seat_id(ending, section["id"], first_row, first_label)
            if first_id.endswith(rendered):
                candidates.append(first_id[: -len(rendered)] + ending)
        for template in candidates:
            if all(seat_id(template, section["id"], row, label) == own for row, label, own in seats):
                return template
        raise NotGridLike(f"The seat ids of section {section['id']!r} are not made of section, row and number")

    def _row(
        self,
        section: Mapping[str, Any],
        row: Mapping[str, Any],
        drawn: Mapping[str, str],
        step: tuple[float, float],
        left: float,
    ) -> Iterator[str]:
        label, seats = row["label"], row["seats"]
        what = f"row {label!r} of section {section['id']!r}"
        if label[0] in RESERVED:
            raise NotGridLike(f"The label of {what} begins with a character that means something else in a grid")
        yield from self._number([seat["label"] for seat in seats], what)
        xs = [seat["coordinates"]["x"] for seat in seats]
        ys = {seat["coordinates"]["y"] for seat in seats}
        if len(ys) != 1 or any(a >= b for a, b in pairwise(xs)):
            raise NotGridLike(f"The seats of {what} don't stand in a straight line from left to right")
        yield from self._move(step, left, xs, ys.pop())
        columns = [round((x - self.state.x) / self.state.step[0]) for x in xs]
        if columns[-1] > MOST_COLUMNS or any(
            round(self.state.x + column * self.state.step[0], DECIMALS) != x
            for x, column in zip(xs, columns, strict=True)
        ):
            raise NotGridLike(f"The seats of {what} are not evenly spaced")
        cells = [_GAP] * (columns[-1] + 1)
        for column, seat in zip(columns, seats, strict=True):
            cells[column] = drawn[seat["seatType"]]
        yield f"{label}: {''.join(cells)}"

    def _number(self, labels: list[str], what: str) -> Iterator[str]:
        candidates = [self.state.numbering]
        for scheme, first in (("left-to-right", labels[0]), ("right-to-left", labels[-1])):
            if first.isascii() and first.isdigit() and len(first) < 7:
                candidates.append(Numbering(scheme, int(first)))
        candidates.append(Numbering("odd-even"))
        chosen = next((each for each in candidates if each.labels(len(labels)) == labels), None)
        if chosen is None:
            raise NotGridLike(f"The seats of {what} are not numbered in turn")
        if chosen != self.state.numbering:
            self.state.numbering = chosen
            start = f" from {chosen.start}" if chosen.start != 1 else ""
            yield f"= numbering: {chosen.scheme}{start}"

    def _move(self, step: tuple[float, float], left: float, xs: Sequence[float], y: float) -> Iterator[str]:
        """Brings the state to the place of this row, by a step, empty lines or an origin."""
        state = self.state
        if step != state.step:
            state.step = step
            yield f"= step: {_number(step[0])}, {_number(step[1])}"
        column = (xs[0] - state.x) / step[0]
        fits = -1e-6 < column < MOST_COLUMNS and abs(column - round(column)) < 1e-6
        down = 0.0 if state.blanks is None else (y - state.y) / step[1] - 1
        blanks = round(down)
        if state.blanks is None:
            fits = fits and y == state.y
        else:
            fits = fits and abs(down - blanks) < 1e-6 and 0 <= blanks <= MOST_BLANK_LINES
        if fits:
            yield from [""] * blanks
        else:
            offset = (xs[0] - left) / step[0]
            state.x = left if abs(offset - round(offset)) < 1e-6 and offset < MOST_COLUMNS else xs[0]
            yield f"= origin: {_number(state.x)}, {_number(y)}"
        state.y, state.blanks = y, 0


def _lattice(section: Mapping[str, Any], present: tuple[float, float]) -> tuple[tuple[float, float], float]:
    """The widest steps that meet every seat of the section, or at least of each row, and its leftmost place.

    The `present` steps are kept where they serve.
    """
    rows = [[round(seat["coordinates"]["x"] * _UNIT) for seat in row["seats"]] for row in section["rows"]]
    ys = [round(row["seats"][0]["coordinates"]["y"] * _UNIT) for row in section["rows"]]
    left, right = min(map(min, rows)), max(map(max, rows))
    across = gcd(*(x - left for row in rows for x in row))
    if right - left > across * MOST_COLUMNS:
        across = gcd(*(x - row[0] for row in rows for x in row))
    down = min((b - a for a, b in pairwise(ys) if b > a), default=0)
    return (_kept(across, present[0]), _kept(down, present[1])), left / _UNIT


def _kept(step: int, present: float) -> float:
    """`present` when `step` is a small multiple of it: a gap or an empty line is plainer than a directive."""
    times, rest = divmod(step, round(present * _UNIT))
    return present if rest == 0 and times <= MOST_TIMES else step / _UNIT


def _rows(layout: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return ((section, row) for section in layout["sections"] for row in section["rows"])


def _number(value: float) -> str:
    """Without exponent or needless zeros, as the reader takes it."""
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
