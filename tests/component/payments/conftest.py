"""The payment service (API and worker) and the sandbox gateway, all over real sockets, with MongoDB and RabbitMQ."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aio_pika
import aiohttp
import httpx2
import pytest
import stripe
import uvicorn

from marquee.engines import EngineUrls
from messaging.publisher import Publisher
from messaging.topology import Topology
from payment_service.app import create_app, worker
from payment_service.config import Settings
from payment_service.sandbox.app import create_app as create_sandbox
from payment_service.sandbox.config import Settings as SandboxSettings
from service_kit.ids import new_id
from service_kit.mongo import Database, open_database
from tests.component.payments.quiet import Quiet, quiet_payments
from tests.servers.broker import remove_topology
from tests.support import TokenMint, eventually, token_mint

API_KEY = "sk_test_component"
SECRET, OLD_SECRET = "whsec_new", "whsec_old"
Json = dict[str, Any]


def listen() -> socket.socket:
    """A socket whose address is known before what will serve it is built."""
    return socket.create_server(("127.0.0.1", 0))


def address(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def serving(app: Any, listener: socket.socket) -> AsyncIterator[None]:
    """The app behind a real socket on loopback."""
    # What hangs on purpose is not waited for at the end.
    config = uvicorn.Config(app, lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started:
            if task.done():
                await task
                raise RuntimeError("the server did not start")
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task
        listener.close()


@dataclass
class House:
    """Everything a test of payments touches."""

    settings: Settings
    sandbox_settings: SandboxSettings
    database: Database
    api: httpx2.AsyncClient
    sandbox: httpx2.AsyncClient
    gateway: stripe.StripeClient
    mint: TokenMint
    publisher: Publisher
    published: list[Json] = field(default_factory=list)

    async def open(self, amount: int = 2400, currency: str = "EUR", **more: Any) -> Json:
        """A new payment with its intent, as inventory asks for it."""
        body = {"bookingId": new_id(), "userId": new_id(), "amount": amount, "currency": currency, **more}
        answer = await self.api.post("/api/v1/payments", json=body, headers=self.mint.headers("service"))
        assert answer.status_code == 201, answer.text
        payment: Json = answer.json()
        return payment

    async def confirm(self, payment: Json, method: str = "pm_card_visa", **more: str) -> httpx2.Response:
        """As the buyer's browser does it: by the client secret."""
        return await self.sandbox.post(
            f"/v1/payment_intents/{payment['paymentIntent']}/confirm",
            data={"payment_method": method, "client_secret": payment["clientSecret"], **more},
        )

    async def get(self, payment_id: str) -> Json:
        answer = await self.api.get(f"/api/v1/payments/{payment_id}", headers=self.mint.headers("service"))
        assert answer.status_code == 200, answer.text
        payment: Json = answer.json()
        return payment

    async def until(self, payment: Json, condition: Callable[[Json], Any], seconds: float = 15) -> Json:
        return await eventually(lambda: self.get(payment["paymentId"]), until=condition, seconds=seconds)

    async def paid(self, **more: Any) -> Json:
        payment = await self.open(**more)
        assert (await self.confirm(payment)).status_code == 200
        return await self.until(payment, lambda it: it["status"] == "completed")

    async def refund(self, payment: Json, body: Json | None = None, key: str | None = None) -> httpx2.Response:
        headers = self.mint.headers("admin", "the-admin") | ({"Idempotency-Key": key} if key else {})
        return await self.api.post(f"/api/v1/payments/{payment['paymentId']}/refund", json=body or {}, headers=headers)

    async def faults(self, **faults: Any) -> None:
        answer = await self.sandbox.post("/sandbox/faults", json=faults)
        assert answer.status_code == 200, answer.text

    async def events_of(self, payment: Json, count: int) -> list[str]:
        """The types published about a payment, once there are so many; a relay may send an event more than once."""

        async def types() -> list[str]:
            found = {each["id"]: each["type"] for each in self.published if each["subject"] == payment["paymentId"]}
            return [*found.values()]

        return await eventually(types, until=lambda found: len(found) >= count)

    async def stored_event(self, event_id: str) -> Json | None:
        return await self.database["webhook_events"].find_one({"_id": event_id})


@pytest.fixture(scope="session")
async def mint() -> AsyncIterator[TokenMint]:
    async with token_mint() as mint:
        yield mint


@pytest.fixture(scope="session")
async def whole_house(
    engine_urls: EngineUrls, namespace: str, mint: TokenMint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    """Started once: what differs between tests is the booking."""
    with listen() as api_socket, listen() as sandbox_socket:
        settings = Settings.model_validate(
            {
                "mongo_url": engine_urls.mongo_url,
                "amqp_url": engine_urls.amqp_url,
                "namespace": f"{namespace}_pay",
                "jwks_url": mint.jwks_url,
                "stripe_api_key": API_KEY,
                "stripe_base_url": address(sandbox_socket),
                "webhook_secrets": f"{SECRET},{OLD_SECRET}",
                "reconcile_after_seconds": 2,
                "reconcile_every_seconds": 0.5,
            }
        )
        sandbox_settings = SandboxSettings(
            stripe_api_key=settings.stripe_api_key,
            webhook_secrets=settings.webhook_secrets[:1],
            webhook_url=f"{address(api_socket)}/api/v1/payments/webhook",
            sandbox_state=tmp_path_factory.mktemp("sandbox") / "state.sqlite",
        )
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            topology = Topology(settings.namespace)
            stack.push_async_callback(remove_topology, engine_urls.amqp_url, topology)
            await enter(serving(create_app(settings), api_socket))
            await enter(serving(create_sandbox(sandbox_settings), sandbox_socket))
            await enter(worker(settings))
            publisher = Publisher(engine_urls.amqp_url, topology)
            stack.push_async_callback(publisher.close)
            house = House(
                settings,
                sandbox_settings,
                database=await enter(open_database(settings, "payments")),
                api=await enter(httpx2.AsyncClient(base_url=address(api_socket), timeout=30)),
                sandbox=await enter(httpx2.AsyncClient(base_url=address(sandbox_socket), timeout=30)),
                gateway=await enter(official_sdk(address(sandbox_socket))),
                mint=mint,
                publisher=publisher,
            )
            await enter(listening(settings, house.published))
            yield house


@asynccontextmanager
async def official_sdk(base_url: str) -> AsyncIterator[stripe.StripeClient]:
    async with aiohttp.ClientSession() as session:
        yield stripe.StripeClient(
            API_KEY,
            base_addresses={"api": base_url},
            http_client=stripe.AIOHTTPClient(session=session),
            max_network_retries=0,
        )


@asynccontextmanager
async def listening(settings: Settings, published: list[Json]) -> AsyncIterator[None]:
    """Collects every event that is published."""
    topology = Topology(settings.namespace)
    async with await aio_pika.connect(settings.amqp_url.get_secret_value()) as connection:
        channel = await connection.channel()
        exchange = await topology.declare(channel)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, routing_key="#")

        async def collect(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            published.append(json.loads(message.body))

        await queue.consume(collect, no_ack=True)
        yield


@pytest.fixture
async def house(whole_house: House) -> AsyncIterator[House]:
    yield whole_house
    await whole_house.sandbox.delete("/sandbox/faults")


@pytest.fixture
async def quiet(house: House) -> AsyncIterator[Quiet]:
    async with quiet_payments(house) as quiet:
        yield quiet
