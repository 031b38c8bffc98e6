"""A crowd that buys tickets: `python -m tests.chaos.shoppers PLAN HISTORY`, one process of the load.

Every shopper is somebody with a token of his own who has one request under way at a time. Tills are the payment
service: they confirm or fail bookings while their owners may be doing something else with them. What each request was
told goes to the history file, a JSON line each. Prints how many requests were made, twice a second.
"""

import asyncio
import heapq
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from tests.chaos import answers
from tests.chaos.crowd import Caller, Crowd, Hall, Held, Plan, Till
from tests.chaos.history import Answer
from tests.chaos.wire import Reply

HOLD_SECONDS = 60
TILLS = 6
# What becomes of a hold, in parts of a hundred: in a small hall that everybody wants, and in a large one. How soon is
# counted in what its owner does before, so that the crowd behaves alike on a slow machine and on a fast one.
FATES = {
    "cancel": (66, 30),
    "pay": (12, 18),
    "prepare": (4, 8),
    "race": (6, 6),
    "extend": (7, 14),
    "fail": (3, 4),
    "leave": (1.5, 14),
    "late": (0.3, 4),
    "keep": (0.2, 2),
}
# What a shopper does next.
ERRANDS = {"reserve": 40, "map": 36, "check": 12, "best": 6, "own": 6}
HOT_SHARE = 0.85
SOON = 6.0
BEST_SHARE = 0.1
KEYED_SHARE, KEYED_BEST_SHARE = 0.2, 0.9
# Of those with a key: who leaves while he is served and asks again at once; who, left alone by a dead process, asks
# again only after his hold ran out.
IMPATIENT_SHARE = 0.05
LATE_AGAIN_SHARE = 0.08


