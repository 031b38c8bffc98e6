"""Shows as GeoJSON (RFC 7946), for a map or a GIS."""

from typing import Any

from search_service.exports.links import Links

Item = dict[str, Any]


def feature_collection(items: list[Item], links: Links) -> dict[str, Any]:
    """One point for each showtime, though many are at the same venue."""
    return {"type": "FeatureCollection", "features": [_feature(item, links) for item in items]}


def _feature(item: Item, links: Links) -> dict[str, Any]:
    venue, price, availability = item["venue"], item["price"], item["availability"]
    location = venue["location"]
    return {
        "type": "Feature",
        "id": item["showtimeId"],
        "geometry": {"type": "Point", "coordinates": [location["lon"], location["lat"]]},
        "properties": {
            "name": item["event"]["name"],
            "category": item["event"]["category"],
            "eventId": item["event"]["eventId"],
            "startsAt": item["startsAt"],
            "venue": venue["name"],
            "venueId": venue["venueId"],
            "city": venue["city"],
            "country": venue["country"],
            "price": price["from"],
            "currency": price["currency"],
            "available": availability["available"] if availability else None,
            "distanceMeters": item["distanceMeters"],
            "url": links.show(item),
        },
    }
