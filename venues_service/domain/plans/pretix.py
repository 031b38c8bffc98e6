"""Reads pretix's seating plan JSON. A seat's place is counted from its row, the row's from its zone.

Plans with absolute seat positions have rows and zones at (0, 0), so adding up serves both kinds.
"""

from collections import Counter, defaultdict
from typing import Any

from pydantic_core import from_json, to_json

from venues_service.domain.plans.categories import STANDARD, section_id, type_of
from venues_service.domain.plans.draft import Draft, Gathered, RawSeat
from venues_service.domain.plans.findings import Faults, Findings, as_id, as_label, refusal
from venues_service.domain.plans.pretix_schema import DIRECTIONS, ROW_NUMBER_POSITIONS, area, is_number, whole

MOST_ZONES = 10_000
MOST_EXTRAS_BYTES = 1_000_000
BOM = b"\xef\xbb\xbf"
Point = tuple[float, float]


def read_pretix(body: bytes, findings: Findings) -> tuple[Gathered, dict[str, Any]]:
    """The layout of a plan, and its `extras`: what only pretix knows, kept for the way back."""
    try:
        plan = from_json(body.removeprefix(BOM), allow_inf_nan=False)
    except ValueError as error:
        raise refusal("", f"This is no JSON: {error}") from error
    if not isinstance(plan, dict):
        raise refusal("", "A seating plan is a JSON object")
    return _Reader(plan, findings).read()


