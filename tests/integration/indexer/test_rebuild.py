"""A new index is filled beside the served one: no gap for searches, no lost live write."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest

from indexer.rebuild import ensure_served, rebuild, refill
from indexer.store.leases import Leases, Plan, RebuildRunning
from search_index.mapping import MAPPING_VERSION, alias
from service_kit.clock import ManualClock, SystemClock
from service_kit.errors import Unavailable
from service_kit.tasks import background, every
from tests.integration.indexer.conftest import Bench, documents_become, open_bench
from tests.integration.indexer.programme import cinema, film, published, seats, showtime

KILLED_AFTER_A_BATCH = """
import asyncio, os, signal
from indexer.config import Settings
from indexer.rebuild import rebuild
asyncio.run(rebuild(Settings(), lambda done, total: os.kill(os.getpid(), signal.SIGKILL)))
"""


async def test_a_rebuild_under_live_writes_leaves_no_gap_and_loses_nothing(bench: Bench, clock: ManualClock) -> None:
    amelie, champo = film(), cinema()
    states = [showtime(amelie, champo) for _ in range(2_500)]
    await bench.handlers.catalogue([published("ShowtimeCreated", state) for state in states])
    await bench.push_all()
    await bench.client.indices.refresh(index=alias(bench.settings.namespace))
    done = asyncio.Event()
    counts: list[int] = []

    async def search() -> None:
        while not done.is_set():
            counts.append((await bench.client.count(index=alias(bench.settings.namespace)))["count"])

    async def write() -> list[str]:
        """Cancels, adds and sells while the new index is filled."""
        added = []
        for number in range(40):
            clock.advance(timedelta(milliseconds=300))
            cancelled = states[number * 20].model_copy(update={"version": 2, "status": "cancelled"})
            new = showtime(amelie, champo)
            added.append(new.showtime_id)
            sold = seats(states[number * 20 + 1].showtime_id, 50)
            await bench.handlers.catalogue(
                [published("ShowtimeCancelled", cancelled), published("ShowtimeCreated", new)]
            )
            await bench.handlers.availability([published("AvailabilityChanged", sold)])
            await bench.push_all()
        return added

    async def fill() -> int:
        try:
            return await rebuild(bench.settings, clock=clock)
        finally:
            done.set()

    [before] = await bench.index.targets()
    _, added, filled = await asyncio.gather(search(), write(), fill())
    [after] = await bench.index.targets()
    clock.advance(timedelta(seconds=1))
    await bench.push_all()

    assert after != before
    assert await bench.index.others(after) == []
    assert filled > 2_400
    assert counts
    assert min(counts) > 2_400
    expected = ({state.showtime_id for state in states} | set(added)) - {states[n * 20].showtime_id for n in range(40)}
    documents = await bench.documents()
    rows = await bench.rows()
    assert set(documents) == expected
    assert all(documents[id_]["version"] == rows[id_]["revision"] for id_ in expected)
    assert all(documents[states[n * 20 + 1].showtime_id]["available"] == 70 for n in range(40))


async def test_progress_is_told_and_what_was_found_before_is_found_after(bench: Bench, clock: ManualClock) -> None:
    states = [showtime(film(), cinema()) for _ in range(30)]
    await bench.handlers.catalogue([published("ShowtimeCreated", state) for state in states])
    await bench.push_all()
    before = await bench.documents()
    told: list[tuple[int, int]] = []
    assert await rebuild(bench.settings, lambda *progress: told.append(progress), clock) == 30
    assert told == [(30, 30)]
    assert await bench.documents() == before


async def test_two_rebuilds_at_once_are_refused(bench: Bench, clock: ManualClock) -> None:
    await bench.model.leases.take("another")
    with pytest.raises(RebuildRunning):
        await refill(bench.model, bench.indices, clock)
    # One that died before it had a plan is taken over from, and what it left behind goes.
    left_behind = await bench.index.create()
    clock.advance(timedelta(minutes=2))
    await rebuild(bench.settings, clock=clock)
    assert left_behind not in await bench.index.others(None)


async def test_a_rebuild_is_refused_while_another_one_renews_its_right(bench: Bench) -> None:
    leases = Leases(bench.database, SystemClock())
    await leases.take("another")
    async with background("renewing", partial(every, 0.1, partial(leases.renew, "another"))):
        with pytest.raises(RebuildRunning):
            await rebuild(bench.settings)


async def test_a_rebuild_that_fails_gives_its_right_back_though_the_driver_swallows_a_cancellation(
    bench: Bench, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewing = asyncio.Event()

    async def renew(_owner: str) -> None:
        if not renewing.is_set():
            renewing.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async def away() -> None:
        await renewing.wait()
        raise Unavailable("Elasticsearch is away")

    monkeypatch.setattr(bench.model.leases, "renew", renew)
    monkeypatch.setattr(bench.indices, "create", away)
    rebuilding = asyncio.create_task(refill(bench.model, bench.indices, clock))
    # Not by `asyncio.timeout`: its cancellation would end what hangs here.
    ended, _ = await asyncio.wait({rebuilding}, timeout=5)
    assert ended
    assert isinstance(rebuilding.exception(), Unavailable)
    assert await bench.model.leases.held_until() is None


async def test_a_rebuild_that_was_killed_is_gone_on_with(bench: Bench, clock: ManualClock) -> None:
    states = [showtime(film(), cinema()) for _ in range(2_500)]
    for at in range(0, len(states), 500):
        await bench.handlers.catalogue([published("ShowtimeCreated", state) for state in states[at : at + 500]])
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED_AFTER_A_BATCH),
        env={**os.environ, "MARQUEE_MONGO_URL": bench.settings.mongo_url.get_secret_value(),
             "MARQUEE_ELASTICSEARCH_URL": bench.settings.elasticsearch_url.get_secret_value(),
             "MARQUEE_NAMESPACE": bench.settings.namespace},
    )  # fmt: skip
    assert await killed.wait() == -signal.SIGKILL
    lease = await bench.database["leases"].find_one()
    assert lease is not None
    assert lease["plan"]["read"] == 1_000
    # Meanwhile one is cancelled that has been brought, and one that has not.
    gone = [min(states, key=lambda state: state.showtime_id), max(states, key=lambda state: state.showtime_id)]
    cancelled = [state.model_copy(update={"version": 2, "status": "cancelled"}) for state in gone]
    await bench.handlers.catalogue([published("ShowtimeCancelled", state) for state in cancelled])
    await bench.push_all()

    told: list[int] = []
    clock.advance(timedelta(minutes=1))
    await rebuild(bench.settings, lambda done, total: told.append(done), clock)
    assert told[0] == 2_000
    assert await bench.index.served() == lease["plan"]["names"]["shows"]
    assert await bench.indices.entries.served() == lease["plan"]["names"]["entries"]
    assert await bench.database["leases"].find_one() is None
    assert set(await bench.documents()) == {state.showtime_id for state in states if state not in gone}
    assert len(await bench.documents("entries")) == 2 * (2_500 - 2)


async def test_a_rebuild_killed_after_it_changed_over_only_has_to_tidy_up(bench: Bench, clock: ManualClock) -> None:
    await bench.handlers.catalogue([published("ShowtimeCreated", showtime(film(), cinema()))])
    await bench.push_all()
    names = {"shows": await bench.index.served(), "entries": await bench.indices.entries.served()}
    await bench.model.leases.take("killed")
    await bench.model.leases.keep("killed", Plan(names, filled=1))  # type: ignore[arg-type]  # both are served
    clock.advance(timedelta(minutes=1))
    assert await rebuild(bench.settings, clock=clock) == 1
    assert await bench.index.served() == names["shows"]


async def test_entries_come_to_a_system_of_before_there_were_any(bench: Bench, clock: ManualClock) -> None:
    state = showtime(film(), cinema())
    await bench.handlers.catalogue([published("ShowtimeCreated", state)])
    await bench.push_all()
    await bench.indices.entries.drop(await bench.indices.entries.targets())
    await bench.database["showtimes"].update_many({}, {"$unset": {"made": ""}})
    for kind in ("events", "venues"):
        await bench.database.drop_collection(kind)
    await ensure_served(bench.model, bench.indices, clock)
    assert set(await bench.documents()) == {state.showtime_id}
    assert len(await bench.documents("entries")) == 2


async def test_an_index_of_another_mapping_is_served_until_the_new_one_is_full(
    bench: Bench, clock: ManualClock
) -> None:
    await bench.handlers.catalogue([published("ShowtimeCreated", showtime(film(), cinema())) for _ in range(5)])
    await bench.push_all()
    [current] = await bench.index.targets()
    old = current.replace(f"-v{MAPPING_VERSION}-", "-v0-")
    await bench.client.indices.create(index=old)
    await bench.client.indices.update_aliases(
        actions=[
            {"remove_index": {"index": current}},
            {"add": {"index": old, "alias": alias(bench.settings.namespace)}},
        ]
    )
    await ensure_served(bench.model, bench.indices, clock)
    assert await bench.index.others(None) == await bench.index.targets()
    assert len(await bench.documents()) == 5


async def test_an_index_that_was_lost_is_filled_again_by_the_running_pusher(bench: Bench) -> None:
    await bench.handlers.catalogue([published("ShowtimeCreated", showtime(film(), cinema())) for _ in range(5)])
    await bench.push_all()
    await bench.index.drop(await bench.index.targets())
    async with background("push", bench.pusher.run):
        await bench.handlers.catalogue([published("ShowtimeCreated", showtime(film(), cinema()))])
        await documents_become(bench, set(await bench.rows()))


async def test_a_fresh_system_has_an_empty_index_to_search(bench: Bench) -> None:
    async with open_bench(bench.settings, SystemClock()) as another:
        assert await another.documents() == {}
