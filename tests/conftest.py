"""What every test may ask for: the real engines, and a namespace of its own on them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from marquee.engines import EngineUrls
from tests.servers.engines import remove_namespace, running_engines

# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile("marquee", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("marquee")


@pytest.fixture(scope="session")
def engine_urls() -> Iterator[EngineUrls]:
    """MongoDB, RabbitMQ and Elasticsearch: those of the environment, else started for this session."""
    with running_engines() as urls:
        yield urls


@pytest.fixture(scope="session")
def namespace(engine_urls: EngineUrls) -> Iterator[str]:
    """The prefix of this session's databases, queues and indices; they are removed at its end."""
    name = f"t{secrets.token_hex(4)}"
    yield name
    remove_namespace(engine_urls, name)
