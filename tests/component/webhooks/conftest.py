"""The webhooks service over HTTP, on real MongoDB and RabbitMQ, with a receiver and a clock of our own."""

from collections.abc import AsyncIterator

import pytest

from marquee.engines import EngineUrls
from messaging.publisher import Publisher
from messaging.topology import Topology
from service_kit.clock import ManualClock, SystemClock
from service_kit.mongo import Database, open_database
from tests.component.webhooks.stage import Names, Stage
from tests.servers.broker import remove_topology
from tests.servers.other_service import OtherService, other_service
from tests.servers.receiver import Receiver, receiving
from tests.support import TokenMint, running, token_mint
from webhooks_service.app import create_app
from webhooks_service.config import Settings

COLLECTIONS = ("endpoints", "deliveries", "idempotency")


@pytest.fixture(scope="session")
async def mint() -> AsyncIterator[TokenMint]:
    async with token_mint() as mint:
        yield mint


@pytest.fixture(scope="session")
async def shared_receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session")
async def catalogue() -> AsyncIterator[OtherService]:
    async with other_service() as catalogue:
        yield catalogue


@pytest.fixture(scope="session")
def settings(
    engine_urls: EngineUrls, namespace: str, mint: TokenMint, shared_receiver: Receiver, catalogue: OtherService
) -> Settings:
    return Settings.model_validate(
        {
            "mongo_url": engine_urls.mongo_url,
            "amqp_url": engine_urls.amqp_url,
            "namespace": f"{namespace}_hooks",
            "jwks_url": mint.jwks_url,
            "inventory_url": shared_receiver.url,
            "venues_url": catalogue.url,
            "hooks_secret": "a secret for tests only",
            "hooks_private_targets": f"127.0.0.1:{shared_receiver.port}",
        }
    )


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with open_database(settings, "webhooks") as database:
        yield database


@pytest.fixture(scope="session")
async def publisher(settings: Settings) -> AsyncIterator[Publisher]:
    url, topology = settings.amqp_url.get_secret_value(), Topology(settings.namespace)
    publisher = Publisher(url, topology)
    yield publisher
    await publisher.close()
    await remove_topology(url, topology)


@pytest.fixture(scope="session")
async def whole_stage(
    *,
    settings: Settings,
    database: Database,
    mint: TokenMint,
    shared_receiver: Receiver,
    publisher: Publisher,
    catalogue: OtherService,
) -> AsyncIterator[Stage]:
    """One process of the service for the whole session: making its indexes takes longer than most tests."""
    clock, names = ManualClock(), Names()
    async with running(create_app(settings, clock, names.resolve)) as client:
        yield Stage(settings, client, database, clock, mint, shared_receiver, names, publisher, catalogue)


@pytest.fixture
async def stage(whole_stage: Stage) -> AsyncIterator[Stage]:
    for name in COLLECTIONS:
        await whole_stage.database[name].delete_many({})
    whole_stage.clock.set(SystemClock().now())
    whole_stage.venues("v1", "v2")
    yield whole_stage
    whole_stage.receiver.forget()
    whole_stage.names.forget()
    whole_stage.catalogue.forget()


@pytest.fixture
async def working(stage: Stage) -> AsyncIterator[Stage]:
    """The same with a worker."""
    async with stage.working():
        yield stage
