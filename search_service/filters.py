"""What a search filters by, as clauses of Elasticsearch; each belongs to the facet whose choice it is."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from search_index.folding import keys
from search_index.mapping import MOST_TOGETHER
from search_service.days import Zones, zones
from search_service.domain import Bound, Box, NamedDay, Point, Search
from service_kit.models import rfc3339

Clause = dict[str, Any]
Side = Literal["gte", "lte"]
# The owner of what is no facet's choice.
NOBODY = ""


def filters(search: Search, *, now: datetime, asked_at: datetime) -> dict[str, list[Clause]]:
    """By owner. `now` decides what has started; `asked_at`, the moment of the first page, what day "today" is."""
    return {
        NOBODY: [upcoming(now), *_where(search), *_seats(search, now)],
        "distance": list(_circle(search.point, search.radius)),
        "day": list(_dates(search, asked_at)),
        "price": list(_price(search)),
        "venue": [{"terms": {"venueId": search.venue_ids}}] if search.venue_ids else [],
        **{name: [_wanted(name, values)] for name, values in search.wanted.items() if values},
    }


def upcoming(now: datetime) -> Clause:
    """Started shows are taken out of the index within seconds; nobody is to see them even that long."""
    return {"range": {"startsAt": {"gt": rfc3339(now)}}}


def in_box(box: Box) -> Clause:
    """The date line is at 180 and at -180: a box that ends there holds what stands on it, whichever it says."""
    west = 180.0 if box.west == -180 and box.east < 180 else box.west
    east = -180.0 if box.east == 180 and box.west > -180 else box.east
    corners = {"top": box.north, "left": west, "bottom": box.south, "right": east}
    return {"geo_bounding_box": {"location": corners}}


def in_circle(point: Point, metres: float) -> Clause:
    return {"geo_distance": {"distance": f"{metres:.3f}m", "location": position(point)}}


def position(point: Point) -> dict[str, float]:
    return {"lat": point.lat, "lon": point.lon}


def together(search: Search) -> str:
    """The field that has the least price at which the party sits together."""
    return f"{_path(search)}together.{search.neighbours}"


def _path(search: Search) -> str:
    """Of what is known of the seats: of one type, or of all."""
    return "" if search.seat_type is None else "seatTypes."


def _where(search: Search) -> Iterator[Clause]:
    if search.box:
        yield in_box(search.box)
    if search.event_ids:
        yield {"terms": {"eventId": search.event_ids}}


def _circle(point: Point | None, radius: float | None) -> Iterator[Clause]:
    if point and radius:
        yield in_circle(point, radius)


def _dates(search: Search, asked_at: datetime) -> Iterator[Clause]:
    if search.start:
        yield _bounded(search.start, "gte", asked_at)
    if search.end:
        yield _bounded(search.end, "lte", asked_at)


def _bounded(bound: Bound | NamedDay, side: Side, asked_at: datetime) -> Clause:
    if isinstance(bound, NamedDay):
        return _named(zones(bound.name, asked_at), side)
    return _range("startsAt" if bound.zoned else "localStart", side, bound.at)


def _named(places: tuple[Zones, ...], side: Side) -> Clause:
    elsewhere = [name for there in places for name in there.names]
    cases: list[Clause] = []
    for there in places:
        then = _range("localStart", side, there.start if side == "gte" else there.end)
        if there.names:
            cases.append({"bool": {"filter": [{"terms": {"timezone": list(there.names)}}, then]}})
        elif elsewhere:
            cases.append({"bool": {"filter": [then], "must_not": [{"terms": {"timezone": elsewhere}}]}})
        else:
            return then
    return {"bool": {"should": cases, "minimum_should_match": 1}}


def _range(field: str, side: Side, at: datetime) -> Clause:
    return {"range": {field: {side: at.replace(tzinfo=UTC).isoformat(timespec="milliseconds")}}}


def _seats(search: Search, now: datetime) -> Iterator[Clause]:
    """Seats that can be had now. Seats of one kind and next to each other must be the same seats."""
    if search.available_only or search.seat_type is not None or search.seats_together is not None:
        shut = ({"range": {"saleFrom": {"gt": rfc3339(now)}}}, {"range": {"saleUntil": {"lte": rfc3339(now)}}})
        yield {"bool": {"must_not": list(shut)}}
    if search.available_only:
        yield {"range": {"available": {"gt": 0}}}
    if search.seat_type is not None:
        yield _of_type(search, *_party(search))
    elif search.seats_together is not None:
        yield from _party(search)


def _price(search: Search) -> Iterator[Clause]:
    """Where seats are asked for, these very seats must not cost more."""
    if search.max_price is None:
        return
    if search.seat_type is None and search.seats_together is None:
        yield {"range": {"price": {"lte": search.max_price}}}
        return
    cheap: Clause = {"range": {together(search): {"lte": search.max_price}}}
    yield _of_type(search, cheap, *_party(search)) if search.seat_type is not None else cheap


def _of_type(search: Search, *same: Clause) -> Clause:
    of_type = {"term": {"seatTypes.type": search.seat_type}}
    return {"nested": {"path": "seatTypes", "query": {"bool": {"filter": [of_type, *same]}}}}


def _party(search: Search) -> Iterator[Clause]:
    """So many free neighbours."""
    yield {"exists": {"field": together(search)}}
    if search.party > MOST_TOGETHER:
        yield {"range": {f"{_path(search)}largestBlock": {"gte": search.party}}}


def _wanted(name: str, values: list[str]) -> Clause:
    return {"terms": {f"keys.{name}": [key for value in values for key in keys(value)]}}
