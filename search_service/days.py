"""Days by their names: `today`, `tonight`, `this weekend` … each as it is at the venue, wherever that is."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo, available_timezones

from search_index.folding import words

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


def _night(of: Callable[[date], date]) -> Callable[[date], Span]:
    def span(today: date) -> Span:
        then = of(today)
        return datetime.combine(then, EVENING), datetime.combine(then + timedelta(days=1), time.min) + NIGHT_ENDS

    return span


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


def _weekday(number: int) -> Callable[[date], date]:
    """That day of the week, today or within the next six days."""
    return lambda today: today + timedelta((number - today.weekday()) % 7)


def _day_of(of: Callable[[date], date]) -> Callable[[date], Span]:
    return lambda today: _whole(of(today), of(today))


DAYS: dict[str, Day] = {
    "today": Day(_ahead(0)),
    "tonight": Day(_night(lambda today: today), changes=NIGHT_ENDS),
    "tomorrow": Day(_ahead(1)),
    "tomorrow night": Day(_night(lambda today: today + timedelta(days=1))),
    "this weekend": Day(_weekend(0)),
    "next weekend": Day(_weekend(1)),
    "this week": Day(_week(0)),
    "next week": Day(_week(1)),
    **{name: Day(_day_of(_weekday(number))) for number, name in enumerate(WEEKDAYS)},
    **{f"{name} night": Day(_night(_weekday(number))) for number, name in enumerate(WEEKDAYS)},
}
# `28 november`, `november 28th`, `28. november 2026`.
ENDING = r"(?:st|nd|rd|th)?"
DATE = re.compile(
    rf"(?:(?P<day>\d{{1,2}}){ENDING} (?P<month>\w+)|(?P<first>\w+) (?P<then>\d{{1,2}}){ENDING})(?: (?P<year>20\d\d))?"
)
ISO_DATE = re.compile(r"20\d\d-\d\d-\d\d", re.ASCII)


def day_named(text: str) -> str | None:
    """`This-Weekend` → `this weekend`; None for what is no day's name."""
    name = _folded(text.replace("_", " "))
    if name.endswith(" evening") and name != "this evening":
        name = f"{name.removesuffix(' evening')} night"
    name = _other_names()[0].get(name, name)
    return name if name in DAYS else None


def date_named(text: str, today: date) -> date | None:
    """`28 november` → that day, the next one from yesterday on where no year is said; None for what is no date."""
    with suppress(ValueError):
        if ISO_DATE.fullmatch(text):
            return date.fromisoformat(text)
        found = DATE.fullmatch(_folded(text))
        month = _other_names()[1].get(found["month"] or found["first"]) if found else None
        if found and month:
            then = date(int(found["year"] or today.year), month, int(found["day"] or found["then"]))
            passed = then < today - timedelta(days=1) and not found["year"]
            return then.replace(year=then.year + 1) if passed else then
    return None


def _folded(text: str) -> str:
    return " ".join(words(text))


@cache
def _other_names() -> tuple[dict[str, str], dict[str, int]]:
    data = tomllib.loads(files("search_service").joinpath("day_names.toml").read_text("utf-8"))
    named = {_folded(other): name for name, others in data["days"].items() for other in others}
    months = {_folded(other): int(number) for number, others in data["months"].items() for other in others}
    return named, months


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
