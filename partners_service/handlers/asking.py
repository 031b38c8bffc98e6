"""Asking theatres: what events want of it, and the steps that are due, one exchange each.

Whatever is sent was noted before it is sent, and whatever comes back is applied to the request as it is then: a worker
that dies is followed by another once its claim lapses, and a worker that was thought dead does no harm.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter

from prometheus_client import Counter

from messaging.envelope import new_event
from messaging.events import PartnerRequest
from messaging.outbox import outbox_entry
from partners_service.domain.partners import LastError, Partner
from partners_service.domain.protocol import Confirmed
from partners_service.domain.requests import SILENT, UNKNOWN, Request
from partners_service.handlers.partners import Directory
from partners_service.store.exchanges import Exchange, Exchanges, Kind, Outcome
from partners_service.store.requests import Requests
from partners_service.theatre import Line, Theatres, Unheard
from service_kit.clock import Clock
from service_kit.ids import new_id
from service_kit.logs import get_logger
from service_kit.mongo import Document
from service_kit.sealing import Unsealable

log = get_logger(__name__)
EXCHANGES = Counter("marquee_partner_exchanges", "Exchanges with partner theatres", ["kind", "outcome"])
# Who waits for a probe of another looks again after so long.
PROBE_PAUSE = timedelta(seconds=1)
Step = Callable[[Request], Request]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An exchange under way; where anything is sent the request is noted as being sent."""

    partner_id: str
    request: Request
    line: Line
    kind: Kind
    began: float


class NotAskedYet(Exception):
    """News of a booking came before the order to ask for it, which is on its way."""


