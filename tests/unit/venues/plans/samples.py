"""Plans and layouts that several tests of this folder need."""

import json
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import TypeAdapter

from service_kit.errors import Invalid
from venues_service.domain.layouts import LayoutDraft, checked
from venues_service.domain.plans import Finding, Plan, PlanFormat, read_plan
from venues_service.domain.plans.findings import as_id, as_label

REAL = Path(__file__).parent / "real"
REAL_PLANS = ("hall-738.json", "hall-738-original-dup-guids.json", "theatre-1491.json")
DRAFT: TypeAdapter[LayoutDraft] = TypeAdapter(LayoutDraft)


def real_plan(name: str) -> bytes:
    return (REAL / name).read_bytes()


def seat(number: str = "1", x: float = 0, y: float = 0, category: str = "Standard", **more: Any) -> dict[str, Any]:
    return {
        "seat_guid": f"guid-{number}-{x}-{y}",
        "seat_number": number,
        "position": {"x": x, "y": y},
        "category": category,
        **more,
    }


def row(*seats: dict[str, Any], label: str = "A", **more: Any) -> dict[str, Any]:
    return {"row_number": label, "seats": list(seats), **more}


def zone(*rows: dict[str, Any], name: str = "Stalls", **more: Any) -> dict[str, Any]:
    return {"name": name, "zone_id": name, "position": {"x": 0, "y": 0}, "rows": list(rows), **more}


def plan(*zones: dict[str, Any], categories: tuple[str, ...] = ("Standard",), **more: Any) -> bytes:
    named = [{"name": name} for name in categories]
    return json.dumps({"name": "Plan", "categories": named, "zones": list(zones), **more}).encode()


def found(result: Plan, code: str) -> list[Finding]:
    return [finding for finding in result.findings if finding.code == code]


def codes(result: Plan) -> set[str]:
    return {finding.code for finding in result.findings}


def faults_of(plan_format: PlanFormat, body: bytes) -> list[tuple[str, str]]:
    """The faults for which this file is refused."""
    with pytest.raises(Invalid) as refused:
        read_plan(plan_format, body)
    assert refused.value.faults
    return refused.value.faults


def places_of(plan_format: PlanFormat, body: bytes) -> list[str]:
    return [where for where, _ in faults_of(plan_format, body)]


def ids(layout: dict[str, Any]) -> list[str]:
    return [each["id"] for section in layout["sections"] for line in section["rows"] for each in line["seats"]]


def labels(layout: dict[str, Any]) -> list[list[str]]:
    return [[each["label"] for each in line["seats"]] for section in layout["sections"] for line in section["rows"]]


def points(layout: dict[str, Any]) -> list[tuple[float, float]]:
    return [
        (each["coordinates"]["x"], each["coordinates"]["y"])
        for section in layout["sections"]
        for line in section["rows"]
        for each in line["seats"]
    ]


def types(layout: dict[str, Any]) -> Counter[str]:
    return Counter(
        each["seatType"] for section in layout["sections"] for line in section["rows"] for each in line["seats"]
    )


def assert_takes(layout: dict[str, Any]) -> None:
    """The catalogue takes this layout, and has nothing to add to it: it would be stored as it is."""
    sound = checked(DRAFT.validate_python(layout))
    assert json.loads(sound.text) == layout


_TRICKY = st.sampled_from(
    [
        "=1+1",
        "-5",
        "+x",
        "@A1",
        "'=1",
        "''-",
        "A · B",
        "Stalls · Gold!",
        "a,b",
        'q"q',
        "x;y",
        "A:1",
        "[A]",
        "; c",
        "0",
        "é",
    ]
)
_CHARACTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Zs"))
_ANY = st.one_of(_TRICKY, st.text(_CHARACTERS, min_size=1, max_size=8))
LABELS = _ANY.filter(lambda text: as_label(text) == text)
IDS = _ANY.filter(lambda text: as_id(text) == text)
SEAT_TYPES = st.sampled_from(["standard", "premium", "vip", "wheelchair", "companion", "sofa", "balcony"])
COORDINATES = st.integers(-10_000_000, 10_000_000).map(lambda number: number / 10_000)


@st.composite
def layouts(draw: st.DrawFn) -> dict[str, Any]:
    """Any complete layout, positions to four decimals."""
    seat_ids = (f"{draw(IDS)}{n}" for n in count())
    sections = []
    for section_id in draw(st.lists(IDS, min_size=1, max_size=4, unique=True)):
        rows = [
            {
                "label": label,
                "seats": [
                    {
                        "id": next(seat_ids),
                        "label": draw(LABELS),
                        "coordinates": {"x": draw(COORDINATES), "y": draw(COORDINATES)},
                        "seatType": draw(SEAT_TYPES),
                    }
                    for _ in range(draw(st.integers(1, 3)))
                ],
            }
            for label in draw(st.lists(LABELS, min_size=1, max_size=3, unique=True))
        ]
        sections.append({"id": section_id, "name": draw(LABELS), "rows": rows})
    return {"sections": _with_distinct_places(sections)}


def _with_distinct_places(sections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    taken: set[tuple[float, float]] = set()
    for section in sections:
        for line in section["rows"]:
            for each in line["seats"]:
                place = each["coordinates"]
                while (place["x"], place["y"]) in taken:
                    place["x"] = round(place["x"] + 1.0, 4)
                taken.add((place["x"], place["y"]))
    return sections


_PLAIN = st.text("ABCDEFGHIJ123456789", min_size=1, max_size=4)


@st.composite
def grid_layouts(draw: st.DrawFn) -> dict[str, Any]:
    """Straight rows on a lattice, numbered in turn, as a grid can draw them."""
    sections = []
    step_x, step_y = draw(st.sampled_from([(1.0, 1.0), (25.0, 30.0), (0.5, 2.25)]))
    for section_id in draw(st.lists(_PLAIN, min_size=1, max_size=3, unique=True)):
        left, top = draw(COORDINATES), draw(COORDINATES)
        ending = draw(st.sampled_from(["-{row}-{seat}", "/{row}-{seat}"]))
        rows = []
        for n, label in enumerate(draw(st.lists(_PLAIN, min_size=1, max_size=4, unique=True))):
            columns = sorted(draw(st.sets(st.integers(0, 30), min_size=1, max_size=12)))
            start, turned = draw(st.integers(1, 50)), draw(st.booleans())
            numbers = [str(start + i) for i in range(len(columns))]
            rows.append(
                {
                    "label": label,
                    "seats": [
                        {
                            "id": section_id + ending.format(row=label, seat=number),
                            "label": number,
                            "coordinates": {
                                "x": round(left + column * step_x, 4) + 0.0,
                                "y": round(top + n * step_y, 4) + 0.0,
                            },
                            "seatType": draw(SEAT_TYPES),
                        }
                        for column, number in zip(columns, numbers[::-1] if turned else numbers, strict=True)
                    ],
                }
            )
        sections.append({"id": section_id, "name": draw(LABELS), "rows": rows})
    return {"sections": sections}
