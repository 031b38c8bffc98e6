"""Somebody who listens to a stream: he is woken when there is news, and asks what it is."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress


class Listener(ABC):
    def __init__(self) -> None:
        self.ended = False
        self._news = asyncio.Event()

    async def next(self, patience: float) -> bytes:
        """Events to send now. Waits for some; there are none after `patience` seconds, or at the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not self.ended:
                    if events := self._events():
                        return events
                    self._news.clear()
                    await self._news.wait()
        return b""

    def wake(self) -> None:
        self._news.set()

    def end(self) -> None:
        self.ended = True
        self.wake()

    @abstractmethod
    def _events(self) -> bytes:
        """What he has not been told yet, encoded; with the last of it `ended` is set."""
