"""Slots of halls: claimed first, owned once the showtime bears the claim, freed when a crash left them behind.

Creating a showtime is two writes: the slot in the hall, then the showtime. Whoever finds a slot in his way asks the
showtime: if it does not bear the slot's claim after half a minute, its maker is taken for dead. Then the showtime is
first made unable to bear it any more (`disown`), and only after that the slot is given free. So a maker who was merely
slow fails at his second write, and there is never a showtime without its slot.
"""

from collections.abc import Iterable, Mapping, Sequence

from service_kit.clock import Clock
from service_kit.models import rfc3339
from venues_service.domain.halls import Hall, HallBusy, Slot
from venues_service.store.base import ABANDONED
from venues_service.store.halls import Halls
from venues_service.store.showtimes import Showtimes

ATTEMPTS = 3


class Slots:
    """Claims and gives free; holds no state of its own."""

    def __init__(self, halls: Halls, showtimes: Showtimes, clock: Clock) -> None:
        self._halls = halls
        self._showtimes = showtimes
        self._clock = clock

    async def claim(self, wanted: Mapping[str, Sequence[Slot]]) -> dict[str, HallBusy]:
        """Claim slots by hall; returns the refusals by claim. All of a hall's go in one update where they can."""
        refusals: dict[str, HallBusy] = {}
        groups: dict[str, list[Slot]] = {}
        for hall_id, slots in wanted.items():
            kept: list[Slot] = []
            for slot in slots:
                rival = next((other for other in kept if other.overlaps(slot)), None)
                if rival:
                    refusals[slot.claim] = _busy(rival)
                else:
                    kept.append(slot)
            groups[hall_id] = kept
        standing = await self._halls.claim(groups, self._clock.now()) if groups else set()
        for hall_id, slots in groups.items():
            for slot in slots:
                if slot.claim not in standing and (refusal := await self._claim_one(hall_id, slot)):
                    refusals[slot.claim] = refusal
        return refusals

    async def _claim_one(self, hall_id: str, slot: Slot) -> HallBusy | None:
        for _ in range(ATTEMPTS):
            if slot.claim in await self._halls.claim({hall_id: [slot]}, self._clock.now()):
                return None
            hall = await self._halls.find(hall_id)
            if hall is None:
                return HallBusy("The hall was deleted meanwhile")
            rivals = [other for other in hall.slots if other.overlaps(slot) and other.showtime_id != slot.showtime_id]
            if standing := await self.standing(hall_id, rivals):
                return _busy(standing[0])
        return HallBusy("Others keep claiming this time")

    async def release(self, hall_id: str, *claims: str) -> None:
        await self._halls.release({hall_id: list(claims)})

    async def standing(self, hall_id: str, slots: Sequence[Slot]) -> list[Slot]:
        """Those that are owned, or so young that they may yet be. The others are given free."""
        claims = await self._showtimes.find_claims([slot.showtime_id for slot in slots])
        young = self._clock.now() - ABANDONED
        standing, dead = [], []
        for slot in slots:
            owned = claims.get(slot.showtime_id) == ("scheduled", slot.claim)
            if owned or slot.at > young or not await self._showtimes.disown(slot.showtime_id, slot.claim):
                standing.append(slot)
            else:
                dead.append(slot.claim)
        if dead:
            await self.release(hall_id, *dead)
        return standing

    async def any_upcoming(self, halls: Iterable[Hall], event_id: str | None = None) -> bool:
        """Whether a showtime (of this event) is still to come, or going on, in one of these halls."""
        now = self._clock.now()
        for hall in halls:
            slots = [slot for slot in hall.slots if slot.ends > now and event_id in (None, slot.event_id)]
            if await self.standing(hall.state.hall_id, slots):
                return True
        return False


def _busy(slot: Slot) -> HallBusy:
    return HallBusy(
        f"The hall is in use from {rfc3339(slot.starts)} to {rfc3339(slot.until)}, cleaning included",
        showtime_id=slot.showtime_id,
        starts_at=rfc3339(slot.starts),
        ends_at=rfc3339(slot.ends),
    )
