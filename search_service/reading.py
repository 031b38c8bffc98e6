"""From checked parameters to a search: the rules that need more than one of them."""

from datetime import datetime

from search_service.domain import (
    DEFAULT_RADIUS_METRES,
    NamedDay,
    Point,
    Search,
    Unplaced,
    check_order,
    parse_bound,
    parse_box,
    parse_distance,
)
from search_service.models import PointParams, SearchParams, ShowsParams
from search_service.understanding import KINDS
from service_kit.errors import Invalid
from service_kit.gazetteer import Gazetteer, Place


def read_point(params: PointParams) -> Point | None:
    """Raises Invalid where only one of the two is given."""
    if (params.lat is None) != (params.lon is None):
        missing = "lat" if params.lat is None else "lon"
        raise Invalid("A position has both lat and lon", faults=[(missing, "missing")])
    return None if params.lat is None or params.lon is None else Point(params.lat, params.lon)


def read_search(params: SearchParams, gazetteer: Gazetteer, now: datetime) -> tuple[Search, Place | None]:
    """The search, and the place that `near` stands for. Raises Invalid, or Unplaced for an unknown place.

    That there is a point to start from, where it takes one, is seen when the words are understood, which may say it.
    """
    point = read_point(params)
    place = _place(params.near, point, gazetteer) if params.near else None
    centre = Point(place.lat, place.lon) if place else point
    start = parse_bound(params.start_date, end=False) if params.start_date else None
    end = parse_bound(params.end_date, end=True) if params.end_date else None
    if isinstance(start, NamedDay) and end is None:
        end = start  # that day, not from then on
    check_order(start, end, now)
    radius = parse_distance(params.distance) if params.distance else None
    if radius is None and centre and not params.bbox:
        radius = DEFAULT_RADIUS_METRES
    search = Search(
        text=params.query,
        point=centre,
        radius=radius,
        box=parse_box(params.bbox) if params.bbox else None,
        start=start,
        end=end,
        wanted={
            "category": params.category,
            "genre": params.genre,
            "language": params.language,
            "certificate": params.certificate,
            "city": params.city,
        },
        venue_ids=params.venue_id,
        event_ids=params.event_id,
        seats_together=params.seats_together,
        seat_type=params.seat_type or None,
        max_price=params.max_price,
        available_only=params.available_only,
        sort=params.sort,
        grouped=isinstance(params, ShowsParams) and params.group_by is not None,
        located=bool(place or params.bbox or (params.distance and centre)),
        distanced=params.distance is not None,
        as_typed=tuple(KINDS if "true" in params.as_typed else sorted(params.as_typed)),
    )
    return search, place


def _place(name: str, point: Point | None, gazetteer: Gazetteer) -> Place:
    found = gazetteer.lookup(name, near=(point.lat, point.lon) if point else None)
    if not found:
        raise Unplaced(f"No place is known as {name}", faults=[("near", "unknown place")])
    return found[0]
