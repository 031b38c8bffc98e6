"""Counts beside the hits: what one would find with another choice. Each ignores the choices of its own kind alone."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from search_service import boosts
from search_service.domain import Search
from search_service.filters import Clause, in_circle, position, together

Body = dict[str, Any]
Count = dict[str, Any]


def counted_among_hits(search: Search, filters: dict[str, list[Clause]], names: Sequence[str]) -> Body:
    """Aggregations beside the hits: of facets without a choice of their own, which count all that is found."""
    return {name: _counting(name, search) for name in _countable(search, names) if not filters.get(name)}


def facets_body(search: Search, filters: dict[str, list[Clause]], names: Sequence[str]) -> Body | None:
    """A search that counts for the other facets whatever the words, or None where there are none.

    What none of these owns narrows all of them, so that they look at little.
    """
    own = {name: filters[name] for name in _countable(search, names) if filters.get(name)}
    if not own:
        return None
    shared = [clause for name, clauses in filters.items() if name not in own for clause in clauses]
    if "distance" in own and search.point and search.radius:
        shared.append(in_circle(search.point, max(search.radius, boosts.WIDEST_RING)))
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": shared}},
        "aggs": {name: _narrowed(name, _counting(name, search), own) for name in own},
    }


def _countable(search: Search, names: Sequence[str]) -> list[str]:
    """Without a point to start from there are no distances."""
    return [name for name in names if name != "distance" or search.point]


def _narrowed(name: str, counting: Body, own: dict[str, list[Clause]]) -> Body:
    others = [clause for other, clauses in own.items() if other != name for clause in clauses]
    return {"filter": {"bool": {"filter": others}}, "aggs": {"values": counting}}


def _counting(name: str, search: Search) -> Body:
    match name:
        case "day":
            return {"terms": {"field": "localDay", "size": boosts.FACET_DAYS, "order": {"_key": "asc"}}}
        case "price":
            return {"terms": {"field": "currency", "size": boosts.FACET_CURRENCIES}, "aggs": _by_band(search)}
        case "distance" if search.point:
            rings = {"origin": position(search.point), "unit": "m", "ranges": _bands(boosts.RINGS)[:-1]}
            return {"geo_distance": {"field": "location", **rings}}
        case _:
            return {"terms": {"field": f"facets.{name}", "size": boosts.FACET_VALUES}}


def _by_band(search: Search) -> Body:
    """By what the wanted seats cost, as the filter does."""
    wanted = search.seats_together is not None or search.seat_type is not None
    counting = {"range": {"field": together(search) if wanted else "price", "ranges": _bands(boosts.PRICE_BANDS)}}
    if search.seat_type is None:
        return {"bands": counting}
    of_type = {"filter": {"term": {"seatTypes.type": search.seat_type}}, "aggs": {"bands": counting}}
    return {"seats": {"nested": {"path": "seatTypes"}, "aggs": {"of_type": of_type}}}


def _bands(limits: Sequence[int]) -> list[dict[str, int]]:
    """Up to the first limit, between each two, and beyond the last."""
    inner = [{"from": low, "to": high} for low, high in pairwise(limits)]
    return [{"to": limits[0]}, *inner, {"from": limits[-1]}]


def facet_counts(found: Sequence[Body], names: Sequence[str]) -> dict[str, list[Count]]:
    """By facet, most first; days, prices and distances in their order, without those that count nothing."""
    counted = {name: one for answer in found for name, one in answer.get("aggregations", {}).items()}
    return {name: _counts(name, _buckets(counted[name]) if name in counted else []) for name in names}


def _buckets(counted: Body) -> list[Body]:
    found: list[Body] = counted.get("values", counted)["buckets"]
    return found


def _counts(name: str, buckets: list[Body]) -> list[Count]:
    match name:
        case "venue":
            return [_venue(bucket) for bucket in buckets]
        case "price":
            return [_band(band, bucket["key"]) for bucket in buckets for band in _counted_bands(bucket) if _any(band)]
        case "distance":
            return [_ring(ring) for ring in buckets if _any(ring)]
        case _:
            return [{"value": bucket["key"], "count": bucket["doc_count"]} for bucket in buckets]


def _counted_bands(currency: Body) -> list[Body]:
    counted = currency["seats"]["of_type"] if "seats" in currency else currency
    found: list[Body] = counted["bands"]["buckets"]
    return found


def _any(bucket: Body) -> bool:
    return bool(bucket["doc_count"])


def _venue(bucket: Body) -> Count:
    venue_id, _, name = bucket["key"].partition(" ")
    return {"value": venue_id, "label": name, "count": bucket["doc_count"]}


def _band(bucket: Body, currency: str) -> Count:
    low, high = int(bucket.get("from", 0)), int(bucket["to"]) if "to" in bucket else None
    name = f"{low}-{high if high is not None else ''}"
    return {"value": name, "from": low, "to": high, "currency": currency, "count": bucket["doc_count"]}


def _ring(bucket: Body) -> Count:
    low, high = int(bucket.get("from", 0)), int(bucket["to"])
    return {"value": f"{low // 1000}-{high // 1000}km", "from": low, "to": high, "count": bucket["doc_count"]}
