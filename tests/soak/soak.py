"""A soak from its beginning to the verdict: sales with faults and deaths, then silence, then the books."""

import asyncio
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from inventory_service.store.bookings import Bookings
from marquee.audit import MoneyAudit
from marquee.balance import Patience
from marquee.stack import Home
from payment_service.audit import open_books
from payment_service.config import Settings
from service_kit.clock import SystemClock
from service_kit.mongo import open_database
from service_kit.tasks import stopped
from service_kit.tokens import issue_token, load_or_create_key
from tests.servers.stack import Stack
from tests.soak import plan as shares
from tests.soak.buyers import Purchase, Shop, look
from tests.soak.client import Client, Json
from tests.soak.house import House, open_house
from tests.soak.judge import Books, faults
from tests.soak.killer import Killer
from tests.soak.plan import Plan

log = logging.getLogger(__name__)
NONE = timedelta(0)
# In the end nothing may be on its way any more. Payments of holds that nobody paid may be pending for longer.
AT_ONCE = Patience(step=NONE, unsent_refund=NONE, open_refund=NONE)
PATIENCE_SECONDS = 100.0
# When showtimes are called off, as shares of all bookings.
CALLED_OFF = (0.4, 0.7)
LOOKING_AT_ONCE = 20


@dataclass
class Verdict:
    """What is wrong, each as a sentence, and what happened how often."""

    faults: list[str]
    outcomes: Counter[str]
    ways: Counter[str]
    kills: Counter[str]
    statuses: Counter[str]
    figures: dict[str, Any] = field(default_factory=dict)


async def soak(stack: Stack, plan: Plan, env: dict[str, str]) -> Verdict:
    """`env`: what the stack was started with beside the environment."""
    chance = random.Random(plan.seed)
    async with Client(PATIENCE_SECONDS) as client:
        house = await open_house(stack, client, plan.halls, plan.rows)
        key = load_or_create_key(Home(stack.home).signing_key)
        shop = Shop(house, client, plan, chance, lambda subject: _token(key, subject))
        killer = Killer(stack, random.Random(plan.seed), plan.kill_every, engines=plan.engines)
        begun = time.monotonic()
        async with _running(killer.run()), _running(_dialled(house, chance)), _running(_calling_off(house, shop)):
            await shop.open()
        sold = time.monotonic() - begun
        async with asyncio.timeout(plan.quiet_seconds):
            await killer.all_back()
        await client.ask("DELETE", f"{stack.info['sandboxUrl']}/sandbox/faults")
        left = await _until_quiet(stack, plan, env)
        quiet = time.monotonic() - begun - sold
        finals = await _finals(client, shop)
        books, heard = await _books(client, stack), await _heard_webhooks(stack, env)
        audited, told = await _audit(stack, env)
    found = [*left, *faults(shop.made, finals, books)]
    found += [f"nobody answered {one}" for one in shop.unanswered]
    found += [f"audit: {line}" for line in told] if audited else []
    found += [f"{number} answers were 500" for server, number in client.statuses.items() if server == "api 500"]
    return Verdict(
        found,
        outcomes=Counter(final["status"] for final in finals.values()),
        ways=Counter(way for purchase in shop.made for way in purchase.ways),
        kills=killer.kills,
        statuses=client.statuses,
        figures={
            "seed": plan.seed,
            "bookings": len(shop.made),
            "refused holds": shop.refused,
            "requests lost with their process": client.lost,
            "sales, s": round(sold),
            "until quiet, s": round(quiet),
            "gateway events": books.events,
            "of them heard": heard,
            "taken": books.taken.total(),
            "refunded": books.refunded.total(),
            "tickets": sum(final["finalAmount"] for final in finals.values() if final["status"] == "confirmed"),
            "audit": told[-1] if told else "",
        },
    )


def _token(key: Any, subject: str) -> str:
    return issue_token(key, subject=subject, role="user", ttl=timedelta(hours=6), clock=SystemClock())


