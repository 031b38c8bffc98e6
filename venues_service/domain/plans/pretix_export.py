"""Writes a layout as pretix's seating plan JSON, so that reading it again gives the same layout.

Zones and rows stand at (0, 0) and seats at their own place: nothing is rounded on the way.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import to_json

from venues_service.domain.plans.categories import display_name, split_id, type_of

# Told apart by eye and by the colour-blind; used in turn where no colour is known.
PALETTE = ("#2d5d8c", "#c05746", "#3b7a57", "#7f4a91", "#c99a2e", "#4a8f9c", "#8c4a5e", "#6b6b6b")
MARGIN = 50
ORIGIN = {"x": 0, "y": 0}


def write_pretix(layout: Mapping[str, Any], extras: Mapping[str, Any]) -> bytes:
    """`extras` are those of the reading this layout came from, as far as they still fit it, or empty."""
    spelling = _spelling(extras)
    used: dict[str, None] = {}
    zones = list(_zones(layout, extras, spelling, used))
    return to_json(
        {
            "name": extras.get("name") or "Seating plan",
            "categories": _categories(extras, used),
            "zones": zones,
            "size": extras.get("size") or _size(layout),
        },
    )


def _zones(
    layout: Mapping[str, Any], extras: Mapping[str, Any], spelling: Mapping[str, str], used: dict[str, None]
) -> Iterator[dict[str, Any]]:
    """Sections that were parted from one zone, and still stand side by side, are one again."""
    names: dict[str, str] = {}
    areas: dict[str, list[Any]] = {}
    for known in extras.get("zones", ()):
        if "areas" in known:
            names[known["key"]] = known["name"]
            areas.setdefault(known["key"], []).extend(known["areas"])
    zone: dict[str, Any] = {}
    for section in layout["sections"]:
        types = {seat["seatType"] for row in section["rows"] for seat in row["seats"]}
        key, category = split_id(section["id"], types)
        rows = _rows(section, category, extras, spelling, used)
        if (zone.get("zone_id"), zone.get("name")) == (key, section["name"]):
            zone["rows"] += rows
            continue
        if zone:
            yield zone
        zone = _zone(key, section["name"], rows, areas.pop(key, []))
    yield zone
    # Zones of nothing but a stage or a bar.
    for key, left in areas.items():
        yield _zone(key, names[key], [], left)


def _zone(key: str, name: str, rows: list[dict[str, Any]], areas: list[Any]) -> dict[str, Any]:
    return {"name": name, "zone_id": key, "position": ORIGIN, "rows": rows, "areas": areas}


def _rows(
    section: Mapping[str, Any],
    category: str | None,
    extras: Mapping[str, Any],
    spelling: Mapping[str, str],
    used: dict[str, None],
) -> list[dict[str, Any]]:
    row_extras = extras.get("rows", {}).get(section["id"], {})
    seat_extras = extras.get("seats", {})
    rows = []
    for row in section["rows"]:
        seats = []
        for seat in row["seats"]:
            name = spelling.get(category or seat["seatType"]) or category or display_name(seat["seatType"])
            used[name] = None
            seats.append(
                {
                    "seat_guid": seat["id"],
                    "seat_number": seat["label"],
                    "position": {"x": seat["coordinates"]["x"], "y": seat["coordinates"]["y"]},
                    "category": name,
                    **seat_extras.get(seat["id"], {}),
                }
            )
        head = {"row_number": row["label"], "row_number_position": "both", "position": ORIGIN}
        rows.append({**head, **row_extras.get(row["label"], {}), "seats": seats})
    return rows


def _spelling(extras: Mapping[str, Any]) -> dict[str, str]:
    """Seat type → the name of the first of the plan's own categories that means it."""
    spelling: dict[str, str] = {}
    for category in extras.get("categories", ()):
        if seat_type := type_of(category["name"]):
            spelling.setdefault(seat_type, category["name"])
    return spelling


def _categories(extras: Mapping[str, Any], used: Mapping[str, None]) -> list[dict[str, str]]:
    """The plan's own ones, used or not, then those of the layout."""
    known = {category["name"]: category.get("color") for category in extras.get("categories", ())}
    names = [*known, *(name for name in used if name not in known)]
    return [{"name": name, "color": known.get(name) or PALETTE[n % len(PALETTE)]} for n, name in enumerate(names)]


def _size(layout: Mapping[str, Any]) -> dict[str, int]:
    points = [seat["coordinates"] for section in layout["sections"] for row in section["rows"] for seat in row["seats"]]
    return {
        "width": max(0, int(max(point["x"] for point in points))) + MARGIN,
        "height": max(0, int(max(point["y"] for point in points))) + MARGIN,
    }
