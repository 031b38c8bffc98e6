"""Every change of bookings and payments as MongoDB tells it, held to the tables that the services go by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from inventory_service.domain.booking import TRANSITIONS as OF_BOOKINGS
from payment_service.domain.payment import TRANSITIONS as OF_PAYMENTS
from service_kit.mongo import Database

Json = dict[str, Any]
Table = Mapping[Any, frozenset[Any]]


@dataclass
class Change:
    id: str
    status: str
    version: int
    # Those that it is giving up: they are free before the booking is without them.
    leaving: frozenset[str] = frozenset()
    seats: list[str] = field(default_factory=list)


class Changes:
    """Opened before a history, read after it."""

    def __init__(self, seats: Database, money: Database) -> None:
        self._stack = AsyncExitStack()
        self._collections = {"booking": seats["bookings"], "payment": money["payments"]}
        self._streams: dict[str, Any] = {}

    async def __aenter__(self) -> Changes:
        for name, collection in self._collections.items():
            stream = await collection.watch(max_await_time_ms=200)
            self._streams[name] = await self._stack.enter_async_context(stream)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def faults(self) -> list[str]:
        """A sentence for each change that no table has, and for each seat that two had at once."""
        told = [change async for change in _until_now(self._streams["booking"])]
        found = [*_wrong_steps("booking", told, OF_BOOKINGS), *_two_owners(told)]
        money = [change async for change in _until_now(self._streams["payment"])]
        return [*found, *_wrong_steps("payment", money, OF_PAYMENTS)]


async def _until_now(stream: Any) -> Any:
    while (event := await stream.try_next()) is not None:
        if event["operationType"] in {"insert", "update"}:
            yield event


def _wrong_steps(kind: str, events: list[Json], table: Table) -> Iterator[str]:
    """One write may take several steps, each of which makes a version."""
    known: dict[str, Change] = {}
    for id_, before, after in _followed(events, known):
        if before is None:
            if after.status != "pending":
                yield f"The {kind} {id_} began as {after.status}"
        elif before.status != after.status:
            steps = after.version - before.version
            if not _leads(table, before.status, after.status, steps):
                yield f"The {kind} {id_} went from {before.status} to {after.status} in {steps} step(s)"
        elif after.version < before.version:
            yield f"The {kind} {id_} went back from version {before.version} to {after.version}"


def _leads(table: Table, before: str, after: str, steps: int) -> bool:
    reached = {before}
    for _ in range(max(1, steps)):
        reached |= {later for status in reached for later in table[status]}
    return after in reached


def _two_owners(events: list[Json]) -> Iterator[str]:
    """Seats that are leaving a booking may be somebody else's already."""
    known: dict[str, Change] = {}
    owner: dict[str, str] = {}
    for id_, _, now in _followed(events, known):
        for seat in {*now.seats, *[seat for seat, known_owner in owner.items() if known_owner == id_]}:
            if now.status == "confirmed" and seat in now.seats and seat not in now.leaving:
                if owner.setdefault(seat, id_) != id_:
                    yield f"Seat {seat} was sold to {owner[seat]} and to {id_}"
            elif owner.get(seat) == id_:
                del owner[seat]


def _followed(events: list[Json], known: dict[str, Change]) -> Iterator[tuple[str, Change | None, Change]]:
    for event in events:
        id_ = event["documentKey"]["_id"]
        before = known.get(id_)
        if event["operationType"] == "insert":
            document = event["fullDocument"]
            after = Change(id_, document["status"], document["version"], seats=document.get("seatIds", []))
        elif before is None:
            continue  # of a history before this one
        else:
            set_, unset = event["updateDescription"]["updatedFields"], event["updateDescription"]["removedFields"]
            leaving = frozenset(set_["leaving"]["seat_ids"]) if "leaving" in set_ else before.leaving
            leaving = frozenset() if "leaving" in unset else leaving
            status, version = set_.get("status", before.status), set_.get("version", before.version)
            after = Change(id_, status, version, leaving, set_.get("seatIds", before.seats))
        known[id_] = after
        yield id_, before, after
