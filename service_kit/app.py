"""The shell of a service's HTTP app: what `app.state.kit` holds, and the FastAPI around the routes."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from fastapi import FastAPI
from pymongo.asynchronous.collection import AsyncCollection

from service_kit.auth import TokenVerifier
from service_kit.clock import Clock, SystemClock
from service_kit.health import Check, health_router
from service_kit.idempotency import IdempotencyStore
from service_kit.middleware import RequestShell
from service_kit.problems import install_problem_handlers
from service_kit.settings import KitSettings
from service_kit.tokens import SigningKey

MIB = 1024 * 1024


@dataclass
class Kit:
    """What the shared plumbing needs while an app runs; set as `app.state.kit` in the lifespan."""

    verifier: TokenVerifier
    clock: Clock = field(default_factory=SystemClock)
    idempotency: IdempotencyStore | None = None
    checks: Mapping[str, Check] = field(default_factory=dict)
    limited: bool = True


@asynccontextmanager
async def open_kit(
    settings: KitSettings,
    *,
    checks: Mapping[str, Check],
    idempotency: AsyncCollection[Any] | None = None,
    clock: Clock | None = None,
    signing_key: SigningKey | None = None,
    idempotency_secret: bytes | None = None,
) -> AsyncIterator[Kit]:
    """Open the plumbing of one app: key fetching and, with a collection, Idempotency-Key.

    The issuer of tokens gives its `signing_key`: it verifies by that, and its idempotency records, whose answers hold
    tokens, are sealed. So are those of a service that gives an `idempotency_secret`.
    """
    clock = clock or SystemClock()
    secret = signing_key.derive(b"idempotency") if signing_key else idempotency_secret
    store = IdempotencyStore(idempotency, clock, secret) if idempotency is not None else None
    if store:
        await store.prepare()
    async with httpx2.AsyncClient() as client:
        own_keys = {signing_key.kid: signing_key.private.public_key()} if signing_key else None
        verifier = TokenVerifier(settings.jwks_address, client, own_keys)
        yield Kit(verifier, clock, store, checks, settings.limited)


def service_app(
    *,
    name: str,
    title: str,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    max_body: int = MIB,
) -> FastAPI:
    """A FastAPI app with problems, health, metrics and the request shell; routes are added by the caller."""
    app = FastAPI(title=title, lifespan=lifespan, docs_url=None, redoc_url=None, swagger_ui_oauth2_redirect_url=None)
    app.state.name = name
    install_problem_handlers(app)
    app.include_router(health_router())
    app.add_middleware(RequestShell, service=name, max_body=max_body)
    return app
