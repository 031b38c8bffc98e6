"""Routes of cities."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from messaging.events import EventState
from service_kit.models import Line, Model, Moment
from service_kit.pages import Page, PageRequest, encode_cursor, link_next
from venues_service.http.common import Handlers, moment_of

router = APIRouter(prefix="/cities", tags=["cities"])

CityName = Annotated[Line, Path(max_length=200)]


class CityAnswer(Model):
    """A city with upcoming shows, and how many."""

    city: str
    country: str
    venues: int
    events: int
    showtimes: int


class PlayingAnswer(EventState):
    """An event with its upcoming showtimes in the city."""

    showtimes: int
    next_starts_at: Moment


@router.get("")
async def list_cities(request: Request, response: Response, page: PageRequest, handlers: Handlers) -> Page[CityAnswer]:
    after = page.after(str, str)
    cities = [city for city in await handlers.cities.with_shows() if after is None or list(city.key) > after]
    shown = cities[: page.limit]
    following = encode_cursor(shown[-1].key) if len(cities) > page.limit else None
    link_next(request, response, following)
    items = [
        CityAnswer(
            city=city.name,
            country=city.country,
            venues=len(city.venues),
            events=len(city.events),
            showtimes=city.showtimes,
        )
        for city in shown
    ]
    return Page(items=items, next_cursor=following)


@router.get("/{city}/events")
async def list_events_in_city(
    request: Request, response: Response, city: CityName, page: PageRequest, handlers: Handlers
) -> Page[PlayingAnswer]:
    after = page.after(int, str)
    position = (moment_of(after[0]), after[1]) if after else None
    playing = [
        one
        for one in await handlers.cities.playing_in(city)
        if position is None or (one.next_starts_at, one.event.event_id) > position
    ]
    shown = playing[: page.limit]
    following = None
    if len(playing) > page.limit:
        last = shown[-1]
        following = encode_cursor([round(last.next_starts_at.timestamp() * 1_000), last.event.event_id])
    link_next(request, response, following)
    items = [
        PlayingAnswer(**one.event.model_dump(), showtimes=one.showtimes, next_starts_at=one.next_starts_at)
        for one in shown
    ]
    return Page(items=items, next_cursor=following)
