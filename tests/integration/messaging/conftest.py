"""A namespace of short retry delays on the real broker, and an outbox collection in the real database."""

from collections.abc import AsyncIterator
from itertools import count

import pytest
from pydantic import SecretStr

from marquee.engines import EngineUrls
from messaging.publisher import Publisher
from messaging.topology import Topology
from service_kit.mongo import Database, open_database
from service_kit.settings import KitSettings
from tests.servers.broker import remove_topology

_numbers = count(1)


@pytest.fixture
async def topology(engine_urls: EngineUrls, namespace: str) -> AsyncIterator[Topology]:
    topology = Topology(f"{namespace}.m{next(_numbers)}", retry_delays_ms=(100, 200, 300))
    yield topology
    await remove_topology(engine_urls.amqp_url, topology)


@pytest.fixture
async def publisher(engine_urls: EngineUrls, topology: Topology) -> AsyncIterator[Publisher]:
    publisher = Publisher(engine_urls.amqp_url, topology)
    yield publisher
    await publisher.close()


@pytest.fixture
async def database(engine_urls: EngineUrls, namespace: str) -> AsyncIterator[Database]:
    settings = KitSettings(mongo_url=SecretStr(engine_urls.mongo_url), namespace=namespace)
    async with open_database(settings, "messaging") as database:
        yield database
        for name in await database.list_collection_names():
            await database[name].delete_many({})
