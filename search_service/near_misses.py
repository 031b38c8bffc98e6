"""Where nothing is found: the same search with one wish less, for what is near."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Literal

from search_service.domain import FURTHEST_METRES, Bound, NamedDay, Search, latest, parse_bound
from search_service.understanding import Reading

Kind = Literal["wider", "later", "seats", "price"]
WIDER = (4.0, 20.0)
LATER = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Relaxed:
    """`parameters` of the request that differ; null where one is to be left out."""

    kind: Kind
    search: Search
    parameters: dict[str, str | None]


def relaxed(reading: Reading, now: datetime) -> Iterator[Relaxed]:
    """Each leaves out or widens one wish of a search, whether it stands in a parameter or in the words."""
    said = _said(reading)
    for way in _relaxed(reading.search, now):
        yield replace(way, parameters={**said, **way.parameters})


def _said(reading: Reading) -> dict[str, str | None]:
    """What was understood of the words as parameters, beside what is left as words."""
    kinds, search = {part.kind for part in reading.parts}, reading.search
    if not kinds:
        return {}
    said: dict[str, str | None] = {"query": search.text or None}
    if kinds & {"place", "distance"} and search.point and search.radius:
        said |= {"lat": f"{search.point.lat}", "lon": f"{search.point.lon}", "distance": f"{search.radius:.3f}m"}
    if "price" in kinds:
        said["maxPrice"] = f"{search.max_price}"
    if "party" in kinds:
        said["seatsTogether"] = f"{search.seats_together}"
    for part in reading.parts:
        if part.kind == "time" and parse_bound(part.value, end=False) == search.start:
            said |= {"startDate": part.value, "endDate": part.value}
        if part.kind == "category":
            said["category"] = part.value
    return said


def _relaxed(search: Search, now: datetime) -> Iterator[Relaxed]:
    if search.point and search.radius:
        for radius in (*(search.radius * times for times in WIDER), FURTHEST_METRES):
            kilometres = min(ceil(radius / 1_000), FURTHEST_METRES // 1_000)
            yield Relaxed("wider", replace(search, radius=kilometres * 1_000), {"distance": f"{kilometres:.0f}km"})
    if search.end:
        until = now.replace(microsecond=0) + LATER
        sooner = latest(search.end, now) < until.replace(tzinfo=None)
        end = until.isoformat() if sooner else None
        later = replace(search, end=Bound(until, zoned=True) if sooner else None)
        if isinstance(search.start, NamedDay):
            yield Relaxed("later", replace(later, start=None), {"startDate": None, "endDate": end})
        else:
            yield Relaxed("later", later, {"endDate": end})
    if search.seats_together or search.seat_type or search.available_only:
        other = replace(search, seats_together=None, seat_type=None, available_only=False)
        yield Relaxed("seats", other, {"seatsTogether": None, "seatType": None, "availableOnly": None})
    if search.max_price is not None:
        yield Relaxed("price", replace(search, max_price=None), {"maxPrice": None})
