"""The judge of a soak finds each kind of fault, and nothing in a story that is sound."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.soak.buyers import Purchase
from tests.soak.house import Hall
from tests.soak.judge import Books, Sums, faults
from tests.soak.returns import GAVE_BACK, GAVE_SOME
from tests.soak.witnesses import code_overused, theatre_differs, untold

Json = dict[str, Any]
# 900 for tickets and a fee of 100, of which 540 come back.
KEEPING = {"rules": [{"hoursBefore": 24, "percent": 60}], "keepFee": True}


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
        "userId": "somebody",
        "price": {"fee": 100},
        "refundPolicy": {"rules": [], "keepFee": False},
        **more,
    }


def books(taken: Json, refunded: Json | None = None, banked: Json | None = None) -> Books:
    return Books(Counter(taken), Counter(refunded or {}), Counter(banked or {}))


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
        ("refunded", "refunded", 1_000, 999, "1 are kept of 1000, more than the policy says"),
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


def given_back(kept: int | None = 460, way: str = GAVE_BACK) -> Purchase:
    made = purchase("ann", "pending", "confirmed", ways=("paid", way))
    made.kept = kept
    return made


@pytest.mark.parametrize(("refunded", "kept"), [(540, 460), (540, None), (1_000, None)])
def test_what_the_policy_keeps_is_let_pass(refunded: int, kept: int | None) -> None:
    told = final("ann", "refunded", refundedAmount=refunded, refundPolicy=KEEPING)
    assert judged([given_back(kept)], [told], books({"ann": 1_000}, {"ann": refunded})) == []


@pytest.mark.parametrize(
    ("refunded", "kept", "words"),
    [
        (539, None, "461 are kept of 1000, more than the policy says"),
        (600, 460, "400 are kept, but he was told 460"),
        (1_001, None, "-1 are kept of 1000"),
    ],
)
def test_what_is_kept_beside_the_policy_is_found(refunded: int, kept: int | None, words: str) -> None:
    told = final("ann", "refunded", refundedAmount=refunded, refundPolicy=KEEPING)
    found = judged([given_back(kept)], [told], books({"ann": 1_000}, {"ann": refunded}))
    assert any(words in sentence for sentence in found), found


def test_a_part_that_was_given_back_adds_up() -> None:
    part = {"seatIds": ["A2"], "value": 450, "amount": 270}
    left = {"finalAmount": 550, "cancelledParts": [part], "refundedAmount": 270, "refundPolicy": KEEPING}
    told = final("ann", "confirmed", "A1", **left)
    money = books({"ann": 1_000}, {"ann": 270})
    assert judged([given_back(180, GAVE_SOME)], [told], money) == []
    assert Sums.of({"ann": told}, money) == Sums(tickets=550, refunded=270, disputed=0, kept=180)
    found = judged([given_back(180, GAVE_SOME)], [{**told, "finalAmount": 551}], money)
    assert any("costs 1001, not the 1000" in sentence for sentence in found), found


@pytest.mark.parametrize(("status", "returned"), [("confirmed", 0), ("refunded", 1_000)])
def test_what_a_bank_took_is_told_apart_whether_it_counts_as_come_back_or_not(status: str, returned: int) -> None:
    made, told = given_back(None), final("ann", status, refundedAmount=returned)
    money = books({"ann": 1_000}, banked={"ann": 1_000})
    assert judged([made], [told], money) == []
    assert Sums.of({"ann": told}, money) == Sums(tickets=0, refunded=0, disputed=1_000, kept=0)


def test_a_buyer_who_has_his_money_from_house_and_bank_is_found() -> None:
    told = final("ann", "refunded", refundedAmount=1_000)
    found = judged([given_back(None)], [told], books({"ann": 1_000}, {"ann": 1_000}, {"ann": 1_000}))
    assert any("1000 came back and his bank took 1000" in sentence for sentence in found), found


def test_a_code_that_is_used_more_often_than_it_may_be_is_found() -> None:
    made = [purchase(id_, "confirmed", ways=("by code",)) for id_ in ("ann", "bob", "cid")]
    finals = {
        id_: final(id_, "confirmed", userId=person) for id_, person in {"ann": "x", "bob": "x", "cid": "y"}.items()
    }
    assert [*code_overused(made, finals, [], 3, 2)] == []
    assert [*code_overused(made, finals, [], 2, 2)] == ["the code was used 3 times, not 2"]
    assert [*code_overused(made, finals, ["cid"], 2, 2)] == []
    assert [*code_overused(made, finals, [], 3, 1)] == ["x used the code 2 times, not 1"]


def test_a_theatre_that_knows_otherwise_is_found() -> None:
    made, tickets = purchase("ann", "confirmed"), [{"seatId": "A1", "ticketId": "T-1"}]
    told, theirs = final("ann", "confirmed", "A1", partner={"tickets": tickets}), {"status": "confirmed"}
    assert [*theatre_differs(made, told, {**theirs, "tickets": tickets})] == []
    for known in (None, {"status": "cancelled"}, {**theirs, "tickets": [{"seatId": "A1", "ticketId": "T-2"}]}):
        assert len([*theatre_differs(made, told, known)]) == 1
    no_ticket = final("ann", "confirmed", "A1", partner={})
    assert "with theatre tickets for [] of" in next(theatre_differs(made, no_ticket, {**theirs, "tickets": []}))
    (left,) = theatre_differs(made, final("ann", "refunded"), {**theirs, "tickets": tickets})
    assert left == "booking ann is refunded, but confirmed at the theatre"
    assert [*theatre_differs(made, final("ann", "refunded"), {"status": "cancelled"})] == []


def test_an_organiser_who_was_not_told_is_found() -> None:
    made, told = purchase("ann", "pending", "confirmed"), final("ann", "refunded")
    money = books({"ann": 1_000}, {"ann": 1_000})
    assert [*untold(made, told, money, {"booking.confirmed", "payment.refunded"})] == []
    (missing,) = untold(made, told, money, {"booking.confirmed"})
    assert "never heard payment.refunded of booking ann" in missing
