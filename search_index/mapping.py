"""The Elasticsearch indices: of showtimes, and of the events and venues that have some. Names, settings and fields.

They ask for nothing but the server's own `whitespace` analyzer, so that they run the same on a build without the
analysis modules and on the official image.
"""

from typing import Any, Literal

from service_kit.ids import new_id

# Part of every index name. A change to the fields below or to the folding needs the next number: at its next start the
# indexer fills a new index and serves the old one until that is full.
MAPPING_VERSION = 4

Mapping = dict[str, Any]


Kind = Literal["shows", "entries"]
KINDS: tuple[Kind, ...] = ("shows", "entries")


def alias(namespace: str, kind: Kind = "shows") -> str:
    """What searches go to."""
    return f"{namespace}-{kind}"


def index_pattern(namespace: str, kind: Kind = "shows") -> str:
    return f"{alias(namespace, kind)}-v*"


def new_index_name(namespace: str, kind: Kind = "shows") -> str:
    return f"{alias(namespace, kind)}-v{MAPPING_VERSION}-{new_id()}"


def is_current_version(index: str, namespace: str, kind: Kind = "shows") -> bool:
    return index.startswith(f"{alias(namespace, kind)}-v{MAPPING_VERSION}-")


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


REFRESH_SECONDS = 0.25
SETTINGS: Mapping = {
    "number_of_shards": 1,
    "auto_expand_replicas": "0-1",
    # A hold must be seen within a second: 250 ms at the seat map, as much here, the rest for the way.
    "refresh_interval": f"{REFRESH_SECONDS * 1_000:.0f}ms",
    # How long the version of a deleted document is remembered: a late, older write must not bring it back.
    "gc_deletes": "1h",
}

# A booking has at most ten seats.
MOST_TOGETHER = 10
# The least that the dearest of so many neighbours costs; not there where there are not so many.
TOGETHER: Mapping = {"properties": {str(count): MONEY for count in range(1, MOST_TOGETHER + 1)}}

FACET_FIELDS = ("category", "genre", "language", "certificate", "city")

SHOWS: Mapping = {
    "dynamic": "strict",
    "properties": {
        "showtimeId": KEYWORD,
        "eventId": KEYWORD,
        "venueId": KEYWORD,
        "startsAt": DATE,
        # The wall clock at the venue, written as if it were UTC: "on Saturday" means Saturday there.
        "localStart": DATE,
        "localDay": KEYWORD,
        # "Today" is another day in Tokyo.
        "timezone": KEY,
        "location": {"type": "geo_point"},
        # As people read them (for counts), and as they are compared (for filters). A venue is its id and its name.
        "facets": {"properties": dict.fromkeys((*FACET_FIELDS, "venue"), KEYWORD)},
        "keys": {"properties": dict.fromkeys(("title", "venue", *FACET_FIELDS), KEY)},
        "words": {
            "properties": {
                "title": _words(),
                "venue": _words(),
                "people": _words(norms=False),
                "keywords": _words(norms=False),
                "genre": _words(norms=False),
                "city": _words(norms=False),
                "district": _words(norms=False),
                # All of the above in one field: every word must be somewhere, no matter where.
                "all": _words(norms=False, index_prefixes={"min_chars": 1, "max_chars": 10}),
                # Their stems, so that one and many are found alike.
                "stems": _words(norms=False),
            }
        },
        # When tickets are on sale; not there where nothing bounds it.
        "saleFrom": DATE,
        "saleUntil": DATE,
        "currency": KEYWORD,
        "price": MONEY,
        "available": NUMBER,
        "largestBlock": NUMBER,
        "together": TOGETHER,
        "seatTypes": {
            "type": "nested",
            "properties": {"type": KEYWORD, "available": NUMBER, "largestBlock": NUMBER, "together": TOGETHER},
        },
        # What an answer shows, kept as it is and never searched.
        "view": {"type": "object", "enabled": False},
    },
}

# One for each event and venue with a show to come: what is suggested while one types, and what names there are.
ENTRIES: Mapping = {
    "dynamic": "strict",
    "properties": {
        "kind": KEYWORD,
        "id": KEYWORD,
        "keys": {"properties": {"title": KEY}},
        "words": {"properties": {"title": _words(index_prefixes={"min_chars": 1, "max_chars": 10}), "stems": _words()}},
        # Where it is to be seen: a venue's place, an event's venues.
        "locations": {"type": "geo_point"},
        "nextStart": DATE,
        "showtimes": NUMBER,
        "booked": NUMBER,
        "view": {"type": "object", "enabled": False},
    },
}

MAPPINGS: dict[Kind, Mapping] = {"shows": SHOWS, "entries": ENTRIES}
