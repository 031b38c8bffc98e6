"""The process that serves HTTP: started on a free port, asked until it answers, ended by its process id."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

from bench.load import Address
from bench.site import Site
from marquee.supervisor import tie_to_parent

STARTING_SECONDS = 60.0


@dataclass(frozen=True)
class Api:
    address: Address
    pid: int

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address)


@asynccontextmanager
async def running_api(site: Site, peers: Mapping[str, str]) -> AsyncIterator[Api]:
    """`peers`: name → URL of the ones that are there."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=2_048)
    settings = site.settings
    env = {
        "mongo_url": settings.mongo_url.get_secret_value(),
        "namespace": settings.namespace,
        "jwks_url": settings.jwks_address,
        "venues_url": settings.venues_address,
        "ticket_secret": settings.ticket_secret.get_secret_value(),
        "limits": settings.limits,
        "log_level": settings.log_level,
        **{f"bench_{name}_url": url for name, url in peers.items()},
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.shell", "--fd", str(listening.fileno()),
        env={**os.environ, **{f"MARQUEE_{name.upper()}": value for name, value in env.items()}},
        pass_fds=(listening.fileno(),),
        start_new_session=True,
        preexec_fn=tie_to_parent(),
    )  # fmt: skip
    address: Address = listening.getsockname()
    listening.close()
    try:
        await answering(address, process)
        yield Api(address, process.pid)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def answering(address: Address, process: asyncio.subprocess.Process) -> None:
    """Returns once it is ready. Raises RuntimeError where it ends instead, TimeoutError where it never is."""
    url = "http://{}:{}/readyz".format(*address)
    async with asyncio.timeout(STARTING_SECONDS), httpx2.AsyncClient() as client:
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"the API ended with exit code {process.returncode}")
            try:
                (await client.get(url)).raise_for_status()
            except httpx2.HTTPError:
                await asyncio.sleep(0.1)
            else:
                return
