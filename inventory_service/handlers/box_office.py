"""The box office of one process: what wants seats of a showtime at the same time goes into one update.

Per showtime at most one update is in flight; the requests that arrive meanwhile join the next. A batch is one
conditional update of one document: it takes the seats of all its requests or of none. When it misses, the map is read
again, whoever is really refused is told, and the rest goes in the next update. Nobody is refused on evidence older than
his request: what was remembered from earlier only decides who is tried first. Seats are chosen for a buyer in the batch
itself, so that a hundred who want the best seats get different ones.

Showtimes for which one buyer comes at a time share something too: their updates, one for each, go in one write.

Several processes may do this to one showtime. That costs speed, never correctness, which rests on the update's
condition.
"""

import copy
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from inventory_service.domain.layout import LayoutKey
from inventory_service.domain.seat_map import Glance, Hold, Mark
from inventory_service.domain.wishes import Wish
from inventory_service.handlers.attempts import ATTEMPTS, Contended, NotOpenYet
from inventory_service.handlers.evict import TellExpired, evict
from inventory_service.handlers.pauses import outlasting_pauses
from inventory_service.store.seat_maps import SeatMaps
from service_kit.clock import Clock
from service_kit.errors import DomainError
from service_kit.lanes import Lane

BATCH = 512
SINGLES = 64
WAITING = 4_096
LANES = 4_096
REMEMBERED = 10_000


@dataclass(slots=True)
class Wanted:
    """`retried`: an earlier try of the same request may have left its hold, which then is its own.

    `showtime_version` is the one that the buyer's price is of, as far as this process has heard. `of_channel_alone`: no
    public seats, which are not on sale yet.
    """

    booking_id: str
    until: datetime
    wish: Wish
    channel: str | None
    retried: bool
    showtime_version: int
    of_channel_alone: bool = False

    @property
    def kind(self) -> Hashable:
        """The same for those who are met or refused alike; None where the wish is one of its own."""
        return self.wish.kind and (self.wish.kind, self.channel, self.of_channel_alone)


@dataclass(slots=True)
class Taken:
    """The hold as it is in the map, and the showtime version that the map follows."""

    hold: Hold
    showtime_version: int


@dataclass(frozen=True, slots=True)
class LayoutMoved:
    """The map has another layout than the one in which the seats were wanted."""

    layout: LayoutKey


Outcome = Taken | LayoutMoved
Outcomes = dict[int, Outcome | Exception]


