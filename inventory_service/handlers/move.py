"""Moving a showtime to another layout version of its hall: planned as often as one likes, made whole or not at all.

A move rewrites every set of seats of the map, so it holds only if nothing has changed since the map was read. On sale
that would be never: the seats stand still for the moment between the reading and the write.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from inventory_service.domain.layout import LayoutKey
from inventory_service.domain.moving import MovePlan, Transition, carried, draw, holders, obstacles
from inventory_service.domain.seat_map import SeatMap
from inventory_service.handlers.attempts import Contended
from inventory_service.handlers.context import SOURCE, Inventory
from inventory_service.handlers.pauses import PAUSE
from inventory_service.handlers.read import view_of
from messaging.envelope import new_event
from messaging.events import SeatMapLayout
from messaging.outbox import outbox_entry
from service_kit.errors import Invalid, NotFound
from service_kit.logs import get_logger

log = get_logger(__name__)
# The largest house with tens of thousands of holds, on a busy machine, may take longer than the first.
PAUSES = [PAUSE * factor for factor in (1, 2, 4, 8)]

# Raises PreconditionFailed where the caller knows another version of the seat map than the present one.
Precondition = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Move:
    """A plan, and whether the seat map is under the wanted layout now; then `version` is the map's own since."""

    plan: MovePlan
    done: bool
    version: int


async def plan_move(inventory: Inventory, showtime_id: str, layout_version: int, precondition: Precondition) -> Move:
    """What a move would do now. Raises NotFound, NotOpenYet, PreconditionFailed; Invalid for no version of the hall."""
    seat_map = await inventory.seat_map(showtime_id)
    precondition(seat_map.version)
    transition = await _transition(inventory, seat_map, layout_version)
    plan = await _plan(inventory, seat_map, transition, inventory.now())
    return Move(plan, done=False, version=seat_map.version)


async def move(inventory: Inventory, showtime_id: str, layout_version: int, precondition: Precondition) -> Move:
    """Make the move, or nothing of it where the plan has obstacles. A repeat finds nothing left to do.

    Raises as `plan_move`, and Contended.
    """
    first = await plan_move(inventory, showtime_id, layout_version, precondition)
    if first.plan.obstacles or first.plan.nothing_to_do:  # nobody has to wait for that
        return replace(first, done=first.plan.nothing_to_do)
    for pause in PAUSES:
        async with _standing_still(inventory, showtime_id, pause):
            if outcome := await _try(inventory, first.plan, precondition):
                return outcome
    raise Contended


async def _try(inventory: Inventory, first: MovePlan, precondition: Precondition) -> Move | None:
    """By a fresh reading; None where the map has changed since."""
    seat_map, transition = await inventory.seat_map(first.seat_map.showtime_id), first.transition
    precondition(seat_map.version)
    if _rests_on(seat_map) != _rests_on(first.seat_map):
        transition = await _transition(inventory, seat_map, transition.after.key.version)
    now = inventory.now()
    nothing_to_do = seat_map.layout == transition.after.key
    if nothing_to_do or obstacles(seat_map, transition, now):
        return Move(await _plan(inventory, seat_map, transition, now), nothing_to_do, seat_map.version)
    if await _apply(inventory, seat_map, transition, now):
        return Move(await _plan(inventory, seat_map, transition, now), True, seat_map.version + 1)
    return None


@asynccontextmanager
async def _standing_still(inventory: Inventory, showtime_id: str, pause: timedelta) -> AsyncIterator[None]:
    until = inventory.now() + pause
    await inventory.seat_maps.pause(showtime_id, until)
    try:
        yield
    finally:
        await inventory.seat_maps.resume(showtime_id, until)


async def _apply(inventory: Inventory, seat_map: SeatMap, transition: Transition, now: datetime) -> bool:
    """One write; False where the map has changed since this reading."""
    moved, evicted = await asyncio.to_thread(carried, seat_map, transition, now)
    seats = len(transition.after.seats)
    event = new_event(
        "SeatMapMoved",
        source=SOURCE,
        subject=moved.showtime_id,
        version=moved.version,
        data=SeatMapLayout(
            showtime_id=moved.showtime_id,
            version=moved.version,
            hall_id=moved.layout.hall_id,
            layout_version=moved.layout.version,
            seat_count=seats,
        ),
        clock=inventory.clock,
    )
    if not await inventory.seat_maps.move(seat_map, moved, seats, outbox_entry(event), now):
        return False
    before, after = seat_map.layout.version, moved.layout.version
    log.info("seat_map_moved", showtime_id=moved.showtime_id, before=before, after=after)
    await inventory.expire_bookings(evicted)
    return True


def _rests_on(seat_map: SeatMap) -> tuple[LayoutKey, int]:
    """What a transition was made of: the layout, and the showtime for its prices."""
    return seat_map.layout, seat_map.showtime_version


async def _transition(inventory: Inventory, seat_map: SeatMap, layout_version: int) -> Transition:
    """Raises NotFound; Invalid where the hall has no such version."""
    view = await view_of(inventory, seat_map)
    key = LayoutKey(seat_map.layout.hall_id, layout_version)
    try:
        after = await inventory.layouts.get(view.showtime.venue.venue_id, key)
    except NotFound as error:
        raise Invalid(faults=[("/layoutVersion", "no such layout version of this hall")]) from error
    return await asyncio.to_thread(Transition.between, view.layout, after, view.showtime.pricing)


async def _plan(inventory: Inventory, seat_map: SeatMap, transition: Transition, now: datetime) -> MovePlan:
    """With the bookings as they are now; the seats are those of the reading."""
    concerned = transition.concerned
    by_entry = [booking_id for booking_id, mask in holders(seat_map, now).items() if mask & concerned]
    sold = transition.before.ids(seat_map.booked & concerned)
    bookings = await inventory.bookings.owning(seat_map.showtime_id, sold, by_entry)
    return await asyncio.to_thread(draw, seat_map, transition, bookings, now)
