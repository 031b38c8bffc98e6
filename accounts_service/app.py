"""Wiring of the accounts service: the HTTP app, and the worker that sends its events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from accounts_service import http
from accounts_service.config import Settings
from accounts_service.handlers import Accounts
from accounts_service.passwords import open_passwords
from accounts_service.store import AccountStore
from messaging.outbox import Relay
from messaging.publisher import Publisher
from messaging.topology import Topology
from service_kit.app import open_kit, service_app
from service_kit.clock import Clock
from service_kit.limits import Limiter
from service_kit.mongo import open_database, ping
from service_kit.tokens import load_or_create_key


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        key = load_or_create_key(settings.signing_key_file)
        async with (
            open_database(settings, "accounts") as database,
            open_kit(
                settings,
                checks={"mongodb": partial(ping, database)},
                idempotency=database["idempotency"],
                clock=clock,
                signing_key=key,
            ) as kit,
        ):
            with open_passwords() as passwords:
                store = AccountStore(database)
                limiter = Limiter(database["limits"], kit.clock, enabled=settings.limited)
                await store.prepare()
                await limiter.prepare()
                app.state.kit = kit
                app.state.accounts = Accounts(store, passwords, limiter, key, kit.clock)
                yield

    app = service_app(name="accounts", title="Marquee accounts", lifespan=lifespan)
    app.include_router(http.router)
    app.include_router(http.keys)
    return app


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[None]:
    """Sends the events that wait in the documents."""
    async with open_database(settings, "accounts") as database:
        publisher = Publisher(settings.amqp_url.get_secret_value(), Topology(settings.namespace))
        try:
            async with Relay([database["users"]], publisher).running():
                yield
        finally:
            await publisher.close()
