"""From a row of the read model to the document in Elasticsearch."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from search_index.folding import indexed_text, keys, name_keys, stems
from search_index.mapping import MOST_TOGETHER
from service_kit.models import rfc3339

Row = Mapping[str, Any]
Document = dict[str, Any]
PartKind = Literal["event", "venue"]
PART_KINDS: tuple[PartKind, ...] = ("event", "venue")

# About 40 MB of them.
MOST_PARTS = 10_000
COUNTS = tuple(str(count) for count in range(1, MOST_TOGETHER + 1))
NO_SALE: dict[str, datetime | None] = {"from": None, "until": None}
GENRE_SEPARATORS = re.compile(r"[|,;/]")


def is_listed(row: Row, now: datetime) -> bool:
    """Whether a row belongs in the index: known to the catalogue, not cancelled or deleted, and not yet started."""
    facts = row.get("facts")
    if facts is None or row["event"].get("deleted") or row["venue"].get("deleted"):
        return False
    return bool(facts["status"] == "scheduled" and facts["startsAt"] > now)


@dataclass(frozen=True, slots=True)
class Part:
    """What documents say of an event or a venue. `fields` stand in the document itself; `every` is each word of it
    once, `stems` the stem of each."""

    fields: dict[str, Any]
    shown: dict[str, list[str]]
    keys: dict[str, list[str]]
    words: dict[str, str]
    every: str
    stems: str
    view: dict[str, Any]


class Parts:
    """Parts of documents, each built once for all showtimes at its version: they are most of the work."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], Part] = OrderedDict()

    def has(self, kind: PartKind, row: Row) -> bool:
        """Whether the part of this row is kept; it is for as long as fewer than `MOST_PARTS` others are asked for.

        Of such a part the row needs nothing but its id and rank.
        """
        key = _key(kind, row)
        if key not in self._kept:
            return False
        self._kept.move_to_end(key)
        return True

    def get(self, kind: PartKind, row: Row) -> Part:
        key = _key(kind, row)
        part = self._kept.get(key)
        if part is None:
            part = self._kept[key] = _event_part(row["event"]) if kind == "event" else _venue_part(row["venue"])
            if len(self._kept) > MOST_PARTS:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return part


def _key(kind: PartKind, row: Row) -> tuple[str, int]:
    # Ids are of UUIDs, so an event never has a venue's.
    return (
        (row["event"]["eventId"], row["eventRank"]) if kind == "event" else (row["venue"]["venueId"], row["venueRank"])
    )


def to_document(row: Row, parts: Parts | None = None) -> Document:
    """The searchable fields of a listed row, and under `view` what an answer shows. `parts` makes many of them fast."""
    facts, availability = row["facts"], row.get("availability")
    event = parts.get("event", row) if parts else _event_part(row["event"])
    venue = parts.get("venue", row) if parts else _venue_part(row["venue"])
    starts_at = rfc3339(facts["startsAt"].astimezone(UTC))
    local = local_start(facts["startsAt"], venue.fields["timezone"])
    # Rows of earlier releases have none.
    sale = {bound: rfc3339(at.astimezone(UTC)) if at else None for bound, at in facts.get("onSale", NO_SALE).items()}
    return {
        "showtimeId": row["_id"],
        **event.fields,
        **venue.fields,
        "startsAt": starts_at,
        "localStart": local,
        "localDay": local[:10],
        "facets": {**event.shown, **venue.shown},
        "keys": {**event.keys, **venue.keys},
        "words": {
            **event.words,
            **venue.words,
            # A word of both is there twice, for nothing is scored by how often it is in these two.
            "all": f"{event.every} {venue.every}",
            "stems": f"{event.stems} {venue.stems}",
        },
        "currency": facts["currency"],
        **{f"sale{bound.capitalize()}": at for bound, at in sale.items() if at},
        **_bookable(row),
        "view": {
            "startsAt": starts_at,
            "onSale": sale,
            "event": event.view,
            "venue": venue.view,
            "price": price(row),
            "availability": _availability_view(availability) if availability else None,
        },
    }


