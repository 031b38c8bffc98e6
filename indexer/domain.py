"""What the read model is made of: each event of the other services as the change that it asks for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from messaging.events import ON_REQUEST, Availability, EventState, ShowtimeState, VenueState
from search_index.document import PART_KINDS, PartKind

State = dict[str, Any]
Kind = PartKind
KINDS = PART_KINDS


@dataclass(frozen=True, slots=True)
class Part:
    """An event or a venue at one of its versions. Of two parts the one with the higher `rank` is the newer."""

    kind: Kind
    id: str
    rank: int
    state: State


@dataclass(frozen=True, slots=True)
class ShowtimeChange:
    """A showtime at `version`, with its event and venue as the publisher saw them then."""

    showtime_id: str
    version: int
    facts: State
    event: Part
    venue: Part


@dataclass(frozen=True, slots=True)
class AvailabilityChange:
    showtime_id: str
    version: int
    state: State


@dataclass(frozen=True, slots=True)
class Push:
    """The outcome of bringing one row or entry to Elasticsearch: at which revision, and whether it is in the index now.

    `noted` are further fields to keep beside that.
    """

    id: str
    revision: int
    listed: bool
    error: str | None = None
    noted: State = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mark:
    """Showtimes of an event or venue have changed: some `appeared` in the index, so many are `gone` from it."""

    part: Part
    appeared: bool = False
    gone: int = 0


def event_part(state: EventState, *, deleted: bool = False) -> Part:
    # The description is long and not searched, and a change fans out over every showtime.
    kept = state.model_dump(by_alias=True, exclude={"description"})
    return Part("event", state.event_id, _rank(state.version, deleted), {**kept, "deleted": deleted})


def venue_part(state: VenueState, *, deleted: bool = False) -> Part:
    kept = state.model_dump(by_alias=True, exclude={"partner", "refund_policy"})
    return Part("venue", state.venue_id, _rank(state.version, deleted), {**kept, "deleted": deleted})


def _rank(version: int, deleted: bool) -> int:
    """A deletion beats the version it was made at."""
    return version * 2 + deleted


def showtime_change(state: ShowtimeState) -> ShowtimeChange:
    facts = {
        "status": state.status,
        "startsAt": state.starts_at,
        "endsAt": state.ends_at,
        "hallId": state.hall_id,
        "hallName": state.hall_name,
        "seatCount": state.seat_count,
        "currency": state.pricing.currency,
        "priceFrom": _price_from(state.pricing.tiers),
        "onSale": {"from": state.on_sale.from_, "until": state.on_sale.until},
    }
    return ShowtimeChange(state.showtime_id, state.version, facts, event_part(state.event), venue_part(state.venue))


def _price_from(tiers: Mapping[str, int]) -> int | None:
    """The cheapest that anybody may take."""
    anybodys = [price for tier, price in tiers.items() if tier not in ON_REQUEST]
    return min(anybodys or tiers.values(), default=None)


def availability_change(state: Availability) -> AvailabilityChange:
    # Seat types are names from a layout, so they are values here and never field names.
    kept = state.model_dump(by_alias=True, exclude={"showtime_id", "by_seat_type"})
    kept["bySeatType"] = [
        {"type": name, **seats.model_dump(by_alias=True)} for name, seats in state.by_seat_type.items()
    ]
    return AvailabilityChange(state.showtime_id, state.version, kept)


def newest_parts(parts: Iterable[Part]) -> list[Part]:
    """The newest of each event and venue."""
    newest: dict[tuple[Kind, str], Part] = {}
    for part in parts:
        known = newest.get((part.kind, part.id))
        if known is None or known.rank < part.rank:
            newest[part.kind, part.id] = part
    return list(newest.values())


def newest_availability(changes: Iterable[AvailabilityChange]) -> list[AvailabilityChange]:
    """The newest of each showtime: what a burst left behind."""
    newest: dict[str, AvailabilityChange] = {}
    for change in changes:
        known = newest.get(change.showtime_id)
        if known is None or known.version < change.version:
            newest[change.showtime_id] = change
    return list(newest.values())


def marks(rows: Iterable[tuple[State, bool]]) -> list[Mark]:
    """What the entries of events and venues have to learn of these rows, each with whether it is listed now."""
    found: dict[tuple[Kind, str], Mark] = {}
    for row, listed in rows:
        was_listed = row.get("listed", False)
        for kind in KINDS:
            part = Part(kind, row[kind][f"{kind}Id"], row[f"{kind}Rank"], row[kind])
            before = row.get("made", {}).get(kind, part.id)
            moved = before != part.id
            appeared, gone = listed and (moved or not was_listed), was_listed and not listed and not moved
            _add(found, Mark(part, appeared, int(gone)))
            if moved:
                # Of the other one nothing is known here but its id, so nothing newer than what is kept.
                _add(found, Mark(Part(kind, before, -1, {}), gone=int(was_listed)))
    return list(found.values())


def made_of(row: State) -> State:
    """Of what a row was pushed: what its entries and its freshness are compared with next time."""
    return {"event": row["event"]["eventId"], "venue": row["venue"]["venueId"], "seats": row.get("availabilityVersion")}


def _add(found: dict[tuple[Kind, str], Mark], mark: Mark) -> None:
    known = found.get((mark.part.kind, mark.part.id), mark)
    newer = max(known.part, mark.part, key=lambda part: part.rank)
    gone = mark.gone if known is mark else known.gone + mark.gone
    found[newer.kind, newer.id] = replace(mark, part=newer, appeared=known.appeared or mark.appeared, gone=gone)
