"""One whole stack for all journeys: `marquee up` as a user starts it, on engines and a namespace of the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marquee.engines import EngineUrls
from marquee.engines.plan import VARIABLES
from tests.servers.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack(engine_urls: EngineUrls, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`marquee up` until the session ends."""
    urls = dict(zip(VARIABLES.values(), (getattr(engine_urls, f"{name}_url") for name in VARIABLES), strict=True))
    home = tmp_path_factory.mktemp("stack")
    env = {
        **urls,
        "MARQUEE_NAMESPACE": f"{namespace}j",
        # Where organisers of these tests listen; by default webhooks go nowhere but to public addresses.
        "MARQUEE_HOOKS_PRIVATE_TARGETS": "127.0.0.1",
    }
    with running_stack(home, env) as running:
        yield running
