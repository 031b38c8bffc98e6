"""The one service that this one calls: partners, for whether a theatre that a venue names is there."""

from collections.abc import Iterable

import httpx2

from service_kit.clients import call
from service_kit.errors import NotFound


class Partners:
    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def missing(self, partner_ids: Iterable[str]) -> set[str]:
        """Those that are no partner (any more). Raises Unavailable."""
        return {partner_id for partner_id in set(partner_ids) if not await self._has(partner_id)}

    async def _has(self, partner_id: str) -> bool:
        try:
            await call(self._client, "GET", f"/api/v1/partners/{partner_id}")
        except NotFound:
            return False
        return True
