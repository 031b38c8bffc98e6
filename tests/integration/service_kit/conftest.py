"""An empty database of the kit's own."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from marquee.engines import EngineUrls
from service_kit.mongo import Database, open_database
from service_kit.settings import KitSettings


@pytest.fixture
async def database(engine_urls: EngineUrls, namespace: str) -> AsyncIterator[Database]:
    settings = KitSettings(mongo_url=SecretStr(engine_urls.mongo_url), namespace=namespace)
    async with open_database(settings, "kit") as database:
        yield database
        for name in await database.list_collection_names():
            await database[name].delete_many({})
