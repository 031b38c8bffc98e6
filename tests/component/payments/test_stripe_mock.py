"""Our requests, checked against Stripe's own specification by stripe-mock, where that could be built.

`make test` builds it where there is Go (`scripts/stripe-mock`); MARQUEE_STRIPE_MOCK names another.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
import stripe
from pydantic import SecretStr

from marquee.supervisor import tie_to_parent
from payment_service.config import Settings
from payment_service.domain.refunds import Refund
from payment_service.stripe_provider import StripeProvider, open_stripe
from tests.component.payments.conftest import API_KEY, official_sdk
from tests.support import eventually, free_port
from tests.unit.payments.samples import payment

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
BUILT = Path(__file__).parents[3] / ".engines/stripe-mock/stripe-mock"
PROGRAM = os.environ.get("MARQUEE_STRIPE_MOCK") or shutil.which(BUILT) or shutil.which("stripe-mock")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no stripe-mock: `make test` builds it where there is Go")


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture
async def mock(port: int) -> AsyncIterator[str]:
    """The address of a running stripe-mock."""
    running = await asyncio.create_subprocess_exec(
        PROGRAM or "",
        *("-http-addr", f"127.0.0.1:{port}"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=tie_to_parent(),
    )
    url = f"http://127.0.0.1:{port}"

    async def answers() -> bool:
        async with httpx2.AsyncClient() as client:
            try:
                return (await client.get(f"{url}/v1/charges")).status_code == 401
            except httpx2.TransportError:
                return False

    try:
        await eventually(answers, seconds=60)
        yield url
    finally:
        running.kill()
        await running.wait()


@pytest.fixture
async def provider(mock: str) -> AsyncIterator[StripeProvider]:
    async with open_stripe(Settings(stripe_base_url=mock, stripe_api_key=SecretStr(API_KEY))) as provider:
        yield provider


async def test_stripes_specification_knows_every_request_that_we_make(provider: StripeProvider) -> None:
    wanted = payment(NOW, description="2 seats")
    made = await provider.create_intent(wanted)
    assert made.reference.startswith("pi_")
    assert (await provider.get_intent(made.reference)).intent == made.reference
    assert (await provider.cancel_intent(made.reference)).intent == made.reference
    paid = payment(NOW, status="completed", reference=made.reference)
    refund = await provider.create_refund(paid, Refund("refund-1", 400, "the show is off", "pending", NOW))
    assert (refund.amount, refund.intent) == (400, made.reference)
    assert (await provider.get_refund(refund.reference)).reference == refund.reference
    assert all(each.reference.startswith("re_") for each in await provider.list_refunds(made.reference))
    assert (await provider.return_all(paid, "refund-2")).intent == made.reference
    assert (await provider.get_dispute("du_1")).reference == "du_1"
    assert all(each.reference for each in await provider.list_disputes(NOW))
    assert all(each.reference for each in await provider.disputes_of(made.reference))
    assert all(each.reference for each in await provider.list_recent_refunds(NOW))


async def test_it_refuses_what_stripe_does_not_know(mock: str) -> None:
    """Else the test above would prove nothing."""
    async with official_sdk(mock) as sdk:
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.payment_intents.create_async({"amount": 500, "currency": "eur", "surprise": 1})  # type: ignore[typeddict-unknown-key]
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.payment_intents.create_async({"currency": "eur"})  # type: ignore[typeddict-item]
