"""Stripe behind the provider port, by its official SDK; another base address makes it talk to the sandbox."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, TypeVar

import aiohttp
import stripe
from pydantic import SecretStr

from payment_service.config import Settings
from payment_service.domain.disputes import DisputeReport
from payment_service.domain.errors import GatewayRefused, RefundRefused
from payment_service.domain.payment import Payment
from payment_service.domain.refunds import Refund
from payment_service.domain.reports import Charge, IntentReport, RefundReport, Report, WebhookEvent
from payment_service.provider import Intent
from payment_service.stripe_webhook import (
    charge_of,
    dispute_report,
    intent_report,
    read_webhook,
    refund_report,
    report_of,
    to_stripe,
)
from service_kit.errors import Unavailable
from service_kit.logs import get_logger

log = get_logger(__name__)
NETWORK_RETRIES = 1
T = TypeVar("T")


@asynccontextmanager
async def open_stripe(settings: Settings) -> AsyncIterator["StripeProvider"]:
    """A provider with its own connection pool."""
    async with aiohttp.ClientSession() as session:
        client = stripe.StripeClient(
            settings.stripe_api_key.get_secret_value(),
            base_addresses={"api": settings.stripe_base_url},
            max_network_retries=NETWORK_RETRIES,
            http_client=stripe.AIOHTTPClient(
                session=session, timeout=aiohttp.ClientTimeout(total=settings.stripe_timeout_seconds)
            ),
        )
        yield StripeProvider(client, settings.webhook_secrets)


@contextmanager
def _outages() -> Iterator[None]:
    """Turn what passes by itself, or by an operator's hand, into Unavailable; refusals go on to the caller."""
    try:
        yield
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        log.error("gateway_refuses_our_key", error=error.user_message)
        raise Unavailable("The payment gateway refuses our key") from error
    except stripe.InvalidRequestError:
        raise
    except (stripe.StripeError, aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable("The payment gateway does not answer") from error


class StripeProvider:
    """Idempotency keys are our own ids, so that a repeat after a crash finds what was made before it."""

    name = "stripe"

    def __init__(self, client: stripe.StripeClient, secrets: Sequence[SecretStr]) -> None:
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds
        self._disputes = client.v1.disputes
        self._charges = client.v1.charges
        self._secrets = secrets

    async def create_intent(self, payment: Payment) -> Intent:
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": to_stripe(payment.amount, payment.currency),
            "currency": payment.currency.lower(),
            "metadata": {"paymentId": payment.id, "bookingId": payment.booking_id},
            # Cards settle at once; slower ways to pay outlast any hold.
            "allowed_payment_method_types": ["card"],
        }
        if payment.description:
            params["description"] = payment.description
        try:
            with _outages():
                made = await self._intents.create_async(params, {"idempotency_key": payment.id})
        except stripe.InvalidRequestError as error:
            raise GatewayRefused(error.user_message) from error
        if made.client_secret is None:
            raise Unavailable("The payment gateway gave no client secret")
        return Intent(made.id, made.client_secret)

    async def get_intent(self, reference: str) -> IntentReport:
        try:
            with _outages():
                return intent_report((await self._intents.retrieve_async(reference)).to_dict())
        except stripe.InvalidRequestError as error:
            raise GatewayRefused(error.user_message) from error

    async def cancel_intent(self, reference: str) -> IntentReport:
        try:
            with _outages():
                return intent_report((await self._intents.cancel_async(reference)).to_dict())
        except stripe.InvalidRequestError as error:
            if error.code != "payment_intent_unexpected_state":
                raise GatewayRefused(error.user_message) from error
        return await self.get_intent(reference)

    async def create_refund(self, payment: Payment, refund: Refund) -> RefundReport:
        params: stripe.params.RefundCreateParams = {
            "payment_intent": payment.reference or "",
            "amount": to_stripe(refund.amount, payment.currency),
            "reason": "requested_by_customer",
            "metadata": {"refundId": refund.id, "paymentId": payment.id, "reason": refund.reason[:500]},
        }
        return await self._make_refund(params, refund.key)

    async def return_all(self, payment: Payment, key: str) -> RefundReport:
        metadata = {"paymentId": payment.id, "reason": payment.failure or ""}
        return await self._make_refund({"payment_intent": payment.reference or "", "metadata": metadata}, key)

    async def _make_refund(self, params: stripe.params.RefundCreateParams, key: str) -> RefundReport:
        try:
            with _outages():
                made = await self._refunds.create_async(params, {"idempotency_key": key})
        except stripe.InvalidRequestError as error:
            raise RefundRefused(error.user_message) from error
        return refund_report(made.to_dict())

    async def get_refund(self, reference: str) -> RefundReport:
        try:
            with _outages():
                return refund_report((await self._refunds.retrieve_async(reference)).to_dict())
        except stripe.InvalidRequestError as error:
            raise RefundRefused(error.user_message) from error

    async def get_dispute(self, reference: str) -> DisputeReport:
        try:
            with _outages():
                return dispute_report((await self._disputes.retrieve_async(reference)).to_dict())
        except stripe.InvalidRequestError as error:
            raise GatewayRefused(error.user_message) from error

    async def disputes_of(self, intent: str) -> list[DisputeReport]:
        return await self._list_disputes({"payment_intent": intent, "limit": 100})

    async def list_disputes(self, since: datetime) -> list[DisputeReport]:
        return await self._list_disputes({"created": {"gte": int(since.timestamp())}, "limit": 100})

    async def _list_disputes(self, params: stripe.params.DisputeListParams) -> list[DisputeReport]:
        try:
            with _outages():
                page = await self._disputes.list_async(params)
                found = [dispute.to_dict() async for dispute in page.auto_paging_iter()]
        except stripe.InvalidRequestError as error:
            raise GatewayRefused(error.user_message) from error
        return _readable(found, dispute_report)

    async def list_refunds(self, intent: str) -> list[RefundReport]:
        try:
            with _outages():
                page = await self._refunds.list_async({"payment_intent": intent, "limit": 100})
                return [refund_report(refund.to_dict()) async for refund in page.auto_paging_iter()]
        except stripe.InvalidRequestError as error:
            raise GatewayRefused(error.user_message) from error

    async def list_recent_refunds(self, since: datetime) -> list[RefundReport]:
        with _outages():
            page = await self._refunds.list_async({"created": {"gte": int(since.timestamp())}, "limit": 100})
            found = [refund.to_dict() async for refund in page.auto_paging_iter()]
        return _readable(found, refund_report)

    async def list_charges(self, *, intent: str | None = None, after: str | None = None) -> tuple[list[Charge], str]:
        params: stripe.params.ChargeListParams = {"limit": 100}
        if intent is not None:
            params["payment_intent"] = intent
        if after:
            params["starting_after"] = after
        with _outages():
            page = await self._charges.list_async(params)
        found = [charge_of(charge.to_dict()) for charge in page.data]
        return [charge for charge in found if charge], page.data[-1].id if page.has_more else ""

    def read_webhook(self, body: bytes, signature: str | None, now: datetime) -> WebhookEvent:
        return read_webhook(body, signature, self._secrets, now)

    def report_of(self, event: WebhookEvent) -> Report | None:
        return report_of(event)


def _readable(found: Sequence[dict[str, Any]], read: Callable[[dict[str, Any]], T]) -> list[T]:
    reports = []
    for values in found:
        try:
            reports.append(read(values))
        except ValueError as error:  # one of a new kind must not hide the rest
            log.error("object_can_not_be_read", id=values.get("id"), kind=values.get("object"), error=str(error))
    return reports
