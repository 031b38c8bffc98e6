"""The gateway's own lists."""

from collections.abc import AsyncIterator

from tests.soak.client import Client, Json


async def listed(client: Client, gateway: str, kind: str) -> AsyncIterator[Json]:
    """Everything of a kind, as Stripe's API gives it."""
    params = {"limit": "100"}
    while True:
        page = (await client.ask("GET", f"{gateway}/v1/{kind}", params=params)).json()
        for thing in page["data"]:
            yield thing
        if not page["has_more"]:
            return
        params["starting_after"] = page["data"][-1]["id"]
