"""How buyers of a soak give tickets back: all, some, or because the show was moved. They ask first what comes back."""

import random

from tests.soak.buyers import Purchase
from tests.soak.client import Client, Json

GAVE_BACK, GAVE_SOME, COMES = "gave back", "gave some back", "comes then too"


async def give_back(client: Client, api: str, purchase: Purchase) -> None:
    await _ask_and_give(client, api, purchase, None)


async def give_back_some(client: Client, api: str, purchase: Purchase, chance: random.Random) -> None:
    """One of his seats, where he has more."""
    url = f"{api}/bookings/{purchase.booking}"
    seats = (await client.ask("GET", url, headers=purchase.buyer)).json()["seatIds"]
    if len(seats) > 1:
        await _ask_and_give(client, api, purchase, [chance.choice(seats)])


async def cancel_unasked(client: Client, api: str, purchase: Purchase) -> None:
    """Without knowing what comes back."""
    purchase.kept = None
    await _cancel(client, api, purchase, {}, GAVE_BACK)


async def choose(client: Client, api: str, purchase: Purchase, choice: str) -> None:
    """What a buyer does whose show was moved: `keep`, `give back`, or nothing."""
    if choice == "give back":
        purchase.ways.add("would not come then")
        await give_back(client, api, purchase)
    elif choice == "keep":
        assert purchase.hall.starts is not None
        body = {"startsAt": purchase.hall.starts.isoformat()}
        answer = await client.ask("PUT", f"{api}/bookings/{purchase.booking}/keep", json=body, headers=purchase.buyer)
        # It may be over by now, or the news of the move on its way.
        assert answer.status_code in {200, 409}, answer.text
        if answer.status_code == 200:
            purchase.ways.add(COMES)


async def _ask_and_give(client: Client, api: str, purchase: Purchase, seats: list[str] | None) -> None:
    """Only if just that comes back which he was told."""
    url = f"{api}/bookings/{purchase.booking}/cancellation"
    params = [("seatId", seat) for seat in seats or []]
    answer = await client.ask("GET", url, params=params, headers=purchase.buyer)
    if answer.status_code != 200:
        return
    told = answer.json()
    body: Json = {"refundAmount": told["refundAmount"], **({"seatIds": seats} if seats else {})}
    if await _cancel(client, api, purchase, body, GAVE_SOME if seats else GAVE_BACK) and purchase.kept is not None:
        purchase.kept += told["keptAmount"]


async def _cancel(client: Client, api: str, purchase: Purchase, body: Json, way: str) -> bool:
    url = f"{api}/bookings/{purchase.booking}/cancel"
    answer = await client.ask("PUT", url, json=body, headers=purchase.buyer)
    if answer.status_code != 200:
        purchase.ways.add(f"not cancelled: {answer.json()['type'].rpartition('/')[2]}")
        return False
    purchase.ways.add(way)
    purchase.hear(answer.json()["status"])
    return True
