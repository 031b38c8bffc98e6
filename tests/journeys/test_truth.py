"""After all that the other journeys did, what the services know of each other agrees."""

import asyncio
import os
import sys

from marquee.engines import EngineUrls
from marquee.engines.plan import VARIABLES
from tests.journeys.conftest import Stack


async def test_seats_bookings_and_search_agree_in_the_end(
    stack: Stack, engine_urls: EngineUrls, namespace: str
) -> None:
    urls = {variable: getattr(engine_urls, f"{name}_url") for name, variable in VARIABLES.items()}
    audit = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marquee", "audit", "--home", str(stack.home)),
        env={**os.environ, **urls, "MARQUEE_NAMESPACE": f"{namespace}j"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, faults = await audit.communicate()
    assert audit.returncode == 0, (told.decode(), faults.decode())
    assert b"agrees" in told
