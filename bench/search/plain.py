"""The plain search that a full one is compared with: one multi_match and a circle, on the same index."""

from __future__ import annotations

import json

from bench.search.asks import LIMIT, RADIUS_KM, Ask
from bench.search.wire import Request
from search_index.mapping import alias

FIELDS = ("words.title", "words.keywords", "words.genre", "words.venue", "words.city")


def plain_request(namespace: str, ask: Ask) -> Request:
    position = {"lat": ask.city.lat, "lon": ask.city.lon}
    circle = {"geo_distance": {"distance": f"{RADIUS_KM}km", "location": position}}
    words = {"multi_match": {"query": ask.text, "fields": FIELDS}}
    body = {"size": LIMIT, "_source": ["view"], "query": {"bool": {"must": [words], "filter": [circle]}}}
    path = f"/{alias(namespace)}/_search?request_cache=false"
    return Request("POST", path, json.dumps(body).encode(), "application/json")
