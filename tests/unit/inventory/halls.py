"""Layouts for tests of the rules."""

from collections.abc import Sequence

from inventory_service.domain.layout import Layout, LayoutKey

KEY = LayoutKey("hall", 1)


def hall(*rows: int, section: str = "stalls", seat_type: str = "standard") -> Layout:
    """One section with rows of so many seats: A1, A2 … B1 …"""
    return sections((section, seat_type, rows))


def sections(*parts: tuple[str, str, Sequence[int]]) -> Layout:
    """Sections of one seat type each; rows are lettered through the hall."""
    letters = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    content = []
    for section, seat_type, rows in parts:
        row_list = []
        for length in rows:
            letter = next(letters)
            seats = [{"id": f"{letter}{n}", "label": str(n), "seatType": seat_type} for n in range(1, length + 1)]
            row_list.append({"label": letter, "seats": seats})
        content.append({"id": section, "name": section.title(), "rows": row_list})
    return Layout.from_json(KEY, {"sections": content})
