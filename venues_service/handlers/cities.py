"""Use cases of cities: where something plays, and what."""

from dataclasses import dataclass, field
from datetime import datetime

from messaging.events import EventState
from service_kit.clock import Clock
from service_kit.folding import fold
from venues_service.store.events import Events
from venues_service.store.showtimes import Showtimes
from venues_service.store.venues import Venues

# Spellings of one city and its namesakes abroad are told apart by (folded name, country).
CityKey = tuple[str, str]


@dataclass
class City:
    """A city with upcoming showtimes."""

    name: str
    country: str
    showtimes: int = 0
    venues: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)

    @property
    def key(self) -> CityKey:
        return (fold(self.name), self.country)


@dataclass(frozen=True)
class Playing:
    """An event with its upcoming showtimes in a city."""

    event: EventState
    showtimes: int
    next_starts_at: datetime


class CityHandlers:
    def __init__(self, *, venues: Venues, events: Events, showtimes: Showtimes, clock: Clock) -> None:
        self._venues = venues
        self._events = events
        self._showtimes = showtimes
        self._clock = clock

    async def with_shows(self) -> list[City]:
        """By name. There are as many as cities of the world at most, so they are counted in one go."""
        upcoming = await self._showtimes.upcoming_by_venue(self._clock.now())
        venues = await self._venues.find_each(list(upcoming), deleted=True)
        cities: dict[CityKey, City] = {}
        for venue_id, (count, events) in upcoming.items():
            venue = venues[venue_id].state
            city = City(venue.city, venue.country)
            city = cities.setdefault(city.key, city)
            city.showtimes += count
            city.venues.add(venue_id)
            city.events |= events
        return sorted(cities.values(), key=lambda city: city.key)

    async def playing_in(self, name: str) -> list[Playing]:
        """What plays in the city of this name, by next start."""
        venue_ids = await self._venues.ids_in_city(name)
        upcoming = await self._showtimes.upcoming_in(venue_ids, self._clock.now())
        events = await self._events.find_each(list(upcoming), deleted=True)
        playing = [Playing(events[event_id].state, row.count, row.next) for event_id, row in upcoming.items()]
        return sorted(playing, key=lambda one: (one.next_starts_at, one.event.event_id))
