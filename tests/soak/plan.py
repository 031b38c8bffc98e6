"""What a soak is made of."""

import random
from dataclasses import dataclass
from typing import Any

# Of a hundred buyers, what becomes of a hold …
FATES = {"prompt": 78, "late": 10, "leave": 6, "hasty": 6}
# … and by which card he pays, or tries to. "slow" is processing for a second.
CARDS = {
    "pm_card_visa": 70,
    "pm_card_chargeDeclined": 10,
    "pm_card_authenticationRequired": 12,
    "pm_usBankAccount_success": 8,
}
SLOW = "pm_usBankAccount_success"
# Who tries again with a good card after a decline, who fails 3-D Secure, who gives his ticket back, whose seats
# somebody else is after, should his hold run out; and who waits by the stream instead of asking again and again.
TRIES_AGAIN, FAILS_3DS, GIVES_BACK, HAS_RIVAL, LISTENS = 0.5, 0.2, 0.1, 0.5, 0.5
DIAL: dict[str, Any] = {"repeat": 0.1, "drop": 0.05, "reorder": True, "fail": 0.01, "answerLost": True}
# Now and then webhooks take so long that some holds end before them.
SLOW_DIAL = {**DIAL, "delayMs": 4_000}
SLOW_SHARE = 0.2


@dataclass(frozen=True)
class Plan:
    """So many `bookings`, or what `most_seconds` allow.

    `late_hold`: for how many seconds the seats of those are held who mean to pay late. `kill_every` so many, one dies.
    """

    seed: int
    bookings: int
    most_seconds: float
    at_once: int
    halls: int
    rows: int
    late_hold: int
    kill_every: float
    # MongoDB and RabbitMQ are the soak's own, and are killed too.
    engines: bool
    quiet_seconds: float

    @property
    def settings(self) -> dict[str, str]:
        """What the stack is told beside its defaults: holds shorter than a client may ask for, livelier streams."""
        return {"MARQUEE_DEFAULT_HOLD_SECONDS": str(self.late_hold), "MARQUEE_STREAM_HEARTBEAT_SECONDS": "2"}


def drawn(chance: random.Random, shares: dict[str, int]) -> str:
    (name,) = chance.choices(list(shares), list(shares.values()))
    return name
