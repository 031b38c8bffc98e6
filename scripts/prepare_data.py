"""Make `data/` from the folder of collected sources: `python scripts/prepare_data.py SOURCE_FOLDER [TARGET]`.

Run again it writes the same bytes. What is changed on the way, and why, is told in `data/README.md`.
"""

import csv
import json
import sys
from pathlib import Path
from typing import Any

from prepare.titles import TITLE_COLUMNS, prepare_titles
from prepare.venues import VENUE_COLUMNS, prepare_venues

REAL_PLANS = (
    # (source, target, zones kept: their name's beginning or None for all)
    ("hall-738.json", "hall-738.json", None),
    ("hall-738.json", "hall-576.json", "Ground floor"),
    ("theatre-1491.json", "theatre-1491.json", None),
)
SEAT_TYPES = {"ULTRA-PREMIUM": "vip", "PREMIUM FLOOR": "premium", "Level 2": "balcony", "Category I": "premium"}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def plan_as_layout(plan: dict[str, Any], zones: str | None) -> dict[str, Any]:
    """pretix's format counts a seat's place from its row and the row's from its zone; ours is absolute."""
    sections = []
    for zone in plan["zones"]:
        if zones and not zone["name"].startswith(zones):
            continue
        rows = [
            {
                "label": row["row_number"],
                "seats": [_seat(zone, row, seat) for seat in row["seats"]],
            }
            for row in zone["rows"]
        ]
        sections.append({"id": zone["zone_id"].replace(" ", "-"), "name": zone["name"], "rows": rows})
    return {"sections": sections}


def _seat(zone: dict[str, Any], row: dict[str, Any], seat: dict[str, Any]) -> dict[str, Any]:
    x, y = (round(sum(part["position"][axis] for part in (zone, row, seat)), 2) for axis in "xy")
    upstairs = zone["name"].startswith("First Floor")
    return {
        "id": seat["seat_guid"].replace(" ", "_"),
        "label": seat["seat_number"],
        "coordinates": {"x": x, "y": y},
        "seatType": "balcony" if upstairs else SEAT_TYPES.get(seat["category"], "standard"),
    }


def main() -> None:
    source = Path(sys.argv[1])
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).resolve().parents[1] / "data"
    (target / "layouts").mkdir(parents=True, exist_ok=True)
    venues = prepare_venues(read(source / "venues.csv"))
    write(target / "venues.csv", VENUE_COLUMNS, venues)
    titles = prepare_titles(
        films=read(source / "films_wikipedia_us.csv"),
        french=read(source / "titles_paris_shoots.csv"),
        japanese=read(source / "films_ja_ghibli.csv"),
        stage=read(source / "stage_works_openopus.csv"),
        concerts=read(source / "concerts_nyphil.csv"),
    )
    write(target / "titles.csv", TITLE_COLUMNS, titles)
    for plan_file, layout_file, zones in REAL_PLANS:
        plan = json.loads((source / "seating-plans" / plan_file).read_text(encoding="utf-8"))
        layout = plan_as_layout(plan, zones)
        text = json.dumps(layout, ensure_ascii=False, separators=(",", ":"))
        (target / "layouts" / layout_file).write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(venues)} venues, {len(titles)} titles, {len(REAL_PLANS)} layouts\n")


if __name__ == "__main__":
    main()
