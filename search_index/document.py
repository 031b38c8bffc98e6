"""From a row of the read model to the document in Elasticsearch."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from search_index.folding import indexed_text, keys, stems
from search_index.mapping import FACET_FIELDS
from service_kit.models import rfc3339

Row = Mapping[str, Any]
Document = dict[str, Any]

GENRE_SEPARATORS = re.compile(r"[|,;/]")


def is_listed(row: Row, now: datetime) -> bool:
    """Whether a row belongs in the index: known to the catalogue, not cancelled or deleted, and not yet started."""
    facts = row.get("facts")
    if facts is None or row["event"].get("deleted") or row["venue"].get("deleted"):
        return False
    return bool(facts["status"] == "scheduled" and facts["startsAt"] > now)


def to_document(row: Row) -> Document:
    """The searchable fields of a listed row, and under `view` what an answer shows."""
    facts, event, venue, availability = row["facts"], row["event"], row["venue"], row.get("availability")
    metadata, address = event["metadata"], venue["address"]
    genres = [genre.strip() for genre in GENRE_SEPARATORS.split(metadata.get("genre") or "") if genre.strip()]
    names = [event["name"], *metadata.get("alternateNames", ())]
    shown = {
        "category": [event["category"]],
        "genre": genres,
        "language": _given(metadata.get("language")),
        "certificate": _given(metadata.get("certificate")),
        "city": [venue["city"]],
    }
    words = {
        "title": indexed_text(" ".join(names)),
        "venue": indexed_text(venue["name"]),
        "people": indexed_text(" ".join(metadata.get("people", ()))),
        "keywords": indexed_text(" ".join(event["keywords"])),
        "genre": indexed_text(" ".join([*genres, event["category"]])),
        "city": indexed_text(venue["city"]),
        "district": indexed_text(address.get("district") or ""),
    }
    every = " ".join(dict.fromkeys(" ".join(words.values()).split()))
    local = local_start(facts["startsAt"], venue["timezone"])
    return {
        "showtimeId": row["_id"],
        "eventId": event["eventId"],
        "venueId": venue["venueId"],
        "startsAt": rfc3339(facts["startsAt"].astimezone(UTC)),
        "localStart": local,
        "localDay": local[:10],
        "timezone": venue["timezone"],
        "location": {"lat": venue["location"]["lat"], "lon": venue["location"]["lon"]},
        "facets": {**shown, "venue": f"{venue['venueId']} {venue['name']}"},
        "keys": {
            "title": [key for name in names for key in keys(name)],
            "venue": keys(venue["name"]),
            **{name: [key for value in shown[name] for key in keys(value)] for name in FACET_FIELDS},
        },
        "words": {**words, "all": every, "stems": stems(every)},
        "currency": facts["currency"],
        **_bookable(row),
        "view": {
            "startsAt": rfc3339(facts["startsAt"].astimezone(UTC)),
            "event": {name: event.get(name) for name in EVENT_VIEW},
            "venue": {name: venue.get(name) for name in VENUE_VIEW},
            "price": price(row),
            "availability": _availability_view(availability) if availability else None,
        },
    }


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
    return {str(count): price for count, price in enumerate(seats.get("together", ()), start=1)}


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