@dataclass(frozen=True)
class Asking:
    requests: Requests
    exchanges: Exchanges
    directory: Directory
    theatres: Theatres
    clock: Clock

    async def begin(self, wanted: PartnerRequest) -> None:
        """Have the theatre asked. Repeats are harmless, and so is one that comes after the booking was cancelled."""
        now = self.clock.now()
        asked = wanted.model_dump(mode="json", by_alias=True, exclude={"partner"})
        await self.requests.add(
            Request(wanted.booking_id, 1, wanted.partner, asked, "asking", wanted.deadline, now, now, due_at=now)
        )

    async def withdraw(self, booking_id: str, partner_id: str) -> None:
        """The booking is over. Where it was not heard of yet that is kept, so that nobody asks for it later."""
        now = self.clock.now()
        over = Request(booking_id, 1, partner_id, {}, "withdrawn", now, now, now, due_at=None)
        if await self.requests.add(over):
            return
        request = await self.requests.get(booking_id)
        if request:
            await self._change(request, lambda it: it.withdrawn(now))

    async def reduce(self, booking_id: str, seat_ids: Sequence[str]) -> None:
        """Only these seats of the booking are left."""
        request = await self.requests.get(booking_id)
        if request:
            now = self.clock.now()
            await self._change(request, lambda it: it.reduced(seat_ids, now))

    async def move(self, booking_id: str, starts_at: datetime, version: int) -> None:
        """The show begins at another time, as that version of the booking has it. Raises NotAskedYet."""
        request = await self.requests.get(booking_id)
        if request is None:
            raise NotAskedYet
        now = self.clock.now()
        await self._change(request, lambda it: it.moved(starts_at, version, now))

    async def attend(self, request: Request) -> None:
        """The next step of a request that was claimed."""
        if request.state == "asking":
            await self._ask(request)
        elif request.telling:
            await self._tell(request)

    async def _ask(self, request: Request) -> None:
        now = self.clock.now()
        partner = await self.directory.partners.get(request.partner_id)
        if request.deadline <= now or partner is None or partner.deleted:
            reason = SILENT if partner and not partner.deleted else UNKNOWN
            log.warning("partner_refusal_assumed", booking_id=request.id, partner_id=request.partner_id, reason=reason)
            await self._change(request, lambda it: it.given_up(reason, now))
            return
        left = (request.deadline - now).total_seconds()
        attempt = await self._attempt(partner, request, "confirm", min(partner.timeout_seconds, left))
        if attempt is None:
            return
        try:
            status, answer = await self.theatres.ask(attempt.line, attempt.request)
        except Unheard as error:
            await self._unheard(attempt, error)
            return
        await self._change(attempt.request, lambda it: it.answered(answer, self.clock.now()))
        if isinstance(answer, Confirmed):
            await self._heard(attempt, "confirmed", status)
        else:
            await self._heard(attempt, "refused", status, answer.reason)

    async def _tell(self, request: Request) -> None:
        """What the theatre has to know: that the booking is over, which of its seats are left, when it begins."""
        partner = await self.directory.partners.get(request.partner_id)
        if partner is None:  # then it was never asked
            await self._change(request, lambda it: it.told(request, self.clock.now()))
            return
        kind, outcome = _news_of(request)
        attempt = await self._attempt(partner, request, kind, partner.timeout_seconds)
        if attempt is None:
            return
        try:
            status = await self.theatres.tell(attempt.line, attempt.request)
        except Unheard as error:
            await self._unheard(attempt, error)
            return
        await self._change(attempt.request, lambda it: it.told(attempt.request, self.clock.now()))
        await self._heard(attempt, outcome, status)

    async def _attempt(self, partner: Partner, request: Request, kind: Kind, seconds: float) -> Attempt | None:
        """An exchange that may begin; None where the breaker has it wait, another is at it, or none can sign it."""
        now, breaker = self.clock.now(), partner.breaker
        wait = breaker.wait_until(now)
        if wait is None and not breaker.closed and not await self.directory.partners.take_probe(partner, now):
            wait = now + PROBE_PAUSE
        if wait is not None:
            until = min(wait, now + PROBE_PAUSE) if breaker.probing else wait
            await self._change(request, lambda it: it.postponed(until, now))
            return None
        line = Line(partner.url, (), seconds, new_id())
        try:
            line = replace(line, secrets=self.directory.secrets_of(partner))
        except Unsealable as error:
            await self._unheard(Attempt(partner.id, request, line, kind, perf_counter()), Unheard(error.detail))
            return None
        sending = await self.requests.save(request.sending(now), None)
        return Attempt(partner.id, sending, line, kind, perf_counter()) if sending else None

    async def _unheard(self, attempt: Attempt, error: Unheard) -> None:
        now, what = self.clock.now(), str(error)
        log.warning("partner_unheard", partner_id=attempt.partner_id, booking_id=attempt.request.id, error=what)
        await self._change(attempt.request, lambda it: it.unheard(now))
        await self.directory.partners.note(attempt.partner_id, lambda it: it.failed(now), LastError(now, what))
        await self._log(attempt, "failed", error.status, what)

    async def _heard(self, attempt: Attempt, outcome: Outcome, status: int, detail: str = "") -> None:
        await self.directory.partners.note(attempt.partner_id, lambda it: it.succeeded())
        await self._log(attempt, outcome, status, detail)

    async def _log(self, attempt: Attempt, outcome: Outcome, status: int | None, detail: str) -> None:
        EXCHANGES.labels(attempt.kind, outcome).inc()
        await self.exchanges.add(
            Exchange(
                id=attempt.line.exchange_id,
                partner_id=attempt.partner_id,
                booking_id=attempt.request.id,
                kind=attempt.kind,
                at=self.clock.now(),
                milliseconds=round((perf_counter() - attempt.began) * 1000),
                outcome=outcome,
                status=status,
                detail=detail,
            )
        )

    async def _change(self, request: Request, step: Step) -> None:
        """Apply a step to the request as it was read, and again to what others made of it, until it is written."""
        current: Request | None = request
        while current is not None:
            after = step(current)
            if after is current or await self.requests.save(after, self._event(current, after)):
                return
            current = await self.requests.get(request.id)

    def _event(self, before: Request, after: Request) -> Document | None:
        announcement = after.announcement() if after.state != before.state else None
        if announcement is None:
            return None
        type_, data = announcement
        return outbox_entry(
            new_event(
                type_, source="partners", subject=after.id, version=after.version + 1, data=data, clock=self.clock
            )
        )


def _news_of(request: Request) -> tuple[Kind, Outcome]:
    """What the exchange is called in the log, and what it is once it was heard; a reduction may tell of a move too."""
    if request.cancelling == "due":
        return "cancel", "cancelled"
    return ("reduce", "reduced") if request.reducing == "due" else ("move", "moved")
