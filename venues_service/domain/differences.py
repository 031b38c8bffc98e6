"""What changed between two layouts of a hall."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from service_kit.models import Model


class Capacity(Model):
    capacity: int
    seat_type: str


class CapacityChange(Model):
    """Of a section of general admission; None where it was not one before, or is none any more."""

    section_id: str
    before: Capacity | None
    after: Capacity | None


@dataclass(frozen=True)
class Difference:
    """What happened between two layouts: seat ids as `added`, `removed`, `moved` and `changed`, and `capacities`.

    A seat moved when its coordinates differ, and changed when its section, row, label or type does.
    """

    seats: dict[str, list[str]]
    capacities: list[CapacityChange]


def difference(old: bytes, new: bytes) -> Difference:
    sections_before, sections_after = from_json(old)["sections"], from_json(new)["sections"]
    before, after = _seats(sections_before), _seats(sections_after)
    both = [seat_id for seat_id in after if seat_id in before]
    seats = {
        "added": [seat_id for seat_id in after if seat_id not in before],
        "removed": [seat_id for seat_id in before if seat_id not in after],
        "moved": [seat_id for seat_id in both if after[seat_id][0] != before[seat_id][0]],
        "changed": [seat_id for seat_id in both if after[seat_id][1] != before[seat_id][1]],
    }
    was, now = _capacities(sections_before), _capacities(sections_after)
    return Difference(
        seats,
        [
            CapacityChange(section_id=section_id, before=was.get(section_id), after=now.get(section_id))
            for section_id in {**was, **now}
            if was.get(section_id) != now.get(section_id)
        ],
    )


def _seats(sections: list[dict[str, Any]]) -> Mapping[str, tuple[tuple[float, float], tuple[str, ...]]]:
    return {
        seat["id"]: (
            (seat["coordinates"]["x"], seat["coordinates"]["y"]),
            (section["id"], row["label"], seat["label"], seat["seatType"]),
        )
        for section in sections
        for row in section.get("rows", ())
        for seat in row["seats"]
    }


def _capacities(sections: list[dict[str, Any]]) -> dict[str, Capacity]:
    return {
        section["id"]: Capacity(capacity=section["capacity"], seat_type=section["seatType"])
        for section in sections
        if "capacity" in section
    }