class BoxOffice:
    def __init__(self, seat_maps: SeatMaps, clock: Clock, tell_expired: TellExpired) -> None:
        self._seat_maps = seat_maps
        self._clock = clock
        self._tell_expired = tell_expired
        self._lanes: dict[str, Lane[Wanted, Outcome]] = {}
        self._singles: Lane[tuple[str, Hold, Glance], Glance | None] = Lane(
            self._hold_each, batch=SINGLES, waiting=WAITING
        )
        # How maps were when last seen: only a hint at whom to try together.
        self._sights: OrderedDict[str, Glance] = OrderedDict()

    async def take(self, showtime_id: str, wanted: Wanted) -> Outcome:
        """Raises the refusals of the wish; NotOpenYet, ShowtimeStarted, ShowtimeCancelled, Overloaded, Contended."""
        lane = self._lanes.get(showtime_id)
        if lane is None:
            self._make_room()
            lane = Lane(partial(self._serve, showtime_id), batch=BATCH, waiting=WAITING)
            self._lanes[showtime_id] = lane
        return await lane.submit(wanted)

    def _make_room(self) -> None:
        """Let go of lanes that nobody waits in, the oldest first. There may never be two of one showtime."""
        if len(self._lanes) >= LANES:
            idle = [showtime_id for showtime_id, lane in self._lanes.items() if lane.idle]
            for showtime_id in idle[: LANES // 2]:
                del self._lanes[showtime_id]

    def layout_of(self, showtime_id: str) -> LayoutKey | None:
        """The layout that the map had when it was last seen."""
        sight = self._sights.get(showtime_id)
        return sight.layout if sight else None

    async def look_up_layout(self, showtime_id: str) -> LayoutKey | None:
        """The layout that the map has now."""
        seen = await self._look(showtime_id, ())
        return seen.layout if seen else None

    async def _serve(self, showtime_id: str, wanted: Sequence[Wanted]) -> list[Outcome | Exception]:
        outcomes: Outcomes = {}
        for _ in range(ATTEMPTS):
            waiting = [index for index in range(len(wanted)) if index not in outcomes]
            if not waiting:
                break
            try:
                if not await self._try(showtime_id, wanted, waiting, outcomes):
                    await self._judge(showtime_id, wanted, waiting, outcomes)
            except Exception as error:  # who was served before it has his seats; each other is told for himself
                return [outcomes.get(index) or copy.copy(error) for index in range(len(wanted))]
        return [outcomes.get(index) or Contended() for index in range(len(wanted))]

    async def _try(
        self, showtime_id: str, wanted: Sequence[Wanted], waiting: Sequence[int], outcomes: Outcomes
    ) -> bool:
        """One update for as many of those waiting as don't get in each other's way.

        False where only a reading of the map can tell how to go on.
        """
        now = self._clock.now()
        sight = self._sights.get(showtime_id) or _unseen(wanted[waiting[0]], now)
        holds = {
            index: Hold(wanted[index].booking_id, Mark.HOLD, wanted[index].until, mask)
            for index, mask in _picks(wanted, waiting, sight).items()
        }
        if not holds:
            return False
        if len(waiting) == 1:
            seen = await self._singles.submit((showtime_id, next(iter(holds.values())), sight))
        else:
            seen = await self._seat_maps.hold(showtime_id, list(holds.values()), sight, now)
        if seen is None:
            return False
        self._remember(showtime_id, seen)
        for index, hold in holds.items():
            outcomes[index] = Taken(hold, seen.showtime_version)
        left = [index for index in waiting if index not in outcomes]
        if seen.may_have_expired(now):
            return not left
        # Who tries again may have a hold of his own, which this reading doesn't show.
        _refuse(wanted, [index for index in left if not wanted[index].retried], seen, outcomes)
        return not any(wanted[index].retried for index in left)

    async def _hold_each(self, holds: Sequence[tuple[str, Hold, Glance]]) -> list[Glance | Exception | None]:
        """Single holds of different showtimes: how each map is afterwards, None where the hold missed."""
        now = self._clock.now()
        if len(holds) == 1:
            showtime_id, hold, sight = holds[0]
            return [await self._seat_maps.hold(showtime_id, [hold], sight, now)]
        had = await self._seat_maps.hold_each(holds, now)
        return [
            replace(sight, taken=sight.taken | hold.mask) if taken else None
            for (_, hold, sight), taken in zip(holds, had, strict=True)
        ]

    async def _judge(
        self, showtime_id: str, wanted: Sequence[Wanted], waiting: Sequence[int], outcomes: Outcomes
    ) -> None:
        """By a reading made after they arrived: who is refused, who has his seats already."""
        left = [index for index in waiting if index not in outcomes]
        seen = await self._look(showtime_id, [wanted[index].booking_id for index in left if wanted[index].retried])
        now = self._clock.now()
        if seen is None:
            outcomes.update((index, NotOpenYet()) for index in left)
            return
        for index in left:
            own = seen.own.get(wanted[index].booking_id)
            try:
                seen.require_bookable(now)
            except DomainError as error:
                outcomes[index] = error
                continue
            if wanted[index].wish.layout.key != seen.layout:
                outcomes[index] = LayoutMoved(seen.layout)
            elif own and not own.expired(now):
                outcomes[index] = Taken(own, seen.showtime_version)
        if not seen.may_have_expired(now):
            _refuse(wanted, [index for index in left if index not in outcomes], seen, outcomes)

    async def _look(self, showtime_id: str, own: Sequence[str]) -> Glance | None:
        """A reading after holds that ran out, if there are any, have been evicted."""
        seen = await outlasting_pauses(partial(self._seat_maps.glance, showtime_id, own), self._clock)
        if seen and seen.may_have_expired(self._clock.now()):
            seat_map = await self._seat_maps.get(showtime_id)
            if seat_map:
                await evict(self._seat_maps, seat_map, self._clock.now(), self._tell_expired)
            seen = await self._seat_maps.glance(showtime_id, own)
        if seen:
            self._remember(showtime_id, seen)
        return seen

    def _remember(self, showtime_id: str, seen: Glance) -> None:
        self._sights[showtime_id] = seen
        self._sights.move_to_end(showtime_id)
        if len(self._sights) > REMEMBERED:
            self._sights.popitem(last=False)


def _unseen(wanted: Wanted, now: datetime) -> Glance:
    """What is supposed of a map that was not seen yet: if it is otherwise, the update misses."""
    return Glance("open", now, wanted.wish.layout.key, wanted.showtime_version, 0, (), 0, None, {})


def _picks(wanted: Sequence[Wanted], waiting: Sequence[int], sight: Glance) -> dict[int, int]:
    """The seats for those whose wish can be met at once, by index: first come, first tried, none in another's way."""
    picks: dict[int, int] = {}
    taken = sight.taken
    hopeless: set[Hashable] = set()  # seats only grow fewer in here, so what can't be met once can't be met again
    for index in waiting:
        one = wanted[index]
        kind = one.kind
        if one.wish.layout.key != sight.layout or kind in hopeless:
            continue
        mask = one.wish.pick(_unavailable(taken, sight, one))
        if mask is not None:
            picks[index] = mask
            taken |= mask
        elif kind:
            hopeless.add(kind)
    return picks


def _refuse(wanted: Sequence[Wanted], whom: Sequence[int], seen: Glance, outcomes: Outcomes) -> None:
    """Tell those of `whom` who can't be served, by evidence that is younger than their requests."""
    refusals: dict[Hashable, DomainError | None] = {}
    for index in whom:
        one = wanted[index]
        kind = one.kind
        if one.wish.layout.key != seen.layout:
            continue
        if kind and kind in refusals:
            refusal = copy.copy(refusals[kind])
        else:
            refusal = refusals[kind] = one.wish.refusal(_unavailable(seen.taken, seen, one))
        if refusal:
            outcomes[index] = refusal


def _unavailable(taken: int, sight: Glance, one: Wanted) -> int:
    if one.of_channel_alone:
        return taken | (one.wish.layout.everything & ~sight.opened(one.channel))
    return taken | sight.closed(one.channel) if sight.blocks else taken
