"""Bulk import: many things in one call, each on its own, in the order in which they depend on each other."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from service_kit.errors import DomainError, Invalid
from service_kit.ids import new_id
from venues_service.domain.drafts import Wanted, is_deeper, parse, refuse
from venues_service.domain.events import EventDraft
from venues_service.domain.halls import HallPlan
from venues_service.domain.imports import HallItem, ItemHead, Kind, ShowtimeItem, refs_named, with_ids
from venues_service.domain.layouts import Layout, checked
from venues_service.domain.venues import VenueDraft
from venues_service.handlers.common import Outcome
from venues_service.handlers.events import EventHandlers
from venues_service.handlers.halls import HallHandlers
from venues_service.handlers.showtimes import ShowtimeHandlers, ShowtimePlan
from venues_service.handlers.venues import VenueHandlers
from venues_service.store.base import Collection

ORDER: tuple[Kind, ...] = ("venue", "event", "hall", "showtime")
# A layout is the deepest thing that an item may bring.
DEEPEST = 12

Ids = defaultdict[Kind, dict[str, str]]


@dataclass
class Item:
    """One item on its way, and what became of it: an id, or the error."""

    fields: dict[str, Any]
    id: str | None = None
    is_new: bool = False
    error: DomainError | None = None

    @property
    def kind(self) -> Any:
        return self.fields.get("kind")

    @property
    def ref(self) -> Any:
        return self.fields.get("ref")


class ImportHandlers:
    def __init__(
        self,
        *,
        stores: dict[Kind, Collection],
        venues: VenueHandlers,
        halls: HallHandlers,
        events: EventHandlers,
        showtimes: ShowtimeHandlers,
    ) -> None:
        self._stores = stores
        self._create: dict[Kind, Callable[[Sequence[Wanted[Any]]], Awaitable[Sequence[Outcome[Any]]]]] = {
            "venue": venues.create,
            "hall": halls.create,
            "event": events.create,
            "showtime": showtimes.create,
        }

    async def lookup(self, kind: Kind, refs: Sequence[str]) -> dict[str, str]:
        """The ids of those refs that are known."""
        return await self._stores[kind].ids_by_ref(refs)

    async def run(self, raw: Sequence[dict[str, Any]]) -> list[Item]:
        """What became of each item, in the order given."""
        items = [Item(fields) for fields in raw]
        _check_heads(items)
        ids: Ids = defaultdict(dict)
        for kind in ORDER:
            chosen = [item for item in items if item.error is None and item.kind == kind]
            if chosen:
                await self._import(kind, chosen, ids)
        return items

    async def _import(self, kind: Kind, items: list[Item], ids: Ids) -> None:
        # What is there already is not even read: a second import costs next to nothing.
        known = await self.lookup(kind, [item.ref for item in items])
        for item in items:
            item.id = known.get(item.ref)
        await self._resolve([item for item in items if item.id is None], ids)
        plans = await asyncio.to_thread(_planned, kind, items, ids)
        wanted = [(item, Wanted(new_id(), plans[item.ref], item.ref)) for item in items if item.ref in plans]
        outcomes = await self._create[kind]([one for _, one in wanted])
        for (item, _), outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, DomainError):
                item.error = outcome
            else:
                item.id, item.is_new = outcome.id, outcome.is_new
        ids[kind].update({item.ref: item.id for item in items if item.id})

    async def _resolve(self, items: list[Item], ids: Ids) -> None:
        """Look up refs to things of earlier imports."""
        missing: defaultdict[Kind, set[str]] = defaultdict(set)
        for item in items:
            for kind, ref in refs_named(item.fields).items():
                if ref not in ids[kind]:
                    missing[kind].add(ref)
        for kind, refs in missing.items():
            ids[kind].update(await self.lookup(kind, sorted(refs)))


def _check_heads(items: list[Item]) -> None:
    seen = set()
    for item in items:
        try:
            head = parse(ItemHead, {name: item.fields[name] for name in ("kind", "ref") if name in item.fields})
            if (head.kind, head.ref) in seen:
                raise refuse([("/ref", "Another item before this one has it")])
            seen.add((head.kind, head.ref))
            if is_deeper(item.fields, DEEPEST):
                raise Invalid(f"The item is nested more than {DEEPEST} deep")
        except DomainError as error:
            item.error = error


def _planned(kind: Kind, items: list[Item], ids: Ids) -> dict[str, Any]:
    """By ref what is to be created; faults are noted in the items. Halls of 100,000 seats make this slow."""
    layouts = _Layouts()
    plans = {}
    for item in items:
        if kind == "hall":
            layouts.note(item)
        if item.id is not None:
            continue
        try:
            plans[item.ref] = _plan(kind, with_ids(item.fields, ids), layouts)
        except DomainError as error:
            item.error = error
    return plans


def _plan(kind: Kind, fields: dict[str, Any], layouts: "_Layouts") -> Any:
    match kind:
        case "venue":
            return parse(VenueDraft, fields)
        case "event":
            return parse(EventDraft, fields)
        case "showtime":
            item = parse(ShowtimeItem, fields)
            return ShowtimePlan(item.event_id, item)
        case "hall":
            hall = parse(HallItem, fields)
            return HallPlan(hall.venue_id, hall.name, layouts.of(hall, fields))


class _Layouts:
    """The layouts of one request: each content is checked once, and found again by the ref of its hall."""

    def __init__(self) -> None:
        self._by_ref: dict[str, Any] = {}
        self._checked: dict[bytes, Layout] = {}

    def note(self, item: Item) -> None:
        self._by_ref[item.ref] = item.fields.get("seatLayout") or self._by_ref.get(str(item.fields.get("layoutRef")))

    def of(self, hall: HallItem, fields: dict[str, Any]) -> Layout:
        if hall.layout_ref is None:
            assert hall.seat_layout is not None  # noqa: S101 - the model has exactly one of the two
            key = to_json(fields["seatLayout"])
            if key not in self._checked:
                self._checked[key] = checked(hall.seat_layout)
            return self._checked[key]
        source = self._by_ref.get(hall.layout_ref)
        if source is None:
            raise refuse([("/layoutRef", "No hall before this one has this ref and a layout")])
        named = {**fields, "seatLayout": source, "layoutRef": None}
        return self.of(parse(HallItem, named), named)
