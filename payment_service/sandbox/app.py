"""Wiring of the sandbox gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from payment_service.sandbox import controls, http
from payment_service.sandbox.config import Settings
from payment_service.sandbox.courier import Courier
from payment_service.sandbox.failures import StripeFailure
from payment_service.sandbox.faults import Dial
from payment_service.sandbox.ledger import Ledger
from service_kit.tasks import background


def create_app(settings: Settings) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        state = app.state
        state.dial = Dial()
        state.ledger = Ledger(settings.sandbox_state, state.dial)
        try:
            async with httpx2.AsyncClient() as client:
                state.courier = Courier(
                    state.ledger,
                    client,
                    address=settings.webhook_address,
                    secret=settings.webhook_secrets[0].get_secret_value(),
                )
                async with background("courier", state.courier.run):
                    yield
        finally:
            state.ledger.close()

    return Starlette(
        routes=[*http.routes(), *controls.routes()],
        lifespan=lifespan,
        exception_handlers={StripeFailure: http.refused, 404: http.unknown_route, 405: http.unknown_route},
        # A buyer's browser confirms here from the shop's page, as it does at Stripe.
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])],
    )
