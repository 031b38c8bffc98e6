"""The venues service over HTTP, on a real MongoDB, with a clock that tests move."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from marquee.engines import EngineUrls
from service_kit.clock import ManualClock, SystemClock
from service_kit.mongo import Database, open_database
from tests.component.venues.catalogue import Catalogue
from tests.servers.other_service import OtherService, other_service
from tests.support import TokenMint, running, token_mint
from venues_service.app import create_app
from venues_service.config import Settings


@pytest.fixture(scope="session")
async def mint() -> AsyncIterator[TokenMint]:
    async with token_mint() as mint:
        yield mint


@pytest.fixture(scope="session")
async def partners() -> AsyncIterator[OtherService]:
    async with other_service() as partners:
        yield partners


@pytest.fixture(scope="session")
def settings(engine_urls: EngineUrls, namespace: str, mint: TokenMint, partners: OtherService) -> Settings:
    return Settings.model_validate(
        {
            "mongo_url": engine_urls.mongo_url,
            "amqp_url": engine_urls.amqp_url,
            "namespace": f"{namespace}_venues",
            "jwks_url": mint.jwks_url,
            "partners_url": partners.url,
        }
    )


@pytest.fixture(scope="session")
def shared_clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with open_database(settings, "venues") as database:
        yield database


@pytest.fixture(scope="session")
async def client(settings: Settings, shared_clock: ManualClock) -> AsyncIterator[httpx2.AsyncClient]:
    """One process of the service for the whole session: making its indexes takes longer than most tests."""
    async with running(create_app(settings, shared_clock)) as client:
        yield client


@pytest.fixture
async def catalogue(
    client: httpx2.AsyncClient,
    database: Database,
    shared_clock: ManualClock,
    mint: TokenMint,
    partners: OtherService,
) -> Catalogue:
    """An empty catalogue at the present time."""
    for name in await database.list_collection_names():
        await database[name].delete_many({})
    shared_clock.set(SystemClock().now())
    partners.forget()
    return Catalogue(client, shared_clock, database, mint)
