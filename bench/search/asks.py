"""What is searched for: words and places in turn, so that no answer is had from the time before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from urllib.parse import urlencode

from bench.search.catalogue import CORE_CITIES, CORE_HOUSES, Catalogue, City
from search_index.folding import words

SHOWS, SUGGEST = "/api/v1/search/shows", "/api/v1/search/suggest"
LIMIT = 20
RADIUS_KM = 25
PARTY = 2
LONGEST = 3


@dataclass(frozen=True)
class Ask:
    """`text` is looked for around a city of the core, within a week, for two who sit together."""

    text: str
    city: City
    start: str
    end: str

    def full(self) -> str:
        """Everything at once: words, circle, dates, seats, facets, one hit for each event."""
        return self._path(facets="category,genre,language,city", groupBy="event")

    def ordered(self) -> str:
        """By time instead of by relevance, and each showtime for itself: other engines can answer that alike."""
        return self._path(sort="soonest")

    def _path(self, **more: str) -> str:
        params = {
            "query": self.text,
            "lat": f"{self.city.lat:.5f}",
            "lon": f"{self.city.lon:.5f}",
            "distance": f"{RADIUS_KM}km",
            "startDate": self.start,
            "endDate": self.end,
            "seatsTogether": str(PARTY),
            "limit": str(LIMIT),
        }
        return f"{SHOWS}?{urlencode({**params, **more})}"


def make_asks(catalogue: Catalogue, count: int) -> list[Ask]:
    """Of four the first two are for a title, one for a genre, one for a house; all have answers in the core."""
    draw = Random(1)
    return [_ask(catalogue, number, draw) for number in range(count)]


def _ask(catalogue: Catalogue, number: int, draw: Random) -> Ask:
    house = catalogue.house(draw.randrange(CORE_CITIES) + CORE_CITIES * draw.randrange(CORE_HOUSES // CORE_CITIES))
    event = draw.choice(house.events)
    text = {2: event["metadata"]["genre"] or "drama", 3: house.venue["name"]}.get(number % 4, event["name"])
    first = catalogue.first_day + timedelta(days=draw.randrange(1, 5))
    start, end = first.date().isoformat(), (first + timedelta(days=7)).date().isoformat()
    return Ask(" ".join(words(text)[:LONGEST]), house.city, start, end)


def suggest_paths(catalogue: Catalogue, count: int) -> list[str]:
    """Beginnings of titles, houses and cities, one letter and more, from a city of the core."""
    draw = Random(3)
    return list(_suggest_paths(catalogue, count, draw))


def _suggest_paths(catalogue: Catalogue, count: int, draw: Random) -> Iterator[str]:
    for number in range(count):
        house = catalogue.house(draw.randrange(CORE_HOUSES))
        name = (draw.choice(house.events)["name"], house.venue["name"], house.city.name)[number % 3]
        typed = name[: draw.randrange(1, 9)]
        position = {"lat": f"{house.city.lat:.3f}", "lon": f"{house.city.lon:.3f}"}
        yield f"{SUGGEST}?{urlencode({'q': typed, **position})}"
