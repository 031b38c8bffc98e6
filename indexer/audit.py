"""Auditing search: both indices against the read model, and the read model against what the other services have.

The other services' databases are read by name, as plain documents. What is on its way (a row that is due, a message
that waits in an outbox, a seat map not yet announced) is not wrong; only what has been on it for too long is told.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

from elasticsearch import AsyncElasticsearch

from indexer.config import Settings
from indexer.domain import KINDS, Kind
from indexer.store.entries import Entry
from indexer.store.rows import ReadModel, Row
from search_index.client import open_elasticsearch
from search_index.document import is_listed
from search_index.entries import Shows, entry_id
from search_index.mapping import Kind as IndexKind
from search_index.mapping import alias
from service_kit.clock import Clock, SystemClock
from service_kit.models import rfc3339
from service_kit.mongo import Database, open_database

PAGE = 1_000
# What is still wrong after so many looks is not a change under way.
LOOKS = 6
PAUSE_SECONDS = 1.0
LATE = timedelta(seconds=30)
MOST_SUSPECTS = 2_000
SECONDS = 30.0

Document = dict[str, Any]
Findings = dict[str, list[str]]
Pages = AsyncIterator[list[str]]
Check = Callable[[Sequence[str]], Awaitable[Findings]]


async def audit(settings: Settings, clock: Clock | None = None) -> list[str]:
    """What is wrong, each as a sentence; empty where all is well. May run beside sales and indexing."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        search, venues, inventory = [
            await stack.enter_async_context(open_database(settings, name)) for name in ("search", "venues", "inventory")
        ]
        client = await stack.enter_async_context(open_elasticsearch(settings.elasticsearch_url, seconds=SECONDS))
        model = ReadModel(search, clock)
        showtimes, entries = _Shows(model, client, settings, clock), _Entries(model, client, settings, clock)
        sources = _Sources(model, venues, inventory, clock)
        findings: list[str] = []
        for pages, check in (
            (model.ids_scheduled(PAGE), showtimes.check),
            (_indexed(client, settings, "shows", ["showtimeId"]), showtimes.check),
            (entries.called_for(), entries.check),
            (_indexed(client, settings, "entries", ["kind", "id"]), entries.check),
            (sources.upcoming(), sources.check),
            (model.ids_scheduled(PAGE), sources.check),
        ):
            findings += await _confirmed(pages, check)
        return list(dict.fromkeys(findings))


async def _confirmed(pages: Pages, check: Check) -> list[str]:
    """The findings that stay when looked at again and again: the others were changes under way."""
    suspects: Findings = {}
    async for ids in pages:
        suspects |= await check(ids)
        if len(suspects) >= MOST_SUSPECTS:
            break
    full = len(suspects) >= MOST_SUSPECTS
    for _ in range(LOOKS):
        if not suspects:
            return []
        await asyncio.sleep(PAUSE_SECONDS)
        again: Findings = {}
        for ids in _cut(list(suspects)):
            again |= await check(ids)
        staying = {id_: [one for one in found if one in again.get(id_, ())] for id_, found in suspects.items()}
        suspects = {id_: found for id_, found in staying.items() if found}
    sentences = [sentence for found in suspects.values() for sentence in found]
    return [*sentences, "There may be more of this kind"] if full and sentences else sentences


def _cut(ids: list[str]) -> Iterable[list[str]]:
    return (ids[at : at + PAGE] for at in range(0, len(ids), PAGE))


async def _indexed(client: AsyncElasticsearch, settings: Settings, kind: IndexKind, order: list[str]) -> Pages:
    """The ids of every document that searches see, in an order that stays."""
    after: list[Any] | None = None
    while True:
        found = await client.search(
            index=alias(settings.namespace, kind),
            size=PAGE,
            sort=[{name: "asc"} for name in order],
            search_after=after,
            source=False,
            track_total_hits=False,
        )
        hits = found["hits"]["hits"]
        if not hits:
            return
        after = hits[-1]["sort"]
        yield [hit["_id"] for hit in hits]


class _Served:
    """Documents by id, as they were written last."""

    def __init__(self, model: ReadModel, client: AsyncElasticsearch, settings: Settings, clock: Clock) -> None:
        self._model = model
        self._client = client
        self._namespace = settings.namespace
        self._clock = clock

    async def _documents(self, kind: IndexKind, ids: Sequence[str], fields: list[str] | bool) -> dict[str, Document]:
        found = await self._client.mget(index=alias(self._namespace, kind), ids=list(ids), source=fields)
        return {one["_id"]: one for one in found["docs"] if one.get("found")}


