"""The turnstile of one process: who may make one more hold, and what holds there are.

A hold is asked for before seats are taken. It is admitted where there is room beside what is stored and beside what
others on their way in this process may come to have. Nothing is written yet: most requests of an on-sale are refused.
Once the hold is made, and before anybody is told, the claim is stored. Another process may have been quicker with that:
then the hold is released again.

What arrives together shares one reading and one write. A batch of steps reads all holders concerned, decides in memory
in the order of arrival, and stores what changed on the condition that nobody else changed it meanwhile. Where somebody
did, the whole batch is decided again: each step is harmless to repeat, and those that were stored find themselves done.
So the limits hold across processes as well.

Nobody is refused for the sake of a hold that may still fail: who finds no room beside one on its way in this process
waits for its end.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import prometheus_client

from inventory_service.config import Settings
from inventory_service.domain.booking import Booking
from inventory_service.domain.hoarding import Claim, CoolingDown, Holder, Limits
from inventory_service.handlers.attempts import ATTEMPTS, Contended
from inventory_service.store.holders import Holders
from service_kit.clock import Clock
from service_kit.errors import TooManyRequests
from service_kit.lanes import Lane
from service_kit.logs import get_logger
from service_kit.problems import is_outage

log = get_logger(__name__)
BATCH = 512
WAITING = 10_000
# How long a request waits for others to make room; mostly they take some milliseconds.
PATIENCE_SECONDS = 2.0

REFUSED = prometheus_client.Counter("marquee_hoarding_refused", "Holds refused by a hoarding limit", ["limit"])

Change = Callable[[Holder, datetime, Limits], Holder]


@dataclass(slots=True)
class Attempt:
    """A hold that somebody wants to make, on its way from when it is admitted until it has ended."""

    keys: Sequence[str]
    claim: Claim
    ended: asyncio.Event = field(default_factory=asyncio.Event)


# By holder and booking.
OnTheirWay = dict[str, dict[str, Attempt]]


@dataclass(slots=True)
class Step:
    """A change of all these holders or, where one refuses it, of none."""

    keys: Sequence[str]
    booking_id: str
    change: Change


@dataclass(frozen=True, slots=True)
class Refused:
    """`until`: there may be room once this has happened, the end of an attempt that is on its way."""

    error: TooManyRequests
    until: asyncio.Event | None = None


class Turnstile:
    def __init__(self, holders: Holders, clock: Clock, settings: Settings) -> None:
        self._holders = holders
        self._clock = clock
        self._limits = limits_by_kind(settings)
        self._attempts: Lane[Attempt, Refused | None] = Lane(self._admit_all, batch=BATCH, waiting=WAITING)
        self._steps: Lane[Step, Refused | None] = Lane(self._change_all, batch=BATCH, waiting=WAITING)
        self._on_their_way: OnTheirWay = {}

    @asynccontextmanager
    async def admitted(self, keys: Sequence[str], claim: Claim) -> AsyncIterator[None]:
        """There is room for this hold while it is being made. Raises TooManyHolds, TooManySeats, CoolingDown."""
        attempt = Attempt(keys, claim)
        try:
            if refused := await self._attempts.submit(attempt):
                await self._wait_for_room(attempt, refused)
            yield
        finally:
            attempt.ended.set()
            self._leave(attempt)

    async def claim(self, booking: Booking) -> None:
        """Its hold is made. Raises TooManyHolds, TooManySeats, CoolingDown where another process was quicker."""
        if booking.holder_keys:
            claim = Claim(booking.id, booking.showtime_id, len(booking.seat_ids), booking.held_until)
            step = _step(booking, lambda holder, now, limits: holder.claim(claim, now, limits))
            if refused := await self._steps.submit(step):
                raise _counted(refused)

    async def extend(self, booking: Booking, until: datetime) -> None:
        """The hold lives longer."""
        await self._try(_step(booking, lambda holder, *_: holder.extend(booking.id, until)))

    async def give_back(self, booking: Booking) -> None:
        """The hold ended through no fault of its owner."""
        await self._do(_step(booking, lambda holder, *_: holder.give_back(booking.id)))

    async def abandon(self, booking: Booking) -> None:
        """The owner gave up the hold."""
        await self._do(_step(booking, lambda holder, now, limits: holder.abandon(booking.id, now, limits)))

    async def buy(self, booking: Booking) -> None:
        """The seats were paid for."""
        await self._do(_step(booking, lambda holder, _, limits: holder.buy(booking.id, limits)))

    async def _wait_for_room(self, attempt: Attempt, refused: Refused | None) -> None:
        """Try again each time there may be room. Raises the refusal once there can't be."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while refused:
            if not (refused.until and await _happens(refused.until, deadline)):
                raise _counted(refused)
            refused = await self._attempts.submit(attempt)

    async def _do(self, step: Step) -> None:
        if step.keys:
            await self._steps.submit(step)

    async def _try(self, step: Step) -> None:
        """Where it can't be done, the claim ends at the time it knows; what it belongs to must not fail for that."""
        try:
            await self._do(step)
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("claim_not_followed", booking_id=step.booking_id, error=repr(error))

    async def _admit_all(self, attempts: Sequence[Attempt]) -> list[Refused | Exception | None]:
        keys = {key for attempt in attempts for key in attempt.keys}
        # Who is on his way now may have come to his end before the reading is there, and not be in it.
        on_their_way = {key: dict(self._on_their_way.get(key, {})) for key in keys}
        stored = await self._holders.read(keys)
        now = self._clock.now()
        holders = {key: holder.at(now, self._limits_of(key)) for key, holder in stored.items()}
        return [self._admit(attempt, holders, on_their_way, now) for attempt in attempts]

    def _admit(
        self, attempt: Attempt, holders: Mapping[str, Holder], on_their_way: OnTheirWay, now: datetime
    ) -> Refused | None:
        if attempt.ended.is_set():  # its caller went away while it waited for this batch
            return None
        for key in attempt.keys:
            others = on_their_way[key]
            try:
                holder = holders[key].beside([other.claim for other in others.values()])
                holder.require_room(attempt.claim, now, self._limits_of(key))
            except CoolingDown as error:
                return Refused(error)
            except TooManyRequests as error:
                return Refused(error, next((other.ended for other in others.values()), None))
        for key in attempt.keys:
            on_their_way[key][attempt.claim.booking_id] = attempt
            self._on_their_way.setdefault(key, {})[attempt.claim.booking_id] = attempt
        return None

    def _leave(self, attempt: Attempt) -> None:
        for key in attempt.keys:
            others = self._on_their_way.get(key, {})
            if others.pop(attempt.claim.booking_id, None) and not others:
                del self._on_their_way[key]

    async def _change_all(self, steps: Sequence[Step]) -> list[Refused | Exception | None]:
        keys = {key for step in steps for key in step.keys}
        for _ in range(ATTEMPTS):
            stored = await self._holders.read(keys)
            now = self._clock.now()
            before = {key: holder.at(now, self._limits_of(key)) for key, holder in stored.items()}
            after = dict(before)
            outcomes: list[Refused | Exception | None] = [self._change(step, after, now) for step in steps]
            changed = [holder for key, holder in after.items() if holder is not before[key]]
            expiring = [(holder, holder.remembered_until(self._limits_of(holder.key)) or now) for holder in changed]
            if await self._holders.write(expiring):
                return outcomes
        return [Contended() for _ in steps]

    def _change(self, step: Step, holders: dict[str, Holder], now: datetime) -> Refused | None:
        try:
            holders |= {key: step.change(holders[key], now, self._limits_of(key)) for key in step.keys}
        except TooManyRequests as error:
            # An earlier try may have been stored for some of its holders.
            holders |= {key: holders[key].give_back(step.booking_id) for key in step.keys}
            return Refused(error)
        return None

    def _limits_of(self, key: str) -> Limits:
        return self._limits[key.partition(":")[0]]


def limits_by_kind(settings: Settings) -> dict[str, Limits]:
    """The rules by what a holder's key begins with."""
    kinds = {"user": settings.user_limits, "guest": settings.guest_limits, "address": settings.address_limits}
    window, cool_down = (timedelta(seconds=n) for n in (settings.abandoned_within_seconds, settings.cool_down_seconds))
    return {
        kind: Limits(kind, given.holds, given.seats, given.seats_per_showtime, given.abandoned, window, cool_down)
        for kind, given in kinds.items()
    }


def _counted(refused: Refused) -> TooManyRequests:
    REFUSED.labels(refused.error.extras["limit"]).inc()
    return refused.error


def _step(booking: Booking, change: Change) -> Step:
    return Step(booking.holder_keys, booking.id, change)


async def _happens(event: asyncio.Event, deadline: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout_at(deadline):
            await event.wait()
    return event.is_set() and asyncio.get_running_loop().time() < deadline
