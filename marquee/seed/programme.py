"""What plays where and when: the same for the same hall and day, whenever it is asked."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from marquee.seed.draws import draw, pick
from marquee.seed.halls import Hall
from marquee.seed.records import Title, Venue

DAYS_AHEAD = 14
# Nothing is announced that begins before the loading has surely ended.
LEAD = timedelta(minutes=30)
# A typical length where the source tells none: it holds the hall for that long.
TYPICAL_MINUTES = {"movie": 120, "opera": 165, "ballet": 120, "theatre": 135, "concert": 110}
OTHER_MINUTES = 120
CLEANING = {"cinema": timedelta(minutes=20)}
STAGE_CLEANING = timedelta(minutes=45)
# Starts as minutes after local midnight, the most wanted first.
CINEMA_SLOTS = (19 * 60, 21 * 60 + 45, 16 * 60 + 15, 13 * 60 + 30)
MORNING_SLOT, LATE_SLOT = 10 * 60 + 45, 24 * 60 + 15
STAGE_SLOTS = (14 * 60 + 30, 19 * 60 + 30)
LATEST_START = 25 * 60
MOST_SHIFT = 45
# Nobody plays every day: a hall gets its next day when all others had theirs.
MEAN_SHOWS_A_DAY = 3
SHOWN_IN = {
    "cinema": ("movie",),
    "theatre": ("theatre", "ballet", "opera"),
    "opera_house": ("opera", "ballet"),
    "concert_hall": ("concert",),
}
LOCAL_LANGUAGE = {"FR": "fr", "JP": "ja"}
LOCAL_SHARE = 0.3


@dataclass(frozen=True)
class Show:
    """A title in a hall at a moment, given in the venue's own zone."""

    hall: Hall
    title: Title
    starts_at: datetime

    @property
    def ref(self) -> str:
        start = self.starts_at.astimezone(UTC)
        return f"show:{self.hall.ref.removeprefix('hall:')}:{start:%Y%m%dT%H%MZ}"


def minutes_of(title: Title) -> int:
    return title.runtime_min or TYPICAL_MINUTES.get(title.category, OTHER_MINUTES)


class Repertoire:
    """All titles by what a house shows, the newest first."""

    def __init__(self, titles: list[Title]) -> None:
        self._by_category: defaultdict[str, list[Title]] = defaultdict(list)
        self._local: defaultdict[str, list[Title]] = defaultdict(list)
        for title in sorted(titles, key=lambda title: (-(title.year or 0), draw("order", title.id))):
            self._by_category[title.category].append(title)
            if title.category == "movie":
                self._local[title.language].append(title)
        self._all = [title for pool in self._by_category.values() for title in pool]

    def choose(self, venue: Venue, *about: object) -> Title:
        pool = self._by_category[pick(SHOWN_IN[venue.kind], venue.id, "category", *about)] or self._all
        local = self._local[LOCAL_LANGUAGE.get(venue.country, "")]
        if venue.kind == "cinema" and venue.country in LOCAL_LANGUAGE and local:
            pool = local if draw(venue.id, "local", *about) < LOCAL_SHARE else pool
        # The power makes new titles play in many houses and old ones in few.
        return pool[int(len(pool) * draw(venue.id, "title", *about) ** 1.5)]


def local_moment(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """So many minutes after midnight by the wall clock; an hour that summer time leaves out becomes the next one."""
    wall = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=minutes)
    return wall.astimezone(UTC).astimezone(zone)


def day_in_hall(hall: Hall, day: date, repertoire: Repertoire) -> list[Show]:
    """Two to five shows, none before the one before it is over and the hall is clean."""
    zone = _zone(hall.venue.timezone)
    cleaning = CLEANING.get(hall.venue.kind, STAGE_CLEANING)
    week = day.isocalendar().week
    shift = 5 * int(draw(hall.ref, day, "shift") * (MOST_SHIFT // 5 + 1))
    latest = local_moment(day, LATEST_START, zone)
    free_from = local_moment(day, 0, zone)
    shows = []
    for number, slot in enumerate(_slots(hall, day)):
        # A hall keeps one main film for the week and gives the other slots to a second.
        film = 0 if hall.venue.kind == "cinema" and draw(hall.ref, day, number, "second") < 0.6 else number % 2 + 1
        title = repertoire.choose(hall.venue, hall.number, week, film)
        wanted = local_moment(day, slot + shift, zone).astimezone(UTC)
        start = _full_five_minutes(max(wanted, free_from.astimezone(UTC))).astimezone(zone)
        if start > latest:
            break
        shows.append(Show(hall, title, start))
        free_from = (start.astimezone(UTC) + timedelta(minutes=minutes_of(title)) + cleaning).astimezone(zone)
    return shows


def _slots(hall: Hall, day: date) -> list[int]:
    if hall.venue.kind != "cinema":
        return list(STAGE_SLOTS)
    weekend = day.weekday() >= 5
    slots = list(CINEMA_SLOTS[: 2 + int(3 * draw(hall.ref, day, "shows"))])
    if weekend and len(slots) >= 3:
        slots.append(MORNING_SLOT)
    if day.weekday() in (4, 5) and len(slots) < 5 and draw(hall.ref, day, "late") < 0.25:
        slots.append(LATE_SLOT)
    return sorted(slots)


def _full_five_minutes(moment: datetime) -> datetime:
    over = timedelta(minutes=moment.minute % 5, seconds=moment.second, microseconds=moment.microsecond)
    return moment + (timedelta(minutes=5) - over if over else over)


def programme(halls: list[Hall], repertoire: Repertoire, *, now: datetime, showtimes: int) -> Iterator[Show]:
    """The rest of today and the 14 days after it, by each venue's own calendar; those 14 days hold `showtimes` shows.

    A day's shows depend on the day alone, not on `now`: who asks a day later gets the same and one day more.
    """
    first = (now - timedelta(hours=12)).astimezone(UTC).date()
    in_turn = sorted(halls, key=lambda hall: draw("turn", hall.ref))
    for day in (first + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 3)):
        for show in _day_everywhere(in_turn, day, repertoire, showtimes):
            today = now.astimezone(_zone(show.hall.venue.timezone)).date()
            if today <= day <= today + timedelta(days=DAYS_AHEAD) and show.starts_at >= now + LEAD:
                yield show


def _day_everywhere(in_turn: list[Hall], day: date, repertoire: Repertoire, showtimes: int) -> Iterator[Show]:
    number = day.toordinal()
    quota = (number + 1) * showtimes // DAYS_AHEAD - number * showtimes // DAYS_AHEAD
    begin = number * max(1, showtimes // DAYS_AHEAD // MEAN_SHOWS_A_DAY)
    for turn in range(len(in_turn)):
        shows = day_in_hall(in_turn[(begin + turn) % len(in_turn)], day, repertoire)[:quota]
        yield from shows
        quota -= len(shows)
        if quota <= 0:
            return


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
