"""The parts of a sale from hold to ticket, all real, in one process: the services of seats, money and partner
theatres, the gateway, a theatre, MongoDB, RabbitMQ.

Each worker can die after any of its writes, the wire to the broker can be cut, and time can leap.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aio_pika
import httpx2

from inventory_service import app as inventory_app
from inventory_service.config import Settings as InventorySettings
from inventory_service.handlers.context import Inventory
from marquee.engines import EngineUrls
from messaging.publisher import Publisher
from messaging.topology import Topology
from partners_service import app as partners_app
from partners_service.config import Settings as PartnerSettings
from partners_service.handlers.partners import SANDBOX
from partners_service.sandbox.app import create_app as create_theatre
from partners_service.sandbox.config import Settings as TheatreSettings
from payment_service import app as payments_app
from payment_service.config import Settings as PaymentSettings
from payment_service.handlers.payments import Payments
from payment_service.sandbox.app import create_app as create_sandbox
from payment_service.sandbox.config import Settings as SandboxSettings
from payment_service.store.payments import Store
from payment_service.stripe_provider import open_stripe
from service_kit.clock import SystemClock
from service_kit.mongo import Database, open_database
from tests.component.inventory.stage import Neighbours, neighbours
from tests.component.payments.conftest import API_KEY, SECRET, address, listen, serving
from tests.saga.mortal import Fuse, mortal_database
from tests.servers.broker import remove_topology
from tests.servers.cable import Cable, cable_to
from tests.support import TokenMint, running, token_mint

# Short, so that what failed comes again within a test.
RETRY_DELAYS_MS = (100, 300, 1_000)
MOST_PUBLISHED = 400
THEATRE_SECRET = "psk_of_the_theatre"
TOLD_AGAIN = (
    "PaymentSucceeded",
    "PaymentFailed",
    "PaymentRefunded",
    "RefundRequested",
    "PartnerConfirmationRequested",
    "PartnerConfirmed",
    "PartnerRefused",
    "BookingReduced",
    "BookingRescheduled",
    "BookingCancelled",
)
Json = dict[str, Any]
Working = Callable[[Database], AbstractAsyncContextManager[None]]


class LeapingClock:
    """The time of the day, and ahead of it by all leaps so far."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self._ahead

    def leap(self, by: timedelta) -> None:
        self._ahead += by


class Worker:
    """A worker that is started anew when it has died."""

    def __init__(self, database: Database, working: Working) -> None:
        self._database = database
        self._working = working
        self._stack = AsyncExitStack()
        self._fuse = Fuse()

    async def start(self) -> None:
        self._fuse = Fuse()
        await self._stack.enter_async_context(self._working(mortal_database(self._database, self._fuse)))

    async def stop(self) -> None:
        self._fuse.light(0)
        await self._stack.aclose()

    def doom(self, writes: int) -> None:
        self._fuse.light(writes)

    async def revive(self, *, killed: bool = False) -> None:
        """Start it anew if it is dead, or is `killed` now."""
        if self._fuse.burnt or killed:
            await self.stop()
            await self.start()

    async def spare(self) -> None:
        """It lives from now on."""
        await self.revive()
        self._fuse.left = math.inf


@dataclass
class House:
    clock: LeapingClock
    settings: PaymentSettings
    topology: Topology
    mint: TokenMint
    near: Neighbours
    cable: Cable
    inventory: Inventory
    payments: Payments
    provider: Any
    seats: Database
    money: Database
    desk: Database
    api: httpx2.AsyncClient
    pay_api: httpx2.AsyncClient
    sandbox: httpx2.AsyncClient
    theatre: httpx2.AsyncClient
    publisher: Publisher
    workers: dict[str, Worker]
    published: list[Json] = field(default_factory=list)

    async def faults(self, **faults: Any) -> None:
        answer = await self.sandbox.post("/sandbox/faults", json=faults)
        assert answer.status_code == 200, answer.text

    async def mend(self) -> None:
        """All that was broken on purpose is whole again."""
        await self.sandbox.delete("/sandbox/faults")
        await self.theatre.delete("/sandbox/faults")
        self.cable.mend()
        for worker in self.workers.values():
            await worker.spare()

    async def settle_disputes(self) -> None:
        """Every bank that has not decided yet hears what convinces it."""
        answer = await self.sandbox.get("/v1/disputes", params={"limit": 100})
        for dispute in answer.json()["data"]:
            if dispute["status"] not in {"won", "lost", "warning_closed"}:
                data = {"evidence[uncategorized_text]": "winning_evidence"}
                await self.sandbox.post(f"/v1/disputes/{dispute['id']}", data=data)