def _event_part(event: Row) -> Part:
    metadata = event["metadata"]
    genres = [genre.strip() for genre in GENRE_SEPARATORS.split(metadata.get("genre") or "") if genre.strip()]
    names = [event["name"], *metadata.get("alternateNames", ())]
    shown = {
        "category": [event["category"]],
        "genre": genres,
        "language": _given(metadata.get("language")),
        "certificate": _given(metadata.get("certificate")),
    }
    words = {
        "title": indexed_text(" ".join(names)),
        "people": indexed_text(" ".join(metadata.get("people", ()))),
        "keywords": indexed_text(" ".join(event["keywords"])),
        "genre": indexed_text(" ".join([*genres, event["category"]])),
    }
    title_keys = {"title": [key for name in names for key in name_keys(name)]}
    view = {name: event.get(name) for name in EVENT_VIEW}
    return _part({"eventId": event["eventId"]}, shown, title_keys, words, view)


def _venue_part(venue: Row) -> Part:
    location = venue["location"]
    fields = {
        "venueId": venue["venueId"],
        "timezone": venue["timezone"],
        "location": {"lat": location["lat"], "lon": location["lon"]},
    }
    words = {
        "venue": indexed_text(venue["name"]),
        "city": indexed_text(venue["city"]),
        "district": indexed_text(venue["address"].get("district") or ""),
    }
    view = {name: venue.get(name) for name in VENUE_VIEW}
    part = _part(fields, {"city": [venue["city"]]}, {"venue": name_keys(venue["name"])}, words, view)
    # A venue is its id and its name when counted, and its name when compared.
    part.shown["venue"] = [f"{venue['venueId']} {venue['name']}"]
    return part


def _part(
    fields: dict[str, Any],
    shown: dict[str, list[str]],
    named: dict[str, list[str]],
    words: dict[str, str],
    view: dict[str, Any],
) -> Part:
    compared = {name: [key for value in values for key in keys(value)] for name, values in shown.items()}
    every = " ".join(dict.fromkeys(" ".join(words.values()).split()))
    return Part(fields, shown, {**named, **compared}, words, every, stems(every), view)


def _given(value: str | None) -> list[str]:
    return [value] if value else []


EVENT_VIEW = ("eventId", "name", "category", "keywords", "imageUrl", "metadata")
VENUE_VIEW = ("venueId", "name", "city", "country", "timezone", "address", "location")


def local_start(starts_at: datetime, timezone: str) -> str:
    """The wall clock time at the venue, without an offset."""
    return starts_at.astimezone(ZoneInfo(timezone)).replace(tzinfo=None).isoformat(timespec="seconds")


def price(row: Row) -> dict[str, Any]:
    """The cheapest free seat's price; the cheapest tier's where nothing is known of the seats or none is free."""
    cheapest = (row.get("availability") or {}).get("minPrice")
    facts = row["facts"]
    return {"from": facts["priceFrom"] if cheapest is None else cheapest, "currency": facts["currency"]}


def _bookable(row: Row) -> Document:
    """What filters by seats look at. Without a seat map nothing is promised: the fields are not there."""
    amount = price(row)["from"]
    fields: Document = {} if amount is None else {"price": amount}
    availability = row.get("availability")
    if not availability:
        return fields
    open_ = availability["status"] == "open"
    return {
        **fields,
        "available": availability["available"] if open_ else 0,
        "largestBlock": availability["largestBlock"] if open_ else 0,
        "together": _together(availability) if open_ else {},
        "seatTypes": [
            {
                "type": seats["type"],
                "available": seats["available"],
                "largestBlock": seats["largestBlock"],
                "together": _together(seats),
            }
            for seats in availability["bySeatType"]
            if open_ and seats["available"] > 0
        ],
    }


def _together(seats: Row) -> Document:
    return dict(zip(COUNTS, seats.get("together", ()), strict=False))


def _availability_view(availability: Row) -> Document:
    return {
        "available": availability["available"],
        "total": availability["total"],
        "largestBlock": availability["largestBlock"],
        "together": availability.get("together", []),
        "bySeatType": {
            seats["type"]: {
                **{name: seats[name] for name in ("total", "available", "largestBlock", "price")},
                "together": seats.get("together", []),
            }
            for seats in availability["bySeatType"]
        },
        "asOf": rfc3339(availability["asOf"].astimezone(UTC)),
        "version": availability["version"],
    }
