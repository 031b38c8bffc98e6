"""Moving a showtime to another layout version of its hall: what becomes of each seat, and whom that concerns.

A seat is its id. One that both versions have stays with whoever has it, although its position, and with it its bit in
every set of seats, may be another. So a move is possible when the new version has every seat that somebody has.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

from inventory_service.domain.bits import mask_of, positions
from inventory_service.domain.booking import Booking
from inventory_service.domain.layout import Layout
from inventory_service.domain.pricing import class_prices, unpriced
from inventory_service.domain.seat_map import Hold, Mark, SeatMap
from messaging.events import Pricing

# How the seat of an id differs; `coordinates`: it is drawn elsewhere.
Reason = Literal["removed", "section", "row", "label", "seatType", "price", "coordinates"]
# Why a move can't be made.
Obstacle = Literal["seats-in-the-way", "unpriced", "started", "cancelled"]


@dataclass(frozen=True)
class Transition:
    """What becomes of the seats of one layout in another.

    `target` has the position after by the position before, None for a seat that is gone. `removed` is a set of seats of
    the layout before, `added` one of the layout after. `changes`: how a seat that both have differs, by its position
    before. `unpriced`: (section, seat type) that the pricing has no tier for.
    """

    before: Layout
    after: Layout
    target: list[int | None]
    removed: int
    added: int
    changes: dict[int, tuple[Reason, ...]]
    unpriced: list[tuple[str, str]]

    @classmethod
    def between(cls, before: Layout, after: Layout, pricing: Pricing) -> "Transition":
        target = [after.position.get(seat.id) for seat in before.seats]
        stays = mask_of(position for position in target if position is not None)
        return cls(
            before,
            after,
            target,
            removed=mask_of(position for position, goes_to in enumerate(target) if goes_to is None),
            added=after.everything & ~stays,
            changes=dict(_changes(before, after, target, pricing)),
            unpriced=unpriced(after, pricing),
        )

    def carry(self, mask: int) -> int:
        """The same seats in the layout after, without those that are gone."""
        return mask_of(goes_to for position in positions(mask) if (goes_to := self.target[position]) is not None)

    @cached_property
    def concerned(self) -> int:
        """Seats (of the layout before) that are not the same afterwards."""
        return self.removed | mask_of(self.changes)


def _changes(
    before: Layout, after: Layout, target: list[int | None], pricing: Pricing
) -> Iterator[tuple[int, tuple[Reason, ...]]]:
    prices_before, prices_after = class_prices(before, pricing), class_prices(after, pricing)
    for position, goes_to in enumerate(target):
        if goes_to is None:
            continue
        old, new = before.seats[position], after.seats[goes_to]
        price_before, price_after = prices_before[old.section, old.seat_type], prices_after[new.section, new.seat_type]
        place_before, place_after = _place(before, position), _place(after, goes_to)
        if old == new and price_before == price_after and place_before == place_after:
            continue
        same: dict[Reason, bool] = {
            "section": (old.section, old.section_name) == (new.section, new.section_name),
            "row": old.row == new.row,
            "label": old.label == new.label,
            "seatType": old.seat_type == new.seat_type,
            "price": price_before == price_after,
            "coordinates": place_before == place_after,
        }
        yield position, tuple(reason for reason, is_same in same.items() if not is_same)


def _place(layout: Layout, position: int) -> tuple[float, float] | None:
    """Where the seat is drawn; places that are told apart by number alone are drawn nowhere."""
    if not layout.places or layout.seats[position].section in layout.general:
        return None
    return layout.places[position]


@dataclass(frozen=True, slots=True)
class AffectedBooking:
    """A booking with those of its seats that are not the same afterwards.

    `status` and `user_id` are None for a hold whose booking is not written yet.
    """

    booking_id: str
    status: str | None
    user_id: str | None
    seat_ids: list[str]
    reasons: list[Reason]
    blocking: bool


@dataclass(frozen=True, slots=True)
class AffectedBlock:
    """Seats kept from sale, with those of them that are not the same afterwards."""

    block_id: str
    channel: str | None
    seat_ids: list[str]
    reasons: list[Reason]
    blocking: bool


@dataclass(frozen=True, slots=True)
class MovePlan:
    """What a move would do to one reading of a seat map, or has done to it.

    `in_the_way`: seats that somebody has or that are kept from sale, and that are gone afterwards. That alone is what
    refuses; `bookings` and `blocks` tell whose they are.
    """

    seat_map: SeatMap
    transition: Transition
    obstacles: list[Obstacle]
    in_the_way: list[str]
    bookings: list[AffectedBooking]
    blocks: list[AffectedBlock]

    @property
    def nothing_to_do(self) -> bool:
        """Whether the map has this layout already."""
        return self.seat_map.layout == self.transition.after.key


def obstacles(seat_map: SeatMap, transition: Transition, now: datetime) -> list[Obstacle]:
    """Why this reading can't be moved; empty where it can. Where there is nothing to move nothing stands in the way."""
    if seat_map.layout == transition.after.key:
        return []
    found: dict[Obstacle, bool] = {
        "seats-in-the-way": bool(_in_the_way(seat_map, transition, now)),
        "unpriced": bool(transition.unpriced),
        "started": seat_map.starts_at <= now,
        "cancelled": seat_map.status == "cancelled",
    }
    return [obstacle for obstacle, is_there in found.items() if is_there]


