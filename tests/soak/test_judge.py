"""The judge of a soak finds each kind of fault, and nothing in a story that is sound."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.soak.buyers import Purchase
from tests.soak.house import Hall
from tests.soak.judge import Books, faults

Json = dict[str, Any]


def purchase(id_: str, *heard: str, ways: tuple[str, ...] = ("paid",), off: bool = False) -> Purchase:
    made = Purchase(id_, {}, Hall("show", 1, off), 1_000, datetime.now(UTC), set(ways))
    made.heard = list(heard)
    return made


def final(id_: str, status: str, *seats: str, **more: Any) -> Json:
    return {
        "bookingId": id_,
        "status": status,
        "showtimeId": "show",
        "seatIds": list(seats),
        "finalAmount": 1_000,
        **more,
    }


def books(taken: Json, refunded: Json | None = None) -> Books:
    return Books(Counter(taken), Counter(refunded or {}))


def judged(made: list[Purchase], finals: list[Json], kept: Books) -> list[str]:
    return faults(made, {one["bookingId"]: one for one in finals}, kept)


def test_sound_stories_are_let_pass() -> None:
    made = [
        purchase("ann", "pending", "confirmed"),
        purchase("bob", "pending", "expired", ways=("paid", "late")),
        purchase("cid", "pending", "failed", ways=("declined",)),
        purchase("dan", "pending", "confirmed", off=True),
    ]
    finals = [
        final("ann", "confirmed", "A1"),
        final("bob", "refunded", "A1", refundedAmount=1_000),
        final("cid", "failed", "A2"),
        final("dan", "refunded", "A3", refundedAmount=1_000),
    ]
    kept = books({"ann": 1_000, "bob": 1_000, "dan": 1_000}, {"bob": 1_000, "dan": 1_000})
    assert judged(made, finals, kept) == []


def test_a_seat_sold_twice_is_found() -> None:
    made = [purchase("ann", "confirmed"), purchase("bob", "confirmed")]
    finals = [final("ann", "confirmed", "A1"), final("bob", "confirmed", "A1")]
    assert judged(made, finals, books({"ann": 1_000, "bob": 1_000})) == ["seat A1 of show is sold to ann and bob"]


@pytest.mark.parametrize(
    ("status", "heard", "taken", "refunded", "words"),
    [
        ("confirmed", "confirmed", 0, 0, "0 were taken"),
        ("expired", "expired", 1_000, 0, "1000 were taken and 0 came back"),
        ("refunded", "refunded", 1_000, 999, "1000 were taken and 999 came back"),
        ("confirmed", "confirmed", 2_000, 0, "2000 were taken"),
        ("confirmed", "confirmed", 1_000, 1_000, "1000 came back"),
        ("pending", "pending", 0, 0, "is pending in the end"),
        ("expired", "confirmed", 0, 0, "he was told confirmed, then expired"),
        ("confirmed", "cancelled", 1_000, 0, "he was told cancelled, then confirmed"),
        ("refunded", "confirmed", 1_000, 1_000, "though nobody gave it back"),
    ],
)
def test_money_or_news_that_is_wrong_is_found(status: str, heard: str, taken: int, refunded: int, words: str) -> None:
    told = final("ann", status, "A1", refundedAmount=refunded)
    found = judged([purchase("ann", heard)], [told], books({"ann": taken}, {"ann": refunded}))
    assert any(words in sentence for sentence in found), found


def test_a_gateway_that_says_paid_and_takes_nothing_is_found() -> None:
    found = judged([purchase("ann", "expired")], [final("ann", "expired", "A1")], books({}))
    assert any("took nothing" in sentence for sentence in found)


def test_money_for_a_booking_that_nobody_made_is_found() -> None:
    found = judged([], [], books({"eve": 700}))
    assert any("took 700 for eve, which nobody knows" in sentence for sentence in found)
    assert any("tickets are worth 0" in sentence for sentence in found)
