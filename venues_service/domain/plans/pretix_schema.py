"""What pretix's seating plan schema says, as far as we must know it.

Source: pretix, `src/pretix/static/seating/seating-plan.schema.json` (JSON Schema draft 7, version 0.0.1). Areas (stage,
bars, walls) mean nothing to us; they are carried along as they are, so only their form is checked.
"""

from collections.abc import Mapping
from typing import Any

ROW_NUMBER_POSITIONS = ("start", "end", "both")
DIRECTIONS = ("<", ">", "<>")
SHAPES = ("polygon", "rectangle", "ellipse", "circle", "text")
# Far beyond any plan, and small enough for every sum to stay exact.
LARGEST = 10**12

_POSITION = {"x!": "number", "y!": "number"}
_AREA: dict[str, Any] = {
    "color": "string",
    "border_color": "string",
    "rotation": "number",
    "position": _POSITION,
    "uuid": "string",
    "shape": SHAPES,
    "polygon": {"points!": [_POSITION]},
    "rectangle": {"width!": "size", "height!": "size"},
    "ellipse": {"radius!": _POSITION},
    "circle": {"radius!": "size"},
    "text": {"text!": "string", "color": "string", "size": "size", "position!": _POSITION},
}


def is_number(value: object) -> bool:
    """A finite JSON number of a sane size."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def whole(value: object) -> int | None:
    """`value` as the integer the schema asks for; editors write 846.8843 where it says integer."""
    return round(value) if isinstance(value, int | float) and is_number(value) else None


def area(value: object) -> dict[str, Any] | None:
    """An area in the schema's form, sizes made whole, unknown fields left out; None when it has not that form."""
    fitted = _fit(value, _AREA)
    return fitted if isinstance(fitted, dict) else None


def _fit(value: object, shape: Any) -> Any:
    if isinstance(shape, Mapping):
        return _fit_object(value, shape)
    if isinstance(shape, list):
        fitted = [_fit(part, shape[0]) for part in value] if isinstance(value, list) else None
        return None if fitted is None or None in fitted else fitted
    if isinstance(shape, tuple):
        return value if isinstance(value, str) and value in shape else None
    if shape == "size":
        return whole(value)
    if shape == "number":
        return value if is_number(value) else None
    return value if isinstance(value, str) else None


def _fit_object(value: object, shape: Mapping[str, Any]) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    fitted: dict[str, Any] = {}
    for key, inner in shape.items():
        name = key.rstrip("!")
        if value.get(name) is None:
            if key.endswith("!"):
                return None
            continue
        fitted[name] = _fit(value[name], inner)
        if fitted[name] is None:
            return None
    return fitted
