"""The one service that this one calls: venues, for those that name a partner."""

import httpx2

from service_kit.clients import call

MOST = 100


class Venues:
    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def naming(self, partner_id: str) -> list[str]:
        """The ids of the venues whose bookings this partner confirms, the first hundred. Raises Unavailable."""
        query = {"partnerId": partner_id, "limit": MOST}
        page = await call(self._client, "GET", "/api/v1/venues", params=query)
        return [str(venue["venueId"]) for venue in page["items"]]
