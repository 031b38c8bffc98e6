"""The entries that an index of showtimes calls for: each event and venue once, with what its shows come to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from search_index.document import PART_KINDS, Document, PartKind, Row
from search_index.entries import MOST_LOCATIONS, Shows, entry_id, to_entry


@dataclass
class Tally:
    """What was seen of one event or venue."""

    state: Row
    next_start: datetime
    count: int = 0
    locations: dict[tuple[float, float], None] = field(default_factory=dict)


def entries_of(rows: Iterable[Row]) -> Iterator[tuple[str, Document]]:
    """Ids with documents. Nobody has booked anything."""
    tallies: dict[tuple[PartKind, str], Tally] = {}
    for row in rows:
        starts_at: datetime = row["facts"]["startsAt"]
        location: dict[str, float] = row["venue"]["location"]
        for kind in PART_KINDS:
            state = row[kind]
            tally = tallies.setdefault((kind, state[f"{kind}Id"]), Tally(state, starts_at))
            tally.count += 1
            tally.next_start = min(tally.next_start, starts_at)
            if len(tally.locations) < MOST_LOCATIONS:
                tally.locations[location["lat"], location["lon"]] = None
    for (kind, id_), tally in tallies.items():
        locations: list[dict[str, Any]] = [{"lat": lat, "lon": lon} for lat, lon in tally.locations]
        shows = Shows(count=tally.count, next_start=tally.next_start, booked=0, locations=locations)
        yield entry_id(kind, id_), to_entry(kind, tally.state, shows)
