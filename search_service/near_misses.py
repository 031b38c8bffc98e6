"""Where nothing is found: the same search with one wish less, for what is near."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from search_service.domain import FURTHEST_METRES, Bound, NamedDay, Search, latest

Kind = Literal["wider", "later", "seats", "price"]
WIDER = (4.0, 20.0)
LATER = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Relaxed:
    """`parameters` of the request that differ; null where one is to be left out."""

    kind: Kind
    search: Search
    parameters: dict[str, Any]


def relaxed(search: Search, now: datetime) -> Iterator[Relaxed]:
    """Each leaves out or widens one wish of `search`."""
    if search.point and search.radius:
        for times in WIDER:
            radius = min(search.radius * times, FURTHEST_METRES)
            wider = replace(search, radius=radius)
            yield Relaxed("wider", wider, {"distance": f"{radius / 1000:.0f}km"})
    if search.end:
        until = now + LATER
        sooner = latest(search.end, now) < until.replace(tzinfo=None)
        start = None if isinstance(search.start, NamedDay) else search.start
        later = replace(search, start=start, end=Bound(until, zoned=True) if sooner else None)
        end = until.isoformat(timespec="seconds") if sooner else None
        yield Relaxed("later", later, {"startDate": None, "endDate": end})
    if search.seats_together or search.seat_type or search.available_only:
        other = replace(search, seats_together=None, seat_type=None, available_only=False)
        yield Relaxed("seats", other, {"seatsTogether": None, "seatType": None, "availableOnly": None})
    if search.max_price is not None:
        yield Relaxed("price", replace(search, max_price=None), {"maxPrice": None})
