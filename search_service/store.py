"""The only file here that talks to Elasticsearch."""

from collections.abc import Sequence
from typing import Any

from elasticsearch import AsyncElasticsearch, NotFoundError

from search_index.mapping import alias
from service_kit.errors import Unavailable

Body = dict[str, Any]
# Every search ends by then, here and (as the closed connection cancels it) there.
SEARCH_SECONDS = 2.0


class ShowStore:
    def __init__(self, client: AsyncElasticsearch, namespace: str) -> None:
        self._client = client
        self._alias = alias(namespace)

    async def search(self, body: Body) -> Body:
        """Raises Unavailable while there is no index yet; the client's own errors say that the cluster is away."""
        try:
            answer = await self._client.search(index=self._alias, body=body)
        except NotFoundError as error:
            raise Unavailable("The index is being filled") from error
        found: Body = answer.body
        return found

    async def search_all(self, bodies: Sequence[Body]) -> list[Body]:
        """Several searches in one request."""
        lines = [line for body in bodies for line in ({}, body)]
        answer = await self._client.msearch(index=self._alias, searches=lines)
        found: list[Body] = answer["responses"]
        if any("error" in one for one in found):
            raise Unavailable("The index does not answer")
        return found
