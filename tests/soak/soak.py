"""A soak from its beginning to the verdict: sales with faults and deaths, then silence, then the books."""

import asyncio
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

from marquee.stack import Home
from service_kit.clock import SystemClock
from service_kit.mongo import open_database
from service_kit.tasks import stopped
from service_kit.tokens import issue_token, load_or_create_key
from tests.servers.stack import Stack
from tests.soak import plan as shares
from tests.soak.banks import answer_disputes, answer_some
from tests.soak.buyers import Purchase, Shop, look
from tests.soak.client import Client, Json
from tests.soak.house import House, open_house
from tests.soak.judge import Books, Sums, faults
from tests.soak.killer import Killer
from tests.soak.listing import listed
from tests.soak.organiser import open_organiser
from tests.soak.plan import Plan
from tests.soak.programme import change_programme
from tests.soak.quiet import settings_of, until_quiet, until_told
from tests.soak.theatre import be_faulty
from tests.soak.visit import sell
from tests.soak.witnesses import code_overused

PATIENCE_SECONDS = 100.0
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
        house = await open_house(stack, client, plan)
        key = load_or_create_key(Home(stack.home).signing_key)
        shop = Shop(house, client, plan, chance, lambda subject: _token(key, subject))
        killer = Killer(stack, random.Random(plan.seed), plan.kill_every, engines=plan.engines)
        async with open_organiser(house, client) as organiser:
            begun = time.monotonic()
            beside = (killer.run(), _dialled(house, chance), be_faulty(house, shop), change_programme(house, shop))
            async with _all_running(*beside, answer_disputes(client, shop.gateway, chance)):
                await sell(shop)
            sold = time.monotonic() - begun
            async with asyncio.timeout(plan.quiet_seconds):
                await killer.all_back()
            await _whole_again(house, shop, killer)
            left = await until_quiet(stack, plan, env)
            finals = await _finals(client, shop)
            books = await _books(client, shop.gateway)
            left += await until_told(house, shop, finals, books, organiser)
            quiet = time.monotonic() - begun - sold
        audited, told = await _audit(stack, env)
        late = {id_ for id_, types in organiser.told().items() if types & {"booking.expired", "booking.failed"}}
    found = [*left, *faults(shop.made, finals, books)]
    found += code_overused(shop.made, finals, late, plan.code_limit, plan.code_limit_per_person)
    found += [f"nobody answered {one}" for one in shop.unanswered]
    found += [f"audit: {line}" for line in told] if audited else []
    found += [f"{number} answers were 500" for server, number in client.statuses.items() if server == "api 500"]
    found += [f"{number} webhooks had another signature" for number in [organiser.forged()] if number]
    sums = Sums.of(finals, books)
    return Verdict(
        found,
        outcomes=Counter(final["status"] for final in finals.values()),
        ways=Counter(way for purchase in shop.made for way in purchase.ways),
        kills=killer.kills,
        statuses=client.statuses,
        figures={
            "seed": plan.seed,
            "bookings": len(shop.made),
            "at partner": sum(purchase.hall.kind == "partner" for purchase in shop.made),
            "refused holds": shop.refused,
            "code used up": shop.used_up,
            "code limit": plan.code_limit,
            "requests lost with their process": client.lost,
            "sales, s": round(sold),
            "until quiet, s": round(quiet),
            "gateway events": books.events,
            "of them heard": await _heard_webhooks(stack, env),
            "organiser's webhooks": organiser.requests,
            "taken": books.taken.total(),
            "tickets": sums.tickets,
            "refunded": sums.refunded,
            "disputed": sums.disputed,
            "kept": sums.kept,
            "audit": told[-1] if told else "",
        },
    )


def _token(key: Any, subject: str) -> str:
    return issue_token(key, subject=subject, role="user", ttl=timedelta(hours=6), clock=SystemClock())


@asynccontextmanager
async def _all_running(*works: Any) -> AsyncIterator[None]:
    """Beside the sales; a failure of one is one of the soak."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        failed = [task.exception() for task in tasks if task.done() and not task.cancelled()]
        for task in tasks:
            await stopped(task)
    for error in failed:
        if error:
            raise error


async def _dialled(house: House, chance: random.Random) -> None:
    """A gateway that starts again forgets its faults: they are set every second."""
    while True:
        dial = shares.SLOW_DIAL if chance.random() < shares.SLOW_SHARE else shares.DIAL
        with suppress(OSError):
            await house.client.ask("POST", f"{house.stack.info['sandboxUrl']}/sandbox/faults", json=dial)
        await asyncio.sleep(1)


async def _whole_again(house: House, shop: Shop, killer: Killer) -> None:
    """No more faults, every dispute ended, and one last death: a worker that starts reads all disputes anew, which
    mends those of which the webhook was lost."""
    await house.client.ask("DELETE", f"{shop.gateway}/sandbox/faults")
    await house.client.ask("DELETE", f"{house.stack.info['partnerUrl']}/sandbox/faults")
    while await answer_some(house.client, shop.gateway, shop.chance):
        await asyncio.sleep(0.5)
    await killer.once("worker")


async def _finals(client: Client, shop: Shop) -> dict[str, Json]:
    """Each booking as its buyer sees it in the end; judged by what he had heard before."""
    free = asyncio.Semaphore(LOOKING_AT_ONCE)

    async def one(purchase: Purchase) -> Json:
        async with free:
            return await look(client, shop.api, purchase)

    return {final["bookingId"]: final for final in await asyncio.gather(*map(one, shop.made))}


async def _books(client: Client, gateway: str) -> Books:
    charges, refunds, disputes, events = [
        [each async for each in listed(client, gateway, kind)] for kind in ("charges", "refunds", "disputes", "events")
    ]
    return Books.of(charges, refunds, disputes, len(events))


async def _heard_webhooks(stack: Stack, env: dict[str, str]) -> int:
    async with open_database(settings_of(stack, env), "payments") as database:
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
