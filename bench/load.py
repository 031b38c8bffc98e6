"""A load generator for HTTP/1.1 that takes as little as it can of the machine it shares with what it measures.

Each caller is one kept-alive connection on which prebuilt bytes go out; of an answer only the status and the length are
read.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import cast

from bench.figures import Figures, Meter, spent
from bench.race import WARM_SECONDS

Address = tuple[str, int]
# The bytes of the next request; None once there is nothing more to ask for.
Source = Callable[[], bytes | None]
Answered = Callable[["Caller", bytes], None]

END, LENGTH = b"\r\n\r\n", b"content-length: "
DONE, REFUSED = frozenset((b"200", b"201", b"304")), frozenset((b"409",))
clock = time.perf_counter


class Caller(asyncio.Protocol):
    """One connection, with at most one request under way."""

    def __init__(self, answered: Answered, lost: Callable[[], None]) -> None:
        self._answered = answered
        self._lost = lost
        self._rest = b""
        self._transport: asyncio.Transport
        self.asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own, which is none by descent

    def ask(self, request: bytes, since: float) -> None:
        """`since` is what the latency is counted from."""
        self.asked = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        head = data.find(END)
        if head >= 0:
            at = data.find(LENGTH, 0, head)
            length = int(data[at + len(LENGTH) : data.index(b"\r", at)]) if at >= 0 else 0
            if len(data) >= head + len(END) + length:
                self._rest = b""
                self._answered(self, data[9:12])
                return
        self._rest = data

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()

    def close(self) -> None:
        self._transport.close()


class Load:
    """One run: warms up, measures for `seconds`, then lets what is under way end.

    What was asked for within the measured window counts, whenever it is answered.
    """

    def __init__(self, source: Source, seconds: float, meter: Meter, had: Callable[[], None]) -> None:
        self._source = source
        self._had = had
        self._seconds = seconds
        self._meter = meter
        self._statuses: Counter[bytes] = Counter()
        self._latencies: list[float] = []
        self._cpu: list[dict[str, float]] = []
        self._begins = self._ends = float("inf")
        self._over = asyncio.get_running_loop().create_future()
        self._callers: list[Caller] = []
        self._idle: deque[Caller] = deque()

    @property
    def going(self) -> bool:
        return self._ends == float("inf")

    @property
    def idle(self) -> deque[Caller]:
        """Callers without a request under way, the longest idle first: a server hangs up on who rests too long."""
        return self._idle

    async def connect(self, address: Address, callers: int, answered: Answered) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(callers):
            _, caller = await loop.create_connection(lambda: Caller(answered, self._lost), *address)
            self._callers.append(caller)
        self._idle.extend(self._callers)

    async def run(self) -> Figures:
        """Raises ConnectionError where the server hangs up, RuntimeError where there was nothing left to measure."""
        loop = asyncio.get_running_loop()
        loop.call_later(WARM_SECONDS, self._begin)
        loop.call_later(WARM_SECONDS + self._seconds, self.end)
        try:
            await self._over
        finally:
            for caller in self._callers:
                caller.close()
        if self._begins >= self._ends:
            raise RuntimeError("there was too little to ask for: it was used up while warming up")
        done, refused = (sum(self._statuses[status] for status in kind) for kind in (DONE, REFUSED))
        if not done:
            raise RuntimeError(f"nothing came of it: {dict(self._statuses)}")
        failed = self._statuses.total() - done - refused
        took = self._ends - self._begins
        return Figures(done, took, refused, failed, sorted(self._latencies), spent(*self._cpu))

    def note(self, caller: Caller, status: bytes) -> None:
        """Count an answer."""
        if status in DONE:
            self._had()
        if self._begins <= caller.asked < self._ends:
            self._statuses[status] += 1
            self._latencies.append(clock() - caller.asked)

    def ask(self, caller: Caller, since: float | None = None) -> None:
        """Send the next request, if there is one."""
        request = self._source()
        if request is None:
            self.end()
            self.rest(caller)
        else:
            caller.ask(request, clock() if since is None else since)

    def rest(self, caller: Caller) -> None:
        """This caller has nothing to ask for now."""
        self._idle.append(caller)
        self._finish()

    def end(self) -> None:
        """Time is up, or there is nothing more to ask for: what is asked from now on does not count."""
        if self.going:
            self._ends = clock()
            self._cpu.append(self._meter.read())
            self._finish()

    def _begin(self) -> None:
        if self.going:
            self._begins = clock()
            self._cpu.append(self._meter.read())

    def _finish(self) -> None:
        if not self.going and len(self._idle) == len(self._callers) and not self._over.done():
            self._over.set_result(None)

    def _lost(self) -> None:
        if not self._over.done():
            self._over.set_exception(ConnectionError("the server closed a connection in the middle of a run"))


def nothing() -> None:
    pass


async def closed_loop(
    address: Address, callers: int, source: Source, seconds: float, meter: Meter, *, had: Callable[[], None] = nothing
) -> Figures:
    """Each caller asks again as soon as he has his answer. `had` is told of each who got what he asked for."""
    load = Load(source, seconds, meter, had)

    def answered(caller: Caller, status: bytes) -> None:
        load.note(caller, status)
        if load.going:
            load.ask(caller)
        else:
            load.rest(caller)

    await load.connect(address, callers, answered)
    for _ in range(callers):
        load.ask(load.idle.popleft())
    return await load.run()


async def open_loop(
    address: Address, callers: int, source: Source, seconds: float, meter: Meter, *, per_second: float
) -> Figures:
    """Requests that fall due at random times fixed beforehand, whether or not the ones before them are answered.

    Latency counts from when a request was due: who has to wait for a free connection, or for a late timer, waits.
    """
    load = Load(source, seconds, meter, nothing)
    loop = asyncio.get_running_loop()
    waiting: deque[float] = deque()
    due = float("inf")

    def answered(caller: Caller, status: bytes) -> None:
        load.note(caller, status)
        if waiting:
            load.ask(caller, waiting.popleft())
        else:
            load.rest(caller)

    def tick() -> None:
        nonlocal due
        while load.going and due <= clock():
            if load.idle:
                load.ask(load.idle.popleft(), due)
            else:
                waiting.append(due)
            due = next(dues)
        if load.going:
            loop.call_later(max(0.0, due - clock()), tick)

    await load.connect(address, callers, answered)
    dues = _arrivals(clock(), per_second)
    due = next(dues)
    tick()
    return await load.run()


def _arrivals(start: float, per_second: float) -> Iterator[float]:
    """Independent arrivals, as those of many people are (a Poisson process)."""
    while True:
        start += random.expovariate(per_second)
        yield start
