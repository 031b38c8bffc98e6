"""The processes of a sale, on engines given: an API, a worker, the sandbox gateway; and the houses they sell."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import aio_pika

from bench.api import answering
from bench.engines import Engine
from bench.figures import Meter, callers_meter
from bench.load import Address
from bench.neighbours import Neighbours, neighbours
from bench.processes import running_module
from inventory_service.app import open_inventory
from inventory_service.config import Settings as InventorySettings
from inventory_service.handlers.context import Inventory
from messaging.topology import Topology
from service_kit.clock import SystemClock
from service_kit.ids import new_id
from service_kit.mongo import Database, open_database
from service_kit.tokens import issue_token

SECRET = "whsec_bench"


@dataclass(frozen=True)
class Shop:
    """`pids`: of the processes by name."""

    inventory: Inventory
    seats: Database
    money: Database
    near: Neighbours
    api: Address
    gateway: Address
    pids: Mapping[str, int]

    def meter(self) -> Meter:
        return callers_meter(self.pids)


@asynccontextmanager
async def open_shop(mongo: Engine, amqp: Engine, *, working: bool = True) -> AsyncIterator[Shop]:
    """On databases and queues of its own, which are gone afterwards; `working`: with a worker."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        near = await enter(neighbours())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="marquee-bench-"))
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2_048))
        with socket.create_server(("127.0.0.1", 0)) as free:
            gateway: Address = free.getsockname()
        api: Address = listening.getsockname()
        service = issue_token(near.key, subject="bench", role="service", ttl=timedelta(hours=12), clock=SystemClock())
        values = {
            "mongo_url": mongo.url,
            "amqp_url": amqp.url,
            "namespace": f"bench{new_id()[-8:]}",
            "jwks_url": near.jwks_url,
            "venues_url": near.url,
            "public_url": "http://{}:{}".format(*api),
            "service_token": service,
            "ticket_secret": "a secret for benchmarks",
            "stripe_api_key": "sk_test_bench",
            "stripe_base_url": "http://{}:{}".format(*gateway),
            "webhook_secrets": SECRET,
            "sandbox_state": f"{folder}/sandbox.sqlite",
            "limits": "off",
            "log_level": "ERROR",
        }
        settings = InventorySettings.model_validate(
            {name: value for name, value in values.items() if name in InventorySettings.model_fields}
        )
        stack.push_async_callback(_remove_queues, amqp.url, Topology(settings.namespace))
        seats, money = (
            await enter(open_database(settings, "inventory")),
            await enter(open_database(settings, "payments")),
        )
        for database in (seats, money):
            stack.push_async_callback(database.client.drop_database, database.name)
        inventory = await enter(open_inventory(settings, seats))
        module = "bench.payments.process"
        shell = await enter(
            running_module([module, "api", "--fd", str(listening.fileno())], values, [listening.fileno()])
        )
        sandbox = await enter(running_module(["payment_service.sandbox", "--port", str(gateway[1])], values))
        pids = {"API": shell.pid, "sandbox": sandbox.pid}
        if working:
            pids["worker"] = (await enter(running_module([module, "worker"], values))).pid
        pids |= {"MongoDB": mongo.pid, "RabbitMQ": amqp.pid}
        await answering(api, shell)
        await answering(gateway, sandbox)
        yield Shop(inventory, seats, money, near, api, gateway, pids)


async def _remove_queues(amqp_url: str, topology: Topology) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        for queue in topology.all_queues():
            await channel.queue_delete(queue)
        await channel.exchange_delete(topology.exchange)
