"""The product's processes as the local stack has them, without those that sell nothing: inventory and payments.

`python -m bench.payments.process api --fd N` and `… worker`. Beside the webhook's route there is one that does nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request

from inventory_service import app as inventory
from inventory_service.config import Settings as InventorySettings
from marquee.gateway import create_gateway
from payment_service import app as payments
from payment_service.config import Settings as PaymentSettings
from payment_service.http.webhooks import Received
from service_kit.runtime import run_api, run_worker
from service_kit.settings import KitSettings

empty = APIRouter(prefix="/api/v1/payments")


@empty.post("/empty", response_model=Received)
async def receive_nothing(request: Request) -> Received:
    """As the webhook's route, without its work."""
    return Received()


def payments_app() -> FastAPI:
    app = payments.create_app(PaymentSettings())
    app.include_router(empty)
    # Where a route stands is part of what it costs: right behind the webhook's, before the other payments'.
    app.router.routes.insert(-1, app.router.routes.pop())
    return app


@asynccontextmanager
async def workers() -> AsyncIterator[None]:
    async with inventory.worker(InventorySettings()), payments.worker(PaymentSettings()):
        yield


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.payments.process")
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("api").add_argument("--fd", type=int, required=True, help="the listening socket, inherited")
    kinds.add_parser("worker")
    options = parser.parse_args()
    settings = KitSettings()
    if options.kind == "worker":
        run_worker(workers(), settings, name="worker")
    else:
        apps = {"inventory": inventory.create_app(InventorySettings()), "payments": payments_app()}
        run_api(create_gateway(apps), settings, name="api", fd=options.fd)


if __name__ == "__main__":
    main()
