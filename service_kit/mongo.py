"""MongoDB clients with the durability the whole product rests on: majority and journal."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from service_kit.clock import Clock
from service_kit.settings import KitSettings

Document = dict[str, Any]
Database = AsyncDatabase[Document]
DUPLICATE_KEY = 11000
# A partial index serves a query only if the query itself says that it asks for nothing else. MongoDB does not take a
# comparison with a date for the `$type` of one: an index on dates is one on those after `EVER`, asked for by `due`.
EVER = datetime(1970, 1, 1, tzinfo=UTC)
# Of what holds last at least, little enough.
CLOCKS_APART = timedelta(seconds=5)


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


def due(now: datetime) -> Document:
    """The condition on a date that it has come, in the words that an index on `{"$gt": EVER}` understands."""
    return {"$gt": EVER, "$lte": now}


async def insert_new(collection: AsyncCollection[Document], documents: Sequence[Document]) -> list[bool | Exception]:
    """Insert all in one write: for each whether it is new, or the error because of which it could not be written."""
    outcomes: list[bool | Exception] = [True] * len(documents)
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if error.details["writeConcernErrors"]:
            raise
        for fault in error.details["writeErrors"]:
            known = is_known_already(fault)
            outcomes[fault["index"]] = False if known else OperationFailure(fault["errmsg"], fault["code"])
    return outcomes


def is_known_already(fault: Mapping[str, Any]) -> bool:
    """Whether one write of a bulk failed only because its document is there."""
    return bool(fault["code"] == DUPLICATE_KEY)


def only_known_already(error: BulkWriteError) -> bool:
    """Whether nothing failed but writes of documents that are there."""
    return all(map(is_known_already, error.details["writeErrors"]))


async def ping(database: Database) -> None:
    """Readiness check: a primary answers."""
    await database.command("ping")


class ClockWrong(Exception):
    """This process's clock and the database's are apart; by it holds would end too early or too late."""


async def same_time(database: Database, clock: Clock) -> None:
    """Readiness check: the clock agrees with that of the database, which all processes share. Raises ClockWrong."""
    theirs: datetime = (await database.command("hello"))["localTime"].replace(tzinfo=UTC)
    apart = abs(theirs - clock.now())
    if apart > CLOCKS_APART:
        raise ClockWrong(f"{apart} apart")
