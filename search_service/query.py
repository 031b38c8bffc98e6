"""From a search to the bodies of `_search` requests. All that only filters stands in filter context."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from search_service import boosts, words
from search_service.domain import Point, Search
from search_service.facets import counted_among_hits, facets_body
from search_service.filters import Clause, filters, position, together, upcoming
from search_service.words import Match
from service_kit.models import rfc3339

Body = dict[str, Any]
# The tiebreak is unique, so that pages neither repeat nor skip a hit.
TIEBREAK: list[Any] = [{"startsAt": "asc"}, {"showtimeId": "asc"}]


def shows_body(search: Search, names: Sequence[str], *, now: datetime, asked_at: datetime, match: Match) -> Body:
    """`now` decides what has started; `asked_at` is the moment of the first page, the same on every page.

    Of the facets of these `names` it counts those that can be counted among its hits.
    """
    by_owner = filters(search, now=now, asked_at=asked_at)
    query: Body = {"filter": _flat(by_owner)}
    if search.sort == "relevance":
        query["should"] = list(_closeness(search.point, asked_at))
        if search.text:
            tier, within = words.ranked(search.text, match)
            query["must"] = [tier]
            query["should"] += within
    else:
        query["filter"] += _words(search.text, match)
    body: Body = {
        "_source": ["view"],
        "track_total_hits": boosts.MOST_COUNTED,
        "sort": order(search),
        "query": {"bool": query},
    }
    counting = counted_among_hits(search, by_owner, names)
    if search.grouped:
        body["collapse"] = {"field": "eventId"}
        counting["groups"] = {"cardinality": {"field": "eventId", "precision_threshold": boosts.GROUPS_EXACTLY}}
    return {**body, "aggs": counting} if counting else body


def counts_body(
    search: Search, names: Sequence[str], *, now: datetime, asked_at: datetime, match: Match
) -> Body | None:
    """For those facets of that name that `shows_body` can't count: they look beyond its hits."""
    body = facets_body(search, filters(search, now=now, asked_at=asked_at), names)
    if body:
        body["query"]["bool"]["filter"] += _words(search.text, match)
    return body


def next_body(search: Search, event_ids: Sequence[str], *, now: datetime, asked_at: datetime, match: Match) -> Body:
    """The next showtimes of each of these events among all that `shows_body` finds, and how many there are."""
    of_these = {"terms": {"eventId": list(event_ids)}}
    soonest = {"top_hits": {"size": boosts.SHOWN_PER_GROUP, "sort": TIEBREAK, "_source": ["view"]}}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": [of_these, *_conditions(search, now, asked_at), *_words(search.text, match)]}},
        "aggs": {"groups": {"terms": {"field": "eventId", "size": len(event_ids)}, "aggs": {"next": soonest}}},
    }


def exists_body(condition: Clause, now: datetime) -> Body:
    """Whether there is any such show to come: stops at the first."""
    return {
        "size": 0,
        "terminate_after": 1,
        "track_total_hits": True,
        "query": {"bool": {"filter": [upcoming(now), condition]}},
    }


def count_body(search: Search, *, now: datetime, asked_at: datetime) -> Body:
    """The soonest of all that matches well, and how many there are."""
    conditions = _conditions(search, now, asked_at) + _words(search.text, "similar")
    return {
        "size": 1,
        "_source": ["view"],
        "track_total_hits": boosts.MOST_COUNTED,
        "query": {"bool": {"filter": conditions}},
        "sort": [_by_distance(search.point), *TIEBREAK] if search.point else TIEBREAK,
    }


def _conditions(search: Search, now: datetime, asked_at: datetime) -> list[Clause]:
    return _flat(filters(search, now=now, asked_at=asked_at))


def _flat(by_owner: dict[str, list[Clause]]) -> list[Clause]:
    return [clause for clauses in by_owner.values() for clause in clauses]


def _words(text: str, match: Match) -> list[Clause]:
    return [words.matching(text, match)] if text else []


def _closeness(point: Point | None, now: datetime) -> Iterator[Clause]:
    soon = {"field": "startsAt", "origin": rfc3339(now), "pivot": boosts.SOONNESS_PIVOT, "boost": boosts.SOONNESS}
    yield {"distance_feature": soon}
    if point:
        close = {"field": "location", "origin": position(point), "pivot": boosts.CLOSENESS_PIVOT}
        yield {"distance_feature": {**close, "boost": boosts.CLOSENESS}}


def order(search: Search) -> list[Any]:
    match search.sort:
        case "distance" if search.point:
            return [_by_distance(search.point), *TIEBREAK]
        case "price":
            return [_by_price(search), *TIEBREAK]
        case "relevance":
            return [{"_score": "desc"}, *TIEBREAK]
        case _:
            return TIEBREAK


def _by_distance(point: Point) -> Body:
    return {"_geo_distance": {"location": position(point), "order": "asc", "unit": "m"}}


def _by_price(search: Search) -> Body:
    """By what the wanted seats cost: of that type, so many together, or any."""
    cheapest: Body = {"order": "asc", "missing": "_last"}
    if search.seat_type is not None:
        of_type = {"term": {"seatTypes.type": search.seat_type}}
        return {together(search): {**cheapest, "nested": {"path": "seatTypes", "filter": of_type}}}
    return {together(search) if search.seats_together is not None else "price": cheapest}


def correction_body(text: str) -> Body | None:
    """The words of `text` that are nowhere in the index, each with the most alike that is."""
    forms = words.phrasings(text)[:1]
    alike = {"field": "words.all", "suggest_mode": "missing", "prefix_length": 0, "size": 1}
    corrected = {"text": forms[0], "corrected": {"term": alike}} if forms else None
    return {"size": 0, "query": words.NOTHING, "suggest": corrected} if corrected else None


def name_body(text: str) -> Body:
    """The most booked event or venue whose name has all of these words."""
    return {
        "size": 1,
        "_source": ["view.name"],
        "track_total_hits": False,
        "query": {"bool": {"must": [words.in_name(text)], "should": [_by_bookings()]}},
    }


def suggest_body(text: str, point: Point | None, size: int) -> Body:
    """Entries by how their name matches, and among equals those most booked and nearest."""
    within = [_by_bookings()]
    if point:
        close = {"field": "locations", "origin": position(point), "pivot": boosts.SUGGESTED_PIVOT}
        within.append({"distance_feature": {**close, "boost": boosts.SUGGESTED_CLOSENESS}})
    return {
        "size": size,
        "_source": ["kind", "view"],
        "track_total_hits": False,
        "query": {"bool": {"must": [words.beginning(text)], "should": within}},
        "sort": [{"_score": "desc"}, {"id": "asc"}],
    }


def _by_bookings() -> Clause:
    booked = {"field": "booked", "modifier": "log1p", "missing": 0}
    return {"function_score": {"field_value_factor": booked, "boost": boosts.BOOKED}}
