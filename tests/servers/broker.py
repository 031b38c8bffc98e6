"""RabbitMQ for tests: queues that are removed afterwards, and a broker of one's own that can be killed."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika

from marquee.engines import native
from marquee.supervisor import ProcessSpec, tie_to_parent
from messaging.topology import Topology
from tests.support import eventually


async def remove_topology(amqp_url: str, topology: Topology) -> None:
    """Delete a namespace's queues and exchange."""
    async with await aio_pika.connect(amqp_url, timeout=10) as connection:
        channel = await connection.channel()
        for queue in topology.all_queues():
            await channel.queue_delete(queue)
        await channel.exchange_delete(topology.exchange)


class OwnBroker:
    """A RabbitMQ that belongs to one test, which may kill it and start it again with what it had stored."""

    def __init__(self, home: Path) -> None:
        self.url, self._specs = native.amqp(home)
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._log = home / "broker.log"

    async def start(self) -> None:
        with self._log.open("ab") as log:
            for spec in self._specs:
                if spec.name not in self._running:
                    self._running[spec.name] = await asyncio.create_subprocess_exec(
                        *spec.argv,
                        env={**os.environ, **spec.env},
                        cwd=spec.cwd,
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        preexec_fn=tie_to_parent(),
                    )
                await self._until_ready(spec)

    async def _until_ready(self, spec: ProcessSpec) -> None:
        async def ready() -> bool:
            try:
                await spec.ready()
            except Exception:  # any failure of a check only means: not yet
                return False
            return True

        await eventually(ready, seconds=60, pause=0.2)

    async def kill(self) -> None:
        """As if the machine lost power."""
        await self._end("amqp")

    async def close(self) -> None:
        for name in [*reversed(self._running)]:
            await self._end(name)

    async def _end(self, name: str) -> None:
        process = self._running.pop(name)
        process.kill()
        await process.wait()


@asynccontextmanager
async def own_broker(home: Path) -> AsyncIterator[OwnBroker]:
    broker = OwnBroker(home)
    try:
        await broker.start()
        yield broker
    finally:
        await broker.close()
