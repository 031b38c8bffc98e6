"""The ways to search that are compared: each gives at most ten events for a query, the best first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, Protocol

import asyncpg
import httpx2

from bench.elastic import NDJSON, bulk_lines, creation, own_creation, require_taken
from bench.entries import entries_of
from bench.relevance.judgements import Query
from bench.relevance.world import NOW
from search_index.document import Document, to_document
from search_index.mapping import Kind, new_index_name
from search_service.app import create_app
from search_service.config import Settings
from search_service.domain import DEFAULT_RADIUS_METRES
from service_kit.clock import ManualClock

DEPTH = 10
BULK_LINES = 2_000
Found = list[tuple[str, str]]


class Way(Protocol):
    async def find(self, query: Query) -> Found:
        """Events, each with the house that it is shown with."""
        ...


# --- ours -----------------------------------------------------------------------------------------------------------


class Product:
    """What people get: the search service over HTTP."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def find(self, query: Query) -> Found:
        params = {"query": query.text, "groupBy": "event", "limit": str(DEPTH)}
        if query.place:
            params["near"] = query.meant["near"]
        answer = await self._client.get("/api/v1/search/shows", params=params)
        items = answer.raise_for_status().json()["items"]
        return [(item["event"]["eventId"], item["venue"]["venueId"]) for item in items]


@asynccontextmanager
async def open_product(url: str, namespace: str) -> AsyncIterator[Product]:
    """On the index that `fill` has filled, at the moment at which the world was made."""
    settings = Settings.model_validate({"elasticsearch_url": url, "namespace": namespace, "cursor_secret": "relevance"})
    app = create_app(settings, ManualClock(NOW))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://bench", timeout=30) as client:
            yield Product(client)


# --- Elasticsearch without more ado ---------------------------------------------------------------------------------

PLAIN_FIELDS = ("name", "keywords", "genre", "venue", "city")


class Plain:
    """One multi_match over the fields as they are (the standard analyzer cuts and lower-cases them), and a circle."""

    def __init__(self, elastic: httpx2.AsyncClient, index: str, **options: Any) -> None:
        self._elastic = elastic
        self._index = index
        self._options = options

    async def find(self, query: Query) -> Found:
        body = {
            "size": DEPTH,
            "_source": ["eventId", "venueId"],
            "query": {"bool": {"must": [self._words(query.text)], "filter": list(_circle(query))}},
            "collapse": {"field": "eventId"},
        }
        answer = await self._elastic.post(f"/{self._index}/_search", json=body)
        hits = answer.raise_for_status().json()["hits"]["hits"]
        return [(hit["_source"]["eventId"], hit["_source"]["venueId"]) for hit in hits]

    def _words(self, text: str) -> dict[str, Any]:
        return {"multi_match": {"query": text, "fields": PLAIN_FIELDS, **self._options}}


def _circle(query: Query) -> Iterator[dict[str, Any]]:
    if query.place:
        position = {"lat": query.place.lat, "lon": query.place.lon}
        yield {"geo_distance": {"distance": f"{DEFAULT_RADIUS_METRES}m", "location": position}}


def plain_document(document: Document) -> Document:
    event, venue = document["view"]["event"], document["view"]["venue"]
    return {
        "eventId": event["eventId"],
        "venueId": venue["venueId"],
        "location": document["location"],
        "name": event["name"],
        "keywords": event["keywords"],
        "genre": [event["category"], event["metadata"].get("genre")],
        "venue": venue["name"],
        "city": venue["city"],
    }


PLAIN_MAPPING = {
    "properties": {
        "eventId": {"type": "keyword"},
        "venueId": {"type": "keyword"},
        **{name: {"type": "text"} for name in PLAIN_FIELDS},
        "location": {"type": "geo_point"},
    }
}


