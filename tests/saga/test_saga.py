"""Random histories of sales over gateway, theatre, broker and database, with something going wrong at every step.

By default for MARQUEE_SAGA_SECONDS = 50 seconds. What fails is shortened and printed; to repeat it:
`MARQUEE_SAGA_STEPS='[…]' pytest tests/saga`, or `MARQUEE_SAGA_SEED=n` for all the steps.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from marquee.engines import EngineUrls
from tests.saga.books import findings
from tests.saga.changes import Changes
from tests.saga.house import House, open_house
from tests.saga.sale import Sale
from tests.saga.steps import Moment, at_theatre, shortened, some_steps

SECONDS = float(os.environ.get("MARQUEE_SAGA_SECONDS", "50"))
# What a history may take to come to rest: the retries of the broker are over long before.
REST_SECONDS = 60.0
SHORTENING_SECONDS = 240.0
ROUND = timedelta(minutes=2)


async def faults_of(house: House, moments: Sequence[Moment]) -> list[str]:
    """What is wrong after this history; empty where all is well."""
    async with Changes(house.seats, house.money) as changes:
        sale = Sale(house, at_theatre=at_theatre(moments))
        try:
            await sale.open()
            await sale.live_through(moments)
        except AssertionError as error:
            return [str(error)]
        finally:
            await house.mend()
        return await _at_rest(house, sale) + await changes.faults()


async def _at_rest(house: House, sale: Sale) -> list[str]:
    """What is still wrong when holds have run out and everything that is tried again was."""
    house.clock.leap(timedelta(hours=1))
    deadline = asyncio.get_running_loop().time() + REST_SECONDS
    while found := await findings(house, sale.showtime, sale.causes()):
        if asyncio.get_running_loop().time() > deadline:
            return found
        house.clock.leap(ROUND)
        await house.settle_disputes()
        await house.payments.read_gateway()  # as the worker does every hour
        await asyncio.sleep(0.4)
    return []


async def _explained(house: House, moments: Sequence[Moment], seed: str, found: list[str]) -> str:
    loop = asyncio.get_running_loop()
    until = loop.time() + SHORTENING_SECONDS
    latest = found

    async def fails(fewer: Sequence[Moment]) -> bool:
        nonlocal latest
        if loop.time() > until:
            return False
        again = await faults_of(house, fewer)
        latest = again or latest
        return bool(again)

    short = await shortened(moments, fails)
    lines = ["\n".join(latest), f"MARQUEE_SAGA_STEPS='{json.dumps(short)}'", f"(shortened from {seed}, where it was:"]
    return "\n".join([*lines, *found]) + ")"


@pytest.fixture(scope="module")
async def house(
    engine_urls: EngineUrls, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    async with open_house(engine_urls, f"{namespace}_saga", tmp_path_factory.mktemp("saga")) as house:
        yield house


A_SECOND = [["wait", 1_100]]
AN_HOUR_OF_TROUBLE: list[Moment] = [
    [["buy", ["A8", "A9"], "pm_card_visa"]],
    [["buy", ["B1"], "pm_card_createDispute"]],
    A_SECOND,
    A_SECOND,
    [["give_back", 1, 0]],
    [["answer_bank", 0, "losing_evidence"]],
    [["cancel", 0, 0]],
    A_SECOND,
    [["buy", ["C1"], "pm_card_visa"]],
    A_SECOND,
    [["refund_outside", 0, 0]],
    A_SECOND,
]
AN_HOUR_AT_THE_THEATRE: list[Moment] = [
    [["theatre", {"fail": 1}]],
    [["buy", ["A8", "A9"], "pm_card_visa"]],
    [["time_passes", 5]],
    A_SECOND,
    A_SECOND,
    [["give_back", 0, 0], ["move"]],
    A_SECOND,
    [["theatre", {"refuse": 1}]],
    [["buy", ["B1"], "pm_card_visa"]],
    A_SECOND,
]


async def test_what_histories_are_made_of_does_happen(house: House) -> None:
    """Else the random ones might prove nothing."""
    assert await faults_of(house, AN_HOUR_OF_TROUBLE) == []
    assert await faults_of(house, AN_HOUR_AT_THE_THEATRE) == []
    bookings, payments = house.seats["bookings"], house.money["payments"]
    happened = {
        "parts given back": await bookings.count_documents({"parts.0": {"$exists": True}}),
        "given back by a bank": await payments.count_documents({"refunds.byDispute": True}),
        "given back at the gateway": await payments.count_documents({"refunds.reason": "made at the gateway"}),
        "confirmed by the theatre": await bookings.count_documents({"partner.state": "confirmed"}),
        "refused by the theatre": await bookings.count_documents({"partner.state": "refused"}),
        "unheard by the theatre": await house.desk["exchanges"].count_documents({"outcome": "failed"}),
        "the theatre told of": await house.desk["exchanges"].count_documents({"kind": {"$in": ["move", "reduce"]}}),
    }
    assert [what for what, times in happened.items() if not times] == []


@pytest.mark.timeout(SECONDS + SHORTENING_SECONDS + 120)
async def test_whatever_goes_wrong_every_payment_ends_in_a_ticket_or_a_refund(house: House) -> None:
    given, seeded = os.environ.get("MARQUEE_SAGA_STEPS"), os.environ.get("MARQUEE_SAGA_SEED")
    if given:
        assert await faults_of(house, json.loads(given)) == []
        return
    until = asyncio.get_running_loop().time() + SECONDS
    while True:
        seed = int(seeded) if seeded else secrets.randbits(32)
        moments = some_steps(seed)
        if found := await faults_of(house, moments):
            pytest.fail(await _explained(house, moments, f"MARQUEE_SAGA_SEED={seed}", found), pytrace=False)
        if seeded or asyncio.get_running_loop().time() > until:
            return
