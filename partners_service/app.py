"""All wiring of the partners service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from messaging.consumer import Consumer
from messaging.outbox import Relay
from messaging.publisher import Publisher
from messaging.topology import Topology
from partners_service import http
from partners_service.clients import Venues
from partners_service.config import Settings
from partners_service.consumers import Attendant, bookings
from partners_service.handlers.asking import Asking
from partners_service.handlers.partners import Directory
from partners_service.hosts import Hosts
from partners_service.store.exchanges import Exchanges
from partners_service.store.partners import Partners
from partners_service.store.requests import Requests
from partners_service.theatre import open_theatres
from partners_service.vault import vault
from service_kit.app import open_kit, service_app
from service_kit.clients import service_client
from service_kit.clock import Clock, SystemClock
from service_kit.mongo import Database, open_database, ping
from service_kit.tasks import background


async def open_directory(settings: Settings, database: Database, clock: Clock) -> Directory:
    """The partners, with the sandbox theatre of a local stack among them."""
    hosts = Hosts(settings.partner_hosts, settings.partner_private_hosts)
    directory = Directory(Partners(database), vault(settings.partner_key, settings.partner_key_before), hosts, clock)
    if settings.partner_sandbox_url:
        secret = settings.partner_sandbox_secret.get_secret_value()
        await directory.keep_sandbox(settings.partner_sandbox_url, secret)
    return directory


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The HTTP side, for admins."""
    clock = clock or SystemClock()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_database(settings, "partners") as database,
            service_client(settings, settings.venues_address) as venues,
            open_kit(
                settings,
                checks={"mongodb": partial(ping, database)},
                idempotency=database["idempotency"],
                clock=clock,
                # The answers that are kept have secrets in them.
                idempotency_secret=settings.partner_key.get_secret_value().encode(),
            ) as kit,
        ):
            requests, exchanges = Requests(database), Exchanges(database)
            await requests.prepare()
            await exchanges.prepare()
            app.state.kit = kit
            app.state.directory = await open_directory(settings, database, clock)
            app.state.requests = requests
            app.state.venues = Venues(venues)
            app.state.exchanges = exchanges
            yield

    app = service_app(name="partners", title="Marquee partner theatres", lifespan=lifespan)
    app.include_router(http.router)
    return app


@asynccontextmanager
async def worker(settings: Settings, clock: Clock | None = None) -> AsyncIterator[None]:
    """Follows bookings, asks theatres and publishes what they answer."""
    async with (
        open_database(settings, "partners") as database,
        working(settings, database, Topology(settings.namespace), clock),
    ):
        yield


@asynccontextmanager
async def working(
    settings: Settings, database: Database, topology: Topology, clock: Clock | None = None
) -> AsyncIterator[None]:
    """The same on an open database."""
    clock = clock or SystemClock()
    amqp_url = settings.amqp_url.get_secret_value()
    publisher = Publisher(amqp_url, topology)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(publisher.close)
        requests, exchanges = Requests(database), Exchanges(database)
        await requests.prepare()
        await exchanges.prepare()
        directory = await open_directory(settings, database, clock)
        await directory.seal_anew()
        theatres = await stack.enter_async_context(open_theatres(directory.hosts, clock))
        asking, wake = Asking(requests, exchanges, directory, theatres, clock), asyncio.Event()
        await stack.enter_async_context(Relay([requests.collection], publisher).running())
        await stack.enter_async_context(background("attendant", Attendant(asking, wake).run))
        await stack.enter_async_context(Consumer(amqp_url, topology, bookings(asking, wake)).running())
        yield
