"""Wiring of the payment service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from messaging.consumer import Consumer
from messaging.outbox import Relay
from messaging.publisher import Publisher
from messaging.topology import Topology
from payment_service import consumers
from payment_service.config import Settings
from payment_service.handlers.payments import Payments
from payment_service.handlers.webhooks import WebhookApplier, WebhookInbox
from payment_service.http import ROUTERS
from payment_service.store.events import WebhookEvents
from payment_service.store.payments import Store
from payment_service.stripe_provider import open_stripe
from service_kit.app import open_kit, service_app
from service_kit.clock import Clock, SystemClock
from service_kit.mongo import Database, open_database, ping
from service_kit.tasks import background, every

# The largest body any route takes; a webhook is a few kilobytes.
LARGEST_BODY = 256 * 1024
MEASURED_EVERY_SECONDS = 15.0
GATEWAY_READ_EVERY_SECONDS = 3600.0


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    clock = clock or SystemClock()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_database(settings, "payments") as database,
            open_stripe(settings) as provider,
            open_kit(
                settings,
                checks={"mongodb": partial(ping, database)},
                idempotency=database["idempotency"],
                clock=clock,
            ) as kit,
        ):
            store, events = Store(database), WebhookEvents(database)
            await store.prepare()
            await events.prepare()
            app.state.kit = kit
            app.state.payments = Payments(store, provider, clock, settings.reconcile_after)
            app.state.webhooks = WebhookInbox(events, provider, clock)
            yield

    app = service_app(name="payments", title="Marquee payments", lifespan=lifespan, max_body=LARGEST_BODY)
    for router in ROUTERS:
        app.include_router(router)
    return app


@asynccontextmanager
async def worker(settings: Settings, clock: Clock | None = None) -> AsyncIterator[None]:
    """Applies webhooks, makes refunds, publishes events; asks the gateway about payments left pending, and cancels the
    intents of bookings that are over.
    """
    async with (
        open_database(settings, "payments") as database,
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
        provider = await stack.enter_async_context(open_stripe(settings))
        store, events = Store(database), WebhookEvents(database)
        await store.prepare()
        await events.prepare()
        payments = Payments(store, provider, clock, settings.reconcile_after)
        attend = asyncio.Event()
        applier = WebhookApplier(events, provider, payments, clock, attend, hints=settings.webhooks_are_hints)
        await stack.enter_async_context(Relay([store.payments], publisher).running())
        await stack.enter_async_context(background("webhooks", applier.run))
        await stack.enter_async_context(background("webhooks:watch", applier.watch))
        attendants = consumers.attendants(payments, attend, settings.reconcile_every_seconds)
        await stack.enter_async_context(background("attendants", attendants))
        measure = partial(every, MEASURED_EVERY_SECONDS, consumers.gauges(store, clock))
        await stack.enter_async_context(background("gauges", measure))
        read_gateway = partial(every, GATEWAY_READ_EVERY_SECONDS, payments.read_gateway)
        await stack.enter_async_context(background("gateway", read_gateway))
        for subscription in (consumers.refunds(payments), consumers.bookings(payments, attend)):
            await stack.enter_async_context(Consumer(amqp_url, topology, subscription).running())
        yield
