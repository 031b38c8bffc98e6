"""The proof of the inventory core: many thousand requests of many buyers to several processes, some of which die.

What everybody was told is recorded and judged by `checker`: zero double sales, zero lost bookings, every 201 durable,
nobody refused on evidence older than his request.
"""

import asyncio
import json
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inventory_service.app import open_inventory
from inventory_service.handlers.audit import audit
from marquee.engines import EngineUrls
from service_kit.ids import new_id
from service_kit.mongo import Database, open_database
from tests.chaos.answers import booked_and_held, monotonic, seat_set
from tests.chaos.checker import broken_rules, wrong_final_maps
from tests.chaos.crowd import Plan
from tests.chaos.history import FinalMap, History, Operation, Stored
from tests.chaos.house import House, Program, open_house
from tests.servers.engines import remove_namespace
from tests.support import eventually

log = logging.getLogger(__name__)
# By itself as many as there is time for; a hundred thousand now and then.
REQUESTS = int(os.environ.get("MARQUEE_CHAOS_REQUESTS", "30000"))
PROCESSES, CROWDS, SHOPPERS = 3, 2, 72
LEAST_SECONDS, MOST_SECONDS = 100.0 * REQUESTS / 100_000, 1_200.0
# When a process dies, as a share of all requests. The last early enough that its traces are gone in the end.
DEATHS = (0.12, 0.24, 0.36, 0.48, 0.60, 0.72)
LAST_RESTART_SECONDS = 60
# The sweeper finishes what a dead process left after 15 s.
QUIET_SECONDS = 60
# What must have happened so often in 100,000 requests.
LEAST = {
    "requests": 100_000,
    "looks": 30_000,
    "reserve 201": 6_000,
    "reserve best 201": 500,
    "reserve seats-taken": 12_000,
    "reserve no-free-block": 40,
    "reserve lost": 200,
    "retries": 400,
    "201 after a lost try": 100,
    "extend pending": 500,
    "prepare pending": 250,
    "prepare confirmed": 30,
    "confirm confirmed": 1_200,
    "confirm cancelled": 100,
    "fail failed": 150,
    "cancel cancelled": 5_000,
    "finally expired": 200,
    "finally confirmed": 40,
}


@pytest.fixture
def own_namespace(engine_urls: EngineUrls, namespace: str) -> Iterator[str]:
    yield f"{namespace}chaos"
    remove_namespace(engine_urls, f"{namespace}chaos")


@pytest.mark.timeout(1_800)
async def test_no_seat_is_sold_twice_and_nothing_promised_is_lost_while_processes_die(
    engine_urls: EngineUrls, own_namespace: str, tmp_path: Path
) -> None:
    """Two to three minutes where nothing else runs; allowed are many more, for a machine that is busy otherwise."""
    seed = int(os.environ.get("MARQUEE_CHAOS_SEED", "0")) or random.randrange(1, 1 << 32)
    async with open_house(engine_urls, own_namespace, tmp_path, PROCESSES) as house:
        await open_halls(house)
        begun = time.monotonic()
        kills = await shop(house, seed, tmp_path)
        lasted = time.monotonic() - begun
        async with open_database(house.settings, "inventory") as database:
            history = await at_the_end(house, database, recorded(tmp_path))
            async with open_inventory(house.settings, database) as inventory:
                findings = await audit(inventory)
    begun = time.monotonic()
    faults = [*broken_rules(history), *(f"audit: {finding}" for finding in findings)]
    checked = time.monotonic() - begun
    figures = counted(history) + Counter(kills=kills)
    told = f"seed {seed}, {lasted:.0f} s and {checked:.1f} s to check: {dict(sorted(figures.items()))}"
    log.info(told)
    if faults:
        pytest.fail(f"{len(faults)} faults, {told}\n" + explained(history, faults), pytrace=False)
    assert too_little(figures) == {}, told


async def open_halls(house: House) -> None:
    """Small halls that everybody wants, and larger ones; one of each costs nothing."""
    for seats, count, hot, price in (
        (36, 4, True, 1_000),
        (60, 3, True, 1_250),
        (40, 1, True, 0),
        (240, 3, False, 2_000),
        (300, 1, False, 0),
        (1_600, 2, False, 900),
    ):
        await house.open(seats, count, hot=hot, price=price)

    async def all_open() -> bool:
        async with open_database(house.settings, "inventory") as database:
            return await database["seat_maps"].count_documents({}) == len(house.halls)

    await eventually(all_open, seconds=30)


