"""The inventory service over HTTP, on a real MongoDB, with a clock that tests move."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from inventory_service.app import create_app
from inventory_service.config import Settings
from marquee.engines import EngineUrls
from service_kit.clock import ManualClock, SystemClock
from service_kit.mongo import Database, open_database
from tests.component.inventory.stage import Neighbours, Stage, neighbours
from tests.support import TokenMint, running, token_mint

COLLECTIONS = ("seat_maps", "bookings", "showtimes", "layouts", "idempotency", "holders", "limits", "code_uses")


@pytest.fixture(scope="session")
async def mint() -> AsyncIterator[TokenMint]:
    async with token_mint() as mint:
        yield mint


@pytest.fixture(scope="session")
async def near() -> AsyncIterator[Neighbours]:
    async with neighbours() as near:
        yield near


@pytest.fixture(scope="session")
def settings(engine_urls: EngineUrls, namespace: str, mint: TokenMint, near: Neighbours) -> Settings:
    return Settings.model_validate(
        {
            "mongo_url": engine_urls.mongo_url,
            "amqp_url": engine_urls.amqp_url,
            "namespace": f"{namespace}_inventory",
            "jwks_url": mint.jwks_url,
            "venues_url": near.url,
            "payments_url": near.url,
            "ticket_secret": "a secret for tests only",
        }
    )


@pytest.fixture(scope="session")
def shared_clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with open_database(settings, "inventory") as database:
        yield database


@pytest.fixture(scope="session")
async def house(settings: Settings, shared_clock: ManualClock) -> AsyncIterator[tuple[httpx2.AsyncClient, FastAPI]]:
    """One process of the service for the whole session: making its indexes takes longer than most tests."""
    app = create_app(settings, shared_clock)
    async with running(app) as client:
        yield client, app


@pytest.fixture
async def stage(
    house: tuple[httpx2.AsyncClient, FastAPI],
    database: Database,
    near: Neighbours,
    shared_clock: ManualClock,
    mint: TokenMint,
) -> AsyncIterator[Stage]:
    for name in COLLECTIONS:
        await database[name].delete_many({})
    shared_clock.set(SystemClock().now())
    client, app = house
    yield Stage(client, app, app.state.inventory, database, near, shared_clock, mint)
    near.down = False
