"""Any order and any repeat of events ends in the same read model and the same index."""

import asyncio
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from messaging.envelope import Event
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.integration.indexer.conftest import Bench
from tests.integration.indexer.programme import cinema, film, published, seats, showtime

# How often a row was touched on the way depends on the way.
OF_THE_WAY = {"revision", "indexedRevision", "pushAt", "nextPushAt"}


def story(shift: str) -> list[Event[Any]]:
    """Two showtimes of one film: it is renamed, the venue moves, one showtime is put off, one cancelled."""
    amelie, champo = film(event_id=f"e{shift}"), cinema(venue_id=f"v{shift}")
    renamed = amelie.model_copy(update={"version": 2, "name": "Le Fabuleux Destin"})
    moved = champo.model_copy(update={"version": 2, "name": "Le Champo Nouveau"})
    first = showtime(amelie, champo, showtime_id=f"a{shift}")
    later = first.model_copy(update={"version": 2, "starts_at": first.starts_at + timedelta(hours=1)})
    second = showtime(renamed, champo, showtime_id=f"b{shift}")
    cancelled = second.model_copy(update={"version": 2, "status": "cancelled"})
    return [
        published("VenueCreated", champo),
        published("EventCreated", amelie),
        published("ShowtimeCreated", first),
        published("EventUpdated", renamed),
        published("ShowtimeCreated", second),
        published("SeatMapOpened", seats(first.showtime_id, 1)),
        published("AvailabilityChanged", seats(first.showtime_id, 2)),
        published("AvailabilityChanged", seats(first.showtime_id, 3)),
        published("ShowtimeUpdated", later),
        published("VenueUpdated", moved),
        published("ShowtimeCancelled", cancelled),
    ]


async def deliver(bench: Bench, event: Event[Any]) -> None:
    if event.type in {"SeatMapOpened", "AvailabilityChanged"}:
        await bench.handlers.availability([event])
    else:
        await bench.handlers.catalogue([event])


