"""MongoDB clients with the durability the whole product rests on: majority and journal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from service_kit.settings import KitSettings

Document = dict[str, Any]
Database = AsyncDatabase[Document]


@asynccontextmanager
async def open_database(settings: KitSettings, service: str) -> AsyncIterator[Database]:
    """The service's own database. Times come back with their zone; writes wait for majority and journal."""
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        settings.mongo_url.get_secret_value(),
        serverSelectionTimeoutMS=5_000,
        connectTimeoutMS=5_000,
        socketTimeoutMS=30_000,
        maxPoolSize=100,
        appname=f"marquee-{service}",
    )
    try:
        yield client.get_database(
            settings.database(service),
            codec_options=CodecOptions(tz_aware=True),
            write_concern=WriteConcern(w="majority", j=True, wtimeout=10_000),
            read_concern=ReadConcern("majority"),
        )
    finally:
        await client.close()


async def ping(database: Database) -> None:
    """Readiness check: a primary answers."""
    await database.command("ping")