class _Reader:
    def __init__(self, plan: dict[str, Any], findings: Findings) -> None:
        self.plan = plan
        self.findings = findings
        self.faults = Faults()
        self.draft = Draft(self.faults, findings)
        self.categories = self._categories()
        # Category → number of seats, pointer to the first, sections of its own.
        self.used: Counter[str] = Counter()
        self.first_at: dict[str, str] = {}
        self.sections_of: defaultdict[str, set[str]] = defaultdict(set)
        # (zone, which of its equally named rows, category) → (block, section id).
        self.blocks: dict[tuple[int, int, str | None], tuple[str, str]] = {}
        self.sections: set[str] = set()
        self.last_suffix: dict[tuple[str, str | None], int] = {}
        self.extras: dict[str, Any] = {"zones": [], "rows": {}, "seats": {}}
        # By pointer, for ids are settled only when all seats are known.
        self.seat_extras: dict[str, dict[str, Any]] = {}

    def read(self) -> tuple[Gathered, dict[str, Any]]:
        zones = self._list(self.plan, "zones", "")
        if len(zones) > MOST_ZONES:
            raise refusal("/zones", f"A plan may have at most {MOST_ZONES} zones")
        for z, zone in enumerate(zones):
            if isinstance(zone, dict):
                self._zone(zone, z)
            else:
                self.faults.add(f"/zones/{z}", "A zone is an object")
        gathered = self.draft.gather("/zones")
        self._tell_categories()
        return gathered, self._extras(gathered)

    def _categories(self) -> dict[str, str | None]:
        """Name → colour."""
        categories: dict[str, str | None] = {}
        for c, category in enumerate(self._list(self.plan, "categories", "")):
            at = f"/categories/{c}"
            name = as_label(category.get("name")) if isinstance(category, dict) else None
            if name is None:
                self.faults.add(at, "A category has a name, of at most 100 characters")
            else:
                color = category.get("color")
                categories.setdefault(name, color if isinstance(color, str) else None)
        return categories

    def _zone(self, zone: dict[str, Any], z: int) -> None:
        at = f"/zones/{z}"
        origin = self._position(zone, at)
        name = self._words(zone, "name", at)
        key = self._words(zone, "zone_id", at) or name or f"Zone {z + 1}"
        if as_id(key) is None:
            self.faults.add(f"{at}/zone_id", "A zone's id may not begin with $")
        name = name or key
        areas = self._areas(zone, at, origin)
        self.extras["zones"].append({"key": key, "name": name, **({"areas": areas} if areas else {})})
        # How many rows of a label there were, for each category: one row may hold seats of several.
        seen: Counter[tuple[str | None, str]] = Counter()
        for r, row in enumerate(self._list(zone, "rows", at)):
            if isinstance(row, dict):
                self._row(row, f"{at}/rows/{r}", (z, key, name), origin, seen)
            else:
                self.faults.add(f"{at}/rows/{r}", "A row is an object")
        again = list(dict.fromkeys(label for (_, label), count in seen.items() if count > 1))
        if again:
            message = (
                f"Zone {name!r} has several rows {', '.join(again[:10])}{' …' if len(again) > 10 else ''}; "
                "each further one is in a section of its own"
            )
            self.findings.add("warning", "repeated-row", at, message)

    def _row(
        self,
        row: dict[str, Any],
        at: str,
        zone: tuple[int, str, str],
        zone_origin: Point,
        seen: Counter[tuple[str | None, str]],
    ) -> None:
        r = at.rpartition("/")[2]
        label = self._words(row, "row_number", at, required=True)
        if not label:
            label = f"Row {int(r) + 1}"
            self.findings.add("info", "missing-label", at, f"This row has no number; it is {label!r} now")
        origin = _moved(zone_origin, self._position(row, at))
        seats = self._list(row, "seats", at)
        if not seats:
            self.findings.add("info", "empty-row", at, "This row has no seats and was left out")
        extras = self._row_extras(row)
        blocks: dict[str | None, tuple[str, str]] = {}
        for n, seat in enumerate(seats):
            seat_at = f"{at}/seats/{n}"
            if not isinstance(seat, dict):
                self.faults.add(seat_at, "A seat is an object")
                continue
            category, seat_type = self._category(seat, seat_at)
            if category not in blocks:
                seen[category, label] += 1
                blocks[category] = self._section(zone, seen[category, label], category, seat_at)
            block, section = blocks[category]
            if extras:
                self.extras["rows"].setdefault(section, {})[label] = extras
            self._seat(seat, seat_at, n, RawSeat(section, zone[2], label, "", seat_type, seat_at, "", block), origin)

    def _section(self, zone: tuple[int, str, str], number: int, category: str | None, at: str) -> tuple[str, str]:
        """(block, section id): the second row `A` of a zone is in the block `zone 2`, and so on.

        Where another zone has that id already, the next free number is taken.
        """
        owner = (zone[0], number, category)
        if owner in self.blocks:
            return self.blocks[owner]
        suffix = max(number, self.last_suffix.get((zone[1], category), 0) + 1)
        while True:
            block = zone[1] if suffix == 1 else f"{zone[1]} {suffix}"
            section = section_id(block, category)
            if section not in self.sections:
                break
            suffix += 1
        if as_id(section) is None:
            self.faults.add(f"{at}/category", "Zone and category are too long together: at most 97 characters")
        if suffix != number:
            message = f"Another zone has the id {zone[1]!r}; this section is {section!r}"
            self.findings.add("info", "repeated-zone", f"/zones/{zone[0]}", message)
        if category is not None:
            self.sections_of[category].add(section)
        self.sections.add(section)
        self.last_suffix[zone[1], category] = suffix
        self.blocks[owner] = (block, section)
        return block, section

    def _seat(self, seat: dict[str, Any], at: str, n: int, raw: RawSeat, origin: Point) -> None:
        guid = seat.get("seat_guid")
        if isinstance(guid, str):
            raw.id = guid or " "
        else:
            self.faults.add(f"{at}/seat_guid", "A seat has a seat_guid, which is a string")
        raw.label = self._words(seat, "seat_number", at, required=True)
        if not raw.label:
            raw.label = str(n + 1)
            self.findings.add("info", "missing-label", at, f"This seat has no number; it is {raw.label!r} now")
        raw.place = _moved(origin, self._position(seat, at, required=True))
        extras: dict[str, Any] = {}
        if (radius := whole(seat.get("radius"))) is not None:
            extras["radius"] = radius
        if seat.get("start_direction") in DIRECTIONS:
            extras["start_direction"] = seat["start_direction"]
        if extras:
            self.seat_extras[at] = extras
        self.draft.add(raw)

    def _category(self, seat: dict[str, Any], at: str) -> tuple[str | None, str]:
        """(the category when it makes a section of its own, the seat type)."""
        name = self._words(seat, "category", at, required=True)
        self.used[name] += 1
        self.first_at.setdefault(name, at)
        seat_type = type_of(name) if name else STANDARD
        return (None, seat_type) if seat_type else (name, STANDARD)

    def _tell_categories(self) -> None:
        for name, count in self.used.items():
            at = f"{self.first_at[name]}/category"
            if name not in self.categories:
                message = f"Category {name!r} of {count} seat(s) is not among the plan's categories"
                self.findings.add("warning", "unknown-category", at, message)
            if name in self.sections_of:
                message = (
                    f"Category {name!r} is no seat type: its {count} seat(s) are standard, "
                    f"in {len(self.sections_of[name])} section(s) of their own to be priced by"
                )
                self.findings.add("info", "named-category", at, message)

    def _areas(self, zone: dict[str, Any], at: str, origin: Point) -> list[dict[str, Any]]:
        areas = []
        listed = zone.get("areas")
        for a, raw in enumerate(listed if isinstance(listed, list) else []):
            kept = area(raw)
            if kept is None:
                message = "This area is not as the seating plan schema has it, and was left out"
                self.findings.add("info", "extras-dropped", f"{at}/areas/{a}", message)
                continue
            if "position" in kept:
                x, y = _moved(origin, (kept["position"]["x"], kept["position"]["y"]))
                kept["position"] = {"x": x, "y": y}
            areas.append(kept)
        return areas

    def _row_extras(self, row: dict[str, Any]) -> dict[str, Any]:
        extras = {key: row[key] for key in ("row_label", "seat_label") if isinstance(row.get(key), str)}
        if row.get("row_number_position") in ROW_NUMBER_POSITIONS:
            extras["row_number_position"] = row["row_number_position"]
        return extras

    def _extras(self, gathered: Gathered) -> dict[str, Any]:
        if self.seat_extras:
            self.extras["seats"] = {
                seat_id: self.seat_extras[at] for seat_id, at in gathered.places.items() if at in self.seat_extras
            }
        if isinstance(self.plan.get("name"), str):
            self.extras["name"] = self.plan["name"]
        size = self.plan.get("size")
        if isinstance(size, dict):
            width, height = whole(size.get("width")), whole(size.get("height"))
            if width is not None and height is not None:
                self.extras["size"] = {"width": width, "height": height}
        self.extras["categories"] = [
            {"name": name, **({"color": color} if color else {})} for name, color in self.categories.items()
        ]
        if len(to_json(self.extras)) <= MOST_EXTRAS_BYTES:
            return self.extras
        message = "Areas, colours and the like are larger than 1 MB and were left out"
        self.findings.add("info", "extras-dropped", "", message)
        return {}

    def _list(self, owner: dict[str, Any], key: str, at: str) -> list[Any]:
        value = owner.get(key)
        if isinstance(value, list):
            return value
        self.faults.add(f"{at}/{key}", "A list is needed here")
        return []

    def _words(self, owner: dict[str, Any], key: str, at: str, *, required: bool = False) -> str:
        """A line of text, or nothing. Faults: no string, too long, control characters; missing though `required`."""
        value = owner.get(key)
        if value is None and not required:
            return ""
        if isinstance(value, str) and not value.strip():
            return ""
        text = as_label(value)
        if text is None:
            self.faults.add(
                f"{at}/{key}", "A string of at most 100 characters, without control characters, is needed here"
            )
        return text or ""

    def _position(self, owner: dict[str, Any], at: str, *, required: bool = False) -> Point:
        place = owner.get("position")
        if place is None and not required:
            return 0.0, 0.0
        if isinstance(place, dict) and is_number(place.get("x")) and is_number(place.get("y")):
            return float(place["x"]), float(place["y"])
        self.faults.add(f"{at}/position", "A position has finite numbers x and y")
        return 0.0, 0.0


def _moved(origin: Point, by: Point) -> Point:
    return origin[0] + by[0], origin[1] + by[1]
