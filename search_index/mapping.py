"""The Elasticsearch index of showtimes: its names, settings and fields.

It asks for nothing but the server's own `whitespace` analyzer, so that it runs the same on a build without the analysis
modules and on the official image.
"""

from typing import Any

from service_kit.ids import new_id

# Part of every index name. A change to the fields below or to the folding needs the next number: at its next start the
# indexer fills a new index and serves the old one until that is full.
MAPPING_VERSION = 1

Mapping = dict[str, Any]


def alias(namespace: str) -> str:
    """What searches go to."""
    return f"{namespace}-shows"


def index_pattern(namespace: str) -> str:
    return f"{namespace}-shows-v*"


def new_index_name(namespace: str) -> str:
    return f"{namespace}-shows-v{MAPPING_VERSION}-{new_id()}"


def is_current_version(index: str, namespace: str) -> bool:
    return index.startswith(f"{namespace}-shows-v{MAPPING_VERSION}-")


def write_alias(index: str) -> str:
    """Where writes to one index go, with `require_alias`: a write after its deletion must not create it."""
    return f"{index}-write"


KEYWORD: Mapping = {"type": "keyword"}
# Only filtered by: no columns on disk.
KEY: Mapping = {"type": "keyword", "doc_values": False}
NUMBER: Mapping = {"type": "integer"}
MONEY: Mapping = {"type": "long"}
DATE: Mapping = {"type": "date", "format": "strict_date_optional_time"}


def _words(**options: Any) -> Mapping:
    """Text that was folded and cut into words before it came here."""
    return {"type": "text", "analyzer": "whitespace", "index_options": "freqs", **options}


SETTINGS: Mapping = {
    "number_of_shards": 1,
    "auto_expand_replicas": "0-1",
    # A hold must be seen within a second: 250 ms at the seat map, as much here, the rest for the way.
    "refresh_interval": "250ms",
    # How long the version of a deleted document is remembered: a late, older write must not bring it back.
    "gc_deletes": "1h",
}

MAPPINGS: Mapping = {
    "dynamic": "strict",
    "properties": {
        "showtimeId": KEYWORD,
        "eventId": KEYWORD,
        "venueId": KEYWORD,
        "startsAt": DATE,
        # The wall clock at the venue, written as if it were UTC: "on Saturday" means Saturday there.
        "localStart": DATE,
        "location": {"type": "geo_point"},
        # As people read them (for counts), and as they are compared (for filters).
        "facets": {"properties": dict.fromkeys(("category", "genre", "language", "city"), KEYWORD)},
        "keys": {
            "properties": dict.fromkeys(("title", "venue", "category", "genre", "language", "city"), KEY),
        },
        "words": {
            "properties": {
                "title": _words(),
                "venue": _words(),
                "keywords": _words(norms=False),
                "genre": _words(norms=False),
                "city": _words(norms=False),
                "district": _words(norms=False),
                # All of the above in one field: every word must be somewhere, no matter where.
                "all": _words(norms=False, index_prefixes={"min_chars": 1, "max_chars": 10}),
            }
        },
        "price": MONEY,
        "available": NUMBER,
        "largestBlock": NUMBER,
        "seatTypes": {
            "type": "nested",
            "properties": {"type": KEYWORD, "available": NUMBER, "largestBlock": NUMBER, "price": MONEY},
        },
        # What an answer shows, kept as it is and never searched.
        "view": {"type": "object", "enabled": False},
    },
}
