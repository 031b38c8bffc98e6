"""A search as it was understood: parsing of distances, boxes and times, and the rules between them."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from geopy import units

from search_index.mapping import MOST_TOGETHER
from search_service.days import day_named, zones
from service_kit.errors import Invalid

Sort = Literal["relevance", "distance", "soonest", "price"]
FACETS = ("category", "genre", "language", "certificate", "city", "venue", "day", "price", "distance")
DEFAULT_RADIUS_METRES = 25_000.0
# Half the way around the earth: further is nowhere.
FURTHEST_METRES = 20_000_000.0
DISTANCE = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*(km|mi|m|ft|yd|nmi)", re.ASCII)
# A plus sign in an address that wasn't escaped arrives as a blank.
LOST_PLUS = re.compile(r" (?=\d{2}:?\d{2}$)")
METRES: dict[str, float] = {
    "m": 1.0,
    "km": 1_000.0,
    "mi": units.meters(miles=1),
    "ft": units.meters(feet=1),
    "yd": units.meters(feet=3),
    "nmi": units.meters(nautical=1),
}


class Unplaced(Invalid):
    slug, title = "unknown-place", "No place of that name is known"


@dataclass(frozen=True, slots=True)
class Point:
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Box:
    """Degrees; `west` may be greater than `east` where the box spans the date line."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit of time: a wall clock time at each venue, or with `zoned` one moment everywhere."""

    at: datetime
    zoned: bool


@dataclass(frozen=True, slots=True)
class NamedDay:
    """The beginning or the end of a day by its name (`search_service.days`), as it is at each venue."""

    name: str


@dataclass(frozen=True)
class Search:
    text: str = ""
    point: Point | None = None
    radius: float | None = None
    box: Box | None = None
    start: Bound | NamedDay | None = None
    end: Bound | NamedDay | None = None
    # Facet name → wanted values, any of them.
    wanted: dict[str, list[str]] = field(default_factory=dict)
    venue_ids: list[str] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)
    seats_together: int | None = None
    seat_type: str | None = None
    max_price: int | None = None
    available_only: bool = False
    sort: Sort = "relevance"
    grouped: bool = False
    # Whether a place, a box, or a distance around a position was asked for by parameters; whether a distance was.
    located: bool = False
    distanced: bool = False
    # What not to look for in the words, by `search_service.understanding.KINDS`.
    as_typed: tuple[str, ...] = ()

    @property
    def party(self) -> int:
        return self.seats_together or 1

    @property
    def neighbours(self) -> int:
        """Of a larger party, prices are only known for so many."""
        return min(self.party, MOST_TOGETHER)

    @property
    def fingerprint(self) -> str:
        """Equal for equal searches: a cursor is good for its own search only."""
        return hashlib.blake2b(repr(self).encode("utf-8", "replace"), digest_size=8).hexdigest()


def check_centre(search: Search) -> None:
    """Raises Invalid where it takes a point to start from, and there is none."""
    if search.point is None and search.distanced:
        raise Invalid("A distance needs lat and lon, or near", faults=[("distance", "no point to start from")])
    if search.point is None and search.sort == "distance":
        raise Invalid("Sorting by distance needs lat and lon, or near", faults=[("sort", "no point to start from")])


def parse_distance(text: str) -> float:
    """`10km`, `5 mi`, `500m` in metres. Raises ValueError."""
    match = DISTANCE.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError("Write a number and its unit, such as 10km, 5mi or 500m")
    # To the millimetre, as Elasticsearch is told it: less than that is no distance.
    metres = round(float(match[1]) * METRES[match[2]], 3)
    if not 0 < metres <= FURTHEST_METRES:
        raise ValueError("A distance is more than 0 and at most 20,000 km")
    return metres


def parse_box(text: str) -> Box:
    """`west,south,east,north` as in GeoJSON. Raises ValueError."""
    parts = text.split(",")
    if len(parts) != 4:
        raise ValueError("A box is west,south,east,north")
    west, south, east, north = map(float, parts)
    # Written so that NaN, which compares as false, is refused.
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90 and west != east):
        raise ValueError("A box is west,south,east,north in degrees, with south below north")
    return Box(west, south, east, north)


def parse_bound(text: str, *, end: bool) -> Bound | NamedDay:
    """A date (the whole day at the venue), the name of a day, a time at the venue, or a time with an offset.

    Raises ValueError.
    """
    if name := day_named(text):
        return NamedDay(name)
    text = LOST_PLUS.sub("+", text.strip())
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return _moment(text)
    return Bound(datetime.combine(day, time.max if end else time.min), zoned=False)


def _moment(text: str) -> Bound:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return Bound(moment, zoned=False)
        return Bound(moment.astimezone(UTC), zoned=True)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            "Write a date such as 2026-12-24, a time such as 2026-12-24T19:30:00+01:00, or a day: today, tonight, "
            "tomorrow, this weekend, next weekend, this week, next week, monday … sunday"
        ) from error


def check_order(start: Bound | NamedDay | None, end: Bound | NamedDay | None, now: datetime) -> None:
    """Raises Invalid where the end is before the start, whatever the zones of the venues."""
    if start is None or end is None:
        return
    first, last = _earliest(start, now), latest(end, now)
    same = not isinstance(start, NamedDay) and not isinstance(end, NamedDay) and start.zoned == end.zoned
    # Clocks at venues differ by up to 26 hours, so a wall clock time and a moment compare only so closely.
    slack = timedelta(0) if same or (isinstance(start, NamedDay) and isinstance(end, NamedDay)) else timedelta(hours=14)
    if first - last > slack:
        raise Invalid("The end is before the start", faults=[("endDate", "before startDate")])


def _earliest(start: Bound | NamedDay, now: datetime) -> datetime:
    if isinstance(start, NamedDay):
        return min(there.start for there in zones(start.name, now))
    return start.at.replace(tzinfo=None)


def latest(end: Bound | NamedDay, now: datetime) -> datetime:
    """Without a zone: clocks at venues differ."""
    if isinstance(end, NamedDay):
        return max(there.end for there in zones(end.name, now))
    return end.at.replace(tzinfo=None)
