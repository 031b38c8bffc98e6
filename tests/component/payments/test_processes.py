"""The programs themselves, killed without warning: what was promised is still done afterwards."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import stripe

from marquee.supervisor import tie_to_parent
from messaging.topology import Topology
from service_kit.ids import new_id
from tests.component.payments.conftest import API_KEY, SECRET, House, official_sdk
from tests.component.payments.signing import event, intent, signed
from tests.servers.broker import remove_topology
from tests.support import eventually, free_port

Process = asyncio.subprocess.Process
# Starting an interpreter with every library takes long on a busy machine.
pytestmark = pytest.mark.timeout(300)


@asynccontextmanager
async def process(log: Path, env: dict[str, str], *arguments: str) -> AsyncIterator[Process]:
    """`python -m …`, killed at the end if it still runs."""
    with log.open("ab") as output:
        running = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *arguments,
            env={**os.environ, **env},
            stdout=output,
            stderr=output,
            preexec_fn=tie_to_parent(),
        )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def until_ready(url: str) -> None:
    async def ready() -> bool:
        async with httpx2.AsyncClient() as client:
            try:
                return (await client.get(f"{url}/readyz")).status_code == 200
            except httpx2.TransportError:
                return False

    await eventually(ready, seconds=60)


class Listener:
    """A shop that refuses webhooks until it is told to take them."""

    def __init__(self) -> None:
        self.accepts = False
        self.refused = 0
        self.taken: list[dict[str, Any]] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:]) if name
        }
        body = await reader.readexactly(int(headers["content-length"]))
        stripe.WebhookSignature.verify_header(body, headers["stripe-signature"], SECRET, 300)
        if self.accepts:
            self.taken.append(json.loads(body))
        else:
            self.refused += 1
        status = b"200 OK" if self.accepts else b"500 No"
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()


async def test_a_killed_sandbox_keeps_its_state_and_sends_its_webhooks_afterwards(tmp_path: Path) -> None:
    shop = Listener()
    server = await asyncio.start_server(shop.answer, "127.0.0.1", 0)
    port, state = free_port(), tmp_path / "state.sqlite"
    url = f"http://127.0.0.1:{port}"
    env = {
        "MARQUEE_STRIPE_API_KEY": API_KEY,
        "MARQUEE_WEBHOOK_SECRETS": SECRET,
        "MARQUEE_WEBHOOK_URL": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook",
    }
    arguments = ("payment_service.sandbox", "--port", str(port), "--state", str(state))
    async with server, official_sdk(url) as sdk:
        async with process(tmp_path / "log", env, *arguments) as first:
            await until_ready(url)
            key: stripe.RequestOptions = {"idempotency_key": new_id()}
            made = await sdk.v1.payment_intents.create_async({"amount": 500, "currency": "eur"}, key)
            await sdk.v1.payment_intents.confirm_async(made.id, {"payment_method": "pm_card_visa"})
            await eventually(lambda: _value(shop.refused))
            first.kill()
            await first.wait()
        shop.accepts = True
        async with process(tmp_path / "log", env, *arguments):
            await until_ready(url)
            again = await sdk.v1.payment_intents.create_async({"amount": 500, "currency": "eur"}, key)
            assert again.id == made.id
            assert (await sdk.v1.payment_intents.retrieve_async(made.id)).status == "succeeded"
            await eventually(lambda: _value(shop.taken))
    assert shop.taken[0]["type"] == "payment_intent.succeeded"
    assert shop.taken[0]["data"]["object"]["id"] == made.id


async def test_the_service_as_its_own_processes_survives_the_death_of_its_worker(house: House, tmp_path: Path) -> None:
    """API and worker in a namespace of their own; a webhook taken while no worker lives is applied by the next."""
    port = free_port()
    settings = house.settings
    env = {
        "MARQUEE_MONGO_URL": settings.mongo_url.get_secret_value(),
        "MARQUEE_AMQP_URL": settings.amqp_url.get_secret_value(),
        "MARQUEE_NAMESPACE": f"{settings.namespace}_own",
        "MARQUEE_JWKS_URL": settings.jwks_url or "",
        "MARQUEE_STRIPE_API_KEY": API_KEY,
        "MARQUEE_STRIPE_BASE_URL": settings.stripe_base_url,
        "MARQUEE_WEBHOOK_SECRETS": SECRET,
    }
    url = f"http://127.0.0.1:{port}"
    async with (
        removed_afterwards(settings.amqp_url.get_secret_value(), env["MARQUEE_NAMESPACE"]),
        process(tmp_path / "api.log", env, "payment_service", "api", "--port", str(port)),
        process(tmp_path / "worker.log", env, "payment_service", "worker") as worker,
        httpx2.AsyncClient(base_url=url, headers=house.mint.headers("service")) as api,
    ):
        await until_ready(url)
        first, second = [await open_payment(api) for _ in range(2)]
        await succeed(api, first)
        await eventually(lambda: status(api, first), until=lambda it: it == "completed")
        worker.kill()
        await worker.wait()
        await succeed(api, second)
        assert await status(api, second) == "pending"
        async with process(tmp_path / "worker.log", env, "payment_service", "worker") as another:
            await eventually(lambda: status(api, second), until=lambda it: it == "completed")
            another.terminate()
            assert await asyncio.wait_for(another.wait(), 15) == 0


@asynccontextmanager
async def removed_afterwards(amqp_url: str, namespace: str) -> AsyncIterator[None]:
    yield
    await remove_topology(amqp_url, Topology(namespace))


async def open_payment(api: httpx2.AsyncClient) -> dict[str, Any]:
    wanted = {"bookingId": new_id(), "userId": new_id(), "amount": 900, "currency": "EUR"}
    payment: dict[str, Any] = (await api.post("/api/v1/payments", json=wanted)).json()
    return payment


async def succeed(api: httpx2.AsyncClient, payment: dict[str, Any]) -> None:
    body = event("payment_intent.succeeded", intent(payment))
    answer = await api.post("/api/v1/payments/webhook", content=body, headers={"Stripe-Signature": signed(body)})
    assert answer.status_code == 200


async def status(api: httpx2.AsyncClient, payment: dict[str, Any]) -> str:
    found: str = (await api.get(f"/api/v1/payments/{payment['paymentId']}")).json()["status"]
    return found


async def _value(value: Any) -> Any:
    return value
