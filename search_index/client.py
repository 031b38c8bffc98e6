"""The Elasticsearch client. Nothing is retried here: a search has its deadline, the indexer its own loop."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import orjson
from elasticsearch import AsyncElasticsearch, NotFoundError
from elasticsearch.serializer import NdjsonSerializer, OrjsonSerializer
from pydantic import SecretStr

from service_kit.errors import Unavailable


class _Lines(NdjsonSerializer):
    def json_dumps(self, data: object) -> bytes:
        return orjson.dumps(data)


SERIALIZERS = {"application/json": OrjsonSerializer(), "application/x-ndjson": _Lines()}


@contextmanager
def index_there() -> Iterator[None]:
    """Raises Unavailable where an index is missing: it is being filled."""
    try:
        yield
    except NotFoundError as error:
        raise Unavailable("The index is being filled") from error


@asynccontextmanager
async def open_elasticsearch(url: SecretStr, *, seconds: float) -> AsyncIterator[AsyncElasticsearch]:
    """A client whose every request ends within `seconds`; name and password are part of the address."""
    client = AsyncElasticsearch(
        url.get_secret_value(),
        serializers=SERIALIZERS,
        request_timeout=seconds,
        max_retries=0,
        retry_on_timeout=False,
        connections_per_node=32,
    )
    try:
        yield client
    finally:
        await client.close()


async def ping(client: AsyncElasticsearch) -> None:
    """Readiness check: a cluster with its primary shards in place."""
    await client.cluster.health(wait_for_status="yellow", timeout="1s")
