"""The one service that this one calls: partners, for whether a theatre that a venue names is there."""

from collections.abc import Iterable

import httpx2

from service_kit.clients import is_there


class Partners:
    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def missing(self, partner_ids: Iterable[str]) -> set[str]:
        """Those that are no partner (any more). Raises Unavailable."""
        return {id_ for id_ in set(partner_ids) if not await is_there(self._client, f"/api/v1/partners/{id_}")}
