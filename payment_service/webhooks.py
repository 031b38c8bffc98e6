"""Webhook events: stored by the API before it answers, applied by the worker in any order and any number of times."""

import asyncio
from datetime import timedelta

from payment_service.handlers import Payments
from payment_service.provider import Provider
from payment_service.store import ClaimedEvent, Store
from service_kit.clock import Clock
from service_kit.errors import DomainError
from service_kit.logs import get_logger
from service_kit.problems import is_outage
from service_kit.tasks import woken

log = get_logger(__name__)
AT_ONCE = 16
POLL_SECONDS = 1.0
# A claim that has not ended by then died with its worker.
CLAIM = timedelta(seconds=15)
MOST_TRIES = 10
LONGEST_PAUSE = 60


class WebhookInbox:
    """Takes webhooks in: `receive` returns once the event is stored, so that 200 means it can't be lost."""

    def __init__(self, store: Store, provider: Provider, clock: Clock) -> None:
        self._store = store
        self._provider = provider
        self._clock = clock

    async def receive(self, body: bytes, signature: str | None) -> None:
        """Raises BadWebhook. A repeat is stored once."""
        now = self._clock.now()
        await self._store.keep_event(self._provider.read_webhook(body, signature, now), now)


class WebhookApplier:
    """Applies stored events for ever. `after` is called when one was, for a worker that has follow-up work."""

    def __init__(
        self, store: Store, provider: Provider, payments: Payments, clock: Clock, after: asyncio.Event
    ) -> None:
        self._store = store
        self._provider = provider
        self._payments = payments
        self._clock = clock
        self._after = after
        self._wake = asyncio.Event()

    async def watch(self) -> None:
        await self._store.watch_events(self._wake)

    async def run(self) -> None:
        """Woken by a change stream, polling as the truth."""
        busy: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                while len(busy) < AT_ONCE and (claimed := await self._store.claim_event(self._clock.now(), CLAIM)):
                    task = group.create_task(self._apply(claimed))
                    busy.add(task)
                    task.add_done_callback(busy.discard)
                    task.add_done_callback(lambda _: self._wake.set())
                await woken(self._wake, POLL_SECONDS)

    async def _apply(self, claimed: ClaimedEvent) -> None:
        try:
            report = self._provider.report_of(claimed.event)
            if report is None:
                await self._store.finish_event(claimed, "ignored", self._clock.now())
            elif await self._payments.learn(report):
                await self._store.finish_event(claimed, "applied", self._clock.now())
                self._after.set()
            else:
                log.warning("webhook_about_no_payment_of_ours", event_id=claimed.event.id, type=claimed.event.type)
                await self._store.finish_event(claimed, "unmatched", self._clock.now())
        except Exception as error:
            await self._failed(claimed, error)

    async def _failed(self, claimed: ClaimedEvent, error: Exception) -> None:
        """An outage is waited out; what can't be applied is kept for people to see."""
        now = self._clock.now()
        passing = is_outage(error)
        hopeless = isinstance(error, DomainError | ValueError) or claimed.tries >= MOST_TRIES
        if hopeless and not passing:
            log.error("webhook_can_not_be_applied", event_id=claimed.event.id, error=repr(error))
            await self._store.finish_event(claimed, "failed", now, repr(error))
            return
        log.warning("webhook_retried", event_id=claimed.event.id, tries=claimed.tries, error=repr(error))
        pause = timedelta(seconds=min(2 ** min(claimed.tries, 10), LONGEST_PAUSE))
        await self._store.retry_event(claimed, now + pause, repr(error))
