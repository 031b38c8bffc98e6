"""From hits to what people get."""

from datetime import datetime
from difflib import SequenceMatcher
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from search_index.folding import fold
from search_service import boosts
from search_service.domain import Point, Search
from search_service.near_misses import Relaxed
from search_service.understanding import Reading
from search_service.words import Match
from service_kit.gazetteer import Place
from service_kit.models import rfc3339
from service_kit.sphere import great_circle

Hit = dict[str, Any]
Item = dict[str, Any]
# How alike a name must be to what was typed before we ask "did you mean".
ALIKE = 0.6
# Comparing takes cubic time at worst, and nobody mistypes more than the beginning of a name.
MOST_COMPARED = 60


def show_items(search: Search, hits: list[Hit], groups: dict[str, Any] | None, now: datetime) -> list[Item]:
    """`groups` has the next showtimes of each event, where the search groups by it."""
    items = [_showtime(search, hit, now) for hit in hits]
    if groups is not None:
        for item in items:
            following = groups.get(item["event"]["eventId"], {"hits": [], "total": {"value": 0}})
            item["showtimes"] = [_showtime(search, other, now) for other in following["hits"]]
            item["showtimeCount"] = following["total"]["value"]
    return items


def _showtime(search: Search, hit: Hit, now: datetime) -> Item:
    view = hit["_source"]["view"]
    venue = view["venue"]
    starts_at = datetime.fromisoformat(view["startsAt"]).astimezone(ZoneInfo(venue["timezone"]))
    item = {
        "showtimeId": hit["_id"],
        "startsAt": rfc3339(starts_at),
        "event": view["event"],
        "venue": venue,
        "distanceMeters": distance_metres(search.point, venue["location"]),
        "score": hit.get("_score"),
        "price": view["price"],
        "onSale": _on_sale(view["onSale"], now),
        "availability": view["availability"],
    }
    if search.seats_together is not None or search.seat_type is not None:
        item["fittingPrice"] = fitting_price(search, view["availability"])
    return item


def _on_sale(window: dict[str, str | None], now: datetime) -> Item:
    begins, ends = (datetime.fromisoformat(at) if (at := window[bound]) else None for bound in ("from", "until"))
    status = "ended" if ends and ends <= now else "later" if begins and begins > now else "open"
    return {**window, "status": status}


def fitting_price(search: Search, availability: dict[str, Any] | None) -> int | None:
    """What the dearest of the wanted seats costs at least."""
    if availability is None:
        return None
    of_type = availability["bySeatType"].get(search.seat_type, {}) if search.seat_type is not None else availability
    prices: list[int] = of_type.get("together", [])
    return prices[search.neighbours - 1] if len(prices) >= search.neighbours else None


def distance_metres(point: Point | None, location: dict[str, float]) -> float | None:
    if point is None:
        return None
    there = (location["lat"], location["lon"])
    return round(great_circle((point.lat, point.lon), there), 1)


def total(search: Search, found: dict[str, Any]) -> dict[str, Any]:
    if search.grouped:
        return {"value": found["aggregations"]["groups"]["value"], "relation": "eq"}
    counted: dict[str, Any] = found["hits"]["total"]
    return counted


def did_you_mean(text: str, hits: list[Hit]) -> str | None:
    """The name in the best hit that looks most like what was typed, or None where none does."""
    if not hits:
        return None
    view = hits[0]["_source"]["view"]
    names: list[str] = [view["event"]["name"], view["venue"]["name"], view["venue"]["city"]]
    alike = [(likeness, name) for name in names if (likeness := _likeness(name, text)) >= ALIKE]
    return max(alike, key=itemgetter(0))[1] if alike else None


def corrected(found: dict[str, Any]) -> str | None:
    """The words with the corrections that there are, or None where there is none."""
    words = found["suggest"]["corrected"]
    if not any(word["options"] for word in words):
        return None
    return " ".join(word["options"][0]["text"] if word["options"] else word["text"] for word in words)


def name_like(text: str, entries: list[Hit]) -> str | None:
    """The name of the first of `entries` if it looks like `text`."""
    name: str | None = entries[0]["_source"]["view"]["name"] if entries else None
    return name if name and _likeness(name, text) else None


def _likeness(name: str, text: str) -> float:
    """From 0 to 1, by their beginnings; 0 where a quick look shows that it is less than ALIKE."""
    matcher = SequenceMatcher(None, fold(name)[:MOST_COMPARED], fold(text)[:MOST_COMPARED])
    return matcher.ratio() if matcher.quick_ratio() >= ALIKE else 0.0


def interpreted(search: Search, reading: Reading, match: Match | None, near: Place | None) -> Item | None:
    """What the search was taken for; `parts` name each stretch of the words, and `asTyped` undoes a kind of them."""
    place = reading.place or near
    if not search.text and place is None:
        return None
    words = reading.search.text
    day = next((part.value for part in reading.parts if part.kind == "time"), None)
    return {
        "words": words or None,
        "match": match if words else None,
        "place": _place(place) if place else None,
        "when": day,
        "parts": [{"kind": part.kind, "text": part.text, "value": str(part.value)} for part in reading.parts],
    }


def near_miss(way: Relaxed, found: dict[str, Any], point: Point | None) -> Item:
    """How many shows one wish less would find, the parameters to ask for them by, and the first of them."""
    first = found["hits"]["hits"][0]["_source"]["view"]
    return {
        "kind": way.kind,
        "parameters": way.parameters,
        "count": found["hits"]["total"]["value"],
        "startsAt": first["startsAt"],
        "distanceMeters": distance_metres(point, first["venue"]["location"]),
    }


def place_item(place: Place) -> Item:
    """As a place is looked up; elsewhere its many names say nothing."""
    return {**_place(place), "alternateNames": list(place.alternate_names)}


def _place(place: Place) -> Item:
    return {
        "name": place.name,
        "country": place.country,
        "lat": place.lat,
        "lon": place.lon,
        "population": place.population,
        "timezone": place.timezone,
        "geonameId": place.geonameid,
        "region": place.admin1,
    }


def suggestions(text: str, entries: list[Hit], places: list[Place]) -> list[Item]:
    """One list, the better matches first, and among equals an entry and a place in turn, each in its own order.

    Names that are only similar are for who has made a typo: they are left out where a name begins as typed.
    """
    found = [
        *((_tier(hit), at, _entry_suggestion(hit["_source"])) for at, hit in enumerate(entries)),
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
    if name.startswith(typed):
        return boosts.ALL_IN_TITLE
    begun = any(fold(other).startswith(typed) for other in place.alternate_names)
    return boosts.LAST_WORD_BEGUN if begun else boosts.SIMILAR_WORDS


def _place_suggestion(place: Place) -> Item:
    return {"kind": "place", "text": place.name, **_place(place)}


def _entry_suggestion(entry: Item) -> Item:
    return _event_suggestion(entry["view"]) if entry["kind"] == "event" else _venue_suggestion(entry["view"])


def _event_suggestion(event: Item) -> Item:
    shown = {name: event[name] for name in ("category", "imageUrl")}
    return {"kind": "event", "id": event["eventId"], "text": event["name"], **shown}


def _venue_suggestion(venue: Item) -> Item:
    shown = {name: venue[name] for name in ("city", "country", "location")}
    return {"kind": "venue", "id": venue["venueId"], "text": venue["name"], **shown}
