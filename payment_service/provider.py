"""The port to a payment gateway. Stripe is behind it, or the sandbox that speaks Stripe's API."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from payment_service.domain.disputes import DisputeReport
from payment_service.domain.payment import Payment
from payment_service.domain.refunds import Refund
from payment_service.domain.reports import Charge, IntentReport, RefundReport, Report, WebhookEvent


@dataclass(frozen=True, slots=True)
class Intent:
    """An intent as made at the gateway: `client_secret` lets the buyer, and nobody else, confirm it."""

    reference: str
    client_secret: str


class Provider(Protocol):
    """All calls raise Unavailable while the gateway is down or too slow; each can be repeated without harm."""

    @property
    def name(self) -> str: ...

    async def create_intent(self, payment: Payment) -> Intent:
        """The same intent for the same payment id. Raises GatewayRefused."""

    async def get_intent(self, reference: str) -> IntentReport: ...

    async def cancel_intent(self, reference: str) -> IntentReport:
        """Cancel it unless it is settled already; says what it is now."""

    async def create_refund(self, payment: Payment, refund: Refund) -> RefundReport:
        """The same refund for the same key of it. Raises RefundRefused."""

    async def return_all(self, payment: Payment, key: str) -> RefundReport:
        """Give back all that is left of what the intent took, whatever we had asked for; once per key.

        Raises RefundRefused.
        """

    async def get_refund(self, reference: str) -> RefundReport: ...

    async def get_dispute(self, reference: str) -> DisputeReport: ...

    async def list_disputes(self, since: datetime) -> list[DisputeReport]:
        """Those opened since then, as they stand now."""

    async def disputes_of(self, intent: str) -> list[DisputeReport]: ...

    async def list_refunds(self, intent: str) -> list[RefundReport]: ...

    async def list_recent_refunds(self, since: datetime) -> list[RefundReport]:
        """Those of all intents made since then, as they stand now."""

    async def list_charges(self, *, intent: str | None = None, after: str | None = None) -> tuple[list[Charge], str]:
        """A page of the charges (of one intent) that took money, newest first; and where the next begins, or ""."""

    def read_webhook(self, body: bytes, signature: str | None, now: datetime) -> WebhookEvent:
        """Raises BadWebhook."""

    def report_of(self, event: WebhookEvent) -> Report | None:
        """What a webhook says, or None for a kind that is of no interest. Raises ValueError where it is unreadable."""
