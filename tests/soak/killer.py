"""Kills processes of a stack by their ids in stack.json, one every few seconds, without warning."""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter

from tests.servers.stack import Stack

OURS = ("api-1", "worker", "api-2", "sandbox", "indexer")
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
        """For ever, each process in its turn: nobody is killed twice before he was started again."""
        turn: list[str] = []
        engines = 0
        while True:
            await asyncio.sleep(self._every * self._chance.uniform(0.7, 1.3))
            if self._engines and self.kills.total() % ENGINE_EVERY == ENGINE_EVERY - 1:
                self._kill(ENGINES[engines % len(ENGINES)])
                engines += 1
                continue
            turn = turn or self._chance.sample(OURS, len(OURS))
            self._kill(turn.pop())

    def _kill(self, name: str) -> None:
        pid = self._stack.info["pids"].get(name)
        if pid is None or self._dead.get(name) == pid:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self._dead[name] = pid
            self.kills[name] += 1

    async def all_back(self) -> None:
        """Until each process that was killed has been started again."""
        while any(self._stack.info["pids"].get(name, pid) == pid for name, pid in self._dead.items()):
            await asyncio.sleep(0.2)
