"""Webhook events: stored by the API before it answers, applied by the worker in any order and any number of times."""

import asyncio
from datetime import datetime, timedelta

from prometheus_client import Counter

from payment_service.domain.errors import BadWebhook, NotDismissable, NotReplayable, WebhookNotFound
from payment_service.handlers.payments import Payments
from payment_service.provider import Provider
from payment_service.store.events import ClaimedEvent, Dismissal, EventState, LeftState, StoredEvent, WebhookEvents
from service_kit.clock import Clock
from service_kit.errors import DomainError
from service_kit.logs import get_logger
from service_kit.problems import is_outage
from service_kit.tasks import woken

log = get_logger(__name__)
AT_ONCE = 64
POLL_SECONDS = 1.0
# A claim that has not ended by then died with its worker.
CLAIM = timedelta(seconds=15)
MOST_TRIES = 10
LONGEST_PAUSE = 60
MOST_TOLD = 1_000
RECEIVED = Counter("marquee_webhooks_received", "Webhooks by outcome: stored, repeated, refused", ["outcome"])
APPLIED = Counter("marquee_webhooks_applied", "What became of stored webhook events", ["outcome"])


class WebhookInbox:
    """Takes webhooks in: `receive` returns once the event is stored, so that 200 means it can't be lost."""

    def __init__(self, events: WebhookEvents, provider: Provider, clock: Clock) -> None:
        self._events = events
        self._provider = provider
        self._clock = clock

    async def receive(self, body: bytes, signature: str | None) -> None:
        """Raises BadWebhook. A repeat is stored once."""
        now = self._clock.now()
        try:
            event = self._provider.read_webhook(body, signature, now)
        except BadWebhook:
            RECEIVED.labels("refused").inc()
            raise
        stored = await self._events.keep(event, now)
        RECEIVED.labels("stored" if stored else "repeated").inc()

    async def left(self, state: LeftState, after: tuple[datetime, str] | None, limit: int) -> list[StoredEvent]:
        """Events that failed, matched no payment, or were dismissed after that; the latest first."""
        return await self._events.left(state, after, limit)

    async def replay(self, event_id: str) -> StoredEvent:
        """Have such an event applied again, soon. Raises WebhookNotFound, NotReplayable."""
        await self._events.replay(event_id, self._clock.now())
        event = await self._events.get(event_id)
        if event is None:
            raise WebhookNotFound
        if event.state in {"applied", "ignored"}:
            raise NotReplayable(state=event.state)
        return event

    async def dismiss(self, event_id: str, by: str, reason: str) -> StoredEvent:
        """Say of such an event that nothing is to be done about it. Repeats are harmless.

        Raises WebhookNotFound, NotDismissable.
        """
        dismissed = await self._events.dismiss(event_id, Dismissal(by, reason, self._clock.now()))
        event = await self._events.get(event_id)
        if event is None:
            raise WebhookNotFound
        if not dismissed and event.state != "dismissed":
            raise NotDismissable(state=event.state)
        log.info("webhook_dismissed", event_id=event_id, by=by, reason=reason)
        return event


class WebhookApplier:
    """Applies stored events for ever. `after` is set when one was, for a worker that has follow-up work.

    With `hints` an event is only a reason to ask the gateway, and what it answers is taken in.
    """

    def __init__(
        self,
        events: WebhookEvents,
        provider: Provider,
        payments: Payments,
        clock: Clock,
        after: asyncio.Event,
        *,
        hints: bool = False,
    ) -> None:
        self._events = events
        self._provider = provider
        self._payments = payments
        self._clock = clock
        self._after = after
        self._hints = hints
        self._wake = asyncio.Event()

    async def watch(self) -> None:
        await self._events.watch(self._wake)

    async def run(self) -> None:
        """Woken by a change stream, polling as the truth."""
        busy: set[asyncio.Task[None]] = set()

        def ended(task: asyncio.Task[None]) -> None:
            if len(busy) == AT_ONCE:  # there may be more than could be taken
                self._wake.set()
            busy.discard(task)

        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                if room := AT_ONCE - len(busy):
                    for claimed in await self._events.claim(self._clock.now(), CLAIM, room):
                        task = group.create_task(self._apply(claimed))
                        busy.add(task)
                        task.add_done_callback(ended)
                await woken(self._wake, POLL_SECONDS)

    async def _apply(self, claimed: ClaimedEvent) -> None:
        try:
            report = self._provider.report_of(claimed.event)
            if report is None:
                await self._finish(claimed, "ignored")
                return
            if self._hints:
                report = await self._payments.ask(report)
            if await self._payments.learn(report):
                await self._finish(claimed, "applied")
                self._after.set()
            else:
                log.warning("webhook_about_no_payment_of_ours", event_id=claimed.event.id, type=claimed.event.type)
                await self._finish(claimed, "unmatched")
        except Exception as error:
            await self._failed(claimed, error)

    async def _finish(self, claimed: ClaimedEvent, state: EventState, error: str = "") -> None:
        await self._events.finish(claimed, state, self._clock.now(), error)
        APPLIED.labels(state).inc()

    async def _failed(self, claimed: ClaimedEvent, error: Exception) -> None:
        """An outage is waited out; what can't be applied is kept for people to see."""
        now = self._clock.now()
        passing = is_outage(error)
        hopeless = isinstance(error, DomainError | ValueError) or claimed.tries >= MOST_TRIES
        if hopeless and not passing:
            log.error("webhook_can_not_be_applied", event_id=claimed.event.id, error=repr(error))
            await self._finish(claimed, "failed", repr(error)[:MOST_TOLD])
            return
        APPLIED.labels("retried").inc()
        log.warning("webhook_retried", event_id=claimed.event.id, tries=claimed.tries, error=repr(error))
        pause = timedelta(seconds=min(2 ** min(claimed.tries, 10), LONGEST_PAUSE))
        await self._events.retry(claimed, now + pause, repr(error)[:MOST_TOLD])
