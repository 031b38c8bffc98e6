"""The map: venues one by one where they are few, else clusters of map tiles, never more than 500 features."""

import math
from datetime import datetime
from typing import Any

from search_service.domain import Box
from search_service.filters import in_box, upcoming

Body = dict[str, Any]
Feature = dict[str, Any]

MOST_FEATURES = 500
# Up to so many venues are shown one by one whatever the zoom.
FEW_VENUES = 100
# From this zoom on (streets can be told apart) up to MOST_FEATURES are.
STREETS = 14
# Each map tile is cut into 16 clusters.
FINER = 2
FINEST = 29
# Where the square world map ends.
MERCATOR_LATITUDE = 85.05


def grid_precision(box: Box, zoom: int) -> int:
    """The finest precision that suits the zoom and keeps the tiles that touch the box within MOST_FEATURES."""
    width = ((box.east - box.west) % 360 or 360) / 360
    height = abs(_mercator(box.north) - _mercator(box.south))
    precision = min(zoom + FINER, FINEST)
    while precision > 0 and (width * 2**precision + 2) * (height * 2**precision + 2) > MOST_FEATURES:
        precision -= 1
    return precision


def _mercator(lat: float) -> float:
    """Height on the square world map, from 0 to 1."""
    lat = math.radians(max(-MERCATOR_LATITUDE, min(MERCATOR_LATITUDE, lat)))
    return 0.5 + math.asinh(math.tan(lat)) / (2 * math.pi)


def clusters_body(box: Box, zoom: int, now: datetime) -> Body:
    grid = {"field": "location", "precision": grid_precision(box, zoom), "size": MOST_FEATURES}
    return {
        **_within(box, now),
        "aggs": {
            "venues": _venue_count(),
            "grid": {
                "geotile_grid": grid,
                "aggs": {"venues": _venue_count(), "centre": {"geo_centroid": {"field": "location"}}},
            },
        },
    }


def venues_body(box: Box, now: datetime) -> Body:
    one = {"top_hits": {"size": 1, "_source": ["view.venue"]}}
    return {
        **_within(box, now),
        "aggs": {"venues": {"terms": {"field": "venueId", "size": MOST_FEATURES}, "aggs": {"one": one}}},
    }


def shown_one_by_one(venues: int, zoom: int) -> bool:
    return venues <= (MOST_FEATURES if zoom >= STREETS else FEW_VENUES)


def cluster_features(aggregations: Body) -> list[Feature]:
    return [
        _feature(
            bucket["centre"]["location"],
            {"kind": "cluster", "venues": bucket["venues"]["value"], "showtimes": bucket["doc_count"]},
        )
        for bucket in aggregations["grid"]["buckets"]
    ]


def venue_features(aggregations: Body) -> list[Feature]:
    features = []
    for bucket in aggregations["venues"]["buckets"]:
        venue = bucket["one"]["hits"]["hits"][0]["_source"]["view"]["venue"]
        known = {name: venue[name] for name in ("venueId", "name", "city")}
        features.append(_feature(venue["location"], {"kind": "venue", **known, "showtimes": bucket["doc_count"]}))
    return features


def _within(box: Box, now: datetime) -> Body:
    return {"size": 0, "track_total_hits": False, "query": {"bool": {"filter": [upcoming(now), in_box(box)]}}}


def _venue_count() -> Body:
    return {"cardinality": {"field": "venueId", "precision_threshold": 1_000}}


def _feature(location: dict[str, float], properties: dict[str, Any]) -> Feature:
    point = {"type": "Point", "coordinates": [round(location["lon"], 6), round(location["lat"], 6)]}
    return {"type": "Feature", "geometry": point, "properties": properties}
