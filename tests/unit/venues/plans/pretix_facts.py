"""What pretix's seating plan schema asks of a plan, as a JSON schema of our own."""

from typing import Any

_NUMBER: dict[str, Any] = {"type": "number"}
_STRING: dict[str, Any] = {"type": "string"}
_WHOLE: dict[str, Any] = {"type": "integer"}
_NULLABLE: dict[str, Any] = {"type": ["string", "null"]}


def _closed(required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def _many(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_POSITION = _closed("x y", x=_NUMBER, y=_NUMBER)
_AREA = _closed(
    "",
    color=_STRING,
    border_color=_STRING,
    rotation=_NUMBER,
    position=_POSITION,
    uuid=_STRING,
    shape={"enum": ["polygon", "rectangle", "ellipse", "circle", "text"]},
    polygon=_closed("points", points=_many(_POSITION)),
    rectangle=_closed("width height", width=_WHOLE, height=_WHOLE),
    ellipse=_closed("radius", radius=_POSITION),
    circle=_closed("radius", radius=_WHOLE),
    text=_closed("text position", text=_STRING, color=_STRING, size=_WHOLE, position=_POSITION),
)
_SEAT = _closed(
    "seat_guid seat_number position category",
    seat_guid=_STRING,
    seat_number=_STRING,
    uuid=_STRING,
    start_direction=_NULLABLE,
    radius=_WHOLE,
    position=_POSITION,
    category=_STRING,
)
_ROW = _closed(
    "seats row_number",
    row_number=_STRING,
    row_label=_NULLABLE,
    seat_label=_NULLABLE,
    uuid=_STRING,
    seats=_many(_SEAT),
    row_number_position={"enum": ["start", "end", "both", None]},
    position=_POSITION,
)
_ZONE = _closed(
    "position rows",
    name=_STRING,
    zone_id=_STRING,
    uuid=_STRING,
    position=_POSITION,
    rows=_many(_ROW),
    areas=_many(_AREA),
)
PLAN_SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    **_closed(
        "name zones categories size",
        name=_STRING,
        zones=_many(_ZONE),
        categories=_many(_closed("name", name=_STRING, color=_STRING)),
        size=_closed("width height", width=_WHOLE, height=_WHOLE),
    ),
}
