"""From hits to what people get."""

from collections.abc import Callable
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any
from zoneinfo import ZoneInfo

from geopy.distance import great_circle

from search_index.folding import fold
from search_service import boosts
from search_service.domain import Point, Search
from service_kit.gazetteer import Place
from service_kit.models import rfc3339

Hit = dict[str, Any]
Item = dict[str, Any]
# How alike a name must be to what was typed before we ask "did you mean".
ALIKE = 0.6


def show_item(search: Search, hit: Hit) -> Item:
    item = _showtime(search, hit)
    if search.grouped:
        following = hit["inner_hits"]["next"]["hits"]
        item["showtimes"] = [_showtime(search, other) for other in following["hits"]]
        item["showtimeCount"] = following["total"]["value"]
    return item


def _showtime(search: Search, hit: Hit) -> Item:
    view = hit["_source"]["view"]
    venue = view["venue"]
    starts_at = datetime.fromisoformat(view["startsAt"]).astimezone(ZoneInfo(venue["timezone"]))
    return {
        "showtimeId": hit["_id"],
        "startsAt": rfc3339(starts_at),
        "event": view["event"],
        "venue": venue,
        "distanceMeters": distance_metres(search.point, venue["location"]),
        "score": hit.get("_score"),
        "price": view["price"],
        "availability": view["availability"],
    }


def distance_metres(point: Point | None, location: dict[str, float]) -> float | None:
    """On the same sphere as Elasticsearch's circle and order of distance, so that the three never disagree."""
    if point is None:
        return None
    there = (location["lat"], location["lon"])
    return round(float(great_circle((point.lat, point.lon), there).meters), 1)


def total(search: Search, found: dict[str, Any]) -> dict[str, Any]:
    if search.grouped:
        return {"value": found["aggregations"]["groups"]["count"]["value"], "relation": "eq"}
    counted: dict[str, Any] = found["hits"]["total"]
    return counted


def facets(found: dict[str, Any], names: list[str]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [
            {"value": bucket["key"], "count": bucket["doc_count"]}
            for bucket in found["aggregations"][name]["values"]["buckets"]
        ]
        for name in names
    }


def did_you_mean(text: str, hits: list[Hit]) -> str | None:
    """The name in the best hit that looks most like what was typed, or None where none does."""
    if not hits:
        return None
    view = hits[0]["_source"]["view"]
    names: list[str] = [view["event"]["name"], view["venue"]["name"], view["venue"]["city"]]
    likeness: Callable[[str], float] = lambda name: SequenceMatcher(None, fold(name), fold(text)).ratio()  # noqa: E731
    best = max(names, key=likeness)
    return best if likeness(best) >= ALIKE else None


def place_item(place: Place) -> Item:
    return {
        "name": place.name,
        "country": place.country,
        "lat": place.lat,
        "lon": place.lon,
        "population": place.population,
        "timezone": place.timezone,
    }


def suggestions(text: str, events: list[Hit], venues: list[Hit], places: list[Place]) -> list[Item]:
    """One list, the better matches first, and among equals an event, a venue and a place in turn.

    Names that are only similar are for who has made a typo: they are left out where a name begins as typed.
    """
    found = [
        *((_tier(hit), at, _event_suggestion(hit["_source"]["view"]["event"])) for at, hit in enumerate(events)),
        *((_tier(hit), at, _venue_suggestion(hit["_source"]["view"]["venue"])) for at, hit in enumerate(venues)),
        *((_place_tier(text, place), at, _place_suggestion(place)) for at, place in enumerate(places)),
    ]
    begun = [one for one in found if one[0] >= boosts.LAST_WORD_BEGUN]
    return [item for _, _, item in sorted(begun or found, key=lambda one: (-one[0], one[1]))]


def _tier(hit: Hit) -> float:
    """The tier alone, without what was added within it."""
    return float(hit["_score"] // boosts.TIER * boosts.TIER)


def _place_tier(text: str, place: Place) -> float:
    name, typed = fold(place.name), fold(text).strip()
    if name == typed:
        return boosts.EXACT_TITLE
    return boosts.ALL_IN_TITLE if name.startswith(typed) else boosts.LAST_WORD_BEGUN


def _place_suggestion(place: Place) -> Item:
    return {"kind": "place", "text": place.name, **place_item(place)}


def _event_suggestion(event: Item) -> Item:
    shown = {name: event[name] for name in ("category", "imageUrl")}
    return {"kind": "event", "id": event["eventId"], "text": event["name"], **shown}


def _venue_suggestion(venue: Item) -> Item:
    shown = {name: venue[name] for name in ("city", "country", "location")}
    return {"kind": "venue", "id": venue["venueId"], "text": venue["name"], **shown}
