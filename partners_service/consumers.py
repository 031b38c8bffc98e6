"""What the worker does: follows bookings, and takes the next step of every request that is due."""

import asyncio
from collections import Counter
from datetime import datetime

from messaging.consumer import Subscription
from messaging.envelope import Event
from messaging.events import BookingState, PartnerRequest
from partners_service.domain.requests import Request
from partners_service.handlers.asking import Asking
from service_kit.errors import DomainError
from service_kit.logs import get_logger
from service_kit.tasks import woken

log = get_logger(__name__)
# Exchanges at once in one process, and of those with one theatre: one that hangs leaves places for others.
AT_ONCE = 32
AT_ONCE_PER_PARTNER = 8
LOOK_SECONDS = 0.5


def bookings(asking: Asking, wake: asyncio.Event) -> Subscription:
    async def requested(event: Event[PartnerRequest]) -> None:
        await asking.begin(event.data)
        wake.set()

    async def over(event: Event[BookingState]) -> None:
        if event.data.partner:
            await asking.withdraw(event.data.booking_id, event.data.partner)
            wake.set()

    async def reduced(event: Event[BookingState]) -> None:
        if event.data.partner:
            await asking.reduce(event.data.booking_id, event.data.seat_ids)
            wake.set()

    async def moved(event: Event[BookingState]) -> None:
        starts_at = event.data.moved_to or event.data.starts_at
        if event.data.partner and starts_at:
            await asking.move(event.data.booking_id, starts_at, event.data.version)
            wake.set()

    return Subscription(
        "partners.requests",
        handlers={
            "PartnerConfirmationRequested": requested,
            "BookingCancelled": over,
            "BookingFailed": over,
            "BookingReduced": reduced,
            "BookingRescheduled": moved,
        },
    )


class Attendant:
    """Claims what is due, each time `wake` is set and every so often, and attends to so much at once."""

    def __init__(self, asking: Asking, wake: asyncio.Event) -> None:
        self._asking = asking
        self._wake = wake
        self._places = asyncio.Semaphore(AT_ONCE)
        self._under_way: Counter[str] = Counter()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                while await self._next(group):
                    pass
                await woken(self._wake, LOOK_SECONDS)

    async def _next(self, group: asyncio.TaskGroup) -> bool:
        await self._places.acquire()
        full = [partner_id for partner_id, count in self._under_way.items() if count >= AT_ONCE_PER_PARTNER]
        try:
            request = await self._asking.requests.claim(self._now(), full)
        except BaseException:
            self._places.release()
            raise
        if request is None:
            self._places.release()
            return False
        self._under_way[request.partner_id] += 1
        group.create_task(self._attend(request))
        return True

    async def _attend(self, request: Request) -> None:
        try:
            await self._asking.attend(request)
        except (DomainError, ValueError) as error:  # one that can't be helped must not keep others waiting
            log.exception("request_left_for_later", booking_id=request.id, error=repr(error))
        finally:
            self._leave(request.partner_id)

    def _leave(self, partner_id: str) -> None:
        """Make room, and have what waits for it looked for."""
        self._under_way[partner_id] -= 1
        if not self._under_way[partner_id]:
            del self._under_way[partner_id]
        self._places.release()
        self._wake.set()

    def _now(self) -> datetime:
        return self._asking.clock.now()
