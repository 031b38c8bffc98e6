"""The search service over HTTP, on an index that the indexer filled with a programme of well-known titles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest
from geopy.distance import geodesic

from indexer.config import Settings as IndexerSettings
from marquee.engines import EngineUrls
from messaging.events import Address, Availability, EventMetadata, GeoPoint, SalesWindow, TypeAvailability, VenueState
from search_index.mapping import KINDS
from search_service.app import create_app
from search_service.config import Settings
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.integration.indexer.conftest import Bench, open_bench
from tests.integration.indexer.programme import cinema, film, published, seats, showtime
from tests.support import running

# Far out in the Pacific, where no other venue is.
ISLAND = (-5.0, -150.0)
TITLES = {
    "Amélie": "Comedy|Romance",
    "Dune": "Science Fiction",
    "Dune: Part Two": "Science Fiction",
    "It": "Horror",
    "Spider-Man: No Way Home": "Action",
    "The Godfather": "Crime|Drama",
    "Star Wars": "Science Fiction",
    "Star Trek": "Science Fiction",
    "One Flew Over the Cuckoo's Nest": "Drama",
    "千と千尋の神隠し": "Animation",
    "M*A*S*H": "Comedy",
}


@dataclass
class Programme:
    """What the index holds, by the names that tests use."""

    clock: ManualClock
    ids: dict[str, str] = field(default_factory=dict)
    events: list[Any] = field(default_factory=list)

    def add(self, name: str, title: str, venue: VenueState, starts_at: datetime, **state: Any) -> str:
        event = film(title, event_id=f"event-{title}", metadata=EventMetadata(genre=TITLES.get(title), language="en"))
        event = event.model_copy(update=state.pop("event", {}))
        made = showtime(event, venue, starts_at=starts_at, **state)
        self.ids[name] = made.showtime_id
        self.events.append(published("ShowtimeCreated", made))
        return made.showtime_id

    def seat(self, name: str, **types: tuple[int, int, int]) -> None:
        """`type=(free seats, largest block, price)`."""
        by_type = {
            kind: TypeAvailability(
                total=50, available=free, largest_block=block, price=price, together=[price] * min(block, 10)
            )
            for kind, (free, block, price) in types.items()
        }
        ordinary = [one.together for kind, one in by_type.items() if kind != "wheelchair"]
        free = sum(one.available for one in by_type.values())
        state: Availability = seats(
            self.ids[name],
            3,
            available=free,
            largest_block=max(one.largest_block for one in by_type.values()),
            min_price=min((price for free, _, price in types.values() if free), default=None),
            together=[
                min(together[at] for together in ordinary if len(together) > at)
                for at in range(max(map(len, ordinary)))
            ],
            by_seat_type=by_type,
        )
        self.events.append(published("SeatMapOpened", state))


def venue(name: str, city: str, lat: float, lon: float, **changes: Any) -> VenueState:
    return cinema(name, city, venue_id=f"venue-{name}", location=GeoPoint(lat=lat, lon=lon), **changes)


def island(name: str, metres: float, bearing: float) -> VenueState:
    there = geodesic(meters=metres).destination(ISLAND, bearing)
    return venue(name, "Atoll", there.latitude, there.longitude, timezone="Pacific/Tahiti")


def compose(programme: Programme) -> None:
    now = programme.clock.now()
    evening = now + timedelta(days=1)
    champo = venue("Le Champo", "Paris", 48.8499, 2.3435)
    for number, title in enumerate(TITLES):
        programme.add(title, title, champo, evening + timedelta(minutes=number))
    corso = venue(
        "Kino Corso", "Zürich", 47.3662, 8.5480, timezone="Europe/Zurich", address=Address(district="Altstadt")
    )
    programme.add("zurich", "Dune", corso, evening)
    for bearing in (0, 90, 180, 270):
        programme.add(f"inside{bearing}", "Reef", island(f"Inside {bearing}", 9_930, bearing), evening)
        programme.add(f"outside{bearing}", "Reef", island(f"Outside {bearing}", 10_070, bearing), evening)
    day = (now + timedelta(days=5)).date()
    for name, zone, lat, lon in (
        ("Tokyo", "Asia/Tokyo", 35.69, 139.70),
        ("New York", "America/New_York", 40.73, -74.0),
    ):
        for hour, minute in ((0, 0), (23, 59)):
            at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone))
            programme.add(f"{name} {hour}", "Midnight", venue(f"Kino {name}", name, lat, lon, timezone=zone), at)
    programme.add("begun", "Begun", champo, now - timedelta(minutes=1))
    programme.add("soon over", "Soon", champo, now + timedelta(seconds=30))
    programme.add("cancelled", "Cancelled", champo, evening, status="cancelled")
    hall = venue("Seat Palace", "Nadi", -17.8, 177.4, timezone="Pacific/Fiji")
    for name in ("cheap", "wide", "wheelchair", "sold out", "unopened"):
        programme.add(name, "Seats", hall, evening)
    programme.seat("cheap", standard=(10, 2, 900), premium=(10, 6, 2500))
    programme.seat("wide", standard=(40, 8, 1500))
    programme.seat("wheelchair", standard=(2, 1, 1400), wheelchair=(4, 2, 1400))
    programme.seat("sold out", standard=(0, 0, 1000))
    for title, lon, free in (("Harbour Lights", -0.2, 10), ("Harbour Nights", -0.2, 50), ("Harbour", -3.9, 50)):
        programme.add(title, title, venue(f"Pier {title}", "Accra", 5.6, lon, timezone="Africa/Accra"), evening)
        programme.seat(title, standard=(free, 1, 1000))
    kiosk = venue("Kiosk", "Lomé", 6.1, 1.2, timezone="Africa/Lome")
    an_hour = timedelta(hours=1)
    for name, window in (
        ("sale to come", SalesWindow(from_=now + an_hour)),
        ("sale on", SalesWindow(from_=now - an_hour, until=now + an_hour)),
        ("sale over", SalesWindow(until=now)),
    ):
        programme.add(name, "Tickets", kiosk, evening, on_sale=window)
        programme.seat(name, standard=(50, 5, 1000))
    for number in range(310):
        screen = venue(f"Page {number % 7}", "Suva", -18.1, 178.4 + number % 7 / 100)
        programme.add(f"page{number}", "Paging", screen, evening)


@pytest.fixture(scope="session")
def search_settings(engine_urls: EngineUrls, namespace: str) -> Settings:
    return Settings.model_validate(
        {
            "mongo_url": engine_urls.mongo_url,
            "elasticsearch_url": engine_urls.elasticsearch_url,
            "namespace": f"{namespace}_{new_id()[-8:]}",
            "cursor_secret": "a secret of the tests",
        }
    )


async def load(bench: Bench, programme: Programme) -> None:
    """Its showtimes and seats, seen by searches."""
    await bench.handlers.catalogue([event for event in programme.events if event.type == "ShowtimeCreated"])
    await bench.handlers.availability([event for event in programme.events if event.type == "SeatMapOpened"])
    await bench.push_all()
    for kind in KINDS:
        await bench.documents(kind)


@pytest.fixture(scope="session")
async def programme(search_settings: Settings) -> AsyncIterator[Programme]:
    """Loaded once; tests only read."""
    made = Programme(ManualClock())
    compose(made)
    settings = IndexerSettings.model_validate(search_settings.model_dump())
    async with open_bench(settings, made.clock) as bench:
        await load(bench, made)
        yield made


@pytest.fixture(scope="session")
async def client(search_settings: Settings, programme: Programme) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(create_app(search_settings, programme.clock)) as client:
        yield client


class Finder:
    """Asks for shows and gives them by the names of the programme."""

    def __init__(self, client: httpx2.AsyncClient, programme: Programme) -> None:
        self._client = client
        self._names = {id_: name for name, id_ in programme.ids.items()}

    async def answer(self, **params: Any) -> dict[str, Any]:
        answer = await self._client.get("/api/v1/search/shows", params=params)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def names(self, **params: Any) -> list[str]:
        body = await self.answer(**{"limit": 100, **params})
        return [self._names[item["showtimeId"]] for item in body["items"]]


@pytest.fixture(scope="session")
def find(client: httpx2.AsyncClient, programme: Programme) -> Finder:
    return Finder(client, programme)
