"""Wiring of the webhooks service: the HTTP app, and the worker that takes events in and sends them out."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from messaging.consumer import Consumer
from messaging.topology import Topology
from service_kit.app import open_kit, service_app
from service_kit.clients import service_client
from service_kit.clock import Clock, SystemClock
from service_kit.mongo import open_database, ping
from service_kit.resolving import Resolve, system_resolver
from service_kit.sealing import Seal
from service_kit.tasks import background
from webhooks_service import http
from webhooks_service.clients import Bookings, Venues
from webhooks_service.config import Settings
from webhooks_service.consumers import subscriptions
from webhooks_service.courier import Courier
from webhooks_service.domain.payloads import Payloads
from webhooks_service.domain.targets import Rules, parse_private
from webhooks_service.handlers.deliver import Deliver
from webhooks_service.handlers.deliveries import DeliveryHandlers
from webhooks_service.handlers.endpoints import EndpointHandlers, seal_anew
from webhooks_service.handlers.intake import Intake
from webhooks_service.http.common import Handlers
from webhooks_service.sender import Sender
from webhooks_service.store.deliveries import Deliveries
from webhooks_service.store.endpoints import Endpoints

LARGEST_BODY = 64 * 1024


def create_app(settings: Settings, clock: Clock | None = None, resolve: Resolve | None = None) -> FastAPI:
    """`resolve` stands in for the machine's resolver."""
    rules = _rules(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_database(settings, "webhooks") as database,
            system_resolver() as system,
            service_client(settings, settings.venues_address) as venues,
            # Kept answers hold signing secrets, so they are sealed too.
            open_kit(
                settings,
                checks={"mongodb": partial(ping, database)},
                idempotency=database["idempotency"],
                clock=clock,
                idempotency_secret=settings.key(b"idempotency"),
            ) as kit,
        ):
            sender = Sender(rules, resolve or system, ssl.create_default_context())
            endpoints, deliveries, seal = Endpoints(database), Deliveries(database), _seal(settings)
            await deliveries.prepare()
            for_endpoints = EndpointHandlers(
                endpoints=endpoints,
                deliveries=deliveries,
                seal=seal,
                sender=sender,
                venues=Venues(venues),
                clock=kit.clock,
            )
            app.state.kit = kit
            app.state.handlers = Handlers(for_endpoints, DeliveryHandlers(for_endpoints, deliveries, kit.clock))
            yield

    app = service_app(name="webhooks", title="Marquee webhooks", lifespan=lifespan, max_body=LARGEST_BODY)
    app.include_router(http.router)
    return app


@asynccontextmanager
async def worker(
    settings: Settings,
    clock: Clock | None = None,
    resolve: Resolve | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[None]:
    """Stores a delivery for each event and endpoint, and sends what is due. `resolve`, `tls`: in place of the
    machine's resolver and authorities."""
    clock = clock or SystemClock()
    topology = Topology(settings.namespace)
    amqp_url = settings.amqp_url.get_secret_value()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        database = await enter(open_database(settings, "webhooks"))
        system = await enter(system_resolver())
        inventory = await enter(service_client(settings, settings.inventory_address))
        sender = Sender(_rules(settings), resolve or system, tls or ssl.create_default_context())
        endpoints, deliveries, seal = Endpoints(database), Deliveries(database), _seal(settings)
        await deliveries.prepare()
        await seal_anew(endpoints, seal)
        courier = Courier(endpoints, deliveries, Deliver(endpoints, deliveries, seal, sender, clock), clock)
        await enter(background("courier", courier.run))
        await enter(background("courier:watch", courier.watch))
        payloads = Payloads(settings.key(b"buyers"))
        intake = Intake(endpoints, deliveries, Bookings(inventory), payloads, clock)
        for subscription in subscriptions(intake):
            await enter(Consumer(amqp_url, topology, subscription).running())
        yield


def _rules(settings: Settings) -> Rules:
    return Rules(tuple(map(parse_private, settings.hooks_private_targets)))


def _seal(settings: Settings) -> Seal:
    return Seal(settings.key(b"secrets"), *settings.keys_before(b"secrets"))
