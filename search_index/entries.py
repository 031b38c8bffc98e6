"""Entries: the events and venues that have a show to come, each once, for suggestions and for knowing names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from search_index.document import Document, PartKind, Row
from search_index.folding import indexed_text, name_keys, stems
from service_kit.models import rfc3339

Position = dict[str, float]
# An event that plays everywhere is near everybody after so many places.
MOST_LOCATIONS = 500
EVENT_VIEW = ("eventId", "name", "category", "imageUrl")
VENUE_VIEW = ("venueId", "name", "city", "country", "location")


@dataclass(frozen=True, slots=True)
class Shows:
    """What the listed showtimes of one event or venue come to. `booked` counts seats."""

    count: int
    next_start: datetime
    booked: int
    locations: Sequence[Position]


def entry_id(kind: PartKind, id_: str) -> str:
    return f"{kind}-{id_}"


def to_entry(kind: PartKind, state: Row, shows: Shows) -> Document:
    """The entry of an event or venue in this `state`, which has at least one show."""
    names = [state["name"]]
    if kind == "event":
        names += state["metadata"].get("alternateNames", ())
    title = indexed_text(" ".join(names))
    shown: dict[str, Any] = {name: state.get(name) for name in (EVENT_VIEW if kind == "event" else VENUE_VIEW)}
    return {
        "kind": kind,
        "id": state[f"{kind}Id"],
        "keys": {"title": [key for name in names for key in name_keys(name)]},
        "words": {"title": title, "stems": stems(title)},
        "locations": list(shows.locations)[:MOST_LOCATIONS],
        "nextStart": rfc3339(shows.next_start.astimezone(UTC)),
        "showtimes": shows.count,
        "booked": shows.booked,
        "view": shown,
    }
