"""All wiring of the inventory service."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI

from inventory_service.clients import Payments, Venues
from inventory_service.config import Settings
from inventory_service.consumers import subscriptions
from inventory_service.handlers.access import Access
from inventory_service.handlers.announce import ROUND_SECONDS, announce_changes
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.expire import sweep
from inventory_service.handlers.follow_up import ROUND_SECONDS as FOLLOW_UP_SECONDS
from inventory_service.handlers.follow_up import follow_up
from inventory_service.handlers.live import open_live
from inventory_service.handlers.places import Places
from inventory_service.handlers.promo_codes import promo_codes
from inventory_service.handlers.waiting import open_waiting
from inventory_service.http import ROUTERS
from inventory_service.http.seat_maps import Bodies
from inventory_service.http.streams import encode, encode_booking
from inventory_service.store.bookings import Bookings
from inventory_service.store.catalogue import Layouts, RefundPolicies, Showtimes
from inventory_service.store.code_uses import CodeUses
from inventory_service.store.holders import Holders
from inventory_service.store.seat_maps import SeatMaps
from messaging.consumer import Consumer
from messaging.outbox import Relay
from messaging.publisher import Publisher
from messaging.topology import Topology
from service_kit.app import MIB, open_kit, service_app
from service_kit.clients import service_client
from service_kit.clock import Clock, SystemClock
from service_kit.limits import Limiter
from service_kit.mongo import Database, open_database, ping, same_time
from service_kit.tasks import background, every

SWEEP_SECONDS = 1.0
# A list of 100,000 seats to block, ids of up to 39 characters.
LARGEST_BODY = 4 * MIB


@asynccontextmanager
async def open_inventory(
    settings: Settings, database: Database, clock: Clock | None = None
) -> AsyncIterator[Inventory]:
    """The use cases' context on an open database."""
    seat_maps, bookings = SeatMaps(database["seat_maps"]), Bookings(database["bookings"])
    holders = Holders(database["holders"])
    await seat_maps.prepare()
    await bookings.prepare()
    await holders.prepare()
    code_uses = CodeUses(database["code_uses"])
    await code_uses.prepare()
    async with (
        service_client(settings, settings.venues_address) as venues_client,
        service_client(settings, settings.payments_address) as payments_client,
    ):
        venues = Venues(venues_client)
        yield Inventory(
            seat_maps=seat_maps,
            bookings=bookings,
            holders=holders,
            code_uses=code_uses,
            showtimes=Showtimes(database),
            layouts=Layouts(database, venues.layout),
            policies=RefundPolicies(database),
            venues=venues,
            payments=Payments(payments_client),
            clock=clock or SystemClock(),
            settings=settings,
        )


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The HTTP side: seat maps, holds, bookings, tickets."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_database(settings, "inventory") as database,
            open_inventory(settings, database, clock) as inventory,
            open_live(inventory, places := Places(settings), encode) as live,
            open_waiting(inventory, places, encode_booking) as waiting,
            open_kit(
                settings,
                checks={
                    "mongodb": partial(ping, database),
                    "clock": partial(same_time, database, inventory.clock),
                },
                idempotency=database["idempotency"],
                clock=clock,
                idempotency_secret=settings.idempotency_secret,
            ) as kit,
        ):
            app.state.kit = kit
            app.state.inventory = inventory
            app.state.live = live
            app.state.waiting = waiting
            app.state.bodies = Bodies()
            limiter = Limiter(database["limits"], kit.clock, enabled=settings.limited)
            await limiter.prepare()
            app.state.access = Access(inventory, limiter)
            app.state.promo_codes = promo_codes(inventory, limiter)
            yield

    app = service_app(name="inventory", title="Marquee inventory", lifespan=lifespan, max_body=LARGEST_BODY)
    for router in ROUTERS:
        app.include_router(router)
    return app


@asynccontextmanager
async def worker(settings: Settings, clock: Clock | None = None) -> AsyncIterator[None]:
    """The background side: initializer, payments' outcomes, sweeper, announcer, relay."""
    async with (
        open_database(settings, "inventory") as database,
        working(settings, database, Topology(settings.namespace), clock),
    ):
        yield


@asynccontextmanager
async def working(
    settings: Settings, database: Database, topology: Topology, clock: Clock | None = None
) -> AsyncIterator[None]:
    """The same on an open database."""
    amqp_url = settings.amqp_url.get_secret_value()
    publisher = Publisher(amqp_url, topology)
    async with AsyncExitStack() as stack:
        inventory = await stack.enter_async_context(open_inventory(settings, database, clock))
        stack.push_async_callback(publisher.close)
        relay = Relay([inventory.bookings.collection, inventory.seat_maps.collection], publisher)
        await stack.enter_async_context(relay.running())
        for subscription in subscriptions(inventory):
            await stack.enter_async_context(Consumer(amqp_url, topology, subscription).running())
        await stack.enter_async_context(_repeating("sweep", SWEEP_SECONDS, partial(sweep, inventory)))
        await stack.enter_async_context(_repeating("follow-up", FOLLOW_UP_SECONDS, partial(follow_up, inventory)))
        await stack.enter_async_context(
            _repeating("announce", ROUND_SECONDS, partial(announce_changes, inventory, publisher))
        )
        yield


def _repeating(name: str, seconds: float, step: Any) -> Any:
    return background(name, partial(every, seconds, step))
