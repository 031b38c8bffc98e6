"""Days by their names: `today`, `tonight`, `this weekend` … each as it is at the venue, wherever that is."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

EVENING = time(17)
# A night out ends when it gets light: at two in the morning "tonight" is still the night that began yesterday.
NIGHT_ENDS = timedelta(hours=4)
MIDNIGHT = timedelta(0)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FRIDAY = WEEKDAYS.index("friday")

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Day:
    """`span` gives the first and last wall clock time for a date; that date changes so long after midnight."""

    span: Callable[[date], Span]
    changes: timedelta = MIDNIGHT


@dataclass(frozen=True, slots=True)
class Zones:
    """Time zones in which a named day is the same stretch of wall clock time. Without names: all that aren't named."""

    names: tuple[str, ...]
    start: datetime
    end: datetime


def _whole(first: date, last: date) -> Span:
    return datetime.combine(first, time.min), datetime.combine(last, time.max)


def _ahead(days: int) -> Callable[[date], Span]:
    return lambda today: _whole(today + timedelta(days), today + timedelta(days))


def _tonight(today: date) -> Span:
    start = datetime.combine(today, EVENING)
    return start, datetime.combine(today + timedelta(days=1), time.min) + NIGHT_ENDS


def _weekend(weeks: int) -> Callable[[date], Span]:
    """From Friday evening to Sunday night: the one that goes on or comes next, or so many weeks later."""

    def span(today: date) -> Span:
        friday = today - timedelta(today.weekday() - FRIDAY) + timedelta(weeks=weeks)
        return datetime.combine(friday, EVENING), datetime.combine(friday + timedelta(days=2), time.max)

    return span


def _week(weeks: int) -> Callable[[date], Span]:
    """From Monday to Sunday."""

    def span(today: date) -> Span:
        monday = today - timedelta(today.weekday()) + timedelta(weeks=weeks)
        return _whole(monday, monday + timedelta(days=6))

    return span


def _weekday(number: int) -> Callable[[date], Span]:
    """That day of the week, today or within the next six days."""

    def span(today: date) -> Span:
        then = today + timedelta((number - today.weekday()) % 7)
        return _whole(then, then)

    return span


DAYS: dict[str, Day] = {
    "today": Day(_ahead(0)),
    "tonight": Day(_tonight, changes=NIGHT_ENDS),
    "tomorrow": Day(_ahead(1)),
    "this weekend": Day(_weekend(0)),
    "next weekend": Day(_weekend(1)),
    "this week": Day(_week(0)),
    "next week": Day(_week(1)),
    **{name: Day(_weekday(number)) for number, name in enumerate(WEEKDAYS)},
}
ALIASES = {"weekend": "this weekend", "the weekend": "this weekend", "now": "today"}


def day_named(text: str) -> str | None:
    """`This-Weekend` → `this weekend`; None for what is no day's name."""
    name = " ".join(text.lower().replace("-", " ").replace("_", " ").split())
    name = ALIASES.get(name, name)
    return name if name in DAYS else None


def zones(name: str, now: datetime) -> tuple[Zones, ...]:
    """Where in the world the day of that name is which stretch of time: at most three at any moment."""
    day = DAYS[name]
    spans: defaultdict[Span, list[str]] = defaultdict(list)
    for today, names in _dates(now.replace(second=0, microsecond=0), day.changes):
        spans[day.span(today)] += names
    most = max(spans, key=lambda span: len(spans[span]))
    return tuple(Zones(() if span == most else tuple(names), *span) for span, names in spans.items())


@lru_cache(maxsize=64)
def _dates(now: datetime, changes: timedelta) -> tuple[tuple[date, tuple[str, ...]], ...]:
    """All time zones by the date that they have now. Offsets are whole minutes, so a minute is fine enough."""
    found: defaultdict[date, list[str]] = defaultdict(list)
    for zone in _all_zones():
        found[(now.astimezone(zone) - changes).date()].append(zone.key)
    return tuple((today, tuple(names)) for today, names in sorted(found.items()))


@cache
def _all_zones() -> tuple[ZoneInfo, ...]:
    return tuple(map(ZoneInfo, sorted(available_timezones())))
