"""Kills processes of a stack by their ids in stack.json, one every few seconds, without warning."""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter

from marquee.engines.readiness import port_answers
from tests.servers.stack import Stack

OURS = ("api-1", "worker", "api-2", "sandbox", "indexer", "webhooks", "partners", "partner-sandbox")
PORTS = {"sandbox": "sandboxUrl", "partner-sandbox": "partnerUrl", "mongo": "mongoUrl", "amqp": "amqpUrl"}
ENGINES = ("mongo", "amqp")
# Of so many kills one is of an engine.
ENGINE_EVERY = 8


class Killer:
    def __init__(self, stack: Stack, chance: random.Random, every: float, *, engines: bool) -> None:
        self._stack = stack
        self._chance = chance
        self._every = every
        self._engines = engines
        self._dead: dict[str, int] = {}
        self.kills: Counter[str] = Counter()

    async def run(self) -> None:
        """For ever, each process in its turn: two may be away at once, but not both that sell; an engine only alone."""
        ours: list[str] = []
        engines = list(ENGINES)
        while True:
            await asyncio.sleep(self._every * self._chance.uniform(0.7, 1.3))
            if self._engines and self.kills.total() % ENGINE_EVERY == ENGINE_EVERY - 1:
                await self.all_back()
                self._kill(engines[0])
                engines.append(engines.pop(0))
                continue
            await self._but_one_back()
            ours = ours or self._chance.sample(OURS, len(OURS))
            self._kill(ours.pop())

    async def _but_one_back(self) -> None:
        """On a busy machine nothing would ever be sold otherwise."""
        while len(away := await self._away()) > 1 or any(name.startswith("api-") for name in away):
            await asyncio.sleep(0.2)

    async def all_back(self) -> None:
        """Until each process that was killed does its work again."""
        while await self._away():
            await asyncio.sleep(0.2)

    async def once(self, name: str) -> None:
        """This one, until it does its work again."""
        self._kill(name)
        await self.all_back()

    def _kill(self, name: str) -> None:
        pid = self._stack.info["pids"].get(name)
        if pid is None or self._dead.get(name) == pid:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self._dead[name] = pid
            self.kills[name] += 1

    async def _away(self) -> list[str]:
        return [name for name, pid in self._dead.items() if not await self._back(name, pid)]

    async def _back(self, name: str, dead: int) -> bool:
        info = self._stack.info
        if info["pids"].get(name, dead) == dead:
            return False
        if name in PORTS:
            url = info[PORTS[name]]
            port = url.rpartition(":")[2].partition("/")[0]
            try:
                await port_answers(int(port))
            except OSError:
                return False
            return True
        return (self._stack.home / "run" / f"{name}.ready").exists()