def draw(seat_map: SeatMap, transition: Transition, bookings: Iterable[Booking], now: datetime) -> MovePlan:
    """The plan. `bookings`: at least those that have seats which are not the same afterwards."""
    known = {booking.id: booking for booking in bookings}
    owners = holders(seat_map, now)
    for booking in known.values():
        entry = seat_map.holds.get(booking.id)
        if booking.status == "confirmed" and (entry is None or entry.mark is Mark.RELEASED):
            owners[booking.id] = transition.before.known(booking.seat_ids) & ~(entry.mask if entry else 0)
    return MovePlan(
        seat_map,
        transition,
        obstacles(seat_map, transition, now),
        transition.before.ids(_in_the_way(seat_map, transition, now)),
        sorted(_affected_bookings(transition, owners, known), key=lambda booking: booking.booking_id),
        list(_affected_blocks(seat_map, transition)),
    )


def holders(seat_map: SeatMap, now: datetime) -> dict[str, int]:
    """Seats by booking, of those whose entry gives them some: live holds and booked marks."""
    entries = seat_map.holds.values()
    return {entry.booking_id: entry.mask for entry in entries if entry.live(now) or entry.mark is Mark.BOOKED}


def carried(seat_map: SeatMap, transition: Transition, now: datetime) -> tuple[SeatMap, list[Hold]]:
    """The map in the layout after, and the holds that ran out, which it no longer has: their seats are free.

    Only for a reading without obstacles: a seat that is gone would be nobody's.
    """
    evicted = seat_map.expired_holds(now)
    ended = {hold.booking_id for hold in evicted}
    moved = replace(
        seat_map,
        version=seat_map.version + 1,
        layout=transition.after.key,
        updated_at=now,
        taken=transition.carry(seat_map.occupied(now)),
        booked=transition.carry(seat_map.booked),
        holds={
            id_: replace(entry, mask=transition.carry(entry.mask))
            for id_, entry in seat_map.holds.items()
            if id_ not in ended
        },
        blocks=tuple(replace(block, mask=transition.carry(block.mask)) for block in seat_map.blocks),
        paused_until=None,
    )
    return moved, evicted


def _in_the_way(seat_map: SeatMap, transition: Transition, now: datetime) -> int:
    return (seat_map.occupied(now) | seat_map.closed()) & transition.removed


def _affected_bookings(
    transition: Transition, owners: dict[str, int], known: dict[str, Booking]
) -> Iterator[AffectedBooking]:
    concerned = transition.concerned
    for booking_id, mask in owners.items():
        if mask & concerned:
            booking = known.get(booking_id)
            yield AffectedBooking(
                booking_id,
                booking.status if booking else None,
                booking.user_id if booking else None,
                transition.before.ids(mask & concerned),
                _reasons(transition, mask),
                bool(mask & transition.removed),
            )


def _affected_blocks(seat_map: SeatMap, transition: Transition) -> Iterator[AffectedBlock]:
    concerned = transition.concerned
    for block in seat_map.blocks:
        if block.mask & concerned:
            yield AffectedBlock(
                block.id,
                block.channel,
                transition.before.ids(block.mask & concerned),
                _reasons(transition, block.mask),
                bool(block.mask & transition.removed),
            )


def _reasons(transition: Transition, mask: int) -> list[Reason]:
    """How these seats differ, each way once."""
    found: set[Reason] = {reason for position in positions(mask) for reason in transition.changes.get(position, ())}
    if mask & transition.removed:
        found.add("removed")
    return sorted(found)
