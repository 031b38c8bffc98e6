"""What a soak is made of."""

import random
from dataclasses import dataclass, field
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
# Cards of buyers whose bank objects: takes the money back, or asks first.
OBJECTING = {
    "pm_card_createDispute": 3,
    "pm_card_createDisputeProductNotReceived": 1,
    "pm_card_createDisputeInquiry": 2,
}
# What becomes of a dispute: the evidence that the house gives.
EVIDENCE = {"winning_evidence": 50, "losing_evidence": 35, "escalate_inquiry_evidence": 15}
# Who tries again with a good card after a decline, who fails 3-D Secure, who gives his ticket back, whose seats
# somebody else is after, should his hold run out; and who waits by the stream instead of asking again and again.
TRIES_AGAIN, FAILS_3DS, GIVES_BACK, HAS_RIVAL, LISTENS = 0.5, 0.2, 0.1, 0.5, 0.5
# Who gives the rest back after a part, and his ticket although his bank objects; who uses a code and has come before.
GIVES_REST, OBJECTS_AND_GIVES_BACK, IS_REGULAR = 0.3, 0.4, 0.2
# Of those whose show is moved, who agrees to the new time, and who wants his money back. The others do nothing.
MOVED = {"keep": 40, "give back": 30, "nothing": 30}
DIAL: dict[str, Any] = {"repeat": 0.1, "drop": 0.05, "reorder": True, "fail": 0.01, "answerLost": True}
# Now and then webhooks take so long that some holds end before them.
SLOW_DIAL = {**DIAL, "delayMs": 4_000}
SLOW_SHARE = 0.2
THEATRE_DIAL: dict[str, Any] = {
    "refuse": 0.05,
    "fail": 0.03,
    "answerLost": 0.05,
    "badSignature": 0.01,
    "garbage": 0.01,
    "delayMs": 40,
}
SILENT_DIAL = {"hang": True}
# When the theatre says nothing at all, when showtimes are called off and moved, as shares of all bookings.
SILENCES = (0.2, 0.65)
CALLED_OFF = (0.4, 0.55, 0.7)
MOVES = (0.3, 0.5)


@dataclass(frozen=True)
class Shares:
    """Of all bookings: at a venue that keeps a part of what is given back, at a partner theatre's; by a promo code;
    by a card whose bank objects; and of which confirmed ones a part is given back."""

    keeping: float = 0.25
    partner: float = 0.25
    codes: float = 0.15
    disputes: float = 0.06
    parts: float = 0.08


@dataclass(frozen=True)
class Plan:
    """So many `bookings`, or what `most_seconds` allow.

    `late_hold`: for how many seconds the seats of those are held who mean to pay late. `kill_every` so many, one dies.
    `answer_seconds`: how long the partner theatre may be silent.
    """

    seed: int
    bookings: int
    most_seconds: float
    at_once: int
    halls: int
    rows: int
    late_hold: int
    answer_seconds: int
    kill_every: float
    # MongoDB and RabbitMQ are the soak's own, and are killed too.
    engines: bool
    quiet_seconds: float
    shares: Shares = field(default_factory=Shares)

    @property
    def settings(self) -> dict[str, str]:
        """What the stack is told beside its defaults: holds shorter than a client may ask for, livelier streams, and
        where the organiser listens."""
        return {
            "MARQUEE_DEFAULT_HOLD_SECONDS": str(self.late_hold),
            "MARQUEE_STREAM_HEARTBEAT_SECONDS": "2",
            "MARQUEE_PARTNER_ANSWER_SECONDS": str(self.answer_seconds),
            "MARQUEE_HOOKS_PRIVATE_TARGETS": "127.0.0.1",
        }

    @property
    def code_limit(self) -> int:
        """So low that many who want to use the code come too late, and others when uses come back."""
        return max(5, round(self.bookings * self.shares.codes / 3))

    @property
    def code_limit_per_person(self) -> int:
        return 2


def drawn(chance: random.Random, shares: dict[str, int]) -> str:
    (name,) = chance.choices(list(shares), list(shares.values()))
    return name
