"""How a plan's price categories live in our layouts, where a price hangs on a section or on a seat type.

A category named like a seat type (`VIP`, `Wheelchair`) is that type. Any other (`Category I`) is a section of its own
in each zone: the seats are standard, and the section's id is `zone · category`, so that it can be priced apart and
told again on export.
"""

from collections.abc import Iterable

from venues_service.domain.layouts import SEAT_TYPES

STANDARD = "standard"
SEPARATOR = " · "


def type_of(category: str) -> str | None:
    """The seat type of this name, in any case of letters."""
    name = category.strip().lower()
    return name if name in SEAT_TYPES else None


def section_id(zone: str, category: str | None) -> str:
    """`category` is None for the section that holds a zone's seats whose category is a seat type."""
    return zone if category is None else f"{zone}{SEPARATOR}{category.replace(SEPARATOR, '·')}"


def split_id(section: str, seat_types: Iterable[str]) -> tuple[str, str | None]:
    """(zone, category) of a section: the inverse of `section_id`. A section of other types is a zone as it stands."""
    zone, _, category = section.rpartition(SEPARATOR)
    is_ours = all(part and part == part.strip() for part in (zone, category)) and type_of(category) is None
    return (zone, category) if is_ours and set(seat_types) == {STANDARD} else (section, None)


def display_name(seat_type: str) -> str:
    """The category's name for a seat type, as house plans write it."""
    return "VIP" if seat_type == "vip" else seat_type.capitalize()
