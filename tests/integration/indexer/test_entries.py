"""Each event and venue with a show to come is one entry, which follows its showtimes."""

from datetime import timedelta

import pytest

from messaging.events import GeoPoint
from search_index.entries import MOST_LOCATIONS, entry_id
from service_kit.clock import ManualClock
from service_kit.models import rfc3339
from tests.integration.indexer.conftest import Bench
from tests.integration.indexer.programme import cinema, film, published, seats, showtime

SECOND = timedelta(seconds=1)
PAUSE = timedelta(seconds=5)


async def test_an_entry_tells_what_its_showtimes_come_to(bench: Bench, clock: ManualClock) -> None:
    amelie = film()
    here, there = cinema(), cinema("Utopia", location=GeoPoint(lat=44.0, lon=0.5))
    soon = showtime(amelie, here, starts_at=clock.now() + timedelta(days=1))
    states = [soon, showtime(amelie, here), showtime(amelie, there)]
    await bench.handlers.catalogue([published("ShowtimeCreated", state) for state in states])
    await bench.handlers.availability([published("SeatMapOpened", seats(state.showtime_id, 7)) for state in states])
    await bench.push_all()
    entries = await bench.documents("entries")
    assert set(entries) == {entry_id("event", amelie.event_id), *(entry_id("venue", v.venue_id) for v in (here, there))}
    event, venue = entries[entry_id("event", amelie.event_id)], entries[entry_id("venue", there.venue_id)]
    assert (event["showtimes"], event["booked"], event["nextStart"]) == (3, 21, rfc3339(soon.starts_at))
    assert sorted(place["lat"] for place in event["locations"]) == [44.0, 48.8499]
    assert (venue["showtimes"], venue["booked"], venue["locations"]) == (1, 7, [{"lat": 44.0, "lon": 0.5}])


async def test_numbers_change_at_most_every_five_seconds(bench: Bench, clock: ManualClock) -> None:
    amelie = film()
    state = showtime(amelie, cinema())
    await bench.handlers.catalogue([published("ShowtimeCreated", state)])
    await bench.push_all()
    pushed = 0
    for version in range(1, 21):
        clock.advance(SECOND)
        await bench.handlers.availability([published("AvailabilityChanged", seats(state.showtime_id, version))])
        await bench.push_rows()
        pushed += await bench.pusher.push_entries()
    assert pushed == 2 * 4  # the event and the venue, in twenty seconds
    clock.advance(PAUSE)
    await bench.push_all()
    assert (await bench.documents("entries"))[entry_id("event", amelie.event_id)]["booked"] == 20


async def test_the_first_showtime_the_last_and_a_new_name_are_told_at_once(bench: Bench, clock: ManualClock) -> None:
    amelie, champo = film(), cinema()
    states = [showtime(amelie, champo) for _ in range(2)]
    id_ = entry_id("event", amelie.event_id)
    await bench.handlers.catalogue([published("EventCreated", amelie), published("VenueCreated", champo)])
    await bench.push_all()
    assert await bench.documents("entries") == {}
    await bench.handlers.catalogue([published("ShowtimeCreated", state) for state in states])
    await bench.push_all()
    assert id_ in await bench.documents("entries")
    renamed = amelie.model_copy(update={"version": 2, "name": "Renamed"})
    await bench.handlers.catalogue([published("EventUpdated", renamed)])
    assert await bench.pusher.push_entries() == 1
    entry = (await bench.documents("entries"))[id_]
    assert (entry["view"]["name"], entry["keys"]["title"]) == ("Renamed", ["renamed"])

    clock.advance(SECOND)
    cancelled = [state.model_copy(update={"version": 2, "status": "cancelled"}) for state in states]
    await bench.handlers.catalogue([published("ShowtimeCancelled", cancelled[0])])
    await bench.push_rows()
    assert await bench.pusher.push_entries() == 0
    clock.advance(SECOND)
    await bench.handlers.catalogue([published("ShowtimeCancelled", cancelled[1])])
    await bench.push_all()
    assert await bench.documents("entries") == {}

    # And back within the pause.
    await bench.handlers.catalogue([published("ShowtimeCreated", showtime(renamed, champo))])
    await bench.push_all()
    assert len(await bench.documents("entries")) == 2


async def test_a_film_that_is_deleted_or_has_begun_for_the_last_time_is_no_entry(
    bench: Bench, clock: ManualClock
) -> None:
    amelie, other, champo = film(), film("Other"), cinema()
    starts_at = clock.now() + timedelta(hours=1)
    states = [showtime(amelie, champo), showtime(other, champo, starts_at=starts_at)]
    await bench.handlers.catalogue([published("ShowtimeCreated", state) for state in states])
    await bench.push_all()
    clock.advance(timedelta(hours=2))
    await bench.model.mark_started()
    await bench.push_all()
    assert entry_id("event", other.event_id) not in await bench.documents("entries")
    await bench.handlers.catalogue([published("EventDeleted", amelie)])
    clock.advance(SECOND)
    await bench.push_all()
    assert await bench.documents("entries") == {}


async def test_a_showtime_that_moves_counts_for_its_new_venue_only(bench: Bench, clock: ManualClock) -> None:
    amelie, here, there = film(), cinema(), cinema("Utopia")
    state = showtime(amelie, here)
    await bench.handlers.catalogue([published("ShowtimeCreated", state)])
    await bench.push_all()
    clock.advance(SECOND)
    moved = state.model_copy(update={"version": 2, "venue": there})
    await bench.handlers.catalogue([published("ShowtimeUpdated", moved)])
    await bench.push_all()
    entries = await bench.documents("entries")
    assert {id_ for id_ in entries if id_.startswith("venue")} == {entry_id("venue", there.venue_id)}


async def test_a_crash_between_index_and_note_tells_the_entries_again(
    bench: Bench, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = showtime(film(), cinema())
    await bench.handlers.catalogue([published("ShowtimeCreated", state)])

    async def crash(_: object) -> None:
        raise RuntimeError("killed")

    for owner, step in ((bench.model.entries, "mark"), (bench.model, "pushed")):
        with monkeypatch.context() as patched:
            patched.setattr(owner, step, crash)
            with pytest.raises(RuntimeError, match="killed"):
                await bench.pusher.push_due()
    await bench.push_all()
    assert set(await bench.documents()) == {state.showtime_id}
    assert len(await bench.documents("entries")) == 2


async def test_an_event_that_plays_everywhere_has_at_most_five_hundred_places(bench: Bench) -> None:
    amelie = film()
    states = [showtime(amelie, cinema(location=GeoPoint(lat=n / 10, lon=n / 10))) for n in range(MOST_LOCATIONS + 20)]
    await bench.handlers.catalogue([published("ShowtimeCreated", state) for state in states])
    await bench.push_all()
    entry = (await bench.documents("entries"))[entry_id("event", amelie.event_id)]
    assert (len(entry["locations"]), entry["showtimes"]) == (MOST_LOCATIONS, MOST_LOCATIONS + 20)
