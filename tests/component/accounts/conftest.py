"""The accounts service over HTTP, on a real MongoDB."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pymongo.asynchronous.database import AsyncDatabase

from accounts_service.app import create_app
from accounts_service.config import Settings
from marquee.engines import EngineUrls
from service_kit.clock import ManualClock
from service_kit.mongo import open_database
from tests.support import running


@pytest.fixture
def settings(engine_urls: EngineUrls, namespace: str, tmp_path: Path) -> Settings:
    # The address of the keys leads nowhere: the issuer must not need it.
    return Settings.model_validate(
        {
            "mongo_url": engine_urls.mongo_url,
            "amqp_url": engine_urls.amqp_url,
            "namespace": f"{namespace}_{tmp_path.name}"[:40],
            "signing_key_file": tmp_path / "signing-key.pem",
            "jwks_url": "http://127.0.0.1:9/jwks.json",
        }
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def client(settings: Settings, clock: ManualClock) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(create_app(settings, clock)) as client:
        yield client


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    async with open_database(settings, "accounts") as database:
        yield database
