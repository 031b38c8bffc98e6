"""What is on: the programme that `marquee seed` makes of the shipped data, the same at every run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from geopy.distance import great_circle

from indexer.domain import showtime_change
from marquee.seed.command import SHIPPED_DATA
from marquee.seed.draws import draw, pick
from marquee.seed.halls import Hall
from marquee.seed.plan import (
    HALLS_PER_VENUE,
    choose_halls,
    choose_venues,
    event_item,
    event_ref,
    showtime_item,
    venue_item,
    venue_ref,
)
from marquee.seed.programme import SHOWN_IN, Repertoire, Show, minutes_of, programme
from marquee.seed.records import Collection, Title, Venue, read_collection
from messaging.events import EventState, ShowtimeState, VenueState
from search_index.document import Row

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
VENUES, SHOWTIMES = 1_000, 20_000
# When a title is on that the programme has left out: within these days.
SPREAD_DAYS = 14


@dataclass(frozen=True)
class Billing:
    """A title at a house: what a judgement is about."""

    title: Title
    venue: Venue

    @property
    def key(self) -> tuple[str, str]:
        """The ids of event and venue in the index."""
        return event_ref(self.title), venue_ref(self.venue)


class World:
    """`shows` as seeded, and one more for each title left out, so that whatever is asked for is on somewhere."""

    def __init__(self, folder: Path = SHIPPED_DATA) -> None:
        collection = read_collection(folder)
        halls = _halls(collection)
        shows = list(programme(halls, Repertoire(collection.titles), now=NOW, showtimes=SHOWTIMES))
        self.shows = [*shows, *_left_out(collection.titles, shows, halls)]

    @cached_property
    def billings(self) -> dict[tuple[str, str], Billing]:
        return {one.key: one for one in (Billing(show.title, show.hall.venue) for show in self.shows)}

    @cached_property
    def all_billings(self) -> list[Billing]:
        return list(self.billings.values())

    @cached_property
    def one_of_each_title(self) -> list[Billing]:
        return list({one.title.id: one for one in self.all_billings}.values())

    def around(self, lat: float, lon: float, metres: float) -> list[Billing]:
        houses = {one.venue.id: one.venue for one in self.all_billings}
        near = {
            id_ for id_, house in houses.items() if great_circle((lat, lon), (house.lat, house.lon)).meters <= metres
        }
        return [one for one in self.all_billings if one.venue.id in near]

    def rows(self) -> Iterator[Row]:
        """As the read model has them: what the services publish, merged by the indexer's own rules. No seat maps."""
        events = {show.title: event_state(show.title) for show in self.shows}
        venues = {show.hall.venue: venue_state(show.hall.venue) for show in self.shows}
        for show in self.shows:
            change = showtime_change(_showtime(show, events[show.title], venues[show.hall.venue]))
            parts = {"event": change.event.state, "venue": change.venue.state}
            yield {"_id": change.showtime_id, "facts": change.facts, **parts, "availability": None}


def _halls(collection: Collection) -> list[Hall]:
    chosen = choose_venues(collection.venues, VENUES)
    return choose_halls(chosen, collection, HALLS_PER_VENUE * len(chosen))


def _left_out(titles: Iterable[Title], shows: Iterable[Show], halls: Iterable[Hall]) -> Iterator[Show]:
    on = {show.title.id for show in shows}
    fitting: defaultdict[str, list[Hall]] = defaultdict(list)
    for hall in halls:
        for category in SHOWN_IN[hall.venue.kind]:
            fitting[category].append(hall)
    for title in titles:
        if title.id not in on:
            hours = int(draw(title.id, "hour") * 24 * SPREAD_DAYS) + 12
            yield Show(pick(fitting[title.category], title.id, "house"), title, NOW + timedelta(hours=hours))


def event_state(title: Title) -> EventState:
    return EventState.model_validate({"eventId": event_ref(title), "version": 1, **_fields(event_item(title))})


def venue_state(venue: Venue) -> VenueState:
    return VenueState.model_validate({"venueId": venue_ref(venue), "version": 1, **_fields(venue_item(venue))})


def _showtime(show: Show, event: EventState, venue: VenueState) -> ShowtimeState:
    return ShowtimeState.model_validate(
        {
            "showtimeId": show.ref,
            "version": 1,
            "status": "scheduled",
            "endsAt": show.starts_at + timedelta(minutes=minutes_of(show.title)),
            "hallId": show.hall.ref,
            "hallName": show.hall.name,
            "layoutVersion": 1,
            "seatCount": show.hall.seats,
            **_fields(showtime_item(show)),
            "event": event,
            "venue": venue,
        }
    )


def _fields(item: dict[str, Any]) -> dict[str, Any]:
    """Without what only the import route knows."""
    return {name: value for name, value in item.items() if name not in {"kind", "ref"}}