async def shop(house: House, seed: int, folder: Path) -> int:
    """All the shopping there is, while processes are killed; returns how many were."""
    crowds = [_crowd(house, seed + number, folder, number) for number in range(CROWDS)]
    progress = [0] * CROWDS
    killing = None
    try:
        running = [await crowd.start(stdout=asyncio.subprocess.PIPE) for crowd in crowds]
        killing = asyncio.create_task(_kill(house, progress, random.Random(seed)))
        await asyncio.gather(*(_follow(process, progress, number) for number, process in enumerate(running)))
        codes = [await process.wait() for process in running]
        assert (codes, [crowd.log for crowd in crowds]) == ([0] * CROWDS, [""] * CROWDS)
        return await asyncio.wait_for(killing, LAST_RESTART_SECONDS)
    finally:
        if killing:
            killing.cancel()
        for crowd in crowds:
            await crowd.kill()


def _crowd(house: House, seed: int, folder: Path, number: int) -> Program:
    shoppers = [(name := new_id(), house.mint.token("user", name)) for _ in range(SHOPPERS)]
    till_token = house.mint.token("service", "payments")
    requests = REQUESTS // CROWDS
    plan = Plan(seed, house.ports, shoppers, till_token, house.halls, requests, LEAST_SECONDS, MOST_SECONDS)
    path = folder / f"plan-{number}.json"
    path.write_text(plan.to_json())
    return Program(
        f"crowd-{number}", ["tests.chaos.shoppers", f"{path}", f"{folder}/history-{number}.jsonl"], {}, folder
    )


async def _follow(process: asyncio.subprocess.Process, progress: list[int], number: int) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        progress[number] = int(line)


async def _kill(house: House, progress: list[int], chance: random.Random) -> int:
    """Another API process each time; once the worker too."""
    for death, share in enumerate(DEATHS):
        while sum(progress) < share * REQUESTS:
            await asyncio.sleep(0.1)
        await asyncio.sleep(chance.random())
        if death == len(DEATHS) // 2:
            await house.worker.kill()
            await house.worker.start()
        await house.kill_and_restart(death % PROCESSES)
    return len(DEATHS)


def recorded(folder: Path) -> list[Operation]:
    return [
        Operation.of(json.loads(line))
        for number in range(CROWDS)
        for line in (folder / f"history-{number}.jsonl").read_text().splitlines()
    ]


async def at_the_end(house: House, database: Database, operations: list[Operation]) -> History:
    """The history with what is found when all is quiet: no step is under way between seat maps and bookings."""
    halls = {hall.showtime: hall.seats for hall in house.halls}

    async def look() -> History | None:
        """None where a map changed while its bookings were read."""
        before = await house.maps()
        stored = {document["_id"]: _stored(document) async for document in database["bookings"].find({})}
        after = await house.maps()
        if [one["version"] for one in before] != [one["version"] for one in after]:
            return None
        finals = [FinalMap(one["showtimeId"], time.monotonic_ns(), *booked_and_held(one)) for one in after]
        return History(operations, halls, stored, finals)

    def quiet(history: History | None) -> bool:
        return history is not None and not any(wrong_final_maps(history))

    try:
        history = await eventually(look, until=quiet, seconds=QUIET_SECONDS, pause=1)
    except AssertionError:  # what is still wrong is for the checker to say
        history = await eventually(look)
    assert history is not None
    return history


def _stored(document: dict[str, Any]) -> Stored:
    return Stored(
        document["_id"],
        document["userId"],
        document["showtimeId"],
        seat_set(document["seatIds"]),
        document["amount"],
        document["status"],
        monotonic(document["createdAt"]),
        monotonic(document["updatedAt"]),
        monotonic(document["heldUntil"]),
    )


def counted(history: History) -> Counter[str]:
    """What happened how often."""
    figures: Counter[str] = Counter(requests=len(history.operations))
    for one in history.operations:
        figures[f"{one.kind}s"] += 1
        outcome = one.answer.problem or str(one.answer.status) if one.answer else "lost"
        figures[f"{one.kind} {outcome}"] += 1
        figures[f"reserve best {outcome}"] += one.count > 0
        figures[f"{one.kind} {one.state}"] += bool(one.state)
    for request in history.requests:
        figures["retries"] += len(request.tries) - 1
        figures["201 after a lost try"] += bool(request.lost and request.bookings)
    for stored in history.stored.values():
        figures[f"finally {stored.state}"] += 1
    return figures


def too_little(figures: Counter[str]) -> dict[str, int]:
    """That nothing went wrong says something only where enough went on: what happened too seldom for that."""
    least = {name: number * REQUESTS / 100_000 for name, number in LEAST.items()} | {"kills": len(DEATHS)}
    return {name: figures[name] for name, number in least.items() if figures[name] < number}


def explained(history: History, faults: list[str]) -> str:
    """The first faults, and the stories of the bookings that they name."""
    first = faults[:10]
    named = [id_ for id_ in history.lives if any(id_ in fault for fault in first)]
    return "\n".join([*first, *(history.lives[id_].story(history.begun) for id_ in named[:6])])