class Shopper(Caller):
    def __init__(self, crowd: Crowd, name: str, token: str, chance: random.Random) -> None:
        super().__init__(crowd, name, token, chance)
        self._turn = 0
        self._due: list[tuple[float, int, Callable[[Held], Awaitable[None]], Held]] = []
        self._seen: dict[str, tuple[str, Answer]] = {}
        hot = [hall for hall in crowd.plan.halls if hall.hot]
        self._halls = {True: hot, False: [hall for hall in crowd.plan.halls if not hall.hot]}

    async def shop(self) -> None:
        while not self.crowd.closed:
            self._turn += 1
            if self._due and self._due[0][0] <= self._turn:
                _, _, do, held = heapq.heappop(self._due)
                await do(held)
                continue
            (errand,) = self.chance.choices(list(ERRANDS), list(ERRANDS.values()))
            hall = self.chance.choice(self._halls[self.chance.random() < HOT_SHARE])
            match errand:
                case "reserve":
                    await self._reserve(hall)
                case "map":
                    await self._look_at_map(hall)
                case "check":
                    await self._check(hall)
                case "best":
                    await self._look_for_best(hall)
                case _:
                    await self._look_at_own()
        self.doors.close()

    def soon(self, do: Callable[[Held], Awaitable[None]], held: Held) -> None:
        """Put it on the list of things to do, a few turns from now."""
        turn = self._turn + self.chance.expovariate(1 / SOON)
        heapq.heappush(self._due, (turn, self.crowd.number(), do, held))

    # --- getting seats -----------------------------------------------------------------------------------------------

    async def _reserve(self, hall: Hall) -> None:
        best = self.chance.random() < BEST_SHARE
        seats = [] if best else self._some_seats(hall)
        wanted = self.chance.randint(1, 4) if best else 0
        body: dict[str, Any] = {"best": {"count": wanted}} if best else {"seatIds": answers.seat_ids(seats)}
        body["holdTimeoutSeconds"] = HOLD_SECONDS
        line = f"POST /api/v1/showtimes/{hall.showtime}/seats/reserve"
        if self.chance.random() < 0.3:
            line, body["showtimeId"] = "POST /api/v1/bookings", hall.showtime
        keyed = self.chance.random() < (KEYED_BEST_SHARE if best else KEYED_SHARE)
        key = f"{self.name}-{self.crowd.number()}" if keyed else ""
        asked = sum(1 << seat for seat in seats)
        tried = 0

        async def once() -> Answer | None:
            nonlocal tried
            tried += 1
            impatient = key and tried == 1 and self.chance.random() < IMPATIENT_SHARE
            answer = await self.ask(
                "reserve",
                hall,
                line,
                body,
                read=lambda reply: answers.of_booking(reply, asked),
                headers=f"Idempotency-Key: {key}\r\n" if key else "",
                cut_after=self.chance.uniform(0, 0.05) if impatient else None,
                seats=asked,
                count=wanted,
                key=key,
                seconds=HOLD_SECONDS,
            )
            if answer is None and tried == 1 and self.chance.random() < LATE_AGAIN_SHARE:
                await self._wait(HOLD_SECONDS + self.chance.uniform(1, 4))
            return answer

        answer = await (self.until_answered(once) if key else once())
        if answer is not None and answer.state == "pending":
            paid = f"pay-{answer.booking}"
            self._decide(Held(self.paid, hall, answer.booking, answer.amount, answer.held_until, paid))

    def _some_seats(self, hall: Hall) -> list[int]:
        """Neighbours mostly; now and then as many as one may have, all over the house."""
        if self.chance.random() < 0.05:
            return sorted(self.chance.sample(range(hall.seats), 8))
        wanted = self.chance.randint(1, 4)
        first = self.chance.randrange(hall.seats - wanted + 1)
        return list(range(first, first + wanted))

    async def _wait(self, seconds: float) -> None:
        """Not beyond the end of sales."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.crowd.closed:
            await asyncio.sleep(0.5)

    # --- what becomes of them ----------------------------------------------------------------------------------------

    def _decide(self, held: Held) -> None:
        (fate,) = self.chance.choices(list(FATES), [share[not held.hall.hot] for share in FATES.values()])
        match fate:
            case "cancel":
                self.soon(self._cancel, held)
            case "prepare":
                self.soon(self._prepare, held)
            case "pay":
                self.soon(self._pay, held)
            case "keep":
                held.lives_on = True
                self.soon(self._pay, held)
            case "race":
                self.soon(self._pay_and_cancel, held)
            case "fail":
                self.soon(self._fail, held)
            case "extend":
                self.soon(self._extend, held)
            case "late":
                until = held.held_until / 1e9 - time.monotonic()
                self.crowd.bring(held, "confirm", until + self.chance.uniform(0, 2))
            case _:
                pass  # left to run out

    def paid(self, held: Held) -> None:
        """It is a ticket now; most are given back after a while."""
        if not held.lives_on:
            self.soon(self._cancel, held)

    async def _pay(self, held: Held) -> None:
        self.crowd.bring(held, "confirm")

    async def _fail(self, held: Held) -> None:
        self.crowd.bring(held, "fail")

    async def _pay_and_cancel(self, held: Held) -> None:
        self.crowd.bring(held, "confirm")
        await self._cancel(held)

    async def _cancel(self, held: Held) -> None:
        line = f"PUT /api/v1/bookings/{held.booking}/cancel"
        await self.until_answered(lambda: self.ask("cancel", held.hall, line, booking=held.booking))

    async def _extend(self, held: Held) -> None:
        line = f"POST /api/v1/bookings/{held.booking}/extend"
        headers = f"Idempotency-Key: {self.name}-{self.crowd.number()}\r\n"
        await self.until_answered(
            lambda: self.ask(
                "extend",
                held.hall,
                line,
                {"additionalMinutes": 1},
                headers=headers,
                booking=held.booking,
                seconds=60,
            )
        )
        if held.hall.hot or self.chance.random() < 0.5:
            self.soon(self._cancel, held)

    async def _prepare(self, held: Held) -> None:
        line = f"POST /api/v1/bookings/{held.booking}/preparePayment"
        body = {"finalAmount": held.amount, "currency": "EUR"}
        payments: list[str | None] = []

        def read(reply: Reply) -> Answer:
            if reply.status == 200:
                payments.append(json.loads(reply.body)["paymentId"])
            return answers.of_booking(reply)

        answer = await self.until_answered(
            lambda: self.ask("prepare", held.hall, line, body, read=read, booking=held.booking)
        )
        if answer is not None and answer.state == "confirmed":
            self.paid(held)
        elif payments and payments[-1]:
            held.payment = payments[-1]
            self.crowd.bring(held, "confirm")

    # --- looking -----------------------------------------------------------------------------------------------------

    async def _look_at_map(self, hall: Hall) -> None:
        """The packed seat map. One that has not changed is told as what it was before."""
        tag, before = self._seen.get(hall.showtime, ("", Answer(0)))
        tags: list[str] = []

        def read(reply: Reply) -> Answer:
            tags.append(reply.header(b"etag").decode())
            return before if reply.status == 304 else answers.of_map(reply, hall.seats)

        line = f"GET /api/v1/showtimes/{hall.showtime}/inventory?view=compact"
        answer = await self.ask("look", hall, line, read=read, headers=f"If-None-Match: {tag}\r\n" if tag else "")
        if answer is not None and answer.status == 200:
            self._seen[hall.showtime] = (tags[-1], answer)

    async def _check(self, hall: Hall) -> None:
        line = f"POST /api/v1/showtimes/{hall.showtime}/seats/check"
        body = {"seatIds": answers.seat_ids(self._some_seats(hall))}
        await self.ask("look", hall, line, body, read=answers.of_check)

    async def _look_for_best(self, hall: Hall) -> None:
        line = f"GET /api/v1/showtimes/{hall.showtime}/seats/best?count={self.chance.randint(1, 4)}"
        await self.ask("look", hall, line, read=answers.of_best)

    async def _look_at_own(self) -> None:
        if self._due:
            held = self.chance.choice(self._due)[3]
            await self.ask("look", held.hall, f"GET /api/v1/bookings/{held.booking}", booking=held.booking)


async def go(plan: Plan, history: Path) -> None:
    with history.open("w") as file:
        crowd = Crowd(plan, file.write)
        shoppers = [Shopper(crowd, name, token, random.Random(f"{plan.seed} {name}")) for name, token in plan.shoppers]
        tills = [Till(crowd, "till", plan.till_token, random.Random(f"{plan.seed} {n}")) for n in range(TILLS)]
        async with asyncio.TaskGroup() as group:
            for shopper in shoppers:
                group.create_task(shopper.shop())
            for till in tills:
                group.create_task(till.serve())
            group.create_task(_keep_time(crowd))


async def _keep_time(crowd: Crowd) -> None:
    """Close when all requests were made, and tell how many were."""
    plan, begun = crowd.plan, time.monotonic()
    while not crowd.closed:
        lasted = time.monotonic() - begun
        if lasted > plan.most_seconds or (crowd.made >= plan.requests and lasted > plan.least_seconds):
            crowd.closing = time.monotonic()
        sys.stdout.write(f"{crowd.made}\n")
        sys.stdout.flush()
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    uvloop.run(go(Plan.of_json(Path(sys.argv[1]).read_text()), Path(sys.argv[2])))
