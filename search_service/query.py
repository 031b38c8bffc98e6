"""From a search to the body of one `_search` request. All that only filters stands in filter context."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from search_index.folding import keys
from search_index.mapping import MOST_TOGETHER
from search_service import boosts, words
from search_service.domain import Bound, Box, Point, Search
from search_service.words import Clause, Match
from service_kit.models import rfc3339

Body = dict[str, Any]
# The tiebreak is unique, so that pages neither repeat nor skip a hit.
TIEBREAK: list[Any] = [{"startsAt": "asc"}, {"showtimeId": "asc"}]


def shows_body(search: Search, *, now: datetime, scored_at: datetime, match: Match, facets: list[str]) -> Body:
    """`now` decides what has started; `scored_at` is the moment of the first page, the same on every page."""
    scoring = search.sort == "relevance"
    conditions = list(_filters(search, now))
    body: Body = {"_source": ["view"], "track_total_hits": boosts.MOST_COUNTED, "sort": _sort(search)}
    query: Body = {"filter": conditions}
    if scoring:
        query["should"] = list(_closeness(search.point, scored_at))
        if search.text:
            tier, within = words.ranked(search.text)
            query["must"] = [tier]
            query["should"] += within
    elif search.text:
        conditions.append(words.matching(search.text, match))
    chosen = {name: _wanted(name, values) for name, values in search.wanted.items() if values}
    if facets:
        # Counts of a facet ignore its own choice, so choices narrow the hits after the counting.
        body["aggs"] = {name: _facet(name, chosen) for name in facets}
        body["post_filter"] = {"bool": {"filter": list(chosen.values())}}
    else:
        conditions += chosen.values()
    if search.grouped:
        body["collapse"] = _collapse()
        narrowed = {"bool": {"filter": list(chosen.values())}}
        groups = {"cardinality": {"field": "eventId", "precision_threshold": 3_000}}
        body.setdefault("aggs", {})["groups"] = {"filter": narrowed, "aggs": {"count": groups}}
    return {**body, "query": {"bool": query}}


def _filters(search: Search, now: datetime) -> Iterator[Clause]:
    yield upcoming(now)
    if search.point and search.radius:
        yield {"geo_distance": {"distance": f"{search.radius:.3f}m", "location": _position(search.point)}}
    if search.box:
        yield in_box(search.box)
    for bound, side in ((search.start, "gte"), (search.end, "lte")):
        if bound:
            yield _bounded(bound, side)
    for field, ids in (("venueId", search.venue_ids), ("eventId", search.event_ids)):
        if ids:
            yield {"terms": {field: ids}}
    yield from _seats(search)


def upcoming(now: datetime) -> Clause:
    """Started shows are taken out of the index within seconds; nobody is to see them even that long."""
    return {"range": {"startsAt": {"gt": rfc3339(now)}}}


def in_box(box: Box) -> Clause:
    corners = {"top": box.north, "left": box.west, "bottom": box.south, "right": box.east}
    return {"geo_bounding_box": {"location": corners}}


def _bounded(bound: Bound, side: str) -> Clause:
    field = "startsAt" if bound.zoned else "localStart"
    return {"range": {field: {side: bound.at.replace(tzinfo=UTC).isoformat(timespec="milliseconds")}}}


def _seats(search: Search) -> Iterator[Clause]:
    """Seats of one kind, at one price and next to each other must be the same seats."""
    if search.available_only:
        yield {"range": {"available": {"gt": 0}}}
    if search.seat_type is not None:
        same = [{"term": {"seatTypes.type": search.seat_type}}, *_party("seatTypes.", search)]
        yield {"nested": {"path": "seatTypes", "query": {"bool": {"filter": same}}}}
    elif search.seats_together is not None:
        yield from _party("", search)
    elif search.max_price is not None:
        yield {"range": {"price": {"lte": search.max_price}}}


def _party(path: str, search: Search) -> Iterator[Clause]:
    """So many free neighbours, none of them dearer than that."""
    together = f"{path}together.{min(search.party, MOST_TOGETHER)}"
    if search.max_price is None:
        yield {"exists": {"field": together}}
    else:
        yield {"range": {together: {"lte": search.max_price}}}
    if search.party > MOST_TOGETHER:
        yield {"range": {f"{path}largestBlock": {"gte": search.party}}}


def _wanted(name: str, values: list[str]) -> Clause:
    return {"terms": {f"keys.{name}": [key for value in values for key in keys(value)]}}


def _closeness(point: Point | None, now: datetime) -> Iterator[Clause]:
    soon = {"field": "startsAt", "origin": rfc3339(now), "pivot": boosts.SOONNESS_PIVOT, "boost": boosts.SOONNESS}
    yield {"distance_feature": soon}
    if point:
        close = {"field": "location", "origin": _position(point), "pivot": boosts.CLOSENESS_PIVOT}
        yield {"distance_feature": {**close, "boost": boosts.CLOSENESS}}


def _sort(search: Search) -> list[Any]:
    match search.sort:
        case "distance" if search.point:
            return [{"_geo_distance": {"location": _position(search.point), "order": "asc", "unit": "m"}}, *TIEBREAK]
        case "price":
            return [{"price": {"order": "asc", "missing": "_last"}}, *TIEBREAK]
        case "relevance":
            return [{"_score": "desc"}, *TIEBREAK]
        case _:
            return TIEBREAK


def _facet(name: str, chosen: dict[str, Clause]) -> Clause:
    others = [clause for other, clause in chosen.items() if other != name]
    counts = {"terms": {"field": f"facets.{name}", "size": boosts.FACET_VALUES}}
    return {"filter": {"bool": {"filter": others}}, "aggs": {"values": counts}}


def _collapse() -> Body:
    soonest = {"name": "next", "size": boosts.SHOWN_PER_GROUP, "sort": TIEBREAK, "_source": ["view"]}
    return {"field": "eventId", "inner_hits": soonest}


def suggest_bodies(text: str, point: Point | None, *, now: datetime, size: int) -> list[Body]:
    """One body for events and one for venues, each found once however many showtimes it has."""
    closeness = list(_closeness(point, now))
    return [
        {
            "size": size,
            "_source": [f"view.{kind}"],
            "track_total_hits": False,
            "query": {
                "bool": {
                    "filter": [upcoming(now)],
                    "must": [words.beginning(text, field=field, key=key)],
                    "should": closeness,
                }
            },
            "collapse": {"field": f"{kind}Id"},
        }
        for kind, field, key in (("event", "words.title", "keys.title"), ("venue", "words.venue", "keys.venue"))
    ]


def _position(point: Point) -> dict[str, float]:
    return {"lat": point.lat, "lon": point.lon}
