"""The audit of search finds each kind of seeded damage, and nothing where all is well or merely on its way."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from indexer.audit import audit
from indexer.index import write
from messaging.events import ShowtimeState
from messaging.outbox import outbox_entry
from search_index.document import to_document
from search_index.entries import entry_id
from service_kit.clock import ManualClock
from service_kit.models import rfc3339
from service_kit.mongo import Database, open_database
from tests.integration.indexer.conftest import Bench
from tests.integration.indexer.programme import cinema, film, published, seats, showtime

TAKEN = 7


@dataclass
class System:
    """A programme as all three services have it."""

    bench: Bench
    venues: Database
    inventory: Database
    clock: ManualClock

    async def add(self, count: int) -> list[ShowtimeState]:
        """Showtimes of a film and a cinema each, on sale, known to all and indexed."""
        states = [showtime(film(), cinema()) for _ in range(count)]
        await self.bench.handlers.catalogue([published("ShowtimeCreated", state) for state in states])
        opened = [seats(state.showtime_id, TAKEN) for state in states]
        await self.bench.handlers.availability([published("SeatMapOpened", one) for one in opened])
        await self.bench.push_all()
        for state in states:
            await self._store(state)
        return states

    async def _store(self, state: ShowtimeState) -> None:
        await self.venues["events"].insert_one({"_id": state.event.event_id, "version": 1, "outbox": []})
        await self.venues["venues"].insert_one({"_id": state.venue.venue_id, "version": 1, "outbox": []})
        await self.venues["showtimes"].insert_one(
            {
                **{"_id": state.showtime_id, "version": 1, "status": "scheduled", "startsAt": state.starts_at},
                **{"eventId": state.event.event_id, "venueId": state.venue.venue_id, "outbox": []},
            }
        )
        await self.inventory["seat_maps"].insert_one(
            {
                **{"_id": state.showtime_id, "version": TAKEN, "status": "open", "seats": 120, "dirty": False},
                **{"taken": [2**TAKEN - 1, 0, 0, 0], "holds": {}, "blocks": {}, "updatedAt": self.clock.now()},
            }
        )

    async def audit(self) -> list[str]:
        return await audit(self.bench.settings, self.clock)


@pytest.fixture
async def system(bench: Bench, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[System]:
    monkeypatch.setattr("indexer.audit.PAUSE_SECONDS", 0.05)
    async with AsyncExitStack() as stack:
        names = ("venues", "inventory")
        venues, inventory = [await stack.enter_async_context(open_database(bench.settings, name)) for name in names]
        yield System(bench, venues, inventory, clock)
        for database in (venues, inventory):
            await database.client.drop_database(database.name)


async def test_nothing_is_found_where_all_is_well(system: System) -> None:
    await system.add(30)
    assert await system.audit() == []


async def test_each_kind_of_damage_in_an_index_is_found(system: System) -> None:
    missing, stale, _sound, wrong, lost = await system.add(5)
    rows = await system.bench.rows()
    shows, entries = system.bench.indices.shows, system.bench.indices.entries
    [target], [entry_target] = await shows.targets(), await entries.targets()
    revision = rows[missing.showtime_id]["revision"]
    extra = {**to_document(rows[stale.showtime_id]), "showtimeId": "extra"}
    await shows.write([target], [write(missing.showtime_id, revision + 1, None), write("extra", 1, extra)])
    await system.bench.database["showtimes"].update_one({"_id": stale.showtime_id}, {"$inc": {"revision": 1}})
    name = entry_id("event", wrong.event.event_id)
    told = (await system.bench.documents("entries"))[name]
    version = told.pop("version")
    gone = entry_id("venue", lost.venue.venue_id)
    changes = [
        write(name, version + 1, {**told, "showtimes": 5, "booked": 1}),
        write(gone, 99, None),
        write("venue-x", 1, {**told, "kind": "venue", "id": "x"}),
    ]
    await entries.write([entry_target], changes)
    for kind in ("shows", "entries"):
        await system.bench.documents(kind)
    at = rows[stale.showtime_id]["revision"]
    assert sorted(await system.audit()) == sorted(
        [
            f"Showtime {missing.showtime_id} is listed but not in the index",
            f"Showtime {stale.showtime_id} is in the index at revision {at} instead of {at + 1}",
            "Showtime extra is in the index but not listed",
            f"The entry of event {wrong.event.event_id} is wrong in showtimes, booked",
            f"There is no entry of venue {lost.venue.venue_id}, which has shows to come",
            "There is an entry of venue x but no show of it to come",
        ]
    )


async def test_each_kind_of_damage_in_the_read_model_is_found(system: System) -> None:
    old, renamed, moved, unknown, unseen, miscounted, unheard = await system.add(7)
    venues, maps, rows = system.venues, system.inventory["seat_maps"], system.bench.database["showtimes"]
    await venues["showtimes"].update_one({"_id": old.showtime_id}, {"$set": {"version": 2}})
    await venues["events"].update_one({"_id": renamed.event.event_id}, {"$set": {"version": 3}})
    await venues["venues"].update_one({"_id": moved.venue.venue_id}, {"$set": {"version": 2}})
    await venues["showtimes"].delete_one({"_id": unknown.showtime_id})
    await venues["showtimes"].insert_one(
        {
            **{"_id": "new", "version": 1, "status": "scheduled", "startsAt": old.starts_at},
            **{"eventId": old.event.event_id, "venueId": old.venue.venue_id},
        }
    )
    await maps.update_one({"_id": unseen.showtime_id}, {"$inc": {"version": 1}})
    await rows.update_one({"_id": miscounted.showtime_id}, {"$set": {"availability.available": 3}})
    since = system.clock.now() - timedelta(minutes=5)
    await maps.update_one({"_id": unheard.showtime_id}, {"$set": {"dirty": True, "updatedAt": since}})
    assert sorted(await system.audit()) == sorted(
        [
            f"Showtime {old.showtime_id} is in the read model at version 1 instead of 2",
            f"Showtime {renamed.showtime_id} has event {renamed.event.event_id} at version 1 instead of 3",
            f"Showtime {moved.showtime_id} has venue {moved.venue.venue_id} at version 1 instead of 2",
            f"Showtime {unknown.showtime_id} is listed but unknown to the catalogue",
            "Showtime new is not in the read model",
            f"The seat map of {unseen.showtime_id} is in the read model at version 7 instead of 8",
            f"The seat map of {miscounted.showtime_id} has 113 of 120 seats free, but the read model 3 of 120",
            f"The seat map of {unheard.showtime_id} is not announced since {rfc3339(since)}",
            # What the wrong row makes of its entries.
            f"The entry of event {miscounted.event.event_id} is wrong in booked",
            f"The entry of venue {miscounted.venue.venue_id} is wrong in booked",
        ]
    )


async def test_what_is_on_its_way_is_not_wrong_until_it_is_late(system: System) -> None:
    due, unsent, dirty = await system.add(3)
    renamed: Any = published("EventUpdated", unsent.event.model_copy(update={"version": 2, "name": "Renamed"}))
    await system.venues["events"].update_one(
        {"_id": unsent.event.event_id}, {"$set": {"version": 2, "outbox": [outbox_entry(renamed)]}}
    )
    await system.inventory["seat_maps"].update_one({"_id": dirty.showtime_id}, {"$set": {"dirty": True, "version": 9}})
    await system.bench.handlers.availability([published("AvailabilityChanged", seats(due.showtime_id, 8))])
    await system.inventory["seat_maps"].update_one(
        {"_id": due.showtime_id}, {"$set": {"version": 8, "taken": [2**8 - 1, 0, 0, 0]}}
    )
    assert await system.audit() == []
    system.clock.advance(timedelta(minutes=1))
    found = sorted(sentence.partition(" since ")[0] for sentence in await system.audit())
    assert found == sorted(
        [
            f"Showtime {due.showtime_id} is due to be written to the index",
            f"Event {unsent.event.event_id} has a message that is not sent",
            f"The seat map of {dirty.showtime_id} is not announced",
        ]
    )