class _Shows(_Served):
    async def check(self, ids: Sequence[str]) -> Findings:
        """Everything listed is in the index at its revision, and nothing else is."""
        # Documents first: a row that changed since then is due, and what is due is not wrong.
        documents = await self._documents("shows", ids, False)
        rows = {row["_id"]: row for row in await self._model.some(ids)}
        now = self._clock.now()
        return _findings(
            (id_, _in_index(f"Showtime {id_}", rows.get(id_), documents.get(id_), now)) for id_ in ids
        )  # fmt: skip


def _in_index(name: str, row: Row | None, document: Document | None, now: datetime) -> str | None:
    if row is not None and (waiting := row.get("pushAt")) is not None:
        if row.get("pushError") and is_listed(row, now):
            return f"{name} can't be written to the index: {row['pushError']}"
        return _late(f"{name} is due to be written to the index", waiting, now)
    if row is None or not is_listed(row, now):
        return f"{name} is in the index but not listed" if document else None
    if document is None:
        return f"{name} is listed but not in the index"
    if document["_version"] != row["revision"]:
        return f"{name} is in the index at revision {document['_version']} instead of {row['revision']}"
    return None


class _Entries(_Served):
    async def called_for(self) -> Pages:
        """The ids of entries that there are or have to be."""
        for kind in KINDS:
            async for entries in self._model.entries.all(kind, PAGE):
                yield [entry_id(kind, entry.id) for entry in entries]
            async for ids in self._model.entries.called_for(kind, PAGE):
                yield [entry_id(kind, id_) for id_ in ids]

    async def check(self, ids: Sequence[str]) -> Findings:
        """Each event and venue with a show to come has its entry, which tells what its shows come to."""
        documents = await self._documents("entries", ids, ["showtimes", "nextStart", "booked", "view"])
        entries: list[Entry] = []
        for kind in KINDS:
            wanted = [id_.removeprefix(f"{kind}-") for id_ in ids if id_.startswith(f"{kind}-")]
            known = {entry.id: entry for entry in await self._model.entries.some(kind, wanted)}
            awaiting = await self._model.entries.awaiting(kind, wanted)
            entries += [known.get(id_) or Entry(kind, id_, 0, {}, None) for id_ in wanted if id_ not in awaiting]
        shows = await self._model.entries.shows(entries)
        now = self._clock.now()
        return _findings(
            (name, _entry_fault(entry, shows.get((entry.kind, entry.id)), documents.get(name), now))
            for entry in entries
            if (name := entry_id(entry.kind, entry.id))
        )


def _entry_fault(entry: Entry, shows: Shows | None, document: Document | None, now: datetime) -> str | None:
    name = _named(entry.kind, entry.id)
    if entry.push_at is not None:
        return _late(f"The entry of {name} is due to be written to the index", entry.push_at, now)
    if shows is None:
        return f"There is an entry of {name} but no show of it to come" if document else None
    if document is None:
        return f"There is no entry of {name}, which has shows to come"
    told = document["_source"]
    wanted = {
        "showtimes": shows.count,
        "nextStart": rfc3339(shows.next_start),
        "booked": shows.booked,
        "name": entry.state.get("name"),
    }
    wrong = [field for field, value in wanted.items() if {**told, "name": told["view"].get("name")}[field] != value]
    return f"The entry of {name} is wrong in {', '.join(wrong)}" if wrong else None


