"""The partners service on a real MongoDB and RabbitMQ, and the sandbox theatre behind a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette

from marquee.engines import EngineUrls
from partners_service.app import create_app
from partners_service.config import Settings
from partners_service.hosts import Hosts
from partners_service.sandbox.app import create_app as create_sandbox
from partners_service.sandbox.config import Settings as SandboxSettings
from partners_service.theatre import open_theatres
from service_kit.clock import ManualClock, SystemClock
from service_kit.mongo import Database, open_database
from tests.component.partners.desk import Desk, Theatre
from tests.servers.other_service import OtherService, other_service
from tests.support import TokenMint, running, token_mint

COLLECTIONS = ("partners", "requests", "exchanges", "idempotency")


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """The app behind a real socket on loopback: `host:port`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(app, lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=1)
        )
        task = asyncio.create_task(server.serve([listener]))
        try:
            while not server.started:
                if task.done():
                    await task
                await asyncio.sleep(0.01)
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@pytest.fixture(scope="session")
async def mint() -> AsyncIterator[TokenMint]:
    async with token_mint() as mint:
        yield mint


@pytest.fixture(scope="session")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Starlette]]:
    state: Path = tmp_path_factory.mktemp("theatre") / "books.sqlite"
    settings = SandboxSettings.model_validate(
        {"partner_sandbox_secret": "psk_of_the_sandbox", "partner_sandbox_state": state}
    )
    app = create_sandbox(settings)
    async with serving(app) as address:
        yield address, app


@pytest.fixture
async def theatre(sandbox: tuple[str, Starlette]) -> AsyncIterator[Theatre]:
    address, app = sandbox
    async with httpx2.AsyncClient(base_url=f"http://{address}") as client:
        theatre = Theatre(address, app, client)
        await theatre.faults()
        yield theatre
        await theatre.faults()


@pytest.fixture(scope="session")
async def catalogue() -> AsyncIterator[OtherService]:
    """The venues service: it knows of no venue that names a theatre, unless a test says so."""
    async with other_service() as catalogue:
        yield catalogue


@pytest.fixture(scope="session")
def settings(
    engine_urls: EngineUrls, namespace: str, mint: TokenMint, sandbox: tuple[str, Starlette], catalogue: OtherService
) -> Settings:
    return Settings.model_validate(
        {
            "mongo_url": engine_urls.mongo_url,
            "amqp_url": engine_urls.amqp_url,
            "namespace": f"{namespace}_partners",
            "jwks_url": mint.jwks_url,
            "partner_key": "a key for tests only",
            "venues_url": catalogue.url,
            "partner_private_hosts": sandbox[0],
        }
    )


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with open_database(settings, "partners") as database:
        yield database


@pytest.fixture
async def desk(
    settings: Settings, database: Database, mint: TokenMint, theatre: Theatre, catalogue: OtherService
) -> AsyncIterator[Desk]:
    """The service's API, and its use cases without a worker: a test attends to what is due itself."""
    for name in COLLECTIONS:
        await database[name].delete_many({})
    catalogue.forget()
    clock = ManualClock(SystemClock().now())
    app = create_app(settings, clock)
    async with running(app) as client, open_theatres(Hosts((), settings.partner_private_hosts), clock) as theatres:
        yield Desk(client, app, theatres, clock, mint, theatre, database, catalogue)
