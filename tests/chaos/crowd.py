"""Who makes the load: callers with a token of their own, who note each request and its answer; among them the tills."""

import asyncio
import heapq
import json
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any, Literal

from tests.chaos import answers
from tests.chaos.history import Answer, Kind, Operation
from tests.chaos.wire import Doors, Lost, Reply

Verb = Literal["confirm", "fail"]
# After the end of sales: how long a request that has no answer yet is still repeated.
LAST_TRIES_SECONDS = 45.0
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 2.0
# How many payments are told twice.
TOLD_TWICE_SHARE = 0.05


@dataclass(frozen=True)
class Hall:
    """A showtime to buy for. `price` of one seat; where that is nothing, preparing the payment is enough."""

    showtime: str
    seats: int
    hot: bool
    price: int


@dataclass(frozen=True)
class Plan:
    """What one process of the load is told. `requests` to make, within `least_seconds` at the earliest."""

    seed: int
    ports: list[int]
    shoppers: list[tuple[str, str]]
    till_token: str
    halls: list[Hall]
    requests: int
    least_seconds: float
    most_seconds: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> "Plan":
        values = json.loads(text)
        values["halls"] = [Hall(**hall) for hall in values["halls"]]
        return cls(**values)


@dataclass
class Crowd:
    """What all callers of this process share."""

    plan: Plan
    write: Callable[[str], object]
    made: int = 0
    closing: float = float("inf")
    due_at_tills: list[tuple[float, int, "Held", Verb]] = field(default_factory=list)
    _numbers: Any = field(default_factory=count)

    def note(self, operation: Operation) -> None:
        self.made += 1
        self.write(json.dumps(operation.row()) + "\n")

    def number(self) -> int:
        number: int = next(self._numbers)
        return number

    def bring(self, held: "Held", verb: Verb, wait: float = 0.0) -> None:
        """Have a till tell that a booking is paid (`confirm`) or that its payment failed, after so many seconds."""
        heapq.heappush(self.due_at_tills, (time.monotonic() + wait, self.number(), held, verb))

    @property
    def closed(self) -> bool:
        return time.monotonic() > self.closing

    @property
    def over(self) -> bool:
        return time.monotonic() > self.closing + LAST_TRIES_SECONDS


@dataclass
class Held:
    """A booking of a shopper, who is told once it is `paid`. `lives_on` says whether it stays then."""

    paid: Callable[["Held"], None]
    hall: Hall
    booking: str
    amount: int
    held_until: int
    payment: str
    lives_on: bool = False


class Caller:
    """Somebody with a token; `name` is who the history says he is."""

    def __init__(self, crowd: Crowd, name: str, token: str, chance: random.Random) -> None:
        self.crowd = crowd
        self.name = name
        self.chance = chance
        self.doors = Doors(crowd.plan.ports, chance)
        self._authorization = f"Host: inventory\r\nAuthorization: Bearer {token}\r\n"

    async def ask(
        self,
        kind: Kind,
        hall: Hall,
        line: str,
        body: Any = None,
        *,
        read: Callable[[Reply], Answer] = answers.of_booking,
        headers: str = "",
        cut_after: float | None = None,
        **about: Any,
    ) -> Answer | None:
        """One request, noted; None where its connection was lost."""
        content = json.dumps(body).encode() if body is not None else b""
        length = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n" if content else ""
        request = f"{line} HTTP/1.1\r\n{self._authorization}{headers}{length}\r\n".encode() + content
        invoked = time.monotonic_ns()
        answer = None
        try:
            reply = await self.doors.call(request, cut_after=cut_after)
            ended = time.monotonic_ns()
            answer = read(reply)
        except Lost:
            ended = time.monotonic_ns()
        self.crowd.note(Operation(self.name, kind, hall.showtime, invoked, ended, answer, **about))
        return answer

    async def until_answered(self, once: Callable[[], Awaitable[Answer | None]]) -> Answer | None:
        """Repeat a request until somebody says what became of it; None where time ran out before."""
        pause = FIRST_PAUSE
        while not self.crowd.over:
            answer = await once()
            if answer is not None and answer.status < 500 and not answer.in_progress:
                return answer
            await asyncio.sleep(pause * self.chance.uniform(0.5, 1.5))
            pause = min(LONGEST_PAUSE, pause * 2)
        return None


class Till(Caller):
    """The payment service: tells the outcome of payments when they are due, now and then twice."""

    async def serve(self) -> None:
        due = self.crowd.due_at_tills
        while not self.crowd.closed:
            if not due or due[0][0] > time.monotonic():
                await asyncio.sleep(0.02)
                continue
            _, _, held, verb = heapq.heappop(due)
            await self._tell(held, verb)
        self.doors.close()

    async def _tell(self, held: Held, verb: Verb) -> None:
        line = f"PUT /api/v1/bookings/{held.booking}/confirm"
        body = {"paymentStatus": "failed" if verb == "fail" else "succeeded", "paymentId": held.payment}
        answer = await self.until_answered(lambda: self.ask(verb, held.hall, line, body, booking=held.booking))
        if answer is not None and answer.state == "confirmed":
            held.paid(held)
            if self.chance.random() < TOLD_TWICE_SHARE:
                self.crowd.bring(held, verb, 0.1)
