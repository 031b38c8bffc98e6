"""From the read model to Elasticsearch: bursts, versions, outages, refusals, and shows that begin."""

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from indexer.config import Settings
from indexer.index import write
from search_index.document import to_document
from search_index.mapping import REFRESH_SECONDS, alias
from service_kit.clock import ManualClock, SystemClock
from service_kit.errors import Unavailable
from service_kit.problems import is_outage
from service_kit.tasks import background
from tests.integration.indexer.conftest import Bench, documents_become, open_bench
from tests.integration.indexer.programme import cinema, film, published, seats, showtime
from tests.servers.cable import cable_to
from tests.support import eventually


async def test_a_burst_on_one_showtime_costs_at_most_four_writes_a_second(bench: Bench, clock: ManualClock) -> None:
    state = showtime(film(), cinema())
    await bench.handlers.catalogue([published("ShowtimeCreated", state)])
    await bench.push_all()
    before = await _written(bench)
    for version in range(1, 201):  # two hundred changes in two seconds
        clock.advance(timedelta(milliseconds=10))
        await bench.handlers.availability(
            [published("AvailabilityChanged", seats(state.showtime_id, version, available=0))]
        )
        await bench.push_all()
    assert 6 <= await _written(bench) - before <= 8
    clock.advance(timedelta(milliseconds=250))
    await bench.push_all()
    assert (await bench.documents())[state.showtime_id]["view"]["availability"]["version"] == 200


async def _written(bench: Bench) -> int:
    """How often Elasticsearch has written a showtime."""
    stats = await bench.client.indices.stats(index=alias(bench.settings.namespace), metric="indexing")
    return int(stats["_all"]["primaries"]["indexing"]["index_total"])


async def test_freshness_is_from_the_seats_to_what_searches_see_and_told_once_for_each_change(
    bench: Bench, clock: ManualClock
) -> None:
    def told(sample: str) -> float:
        return REGISTRY.get_sample_value(f"marquee_index_freshness_seconds_{sample}") or 0.0

    state = showtime(film(), cinema())
    count, seconds = told("count"), told("sum")
    await bench.handlers.catalogue([published("ShowtimeCreated", state)])
    taken = published("SeatMapOpened", seats(state.showtime_id, as_of=clock.now() - timedelta(seconds=2)))
    await bench.handlers.availability([taken])
    await bench.push_all()
    assert (told("count") - count, told("sum") - seconds) == pytest.approx((1, 2 + REFRESH_SECONDS))
    clock.advance(timedelta(seconds=60))
    renamed = state.event.model_copy(update={"version": 2, "name": "Renamed"})
    await bench.handlers.catalogue([published("EventUpdated", renamed)])
    await bench.push_all()
    assert told("count") - count == 1


async def test_one_showtime_in_a_burst_does_not_hold_up_another(bench: Bench, clock: ManualClock) -> None:
    busy, quiet = showtime(film(), cinema()), showtime(film(), cinema())
    await bench.handlers.catalogue([published("ShowtimeCreated", busy)])
    await bench.push_all()
    clock.advance(timedelta(milliseconds=1))
    await bench.handlers.availability([published("AvailabilityChanged", seats(busy.showtime_id, 1))])
    await bench.handlers.catalogue([published("ShowtimeCreated", quiet)])
    assert await bench.pusher.push_due() == 1
    assert quiet.showtime_id in await bench.documents()


async def test_a_change_during_a_push_is_pushed_too(bench: Bench, clock: ManualClock) -> None:
    state = showtime(film(), cinema())
    await bench.handlers.catalogue([published("ShowtimeCreated", state)])
    due = bench.model.due

    async def due_then_changed(limit: int) -> list[dict[str, Any]]:
        rows = await due(limit)
        await bench.handlers.availability([published("SeatMapOpened", seats(state.showtime_id, 7))])
        return rows

    bench.model.due = due_then_changed  # type: ignore[method-assign]  # the moment between reading and writing
    await bench.pusher.push_due()
    bench.model.due = due  # type: ignore[method-assign]
    clock.advance(timedelta(milliseconds=250))
    await bench.push_all()
    assert (await bench.documents())[state.showtime_id]["view"]["availability"]["version"] == 7


async def test_an_older_revision_never_replaces_a_newer_one_nor_brings_back_a_deleted_one(
    bench: Bench, clock: ManualClock
) -> None:
    state = showtime(film(), cinema())
    await bench.handlers.catalogue([published("ShowtimeCreated", state)])
    [row] = (await bench.rows()).values()
    targets = await bench.index.targets()
    old, new = to_document(row), {**to_document(row), "price": 999}
    assert await bench.index.write(targets, [write("x", 5, new)]) == {}
    assert await bench.index.write(targets, [write("x", 4, old)]) == {}
    assert (await bench.documents())["x"]["price"] == 999
    assert await bench.index.write(targets, [write("x", 6, None)]) == {}
    assert await bench.index.write(targets, [write("x", 5, new)]) == {}
    assert await bench.documents() == {}


