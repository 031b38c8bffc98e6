"""What may happen in a sale, as plain data: made from a seed, written down as JSON, run again, and shortened.

Steps name bookings and messages by number, counted from the latest one and round again: so any step can be left out.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

Step = list[Any]
# Steps of one moment run at once.
Moment = list[Step]
Fails = Callable[[Sequence[Moment]], Awaitable[bool]]

SEATS = ["A8", "A9", "A10", "B1", "B2", "B3", "B4", "C1", "E1", "E2"]
CARDS = [
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
    "pm_usBankAccount_success",
    "pm_usBankAccount_insufficientFunds",
    "pm_card_pendingRefund",
    "pm_card_createDispute",
    "pm_card_createDisputeInquiry",
]
FAULTS: list[dict[str, Any]] = [
    {"drop": 2},
    {"drop": 0.5},
    {"repeat": 2},
    {"reorder": True},
    {"delayMs": 400},
    {"repeat": 0.5, "reorder": True, "delayMs": 100},
    {"failStatus": 500, "fail": 2},
    {"fail": 3, "answerLost": True},
    {"hangMs": 1_500, "hang": 1},
    {},
    {},
]
# Of a partner theatre.
THEATRE_FAULTS: list[dict[str, Any]] = [
    {"refuse": 1},
    {"fail": 2},
    {"answerLost": 2},
    {"hang": 1},
    {"badSignature": 1, "garbage": 1},
    {"delayMs": 200},
    {"fail": True},
    {},
    {},
]
EVIDENCE = ["winning_evidence", "losing_evidence", "escalate_inquiry_evidence"]
MOMENTS = 26


def some_steps(seed: int) -> list[Moment]:
    """Two sales of five are at a partner theatre's venue: they begin with a step of its."""
    rng = random.Random(seed)
    theatre = 4.0 if rng.random() < 0.4 else 0.0
    moments = [[_step(rng, theatre) for _ in range(rng.choice((1, 1, 2, 3)))] for _ in range(MOMENTS)]
    return [[["theatre", {}]], *moments] if theatre else moments


def at_theatre(moments: Sequence[Moment]) -> bool:
    """Whether a sale is at a partner theatre's venue."""
    return any(step[0] == "theatre" for moment in moments for step in moment)


def _step(rng: random.Random, theatre: float) -> Step:
    kinds = {
        "hold": 5,
        "prepare": 8,
        "pay": 8,
        "buy": 9,
        "authenticate": 3,
        "extend": 1,
        "cancel": 3,
        "give_back": 3.5,
        "keep": 1,
        "refund": 2.5,
        "refund_outside": 1.5,
        "answer_bank": 2,
        "theatre": theatre,
        "move": 0.4,
        "come_again": 1,
        "time_passes": 3,
        "call_off": 0.2,
        "gateway": 4,
        "tell_again": 2,
        "forge": 1,
        "deliver_again": 2,
        "cut": 1,
        "kill": 1,
        "doom": 4,
        "open_and_die": 1,
        "wait": 4,
    }
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    which = int(rng.expovariate(0.5))
    dies = rng.choice((0, 0, 0, 1, 2, 3, 4))
    workers = ["inventory", "payments", *["partners"] * bool(theatre)]
    arguments: dict[str, Callable[[], list[Any]]] = {
        "hold": lambda: [rng.sample(SEATS, rng.choice((1, 2, 2, 3))), rng.choice((60, 600)), dies],
        "buy": lambda: [rng.sample(SEATS, rng.choice((1, 2))), rng.choice(CARDS)],
        "prepare": lambda: [which, dies],
        "pay": lambda: [which, rng.choice(CARDS)],
        "authenticate": lambda: [which, rng.choice(("success", "success", "failure"))],
        "cancel": lambda: [which, dies],
        "give_back": lambda: [which, dies],
        "refund": lambda: [which, rng.choice((0, 1, 300, 500))],
        "refund_outside": lambda: [which, rng.choice((0, 1, 300))],
        "answer_bank": lambda: [which, rng.choice(EVIDENCE)],
        "theatre": lambda: [rng.choice(THEATRE_FAULTS)],
        "move": list,
        "time_passes": lambda: [rng.choice((1, 5, 20, 61, 61, 700))],
        "call_off": list,
        "gateway": lambda: [rng.choice(FAULTS)],
        "cut": list,
        "kill": lambda: [rng.choice(workers)],
        "doom": lambda: [rng.choice(workers), rng.randint(1, 12)],
        "open_and_die": lambda: [which, rng.randint(1, 2)],
        "wait": lambda: [rng.choice((20, 80, 300, 1_100))],
    }
    return [kind, *arguments.get(kind, lambda: [which])()]


async def shortened(moments: Sequence[Moment], fails: Fails) -> Sequence[Moment]:
    """Fewer moments that fail too, by leaving out ever smaller pieces, as long as `fails` has time to try."""
    size = len(moments) // 2
    while size:
        start = 0
        while start < len(moments):
            fewer = [*moments[:start], *moments[start + size :]]
            if fewer and await fails(fewer):
                moments = fewer
            else:
                start += size
        size //= 2
    return moments
