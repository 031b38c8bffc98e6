"""When each engine can be worked with. Every check raises while it cannot."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import aio_pika
import httpx2
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

_NOT_YET_INITIALIZED = 94
_PATIENCE_MS = 2000


async def mongo_primary(port: int) -> None:
    """Returns when the node on this port is a writable primary; founds its one-member replica set at first.

    The member's address holds the port, so a home that had to change ports gets its set reconfigured.
    """
    member = f"127.0.0.1:{port}"
    async with AsyncMongoClient[dict[str, object]](
        member, directConnection=True, serverSelectionTimeoutMS=_PATIENCE_MS
    ) as client:
        try:
            config = (await client.admin.command("replSetGetConfig"))["config"]
        except OperationFailure as fault:
            if fault.code != _NOT_YET_INITIALIZED:
                raise
            await client.admin.command("replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": member}]})
        else:
            if config["members"][0]["host"] != member:
                config["members"][0]["host"] = member
                config["version"] += 1
                await client.admin.command("replSetReconfig", config, force=True)
        hello = await client.admin.command("hello")
    if not hello["isWritablePrimary"]:
        raise RuntimeError("no primary elected yet")


async def amqp_answers(url: str) -> None:
    """Returns when a connection with these credentials opens."""
    await port_answers(urlsplit(url).port or 5672)  # first, because aio-pika logs every refused connection as an error
    connection = await aio_pika.connect(url, timeout=5)
    await connection.close()


async def elasticsearch_answers(url: str) -> None:
    """Returns when the cluster can take writes (yellow: a single node has no replicas)."""
    async with httpx2.AsyncClient(timeout=5) as client:
        health = await client.get(f"{url}/_cluster/health", params={"wait_for_status": "yellow", "timeout": "2s"})
    health.raise_for_status()


async def port_answers(port: int) -> None:
    """Returns when something accepts connections on this loopback port."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await writer.wait_closed()
