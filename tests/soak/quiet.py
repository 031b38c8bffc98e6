"""When a soak has come to rest: nothing is under way any more, and everybody was told."""

import asyncio
import logging
import os
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta

from inventory_service.store.bookings import Bookings
from marquee.audit import MoneyAudit
from marquee.balance import Patience
from payment_service.audit import open_books
from payment_service.config import Settings
from service_kit.mongo import Database, open_database
from tests.servers.stack import Stack
from tests.soak.buyers import Purchase, Shop
from tests.soak.client import Json
from tests.soak.house import House
from tests.soak.judge import Books
from tests.soak.organiser import Organiser
from tests.soak.plan import Plan
from tests.soak.theatre import known
from tests.soak.witnesses import theatre_differs, untold

log = logging.getLogger(__name__)
NONE = timedelta(0)
# In the end nothing may be on its way any more. Payments of holds that nobody paid may be pending for longer.
AT_ONCE = Patience(step=NONE, unsent_refund=NONE, open_refund=NONE)


def settings_of(stack: Stack, env: dict[str, str]) -> Settings:
    info = stack.info
    namespace = {**os.environ, **env}.get("MARQUEE_NAMESPACE", "marquee")
    given = {"mongo_url": info["mongoUrl"], "stripe_base_url": info["sandboxUrl"], "stripe_api_key": "sk_test_soak"}
    return Settings.model_validate({**given, "namespace": namespace})


async def until_quiet(stack: Stack, plan: Plan, env: dict[str, str]) -> list[str]:
    """What is still under way when there was time enough for all of it; nothing where all is well."""
    settings = settings_of(stack, env)
    deadline = time.monotonic() + plan.quiet_seconds
    async with open_database(settings, "inventory") as database, open_books(settings) as books:
        while True:
            verdict = await MoneyAudit(Bookings(database["bookings"]), books, patience=AT_ONCE).run(gateway=True)
            waiting = await database["bookings"].count_documents({"status": "pending"})
            left = verdict.findings + ([f"{waiting} bookings are pending"] if waiting else [])
            left += await _code_miscounted(database)
            left += [
                line for line in verdict.balance.lines() if "+ 0.00 being" not in line or "+ 0.00 under" not in line
            ]
            if not left or time.monotonic() > deadline:
                return left
            log.info("%s things are under way: %s", len(left), left[0])
            await asyncio.sleep(1)


async def _code_miscounted(inventory: Database) -> list[str]:
    """Uses of the code are bookings that were bought by it, once those of others have come back."""
    counting: list[Json] = [{"$match": {"key": {"$regex": "/all/"}}}, {"$group": {"_id": None, "n": {"$sum": "$n"}}}]
    found = await (await inventory["code_uses"].aggregate(counting)).to_list()
    uses = int(found[0]["n"]) if found else 0
    bought = await inventory["bookings"].count_documents({"status": "confirmed", "codeUses.0": {"$exists": True}})
    return [f"{uses} uses of the code are counted, but {bought} bookings have it"] if uses != bought else []


async def until_told(
    house: House, shop: Shop, finals: Mapping[str, Json], books: Books, organiser: Organiser
) -> list[str]:
    """What the theatre, the organiser or who asks for the refunds of a showtime was not told in time."""
    deadline, theirs = time.monotonic() + shop.plan.quiet_seconds, dict[str, Json | None]()
    at_theatre = [purchase for purchase in shop.made if purchase.hall.kind == "partner"]
    while True:
        for purchase in at_theatre:
            theirs[purchase.booking] = await known(house.client, house, purchase.booking)
        at_theatre = [each for each in at_theatre if [*_differs(each, finals, theirs)]]
        left = [sentence for each in at_theatre for sentence in _differs(each, finals, theirs)]
        told = organiser.told()
        for each in shop.made:
            left += untold(each, finals[each.booking], books, told[each.booking])
        left += await _not_refunded(house)
        if not left or time.monotonic() > deadline:
            return left
        log.info("%s were not told: %s", len(left), left[0])
        await asyncio.sleep(1)


def _differs(purchase: Purchase, finals: Mapping[str, Json], theirs: Mapping[str, Json | None]) -> Iterator[str]:
    return theatre_differs(purchase, finals[purchase.booking], theirs[purchase.booking])


async def _not_refunded(house: House) -> list[str]:
    """Showtimes that were called off whose refunds are not done by their own progress."""
    found = []
    for hall in house.halls:
        if hall.off:
            url = f"{house.stack.url}/api/v1/showtimes/{hall.showtime}/refunds"
            progress = (await house.client.ask("GET", url, headers=house.stack.admin)).json()
            if not progress["done"]:
                found.append(f"the refunds of showtime {hall.showtime} are not done: {progress}")
    return found