@examples(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_order_and_any_repeat_of_events_ends_the_same(bench: Bench, clock: ManualClock, data: Any) -> None:
    # Every example has showtimes of its own; their ids are cut off before comparing.
    shift = new_id()
    events = story(shift)
    order = data.draw(st.permutations(range(len(events))))
    repeats = data.draw(st.lists(st.sampled_from(range(len(events))), max_size=6))
    for number in [*order, *repeats]:
        await deliver(bench, events[number])
        if data.draw(st.booleans()):
            clock.advance(timedelta(milliseconds=300))
            await bench.push_all()
    clock.advance(timedelta(seconds=1))
    await bench.push_all()

    rows, documents = await bench.rows(), await bench.documents()
    first, second = rows[f"a{shift}"], rows[f"b{shift}"]
    assert set(first) - OF_THE_WAY == {
        *("_id", "catalogVersion", "facts", "event", "eventRank", "venue", "venueRank"),
        *("availability", "availabilityVersion", "listed", "made"),
    }
    assert first["catalogVersion"] == second["catalogVersion"] == 2
    assert first["event"]["name"] == second["event"]["name"] == "Le Fabuleux Destin"
    assert first["venue"]["name"] == second["venue"]["name"] == "Le Champo Nouveau"
    assert first["availabilityVersion"] == 3
    assert first["facts"]["startsAt"] == events[8].data.starts_at
    assert "pushAt" not in first
    assert "pushAt" not in second

    assert f"b{shift}" not in documents
    shown = documents[f"a{shift}"]
    assert shown["version"] == first["revision"] == first["indexedRevision"]
    assert shown["view"]["event"]["name"] == "Le Fabuleux Destin"
    assert shown["view"]["venue"]["name"] == "Le Champo Nouveau"
    assert shown["view"]["availability"]["version"] == 3
    assert shown["available"] == 117


async def test_a_repeat_changes_nothing_and_costs_no_write_to_the_index(bench: Bench) -> None:
    created = published("ShowtimeCreated", showtime(film(), cinema()))
    await bench.handlers.catalogue([created])
    await bench.push_all()
    before = await bench.rows()
    await bench.handlers.catalogue([created, created])
    assert await bench.rows() == before
    assert await bench.pusher.push_due() == 0


async def test_availability_that_is_there_first_waits_for_its_showtime(bench: Bench, clock: ManualClock) -> None:
    state = showtime(film(), cinema())
    await bench.handlers.availability([published("SeatMapOpened", seats(state.showtime_id, 4))])
    await bench.push_all()
    assert await bench.documents() == {}
    clock.advance(timedelta(seconds=1))
    await bench.handlers.catalogue([published("ShowtimeCreated", state)])
    await bench.push_all()
    assert (await bench.documents())[state.showtime_id]["view"]["availability"]["version"] == 4


async def test_a_new_film_title_and_a_moved_venue_reach_every_showtime(bench: Bench, clock: ManualClock) -> None:
    amelie, champo = film(), cinema()
    created = [published("ShowtimeCreated", showtime(amelie, champo)) for _ in range(300)]
    other = published("ShowtimeCreated", showtime(film("Other"), champo))
    await bench.handlers.catalogue([*created, other])
    await bench.push_all()
    clock.advance(timedelta(seconds=1))
    await bench.handlers.catalogue(
        [
            published("EventUpdated", amelie.model_copy(update={"version": 2, "name": "Renamed"})),
            published("VenueUpdated", champo.model_copy(update={"version": 2, "city": "Lyon"})),
        ]
    )
    await bench.push_all()
    shown = [document["view"] for document in (await bench.documents()).values()]
    assert sorted(view["event"]["name"] for view in shown) == ["Other"] + ["Renamed"] * 300
    assert {view["venue"]["city"] for view in shown} == {"Lyon"}


async def test_a_showtime_with_an_older_film_than_known_ends_with_the_newer(bench: Bench) -> None:
    old = film(name="Old title")
    await bench.handlers.catalogue(
        [published("EventUpdated", old.model_copy(update={"version": 2, "name": "New title"}))]
    )
    state = showtime(old, cinema())
    await bench.handlers.catalogue([published("ShowtimeCreated", state)])
    assert (await bench.rows())[state.showtime_id]["event"]["name"] == "New title"


async def test_a_film_renamed_while_its_showtimes_arrive_is_renamed_in_all_of_them(bench: Bench) -> None:
    old = film(name="Old title")
    renamed = published("EventUpdated", old.model_copy(update={"version": 2, "name": "New title"}))
    created = [published("ShowtimeCreated", showtime(old, cinema())) for _ in range(60)]
    await asyncio.gather(
        *(bench.handlers.catalogue([event]) for event in created[:30]),
        bench.handlers.catalogue([renamed]),
        *(bench.handlers.catalogue([event]) for event in created[30:]),
    )
    assert {row["event"]["name"] for row in (await bench.rows()).values()} == {"New title"}


async def test_a_title_that_looks_like_a_field_path_is_only_a_title(bench: Bench) -> None:
    state = showtime(film(name="$revision", keywords=["$$ROOT", "{$set: 1}"]), cinema(name="$_id"))
    await bench.handlers.catalogue([published("ShowtimeCreated", state), published("EventUpdated", state.event)])
    row = (await bench.rows())[state.showtime_id]
    assert (row["event"]["name"], row["event"]["keywords"][0], row["venue"]["name"]) == ("$revision", "$$ROOT", "$_id")


async def test_showtimes_of_a_deleted_film_leave(bench: Bench, clock: ManualClock) -> None:
    state = showtime(film(), cinema())
    await bench.handlers.catalogue([published("ShowtimeCreated", state)])
    await bench.push_all()
    assert set(await bench.documents()) == {state.showtime_id}
    clock.advance(timedelta(seconds=1))
    # At the same version: the deletion still wins, and a late update of that version doesn't undo it.
    await bench.handlers.catalogue([published("EventDeleted", state.event)])
    await bench.handlers.catalogue([published("EventUpdated", state.event)])
    await bench.push_all()
    assert await bench.documents() == {}
