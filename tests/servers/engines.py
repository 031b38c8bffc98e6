"""The real engines of a test session, and the way to leave them as they were found."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import aio_pika
import httpx2
from pymongo import MongoClient

from marquee.engines import EngineUrls
from marquee.engines.plan import VARIABLES
from marquee.supervisor import tie_to_parent
from messaging.topology import Topology


@contextmanager
def running_engines() -> Iterator[EngineUrls]:
    """Engines given by the environment, or a set of our own that is gone afterwards.

    They run under their own supervisor, which the kernel ends should this session be killed.
    """
    given = {engine: os.environ.get(variable, "") for engine, variable in VARIABLES.items()}
    if all(given.values()):
        yield _patient(EngineUrls(given["mongo"], given["amqp"], given["elasticsearch"]))
        return
    home = Path(tempfile.mkdtemp(prefix="marquee-engines-"))
    errors = home / "stderr"
    with errors.open("w") as stderr:
        argv = [sys.executable, "-m", "marquee.engines", "--home", str(home)]
        engines = subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            preexec_fn=tie_to_parent(),  # noqa: PLW1509  # a session fixture runs in the main, and only, thread
        )
    try:
        yield _patient(_read_urls(engines, errors))
    finally:
        engines.terminate()
        engines.communicate(timeout=60)
        shutil.rmtree(home, ignore_errors=True)


def _patient(urls: EngineUrls) -> EngineUrls:
    """The session's event loop stands still during tests that don't use it, for longer than a heartbeat may take.

    A client that streams heartbeats takes that for a dead server when the loop goes on, and breaks off what is under
    way; one that polls them has none under way between two tests.
    """
    joint = "&" if "?" in urls.mongo_url else "?"
    return replace(urls, mongo_url=f"{urls.mongo_url}{joint}serverMonitoringMode=poll")


def _read_urls(engines: subprocess.Popen[str], errors: Path) -> EngineUrls:
    found: dict[str, str] = {}
    for line in engines.stdout or ():
        if line.strip() == "ready":
            return EngineUrls(**{f"{engine}_url": found[variable] for engine, variable in VARIABLES.items()})
        key, _, value = line.partition("=")
        found[key] = "".join(shlex.split(value))
    raise RuntimeError(f"the engines did not start:\n{errors.read_text()}")


def remove_namespace(urls: EngineUrls, namespace: str) -> None:
    """Drops the databases, indices and queues of this namespace."""
    asyncio.run(_delete_queues(urls.amqp_url, Topology(namespace)))
    with MongoClient[dict[str, object]](urls.mongo_url) as client:
        for name in client.list_database_names():
            if name.startswith(f"{namespace}_"):
                client.drop_database(name)
    with httpx2.Client(base_url=urls.elasticsearch_url, timeout=30) as client:
        listed = client.get(f"/_cat/indices/{namespace}*", params={"h": "index", "expand_wildcards": "all"})
        for index in listed.text.split():
            client.delete(f"/{index}")


async def _delete_queues(amqp_url: str, topology: Topology) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        for queue in topology.all_queues():
            await channel.queue_delete(queue)
        await channel.exchange_delete(topology.exchange)