class _Sources:
    def __init__(self, model: ReadModel, venues: Database, inventory: Database, clock: Clock) -> None:
        self._model = model
        self._venues = venues
        self._maps = inventory["seat_maps"]
        self._clock = clock

    async def upcoming(self) -> Pages:
        wanted = {"status": "scheduled", "startsAt": {"$gt": self._clock.now()}}
        found = self._venues["showtimes"].find(wanted, {"_id": 1}, sort=[("_id", 1)], batch_size=PAGE)
        while page := await found.to_list(PAGE):
            yield [one["_id"] for one in page]

    async def check(self, ids: Sequence[str]) -> Findings:
        """The read model has each showtime, event, venue and seat map at its newest version."""
        maps = await self._by_id(self._maps, ids, "version dirty status seats taken holds blocks updatedAt outbox.time")
        read = "version status startsAt eventId venueId outbox.time"
        showtimes = await self._by_id(self._venues["showtimes"], ids, read)
        parts: dict[Kind, dict[str, Document]] = {}
        for kind in KINDS:
            wanted = {one[f"{kind}Id"] for one in showtimes.values() if f"{kind}Id" in one}
            parts[kind] = await self._by_id(self._venues[f"{kind}s"], list(wanted), "version deletedAt outbox.time")
        rows = {row["_id"]: row for row in await self._model.some(ids)}
        now = self._clock.now()
        found: Findings = {}
        for id_ in ids:
            row, showtime = rows.get(id_), showtimes.get(id_)
            faults = [_showtime_fault(id_, row, showtime, now)]
            if row is not None and "facts" in row and showtime is not None and is_listed(row, now):
                faults += [
                    _part_fault(row, kind, parts[kind].get(showtime.get(f"{kind}Id", "")), now) for kind in KINDS
                ]
                faults.append(_seats_fault(row, maps.get(id_), now))
            if told := [fault for fault in faults if fault]:
                found[id_] = told
        return found

    async def _by_id(self, collection: Any, ids: Sequence[str], fields: str) -> dict[str, Document]:
        found = collection.find({"_id": {"$in": list(ids)}}, dict.fromkeys(fields.split(), 1))
        return {one["_id"]: one async for one in found}


def _showtime_fault(id_: str, row: Row | None, showtime: Document | None, now: datetime) -> str | None:
    name = f"Showtime {id_}"
    known = row is not None and "facts" in row
    if showtime is None or showtime["status"] == "abandoned":
        return f"{name} is listed but unknown to the catalogue" if row and is_listed(row, now) else None
    if unsent := _unsent(showtime):
        return _late(f"{name} has a message that is not sent", unsent, now)
    if row is None or not known:
        upcoming = showtime["status"] == "scheduled" and showtime["startsAt"] > now
        return f"{name} is not in the read model" if upcoming else None
    if row["catalogVersion"] != showtime["version"]:
        return f"{name} is in the read model at version {row['catalogVersion']} instead of {showtime['version']}"
    return None


def _part_fault(row: Row, kind: Kind, part: Document | None, now: datetime) -> str | None:
    name = _named(kind, row[kind][f"{kind}Id"])
    if part is None:
        return f"Showtime {row['_id']} is listed but {name} is unknown to the catalogue"
    if unsent := _unsent(part):
        return _late(f"{name[0].upper()}{name[1:]} has a message that is not sent", unsent, now)
    if row[f"{kind}Rank"] < part["version"] * 2 or ("deletedAt" in part) != row[kind]["deleted"]:
        has = row[kind]["version"]
        return f"Showtime {row['_id']} has {name} at version {has} instead of {part['version']}"
    return None


def _seats_fault(row: Row, seat_map: Document | None, now: datetime) -> str | None:
    if seat_map is None:
        return None
    name = f"The seat map of {row['_id']}"
    if unsent := _unsent(seat_map):
        return _late(f"{name} has a message that is not sent", unsent, now)
    if seat_map.get("dirty"):
        return _late(f"{name} is not announced", seat_map["updatedAt"], now)
    if row.get("availabilityVersion") != seat_map["version"]:
        has = row.get("availabilityVersion")
        return f"{name} is in the read model at version {has} instead of {seat_map['version']}"
    # Holds run out, and blocks are for some people only: without either the numbers can be told from the bits.
    if seat_map["status"] == "open" and not any(seat_map["holds"].values()) and not seat_map.get("blocks"):
        free = seat_map["seats"] - sum((word & MASK).bit_count() for word in seat_map["taken"])
        if (row["availability"]["available"], row["availability"]["total"]) != (free, seat_map["seats"]):
            has = f"{row['availability']['available']} of {row['availability']['total']}"
            return f"{name} has {free} of {seat_map['seats']} seats free, but the read model {has}"
    return None


# Words are stored as signed numbers.
MASK = 2**64 - 1


def _unsent(document: Document) -> datetime | None:
    waiting = document.get("outbox") or ()
    return min((datetime.fromisoformat(one["time"]) for one in waiting), default=None)


def _late(sentence: str, since: datetime, now: datetime) -> str | None:
    return f"{sentence} since {rfc3339(since)}" if since < now - LATE else None


def _named(kind: Kind, id_: str) -> str:
    return f"{kind} {id_}"


def _findings(faults: Iterable[tuple[str, str | None]]) -> Findings:
    return {id_: [fault] for id_, fault in faults if fault}