async def fill(elastic: httpx2.AsyncClient, namespace: str, plain: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Ours behind their aliases, and the plain one."""
    rows = list(rows)
    documents = [to_document(row) for row in rows]
    indices: dict[str, Iterator[tuple[str, Document]]] = {
        await _create_own(elastic, namespace, "shows"): ((one["showtimeId"], one) for one in documents),
        await _create_own(elastic, namespace, "entries"): entries_of(rows),
        await _create(elastic, plain, creation(PLAIN_MAPPING)): (
            (one["showtimeId"], plain_document(one)) for one in documents
        ),
    }
    for index, filled_with in indices.items():
        await _bulk(elastic, index, filled_with)


async def _create_own(elastic: httpx2.AsyncClient, namespace: str, kind: Kind) -> str:
    return await _create(elastic, new_index_name(namespace, kind), own_creation(namespace, kind))


async def _create(elastic: httpx2.AsyncClient, index: str, body: dict[str, Any]) -> str:
    (await elastic.put(f"/{index}", json=body)).raise_for_status()
    return index


async def _bulk(elastic: httpx2.AsyncClient, index: str, documents: Iterator[tuple[str, Document]]) -> None:
    """Raises RuntimeError where a document is refused."""
    while batch := list(islice(documents, BULK_LINES)):
        answer = await elastic.post(f"/{index}/_bulk", content=bulk_lines(batch), headers=NDJSON)
        require_taken(answer, index)
    (await elastic.post(f"/{index}/_refresh")).raise_for_status()


# --- PostgreSQL -----------------------------------------------------------------------------------------------------

# Titles count more than the rest; accents go on both sides.
POSTGRES_SCHEMA = """
CREATE EXTENSION IF NOT EXISTS unaccent; CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS cube; CREATE EXTENSION IF NOT EXISTS earthdistance;
CREATE TABLE billings (
    event text, venue text, name text, about text, lat float8, lon float8,
    words tsvector GENERATED ALWAYS AS
        (setweight(to_tsvector('simple', name), 'A') || setweight(to_tsvector('simple', about), 'B')) STORED,
    PRIMARY KEY (event, venue)
);
CREATE INDEX ON billings USING gin (words);
CREATE INDEX ON billings USING gin (name gin_trgm_ops);
CREATE INDEX ON billings USING gist (ll_to_earth(lat, lon));
"""
POSTGRES_FIND = """
WITH asked AS (SELECT lower(unaccent($1)) AS text, websearch_to_tsquery('simple', lower(unaccent($1))) AS words),
found AS (
    SELECT DISTINCT ON (event) event, venue,
        ts_rank(billings.words, asked.words) + word_similarity(asked.text, name) + similarity(asked.text, name) AS rank
    FROM billings, asked
    WHERE (billings.words @@ asked.words OR asked.text <% name)
        AND ($2::float8 IS NULL OR (
            earth_box(ll_to_earth($2, $3), $4) @> ll_to_earth(lat, lon)
            AND earth_distance(ll_to_earth($2, $3), ll_to_earth(lat, lon)) <= $4))
    ORDER BY event, rank DESC
)
SELECT event, venue FROM found ORDER BY rank DESC, event LIMIT 10
"""


class Postgres:
    """Full text for what is spelled right, similar words of the title for the rest."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def find(self, query: Query) -> Found:
        lat, lon = (query.place.lat, query.place.lon) if query.place else (None, None)
        found = await self._connection.fetch(POSTGRES_FIND, query.text, lat, lon, DEFAULT_RADIUS_METRES)
        return [(one["event"], one["venue"]) for one in found]


@asynccontextmanager
async def open_postgres(url: str, rows: Iterable[Mapping[str, Any]]) -> AsyncIterator[Postgres]:
    """Raises asyncpg.UndefinedFileError where its contrib extensions are not installed."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(POSTGRES_SCHEMA)
        billings = {(row["event"]["eventId"], row["venue"]["venueId"]): row for row in rows}
        values = [(*ids, *_postgres_texts(row)) for ids, row in billings.items()]
        await connection.executemany(
            "INSERT INTO billings VALUES ($1, $2, lower(unaccent($3)), lower(unaccent($4)), $5, $6)", values
        )
        await connection.execute("VACUUM (ANALYZE) billings")
        yield Postgres(connection)
    finally:
        await connection.close()


def _postgres_texts(row: Mapping[str, Any]) -> tuple[str, str, float, float]:
    event, venue = row["event"], row["venue"]
    metadata = event["metadata"]
    names = [event["name"], *metadata["alternateNames"]]
    about = [*metadata["people"], *event["keywords"], metadata["genre"] or "", event["category"]]
    where = [venue["name"], venue["city"], venue["address"]["district"]]
    return " ".join(names), " ".join([*about, *where]), venue["location"]["lat"], venue["location"]["lon"]
