"""The same search by PostgreSQL: one row per showtime, full text (GIN), the circle (GiST), what is shown in tables of
its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from bench.figures import Figures, Meter
from bench.search.asks import LIMIT, PARTY, RADIUS_KM, Ask
from bench.search.catalogue import Catalogue
from bench.search.wire import Laps
from search_index.document import EVENT_VIEW, VENUE_VIEW, Row, local_start, to_document

SCHEMA = """
CREATE EXTENSION IF NOT EXISTS cube; CREATE EXTENSION IF NOT EXISTS earthdistance;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE events (id text PRIMARY KEY, view jsonb NOT NULL);
CREATE TABLE venues (id text PRIMARY KEY, view jsonb NOT NULL);
CREATE TABLE showtimes (
    id text, event text, venue text, starts_at timestamptz, local_start timestamp, lat float8, lon float8,
    together int[], title text, all_words text,
    words tsvector GENERATED ALWAYS AS (to_tsvector('simple', all_words)) STORED
);
"""
INDEXES = """
CREATE INDEX ON showtimes USING gin (words);
CREATE INDEX ON showtimes USING gin (title gin_trgm_ops);
CREATE INDEX ON showtimes USING gist (ll_to_earth(lat, lon));
CREATE INDEX ON showtimes (local_start);
ALTER TABLE showtimes ADD PRIMARY KEY (id);
"""
COLUMNS = ("id", "event", "venue", "starts_at", "local_start", "lat", "lon", "together", "title", "all_words")
FIND = f"""
WITH found AS MATERIALIZED (
    SELECT id, event, venue, starts_at FROM showtimes
    WHERE words @@ to_tsquery('simple', $1)
        AND earth_box(ll_to_earth($2, $3), {RADIUS_KM * 1000}) @> ll_to_earth(lat, lon)
        AND earth_distance(ll_to_earth($2, $3), ll_to_earth(lat, lon)) <= {RADIUS_KM * 1000}
        AND local_start >= $4 AND local_start < $5 AND starts_at > now() AND together[{PARTY}] IS NOT NULL
)
SELECT found.id, found.starts_at, events.view AS event, venues.view AS venue, (SELECT count(*) FROM found) AS total
FROM found JOIN events ON events.id = found.event JOIN venues ON venues.id = found.venue
ORDER BY found.starts_at, found.id LIMIT {LIMIT}
"""
OPTIONS = {"jit": "off", "random_page_cost": "1.1", "plan_cache_mode": "force_custom_plan", "work_mem": "64MB"}


@dataclass(frozen=True)
class Postgres:
    connection: Any

    async def find(self, ask: Ask) -> tuple[int, list[str]]:
        """How many there are, and the ids of the first."""
        *whole, last = ask.text.split()
        words = " & ".join([*whole, f"{last}:*"])
        start, end = (datetime.fromisoformat(f"{day}T{time}") for day, time in _bounds(ask))
        found = await self.connection.fetch(FIND, words, ask.city.lat, ask.city.lon, start, end)
        return (found[0]["total"] if found else 0), [row["id"] for row in found]

    async def one_by_one(self, asks: Sequence[Ask], seconds: float, meter: Meter) -> Figures:
        """As `bench.search.wire.in_turn`."""
        for ask in asks:
            await self.find(ask)
        laps = Laps(asks, seconds, meter)
        for ask in laps:
            await self.find(ask)
        return laps.figures()


def _bounds(ask: Ask) -> Iterator[tuple[str, str]]:
    yield ask.start, "00:00:00"
    yield ask.end, "23:59:59.999999"


@asynccontextmanager
async def open_postgres(url: str, catalogue: Catalogue, count: int) -> AsyncIterator[Postgres]:
    """With the catalogue's first showtimes. Raises asyncpg.UndefinedFileError without its contrib extensions."""
    connection = await asyncpg.connect(url, server_settings=OPTIONS)
    try:
        await connection.execute(SCHEMA)
        seen: dict[str, dict[str, Any]] = {"event": {}, "venue": {}}
        rows = _records(catalogue.rows(0, count), seen)
        await connection.copy_records_to_table("showtimes", records=rows, columns=COLUMNS)
        for kind, views in seen.items():
            records = [(id_, json.dumps(view)) for id_, view in views.items()]
            await connection.copy_records_to_table(f"{kind}s", records=records, columns=("id", "view"))
        await connection.execute(INDEXES)
        await connection.execute("VACUUM (ANALYZE)")
        yield Postgres(connection)
    finally:
        await connection.close()


def _records(rows: Iterable[Row], seen: dict[str, dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """The words are the very ones that our index has."""
    words: dict[tuple[str, str], tuple[str, str]] = {}
    for row in rows:
        event, venue = row["event"], row["venue"]
        pair = (event["eventId"], venue["venueId"])
        if pair not in words:
            fields = to_document(row)["words"]
            words[pair] = (fields["title"], fields["all"])
            seen["event"][pair[0]] = {name: event.get(name) for name in EVENT_VIEW}
            seen["venue"][pair[1]] = {name: venue.get(name) for name in VENUE_VIEW}
        starts_at = row["facts"]["startsAt"]
        local = datetime.fromisoformat(local_start(starts_at, venue["timezone"]))
        place = venue["location"]
        together = row["availability"]["together"]
        yield (row["_id"], *pair, starts_at, local, place["lat"], place["lon"], together, *words[pair])