@asynccontextmanager
async def open_house(urls: EngineUrls, namespace: str, folder: Path) -> AsyncIterator[House]:
    """Everything started, on databases and queues of its own."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        mint, near = await enter(token_mint()), await enter(neighbours())
        cable = await enter(cable_to(urls.amqp_url))
        clock, pay_socket, gateway_socket, theatre_socket = LeapingClock(), listen(), listen(), listen()
        common = {
            "mongo_url": urls.mongo_url,
            "amqp_url": cable.url,
            "namespace": namespace,
            "jwks_url": mint.jwks_url,
            "limits": "off",
        }
        pay = PaymentSettings.model_validate(
            common
            | {
                "stripe_api_key": API_KEY,
                "stripe_base_url": address(gateway_socket),
                "stripe_timeout_seconds": 0.8,
                "webhook_secrets": SECRET,
                "reconcile_after_seconds": 2,
                "reconcile_every_seconds": 0.3,
            }
        )
        sell = InventorySettings.model_validate(
            common
            | {
                "venues_url": near.url,
                "payments_url": address(pay_socket),
                "service_token": mint.token("service", "inventory", ttl=timedelta(days=1)),
                "ticket_secret": "a secret for tests only",
            }
        )
        ask = PartnerSettings.model_validate(
            common
            | {
                "partner_key": "a key for tests only",
                "partner_private_hosts": address(theatre_socket).removeprefix("http://"),
                "partner_sandbox_url": address(theatre_socket),
                "partner_sandbox_secret": THEATRE_SECRET,
            }
        )
        theatre_app = create_theatre(
            TheatreSettings.model_validate(
                {"partner_sandbox_secret": THEATRE_SECRET, "partner_sandbox_state": folder / "theatre.sqlite"}
            )
        )
        sandbox_app = create_sandbox(
            SandboxSettings(
                stripe_api_key=pay.stripe_api_key,
                webhook_secrets=pay.webhook_secrets,
                webhook_url=f"{address(pay_socket)}/api/v1/payments/webhook",
                sandbox_state=folder / "sandbox.sqlite",
            )
        )
        topology = Topology(namespace, RETRY_DELAYS_MS)
        stack.push_async_callback(remove_topology, urls.amqp_url, topology)
        await enter(serving(sandbox_app, gateway_socket))
        sandbox_app.state.ledger.now = lambda: clock.now().timestamp()
        await enter(serving(theatre_app, theatre_socket))
        theatre_app.state.now = lambda: clock.now().timestamp()
        await enter(serving(payments_app.create_app(pay, clock), pay_socket))
        shop = inventory_app.create_app(sell, clock)
        api = await enter(running(shop))
        seats, money = await enter(open_database(sell, "inventory")), await enter(open_database(pay, "payments"))
        desk = await enter(open_database(ask, "partners"))
        provider = await enter(open_stripe(pay))
        workers = {
            "inventory": Worker(seats, lambda database: inventory_app.working(sell, database, topology, clock)),
            "payments": Worker(money, lambda database: payments_app.working(pay, database, topology, clock)),
            "partners": Worker(desk, lambda database: partners_app.working(ask, database, topology, clock)),
        }
        for worker in workers.values():
            await worker.start()
            stack.push_async_callback(worker.stop)
        # A theatre that hangs is not waited for as long as in life.
        await desk["partners"].update_one({"_id": SANDBOX}, {"$set": {"timeoutSeconds": 0.4}})
        publisher = Publisher(urls.amqp_url, topology)
        stack.push_async_callback(publisher.close)
        house = House(
            clock,
            pay,
            topology,
            mint,
            near,
            cable,
            shop.state.inventory,
            Payments(Store(money), provider, clock, pay.reconcile_after),
            provider,
            seats,
            money,
            desk,
            api,
            await enter(httpx2.AsyncClient(base_url=address(pay_socket), timeout=30)),
            await enter(httpx2.AsyncClient(base_url=address(gateway_socket), timeout=30)),
            await enter(httpx2.AsyncClient(base_url=address(theatre_socket), timeout=30)),
            publisher,
            workers,
        )
        await enter(_listening(urls.amqp_url, topology, house.published))
        yield house


@asynccontextmanager
async def _listening(amqp_url: str, topology: Topology, published: list[Json]) -> AsyncIterator[None]:
    """Remembers the latest events that were published, each with its bytes, so that they can be delivered again."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        exchange = await topology.declare(channel)
        queue = await channel.declare_queue(exclusive=True)
        for type_ in TOLD_AGAIN:
            await queue.bind(exchange, routing_key=type_)

        async def collect(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            published.append(json.loads(message.body))
            del published[:-MOST_PUBLISHED]

        await queue.consume(collect, no_ack=True)
        yield
