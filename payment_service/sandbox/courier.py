"""The courier does what is due: sends signed webhooks until they are accepted, and settles what was processing."""

import asyncio
import hashlib
import hmac
import json

import httpx2

from payment_service.sandbox import disputes, intents, refunds
from payment_service.sandbox.ledger import Job, Ledger
from service_kit.logs import get_logger
from service_kit.tasks import woken

log = get_logger(__name__)
IN_FLIGHT = 64
ANSWER_SECONDS = 10.0
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 60.0
GIVEN_UP_SECONDS = 3 * 24 * 3600
IDLE_SECONDS = 1.0


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`Stripe-Signature`: HMAC-SHA256 over the timestamp, a dot, and the raw body."""
    mac = hmac.new(secret.encode(), b"%d.%s" % (timestamp, body), hashlib.sha256)
    return f"t={timestamp},v1={mac.hexdigest()}"


class Courier:
    """Runs for ever over the ledger's jobs; `wake` makes it look at once."""

    def __init__(self, ledger: Ledger, client: httpx2.AsyncClient, *, address: str, secret: str) -> None:
        self._ledger = ledger
        self._client = client
        self._address = address
        self._secret = secret
        self._busy: set[int] = set()
        self.wake = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                self.wake.clear()
                for job in self._ledger.due_jobs(IN_FLIGHT):
                    if job.id not in self._busy and len(self._busy) < IN_FLIGHT:
                        self._busy.add(job.id)
                        group.create_task(self._work(job))
                await self._rest()

    async def _rest(self) -> None:
        next_due = self._ledger.next_due()
        pause = IDLE_SECONDS if next_due is None else max(0.0, min(IDLE_SECONDS, next_due - self._ledger.now()))
        await woken(self.wake, pause)

    async def _work(self, job: Job) -> None:
        try:
            if job.kind == "settle":
                self._settle(job)
            else:
                await self._deliver(job)
        finally:
            self._busy.discard(job.id)
            self.wake.set()

    def _settle(self, job: Job) -> None:
        with self._ledger.transaction():
            if intent := self._ledger.find("payment_intent", job.target):
                intents.settle(self._ledger, intent)
            elif refund := self._ledger.find("refund", job.target):
                refunds.settle(self._ledger, refund)
            elif charge := self._ledger.find("charge", job.target):
                disputes.arise(self._ledger, charge)
            elif dispute := self._ledger.find("dispute", job.target):
                disputes.settle(self._ledger, dispute)
            self._ledger.finish(job)

    async def _deliver(self, job: Job) -> None:
        body = json.dumps(self._ledger.load("event", job.target)).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(self._secret, int(self._ledger.now()), body),
            "User-Agent": "Stripe/1.0 (sandbox)",
        }
        try:
            answer = await self._client.post(self._address, content=body, headers=headers, timeout=ANSWER_SECONDS)
            outcome = str(answer.status_code)
            accepted = answer.is_success
        except httpx2.HTTPError as error:
            outcome, accepted = repr(error), False
        age = self._ledger.now() - job.since
        if accepted or age > GIVEN_UP_SECONDS:
            self._ledger.finish(job)
            return
        pause = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(job.tries, 16))
        self._ledger.postpone(job, self._ledger.now() + pause)
        log.warning("webhook_not_accepted", event_id=job.target, outcome=outcome, again_in_seconds=pause)
