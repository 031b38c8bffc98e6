"""The one table of services: the local stack, the gateway's nginx and compose.yaml are all made from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fastapi import FastAPI


@dataclass(frozen=True)
class Service:
    """A service by its package. Its `app.py` has `create_app(settings)`, `worker(settings)`, or both."""

    package: str
    api: bool = True
    worker: bool = True
    # The local process that runs its worker. The indexer, the webhooks and the partners have one each, so that neither
    # a backlog of documents to index nor thousands of requests to strangers delay a payment.
    worker_process: str = "worker"

    @property
    def name(self) -> str:
        """As it is called in compose.yaml, logs and health answers."""
        return self.package.removesuffix("_service")

    def settings(self, **given: str) -> Any:
        """The service's settings, read from the environment unless given here."""
        return import_module(f"{self.package}.config").Settings(**given)

    def create_app(self, **given: str) -> FastAPI:
        app: FastAPI = import_module(f"{self.package}.app").create_app(self.settings(**given))
        return app

    def open_worker(self) -> AbstractAsyncContextManager[Any]:
        worker: AbstractAsyncContextManager[Any] = import_module(f"{self.package}.app").worker(self.settings())
        return worker


SERVICES = (
    Service("accounts_service"),
    Service("venues_service"),
    Service("inventory_service"),
    Service("payment_service"),
    Service("webhooks_service", worker_process="webhooks"),
    Service("partners_service", worker_process="partners"),
    Service("search_service", worker=False),
    Service("indexer", api=False, worker_process="indexer"),
)
SANDBOX_MODULE = "payment_service.sandbox"
PARTNER_SANDBOX_MODULE = "partners_service.sandbox"


def with_api() -> Iterator[Service]:
    """The services that answer HTTP, in the order of the contract."""
    return (service for service in SERVICES if service.api)


def with_worker(process: str) -> Iterator[Service]:
    """The services whose background work that local process does."""
    return (service for service in SERVICES if service.worker and service.worker_process == process)


def worker_processes() -> list[str]:
    return sorted({service.worker_process for service in SERVICES if service.worker})


def apps_to_read() -> dict[str, FastAPI]:
    """The apps for the sake of their routes and documents. They are never opened, so any secret does."""
    secrets = {"ticket_secret": "none" * 8, "hooks_secret": "none" * 8, "partner_key": "none" * 8}
    return {s.name: s.create_app(signing_key_file="none", **secrets) for s in with_api()}
