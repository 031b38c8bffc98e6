"""The box office of one process: what wants seats of a showtime at the same time goes into one update.

Per showtime at most one update is in flight; the requests that arrive meanwhile join the next. A batch is one
conditional update of one document: it takes the seats of all its requests or of none. When it misses, the map is read
again, whoever is really refused is told, and the rest goes in the next update. Nobody is refused on evidence older than
his request: what was remembered from earlier only decides who is tried first.

Several processes may do this to one showtime. That costs speed, never correctness, which rests on the update's
condition.
"""

import copy
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from inventory_service.domain.seat_map import Hold, SeatMap
from inventory_service.handlers.attempts import ATTEMPTS, Contended, NotOpenYet
from inventory_service.store.seat_maps import SeatMaps
from service_kit.clock import Clock
from service_kit.errors import DomainError
from service_kit.lanes import Lane

BATCH = 512
WAITING = 4_096
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """`retried`: an earlier try of the same request may have left its hold, which then is its own."""

    hold: Hold
    retried: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """The hold as it is in the map, the showtime version the map follows, and the expired holds it evicted."""

    hold: Hold
    showtime_version: int
    evicted: Sequence[Hold] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The seats in the way."""

    mask: int


Outcome = Taken | Refused


class BoxOffice:
    def __init__(self, seat_maps: SeatMaps, clock: Clock) -> None:
        self._seat_maps = seat_maps
        self._clock = clock
        self._lanes: dict[str, Lane[Wanted, Outcome]] = {}
        # Seats that were occupied when a map was last seen: only a hint at whom to try together.
        self._occupied: OrderedDict[str, int] = OrderedDict()

    async def take(self, showtime_id: str, hold: Hold, *, retried: bool = False) -> Outcome:
        """Raises NotOpenYet, ShowtimeStarted, ShowtimeCancelled, Overloaded, Contended."""
        lane = self._lanes.get(showtime_id)
        if lane is None:
            lane = Lane(partial(self._serve, showtime_id), batch=BATCH, waiting=WAITING)
            self._lanes[showtime_id] = lane
        try:
            return await lane.submit(Wanted(hold, retried))
        finally:
            if lane.idle:
                self._lanes.pop(showtime_id, None)

    async def _serve(self, showtime_id: str, wanted: Sequence[Wanted]) -> list[Outcome | Exception]:
        outcomes: dict[int, Outcome | Exception] = {}
        seat_map: SeatMap | None = None
        for _ in range(ATTEMPTS):
            waiting = [index for index in range(len(wanted)) if index not in outcomes]
            if not waiting:
                break
            try:
                told = await self._try(showtime_id, wanted, waiting, seat_map, outcomes)
                seat_map = None if told else await self._judge(showtime_id, wanted, waiting, outcomes)
            except Exception as error:  # who was served before it has his seats; each other is told for himself
                return [outcomes.get(index) or copy.copy(error) for index in range(len(wanted))]
        return [outcomes.get(index) or Contended() for index in range(len(wanted))]

    async def _try(
        self,
        showtime_id: str,
        wanted: Sequence[Wanted],
        waiting: Sequence[int],
        seat_map: SeatMap | None,
        outcomes: dict[int, Outcome | Exception],
    ) -> bool:
        """One update for as many of those waiting as don't get in each other's way.

        False where only a reading of the whole map can tell how to go on.
        """
        now = self._clock.now()
        occupied = seat_map.occupied(now) if seat_map else self._occupied.get(showtime_id, 0)
        chosen = _compatible(wanted, waiting, occupied)
        if not chosen:
            return False
        evictions = {index: seat_map.in_the_way(wanted[index].hold.mask, now) if seat_map else [] for index in chosen}
        evicted = {hold.booking_id: hold for holds in evictions.values() for hold in holds}
        holds = [wanted[index].hold for index in chosen]
        seen = await self._seat_maps.hold(showtime_id, holds, list(evicted.values()), now)
        if seen is None:
            return False
        self._remember(showtime_id, seen.taken)
        for index in chosen:
            outcomes[index] = Taken(wanted[index].hold, seen.showtime_version, evictions[index])
        left = [index for index in waiting if index not in outcomes]
        if seen.next_expiry is not None and seen.next_expiry <= now:
            return not left  # some of what is taken may be claimable: only the whole map tells
        for index in left:
            blocked = seen.taken & wanted[index].hold.mask
            if blocked and not wanted[index].retried:
                outcomes[index] = Refused(blocked)
        return all(index in outcomes or not wanted[index].retried for index in left)

    async def _judge(
        self,
        showtime_id: str,
        wanted: Sequence[Wanted],
        waiting: Sequence[int],
        outcomes: dict[int, Outcome | Exception],
    ) -> SeatMap | None:
        """By a whole reading made after they arrived: who is refused, who has his seats already.

        Gives the reading for the next try, unless this changed the map itself.
        """
        seat_map = await self._seat_maps.get(showtime_id)
        changed = False
        now = self._clock.now()
        occupied = seat_map.occupied(now) if seat_map else 0
        self._remember(showtime_id, occupied)
        for index in waiting:
            if index in outcomes:
                continue
            hold = wanted[index].hold
            try:
                if seat_map is None:
                    raise NotOpenYet
                seat_map.require_bookable(now)
            except DomainError as error:
                outcomes[index] = error
                continue
            own = seat_map.holds.get(hold.booking_id)
            if own and not own.expired(now):
                outcomes[index] = Taken(own, seat_map.showtime_version)
            elif own:
                changed = await self._seat_maps.release(showtime_id, [own], now) or changed
            elif blocked := occupied & hold.mask:
                outcomes[index] = Refused(blocked)
        return None if changed else seat_map

    def _remember(self, showtime_id: str, occupied: int) -> None:
        self._occupied[showtime_id] = occupied
        self._occupied.move_to_end(showtime_id)
        if len(self._occupied) > REMEMBERED:
            self._occupied.popitem(last=False)


def _compatible(wanted: Sequence[Wanted], waiting: Sequence[int], occupied: int) -> list[int]:
    """Those whose seats seem free and don't overlap with those of one before them: first come, first tried."""
    chosen = []
    for index in waiting:
        mask = wanted[index].hold.mask
        if not mask & occupied:
            chosen.append(index)
            occupied |= mask
    return chosen
