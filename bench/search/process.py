"""The product's own processes: its search API, and the indexer's worker."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.api import Api, answering
from bench.processes import running_module


@asynccontextmanager
async def running_search(elastic: str, namespace: str) -> AsyncIterator[Api]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"elasticsearch_url": elastic, "namespace": namespace, "cursor_secret": "bench", "log_level": "WARNING"}
    async with running_module(["search_service", "api", "--port", str(port)], settings) as process:
        address = ("127.0.0.1", port)
        await answering(address, process)
        yield Api(address, process.pid)


@asynccontextmanager
async def running_indexer(elastic: str, mongo: str, amqp: str, namespace: str) -> AsyncIterator[None]:
    settings = {
        "elasticsearch_url": elastic,
        "mongo_url": mongo,
        "amqp_url": amqp,
        "namespace": namespace,
        "log_level": "WARNING",
    }
    async with running_module(["indexer", "worker"], settings):
        yield
