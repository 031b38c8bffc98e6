"""One try of one delivery, and what follows from it."""

import random
import time

from prometheus_client import Counter

from service_kit.clock import Clock
from service_kit.errors import DomainError
from service_kit.logs import get_logger
from service_kit.sealing import Seal, Unsealable
from webhooks_service.domain.deliveries import EXCERPT, Attempt, Claimed
from webhooks_service.domain.endpoints import Endpoint
from webhooks_service.domain.schedule import MOST_TRIES, next_delay, read_retry_after
from webhooks_service.domain.signing import signed_headers
from webhooks_service.domain.targets import TargetRefused
from webhooks_service.sender import NotSent, Sender
from webhooks_service.store.deliveries import Deliveries
from webhooks_service.store.endpoints import Endpoints

log = get_logger(__name__)
GONE = 410
ATTEMPTS = Counter("marquee_webhook_attempts", "Tries of outgoing webhooks", ["outcome"])
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "Marquee-Webhooks/1",
    # What is read of an answer goes into the log as it is.
    "Accept-Encoding": "identity",
}


class Deliver:
    def __init__(self, endpoints: Endpoints, deliveries: Deliveries, seal: Seal, sender: Sender, clock: Clock) -> None:
        self._endpoints = endpoints
        self._seal = seal
        self._deliveries = deliveries
        self._sender = sender
        self._clock = clock

    async def attempt(self, claimed: Claimed) -> None:
        """Send it, and write down what came of it. Its endpoint is read anew: it may have changed by now."""
        endpoint = await self._endpoints.find(claimed.delivery.endpoint_id)
        if endpoint is None:
            await self._deliveries.drop(claimed)
        elif not endpoint.active:
            await self._deliveries.finish(claimed, "failed", None, "The endpoint was not active")
        elif claimed.delivery.tries > MOST_TRIES:
            # Only a process that dies of it, again and again, gets here.
            await self._deliveries.finish(claimed, "failed", None, "Given up: no try came to an end")
        else:
            await self._send(claimed, endpoint)

    async def _send(self, claimed: Claimed, endpoint: Endpoint) -> None:
        attempt, retry_after = await self._post(claimed, endpoint)
        status, now = attempt.status_code, self._clock.now()
        good = status is not None and 200 <= status < 300
        ATTEMPTS.labels("delivered" if good else "failed").inc()
        if good:
            await self._deliveries.finish(claimed, "delivered", attempt)
            await self._endpoints.heard(endpoint)
            return
        delay = next_delay(claimed.delivery.tries, random.uniform(-1, 1), read_retry_after(retry_after, now))
        if status == GONE:
            await self._endpoints.gone(endpoint, now)
        else:
            await self._endpoints.failed(endpoint, now)
        if delay is None or status == GONE:
            await self._deliveries.finish(claimed, "failed", attempt)
        else:
            await self._deliveries.put_off(claimed, attempt, now + delay)
        log.info("webhook_failed", endpoint_id=endpoint.id, delivery_id=claimed.delivery.id, status=status)

    async def _post(self, claimed: Claimed, endpoint: Endpoint) -> tuple[Attempt, str | None]:
        """The attempt, and the answer's Retry-After."""
        message, at, started = claimed.delivery.message, self._clock.now(), time.perf_counter()
        body = message.body.encode()

        def took() -> int:
            return round((time.perf_counter() - started) * 1_000)

        try:
            secrets = self._seal.open_some(endpoint.signing(at), endpoint.id)
            signed = signed_headers(secrets, message.event_id, at, body)
            answer = await self._sender.post(endpoint.url, body, HEADERS | signed)
        except (NotSent, TargetRefused, Unsealable) as error:
            reason = error.detail if isinstance(error, DomainError) else str(error)
            return Attempt(at, took(), None, error=reason), None
        excerpt = answer.body[:EXCERPT].decode("utf-8", "replace")
        redirect = "Redirects are not followed" if 300 <= answer.status < 400 else ""
        return Attempt(at, took(), answer.status, excerpt, redirect), answer.retry_after