async def test_a_show_that_begins_leaves_the_index(bench: Bench, clock: ManualClock) -> None:
    soon = showtime(film(), cinema(), starts_at=clock.now() + timedelta(minutes=5))
    later = showtime(film(), cinema(), starts_at=clock.now() + timedelta(hours=5))
    await bench.handlers.catalogue([published("ShowtimeCreated", state) for state in (soon, later)])
    await bench.push_all()
    assert len(await bench.documents()) == 2
    clock.advance(timedelta(minutes=5))
    await bench.model.mark_started()
    await bench.push_all()
    assert set(await bench.documents()) == {later.showtime_id}
    await bench.model.mark_started()
    assert await bench.pusher.push_due() == 0


async def test_a_show_put_off_after_it_should_have_begun_comes_back(bench: Bench, clock: ManualClock) -> None:
    state = showtime(film(), cinema(), starts_at=clock.now() + timedelta(minutes=5))
    await bench.handlers.catalogue([published("ShowtimeCreated", state)])
    await bench.push_all()
    clock.advance(timedelta(minutes=6))
    await bench.model.mark_started()
    await bench.push_all()
    put_off = state.model_copy(update={"version": 2, "starts_at": clock.now() + timedelta(hours=1)})
    await bench.handlers.catalogue([published("ShowtimeUpdated", put_off)])
    clock.advance(timedelta(seconds=1))
    await bench.push_all()
    assert set(await bench.documents()) == {state.showtime_id}


async def test_while_the_index_is_away_rows_stay_due_and_all_is_caught_up(settings: Settings) -> None:
    """The whole pusher, on a line to Elasticsearch that is cut again and again, then dead, then back."""
    url = settings.elasticsearch_url.get_secret_value()
    async with AsyncExitStack() as stack:
        cable = await stack.enter_async_context(cable_to(url))
        cut = settings.model_copy(update={"elasticsearch_url": SecretStr(cable.url)})
        bench = await stack.enter_async_context(open_bench(cut, SystemClock()))
        await stack.enter_async_context(background("push", bench.pusher.run))
        await stack.enter_async_context(background("entries", bench.pusher.run_entries))
        states = [showtime(film(), cinema()) for _ in range(60)]
        for number, state in enumerate(states):
            if number % 20 == 0:
                cable.cut()
            await bench.handlers.catalogue([published("ShowtimeCreated", state)])
            await bench.handlers.availability([published("SeatMapOpened", seats(state.showtime_id, 9))])
        cable.sever()
        gone, sold = states[:10], states[10:]
        cancelled = [state.model_copy(update={"version": 2, "status": "cancelled"}) for state in gone]
        await bench.handlers.catalogue([published("ShowtimeCancelled", state) for state in cancelled])
        await bench.handlers.availability([published("AvailabilityChanged", seats(s.showtime_id, 50)) for s in sold])
        with pytest.raises(Exception, match="Connection") as failed:
            await bench.pusher.push_due()
        assert is_outage(failed.value)
        cable.mend()
        await documents_become(bench, {state.showtime_id for state in sold})
        await eventually(
            bench.documents, until=lambda found: {one["available"] for one in found.values()} == {70}, seconds=30
        )
        await eventually(
            lambda: bench.documents("entries"),
            until=lambda found: len(found) == 100 and {one["booked"] for one in found.values()} == {50},
            seconds=30,
        )


async def test_an_index_that_was_lost_is_filled_anew_and_never_created_by_a_stray_write(bench: Bench) -> None:
    state = showtime(film(), cinema())
    await bench.handlers.catalogue([published("ShowtimeCreated", state)])
    targets = await bench.index.targets()
    await bench.index.drop(targets)
    with pytest.raises(Unavailable):
        await bench.index.write(targets, [write("x", 1, {})])
    with pytest.raises(Unavailable):
        await bench.pusher.push_due()
    assert await bench.index.others(None) == []
    assert not await bench.client.indices.exists_alias(name=alias(bench.settings.namespace))


async def test_a_row_that_cannot_be_written_does_not_hold_up_the_others(bench: Bench, clock: ManualClock) -> None:
    nowhere = showtime(film(), cinema(timezone="Middle/Earth"))
    fine = showtime(film(), cinema())
    await bench.handlers.catalogue([published("ShowtimeCreated", state) for state in (nowhere, fine)])
    await bench.push_all()
    assert set(await bench.documents()) == {fine.showtime_id}
    row = (await bench.rows())[nowhere.showtime_id]
    assert "Middle/Earth" in row["pushError"]
    assert row["pushAt"] > clock.now()
