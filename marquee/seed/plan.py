"""From a data folder to the items of the import route, in the order they depend on each other."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, zip_longest
from typing import Any

from marquee.seed.draws import draw
from marquee.seed.halls import Hall, halls_of, ref_part
from marquee.seed.prices import pricing
from marquee.seed.programme import Repertoire, Show, minutes_of, programme
from marquee.seed.records import Collection, Title, Venue

HALLS_PER_VENUE = 2
# Where countries are chosen from in turn, this one comes up so often: it has the most venues by far.
TURNS = {"FR": 3}
RARE_KINDS = ("opera_house", "concert_hall")
MOST_KEYWORDS = 10


@dataclass(frozen=True)
class Step:
    """Items of the kinds that may go in together; bodies are made when they are wanted, for layouts are big."""

    kind: str
    bodies: dict[str, Callable[[], dict[str, Any]]] = field(repr=False)


def steps(collection: Collection, *, venues: int, showtimes: int, now: datetime) -> Iterator[Step]:
    """Venues, then events, halls, and showtimes, each known by its ref."""
    chosen = choose_venues(collection.venues, venues)
    halls = choose_halls(chosen, collection, HALLS_PER_VENUE * len(chosen))
    yield Step("venue", {venue_ref(venue): _later(venue_item, venue) for venue in chosen})
    yield Step("event", {event_ref(title): _later(event_item, title) for title in collection.titles})
    yield Step("hall", {hall.ref: _later(hall_item, hall) for hall in halls})
    shows = programme(halls, Repertoire(collection.titles), now=now, showtimes=showtimes)
    yield Step("showtime", {show.ref: _later(showtime_item, show) for show in shows})


def _later(make: Callable[[Any], dict[str, Any]], source: object) -> Callable[[], dict[str, Any]]:
    return lambda: make(source)


def choose_venues(venues: list[Venue], count: int) -> list[Venue]:
    """From every country in turn: first the few opera houses and concert halls, so that every category is on somewhere;
    then by turns a venue in a town with many and one from anywhere.
    """
    if count >= len(venues):
        return venues
    in_town = Counter((venue.country, venue.city) for venue in venues)
    by_country: defaultdict[str, list[Venue]] = defaultdict(list)
    for venue in sorted(venues, key=lambda venue: draw("choice", venue.id)):
        by_country[venue.country].append(venue)
    queues = []
    for country, anywhere in sorted(by_country.items()):
        towns = sorted(anywhere, key=lambda venue: -in_town[venue.country, venue.city])
        rare = (venue for venue in anywhere if venue.kind in RARE_KINDS)
        ordered = chain(rare, chain.from_iterable(zip(towns, anywhere, strict=True)))
        queues.append(_in_turns(ordered, TURNS.get(country, 1)))
    chosen = dict.fromkeys(venue for turn in zip_longest(*queues) for group in turn if group for venue in group)
    return list(chosen)[:count]


def _in_turns(ordered: Iterable[Venue], size: int) -> Iterator[list[Venue]]:
    once = list({venue.id: venue for venue in ordered}.values())
    return (once[at : at + size] for at in range(0, len(once), size))


def choose_halls(venues: list[Venue], collection: Collection, count: int) -> list[Hall]:
    """Everybody's biggest hall, then everybody's second, until there are enough."""
    all_halls = [halls_of(venue, collection.layouts) for venue in venues]
    in_order = [hall for rank in zip_longest(*all_halls) for hall in rank if hall]
    return in_order[:count]


def venue_ref(venue: Venue) -> str:
    return f"venue:{ref_part(venue.id)}"


def event_ref(title: Title) -> str:
    return f"event:{ref_part(title.id)}"


def venue_item(venue: Venue) -> dict[str, Any]:
    address = {
        "street": venue.street,
        "district": venue.district,
        "state": venue.state,
        "postalCode": venue.postcode,
        "country": venue.country,
    }
    return {
        "kind": "venue",
        "ref": venue_ref(venue),
        "name": venue.name,
        "city": venue.city,
        "country": venue.country,
        "timezone": venue.timezone,
        "address": {part: text for part, text in address.items() if text},
        "location": {"lat": venue.lat, "lon": venue.lon},
    }


def event_item(title: Title) -> dict[str, Any]:
    """The year is a keyword, since sources tell no day of release."""
    about = [*title.genres[1:], str(title.year or "")]
    metadata = {
        "genre": title.genres[0] if title.genres else "",
        "language": title.language,
        "durationMinutes": minutes_of(title),
        "people": [title.creator] if title.creator else [],
        "alternateNames": list(title.name_alt),
    }
    item = {
        "kind": "event",
        "ref": event_ref(title),
        "name": title.name,
        "category": title.category,
        "keywords": [word for word in dict.fromkeys(about) if word][:MOST_KEYWORDS],
        "metadata": {name: value for name, value in metadata.items() if value},
    }
    return item | ({"description": title.description} if title.description else {})


def hall_item(hall: Hall) -> dict[str, Any]:
    return {
        "kind": "hall",
        "ref": hall.ref,
        "venueRef": venue_ref(hall.venue),
        "name": hall.name,
        "seatLayout": hall.layout(),
    }


def showtime_item(show: Show) -> dict[str, Any]:
    return {
        "kind": "showtime",
        "ref": show.ref,
        "eventRef": event_ref(show.title),
        "venueRef": venue_ref(show.hall.venue),
        "hallRef": show.hall.ref,
        "startsAt": show.starts_at.isoformat(),
        "pricing": pricing(show.hall.venue, show.hall.seat_types, show.starts_at),
    }
