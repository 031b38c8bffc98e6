"""Shows as JSON-LD in the vocabulary of schema.org, for search engines and assistants."""

import re
from typing import Any

from search_service.exports.facts import about, genres
from search_service.exports.links import Links
from service_kit.folding import fold_words
from service_kit.money import decimal_text

Item = dict[str, Any]
Node = dict[str, Any]
CONTEXT = "https://schema.org"
# By folded category; every other kind is an Event.
KINDS = {
    "movie": "ScreeningEvent",
    "film": "ScreeningEvent",
    "cinema": "ScreeningEvent",
    "theatre": "TheaterEvent",
    "theater": "TheaterEvent",
    "play": "TheaterEvent",
    "musical": "TheaterEvent",
    "opera": "TheaterEvent",
    "ballet": "DanceEvent",
    "dance": "DanceEvent",
    "concert": "MusicEvent",
    "music": "MusicEvent",
    "comedy": "ComedyEvent",
    "festival": "Festival",
    "exhibition": "ExhibitionEvent",
    "sport": "SportsEvent",
    "sports": "SportsEvent",
}
LANGUAGE_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", re.IGNORECASE | re.ASCII)


def item_list(items: list[Item], links: Links) -> Node:
    """In the order in which they were found."""
    return {
        "@context": CONTEXT,
        "@type": "ItemList",
        "numberOfItems": len(items),
        "itemListElement": [
            {"@type": "ListItem", "position": position, "item": show(item, links)}
            for position, item in enumerate(items, start=1)
        ],
    }


def graph(items: list[Item], links: Links) -> Node:
    """The shows of one page."""
    return {"@context": CONTEXT, "@graph": [show(item, links) for item in items]}


def show(item: Item, links: Links) -> Node:
    """One showtime, which is what schema.org calls an event. What is not known is left out."""
    event, venue = item["event"], item["venue"]
    kind = KINDS.get(fold_words(event["category"]), "Event")
    work = {"workPresented": _movie(event)} if kind == "ScreeningEvent" else _people(event, "performer")
    return {
        "@type": kind,
        "@id": links.show(item),
        "url": links.show(item),
        "identifier": item["showtimeId"],
        "name": event["name"],
        "description": f"{', '.join(about(event))}. At {venue['name']}, {venue['city']}.",
        "startDate": item["startsAt"],
        **_length(event),
        "eventStatus": f"{CONTEXT}/EventScheduled",
        "eventAttendanceMode": f"{CONTEXT}/OfflineEventAttendanceMode",
        **_language(event),
        **_image(event),
        "location": place(venue, links),
        "offers": _offers(item, links),
        **work,
    }


def place(venue: dict[str, Any], links: Links) -> Node:
    address = venue["address"]
    parts = {
        "streetAddress": address.get("street"),
        "addressLocality": venue["city"],
        "addressRegion": address.get("state"),
        "postalCode": address.get("postalCode"),
        "addressCountry": venue["country"],
    }
    location = venue["location"]
    return {
        "@type": "Place",
        "@id": links.venue(venue["venueId"]),
        "url": links.venue(venue["venueId"]),
        "name": venue["name"],
        "address": {"@type": "PostalAddress", **{name: part for name, part in parts.items() if part}},
        "geo": {"@type": "GeoCoordinates", "latitude": location["lat"], "longitude": location["lon"]},
    }


def _offers(item: Item, links: Links) -> Node:
    """All seats as one offer, from the lowest price on; and each type of seat, where the seats are known."""
    price, availability = item["price"], item["availability"]
    currency = price["currency"]
    types = availability["bySeatType"] if availability else {}
    offered = [_offer(name, seats, item) for name, seats in types.items() if seats["price"] is not None]
    dearest = max((seats["price"] for seats in types.values() if seats["price"] is not None), default=None)
    node = {"@type": "AggregateOffer", "url": links.show(item), "priceCurrency": currency}
    if price["from"] is not None:
        node["lowPrice"] = decimal_text(price["from"], currency)
    if dearest is not None:
        node["highPrice"] = decimal_text(dearest, currency)
    if item["onSale"]["from"]:
        node["validFrom"] = item["onSale"]["from"]
    if availability:
        node["availability"] = _stock(availability["available"], item)
    return {**node, "offerCount": len(offered), "offers": offered} if offered else node


def _offer(seat_type: str, seats: dict[str, Any], item: Item) -> Node:
    currency = item["price"]["currency"]
    return {
        "@type": "Offer",
        "name": seat_type,
        "price": decimal_text(seats["price"], currency),
        "priceCurrency": currency,
        "availability": _stock(seats["available"], item),
    }


def _stock(available: int, item: Item) -> str:
    """Of tickets that are not on sale any more schema.org says that they are sold out."""
    status = item["onSale"]["status"]
    if not available or status == "ended":
        return f"{CONTEXT}/SoldOut"
    return f"{CONTEXT}/{'PreOrder' if status == 'later' else 'InStock'}"


def _movie(event: dict[str, Any]) -> Node:
    metadata = event["metadata"]
    facts = {
        "genre": genres(event),
        "datePublished": metadata.get("releaseDate"),
        "contentRating": metadata.get("certificate"),
        "alternateName": metadata.get("alternateNames"),
    }
    known = {name: fact for name, fact in facts.items() if fact}
    return {"@type": "Movie", "name": event["name"], **known, **_length(event), **_image(event), **_people(event)}


def _people(event: dict[str, Any], role: str = "contributor") -> Node:
    """Who made a film and who plays in it is not told apart."""
    people = event["metadata"].get("people")
    return {role: [{"@type": "Person", "name": name} for name in people]} if people else {}


def _length(event: dict[str, Any]) -> Node:
    minutes = event["metadata"].get("durationMinutes")
    return {"duration": f"PT{minutes}M"} if minutes else {}


def _image(event: dict[str, Any]) -> Node:
    return {"image": [event["imageUrl"]]} if event["imageUrl"] else {}


def _language(event: dict[str, Any]) -> Node:
    language = event["metadata"].get("language")
    if not language:
        return {}
    named = {"@type": "Language", "name": language}
    return {"inLanguage": language if LANGUAGE_TAG.fullmatch(language) else named}
