"""Wiring of the venues service: the HTTP app, and the worker that sends its events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from messaging.consumer import Consumer
from messaging.outbox import Relay
from messaging.publisher import Publisher
from messaging.topology import Topology
from service_kit.app import open_kit, service_app
from service_kit.clients import service_client
from service_kit.clock import Clock, SystemClock
from service_kit.mongo import Database, open_database, ping
from venues_service import http
from venues_service.clients import Partners
from venues_service.config import Settings
from venues_service.consumers import subscriptions
from venues_service.geocoding import Geocoding, open_geocoding
from venues_service.handlers.cities import CityHandlers
from venues_service.handlers.events import EventHandlers
from venues_service.handlers.hall_files import HallFileHandlers
from venues_service.handlers.halls import HallHandlers
from venues_service.handlers.imports import ImportHandlers
from venues_service.handlers.showtimes import ShowtimeHandlers
from venues_service.handlers.slots import Slots
from venues_service.handlers.venues import VenueHandlers
from venues_service.http.common import LARGEST_BODY, Catalogue
from venues_service.store.events import Events
from venues_service.store.halls import Halls
from venues_service.store.layouts import Layouts
from venues_service.store.showtimes import Showtimes
from venues_service.store.venues import Venues


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_database(settings, "venues") as database,
            service_client(settings, settings.partners_address) as partners,
            open_kit(
                settings,
                checks={"mongodb": partial(ping, database)},
                idempotency=database["idempotency"],
                clock=clock,
            ) as kit,
        ):
            geocoding = await asyncio.to_thread(open_geocoding, settings)
            app.state.kit = kit
            app.state.handlers = await _catalogue(database, geocoding, Partners(partners), kit.clock)
            yield

    app = service_app(name="venues", title="Marquee catalogue", lifespan=lifespan, max_body=LARGEST_BODY)
    app.include_router(http.router)
    return app


async def _catalogue(database: Database, geocoding: Geocoding, partners: Partners, clock: Clock) -> Catalogue:
    venues, halls, events, showtimes = Venues(database), Halls(database), Events(database), Showtimes(database)
    for store in (venues, halls, events, showtimes):
        await store.prepare()
    layouts = Layouts(database)
    slots = Slots(halls, showtimes, clock)
    for_halls = HallHandlers(venues=venues, halls=halls, layouts=layouts, slots=slots, clock=clock)
    for_venues = VenueHandlers(
        venues=venues,
        halls=halls,
        hall_handlers=for_halls,
        slots=slots,
        geocoding=geocoding,
        partners=partners,
        clock=clock,
    )
    for_events = EventHandlers(events=events, halls=halls, slots=slots, clock=clock)
    for_showtimes = showtime_handlers(database, clock)
    return Catalogue(
        venues=for_venues,
        halls=for_halls,
        hall_files=HallFileHandlers(venues=venues, halls=halls, layouts=layouts, hall_handlers=for_halls),
        events=for_events,
        showtimes=for_showtimes,
        cities=CityHandlers(venues=venues, events=events, showtimes=showtimes, clock=clock),
        imports=ImportHandlers(
            stores={"venue": venues, "hall": halls, "event": events, "showtime": showtimes},
            venues=for_venues,
            halls=for_halls,
            events=for_events,
            showtimes=for_showtimes,
        ),
    )


def showtime_handlers(database: Database, clock: Clock) -> ShowtimeHandlers:
    halls, showtimes = Halls(database), Showtimes(database)
    return ShowtimeHandlers(
        venues=Venues(database),
        halls=halls,
        layouts=Layouts(database),
        events=Events(database),
        showtimes=showtimes,
        slots=Slots(halls, showtimes, clock),
        clock=clock,
    )


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[None]:
    """Sends the events that wait in the documents, and follows those of seat maps."""
    topology = Topology(settings.namespace)
    amqp_url = settings.amqp_url.get_secret_value()
    publisher = Publisher(amqp_url, topology)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, "venues"))
        stack.push_async_callback(publisher.close)
        collections = [database[kind.name] for kind in (Venues, Halls, Events, Showtimes)]
        await stack.enter_async_context(Relay(collections, publisher).running())
        for subscription in subscriptions(showtime_handlers(database, SystemClock())):
            await stack.enter_async_context(Consumer(amqp_url, topology, subscription).running())
        yield
