"""The product's own processes: its search API, and the indexer's worker."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bench.api import Api, answering
from marquee.supervisor import tie_to_parent


@asynccontextmanager
async def running_search(elastic: str, namespace: str) -> AsyncIterator[Api]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"elasticsearch_url": elastic, "namespace": namespace, "cursor_secret": "bench"}
    async with _running(["search_service", "api", "--port", str(port)], settings) as process:
        address = ("127.0.0.1", port)
        await answering(address, process)
        yield Api(address, process.pid)


@asynccontextmanager
async def running_indexer(elastic: str, mongo: str, amqp: str, namespace: str) -> AsyncIterator[None]:
    settings = {"elasticsearch_url": elastic, "mongo_url": mongo, "amqp_url": amqp, "namespace": namespace}
    async with _running(["indexer", "worker"], settings):
        yield


@asynccontextmanager
async def _running(module: list[str], settings: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    given = {f"MARQUEE_{name.upper()}": value for name, value in {**settings, "log_level": "WARNING"}.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *module,
        env={**os.environ, **given},
        start_new_session=True,
        preexec_fn=tie_to_parent(),
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
