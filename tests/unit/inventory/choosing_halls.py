"""Halls drawn as text, for tests of choosing."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inventory_service.domain.layout import Layout
from tests.unit.inventory.halls import KEY

LAYOUTS = Path(__file__).parents[3] / "data" / "layouts"
TYPES = {"o": "standard", "p": "premium", "w": "wheelchair", "a": "accessible", "c": "companion", "r": "restricted"}


@dataclass(frozen=True)
class Hall:
    layout: Layout
    free: int

    def seats(self, *ids: str) -> int:
        return self.layout.mask(ids)

    def ids(self, seats: int) -> list[str]:
        return self.layout.ids(seats)


def drawn(*rows: str) -> Hall:
    """Rows A, B, …; a letter of TYPES is a free seat, a capital or `x` a taken one, a blank an aisle, `|` a section.

    A1 is the first seat of row A whatever the aisles.
    """
    sections: list[dict[str, Any]] = [{"id": "s0", "rows": []}]
    taken = []
    for y, (letter, text) in enumerate(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", rows, strict=False)):
        if text == "|":
            sections.append({"id": f"s{len(sections)}", "rows": []})
            continue
        seats: list[dict[str, Any]] = []
        for x, sign in enumerate(text):
            if sign == " ":
                continue
            seat_id = f"{letter}{len(seats) + 1}"
            kind = TYPES.get(sign.lower(), "standard")
            seats.append({"id": seat_id, "seatType": kind, "coordinates": {"x": float(x), "y": float(y)}})
            if sign.isupper() or sign == "x":
                taken.append(seat_id)
        sections[-1]["rows"].append({"label": letter, "seats": seats})
    layout = Layout.from_json(KEY, {"sections": sections})
    return Hall(layout, layout.everything & ~layout.mask(taken))


def real(name: str) -> Layout:
    return Layout.from_json(KEY, json.loads((LAYOUTS / f"{name}.json").read_text()))