@asynccontextmanager
async def _running(work: Any) -> AsyncIterator[None]:
    """Beside the sales; a failure of it is one of the soak."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        failed = task.done() and not task.cancelled() and task.exception()
        await stopped(task)
    if failed:
        raise failed


async def _dialled(house: House, chance: random.Random) -> None:
    """A gateway that starts again forgets its faults: they are set every second."""
    while True:
        dial = shares.SLOW_DIAL if chance.random() < shares.SLOW_SHARE else shares.DIAL
        with suppress(OSError):
            await house.client.ask("POST", f"{house.stack.info['sandboxUrl']}/sandbox/faults", json=dial)
        await asyncio.sleep(1)


async def _calling_off(house: House, shop: Shop) -> None:
    for share in CALLED_OFF:
        while len(shop.made) < share * shop.plan.bookings:
            await asyncio.sleep(0.2)
        await house.call_off(house.halls[-1 if share == CALLED_OFF[0] else -2])


def _settings(stack: Stack, env: dict[str, str]) -> Settings:
    info = stack.info
    namespace = {**os.environ, **env}.get("MARQUEE_NAMESPACE", "marquee")
    given = {"mongo_url": info["mongoUrl"], "stripe_base_url": info["sandboxUrl"], "stripe_api_key": "sk_test_soak"}
    return Settings.model_validate({**given, "namespace": namespace})


async def _until_quiet(stack: Stack, plan: Plan, env: dict[str, str]) -> list[str]:
    """What is still under way when there was time enough for all of it; nothing where all is well."""
    settings = _settings(stack, env)
    deadline = time.monotonic() + plan.quiet_seconds
    async with open_database(settings, "inventory") as database, open_books(settings) as books:
        while True:
            verdict = await MoneyAudit(Bookings(database["bookings"]), books, patience=AT_ONCE).run(gateway=True)
            waiting = await database["bookings"].count_documents({"status": "pending"})
            left = verdict.findings + ([f"{waiting} bookings are pending"] if waiting else [])
            left += [
                line for line in verdict.balance.lines() if "+ 0.00 being" not in line or "+ 0.00 under" not in line
            ]
            if not left or time.monotonic() > deadline:
                return left
            log.info("%s things are under way: %s", len(left), left[0])
            await asyncio.sleep(1)


async def _finals(client: Client, shop: Shop) -> dict[str, Json]:
    """Each booking as its buyer sees it in the end; judged by what he had heard before."""
    free = asyncio.Semaphore(LOOKING_AT_ONCE)

    async def one(purchase: Purchase) -> Json:
        async with free:
            return await look(client, shop.api, purchase)

    return {final["bookingId"]: final for final in await asyncio.gather(*map(one, shop.made))}


async def _books(client: Client, stack: Stack) -> Books:
    charges = [charge async for charge in _listed(client, stack, "charges")]
    refunds = [refund async for refund in _listed(client, stack, "refunds")]
    events = [event async for event in _listed(client, stack, "events")]
    return Books.of(charges, refunds, len(events))


async def _listed(client: Client, stack: Stack, kind: str) -> AsyncIterator[Json]:
    """Everything of a kind, as Stripe's own lists give it."""
    params = {"limit": "100"}
    while True:
        page = (await client.ask("GET", f"{stack.info['sandboxUrl']}/v1/{kind}", params=params)).json()
        for thing in page["data"]:
            yield thing
        if not page["has_more"]:
            return
        params["starting_after"] = page["data"][-1]["id"]


async def _heard_webhooks(stack: Stack, env: dict[str, str]) -> int:
    async with open_database(_settings(stack, env), "payments") as database:
        return await database["webhook_events"].count_documents({})


async def _audit(stack: Stack, env: dict[str, str]) -> tuple[int, list[str]]:
    """`marquee audit` as an operator runs it: its exit code and lines."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marquee", "audit", "--gateway", "--home", str(stack.home)),
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, told.decode().splitlines()
