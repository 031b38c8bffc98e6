"""What comes back by a policy, and how a booking counts its money."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_service.domain.refunds import IN_FULL, Part, Share, share_at
from messaging.events import RefundPolicy, RefundRule
from tests.unit.inventory.test_booking import NOW, PENDING

START = datetime(2026, 12, 1, 20, tzinfo=UTC)
POLICY = RefundPolicy(rules=[RefundRule(hours_before=2, percent=50), RefundRule(hours_before=24, percent=100)])


def hours_before(hours: float) -> datetime:
    return START - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("hours", "percent", "until"),
    [
        (100, 100, hours_before(24)),
        (24, 100, hours_before(24)),
        (23.99, 50, hours_before(2)),
        (2, 50, hours_before(2)),
        (1.99, 0, None),
        (0, 0, None),
    ],
)
def test_the_share_falls_with_the_hours_that_are_left(hours: float, percent: int, until: datetime | None) -> None:
    assert share_at(POLICY, START, hours_before(hours)) == Share(percent, keep_fee=False, until=until)


def test_without_rules_all_of_it_comes_back() -> None:
    assert share_at(RefundPolicy(), START, hours_before(0.1)) == IN_FULL
    assert share_at(RefundPolicy(keep_fee=True), START, hours_before(5)) == Share(100, keep_fee=True)


def test_a_rule_up_to_the_start_has_no_later_time() -> None:
    policy = RefundPolicy(rules=[RefundRule(hours_before=0, percent=30)])
    assert share_at(policy, START, hours_before(1)) == Share(30, keep_fee=False)


@given(
    rules=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 100)), max_size=6),
    tickets=st.integers(0, 10**9),
    fee=st.integers(0, 10**6),
    hours=st.floats(0, 600),
    keep_fee=st.booleans(),
)
def test_nobody_gets_back_more_than_he_paid_nor_less_than_nothing(
    rules: list[tuple[int, int]], tickets: int, fee: int, hours: float, *, keep_fee: bool
) -> None:
    policy = RefundPolicy(
        rules=[RefundRule(hours_before=before, percent=percent) for before, percent in rules], keep_fee=keep_fee
    )
    share = share_at(policy, START, hours_before(hours))
    assert 0 <= share.of(tickets, fee) <= tickets + fee
    assert share.until is None or hours_before(hours) <= share.until <= START


def part(value: int, refund: int) -> Part:
    return Part(["A2"], value, refund, "r", "cancelled", NOW)


def test_what_was_paid_is_what_it_costs_now_and_what_left_it_was_worth() -> None:
    booking = replace(PENDING, amount=1_000, parts=[part(500, 250), part(300, 150)])
    assert (booking.paid, booking.asked_for_parts, booking.asked) == (1_800, 400, 400)
    assert booking.left == 1_400


def test_money_back_for_parts_does_not_end_a_booking() -> None:
    booking = replace(PENDING, amount=1_000, parts=[part(2_000, 2_000)], refunded=2_000)
    assert not booking.money_back
    assert replace(booking, refunded=2_999).given == 999
    assert replace(booking, refunded=3_000).money_back


def test_money_back_for_parts_does_not_take_the_seats_that_cost_nothing() -> None:
    assert not replace(PENDING, amount=0, parts=[part(2_000, 2_000)], refunded=2_000).money_back


def test_a_booking_is_paid_back_once_all_that_was_asked_for_is_there() -> None:
    refund = {"amount": 300, "total": 800}
    booking = replace(PENDING, amount=1_000, parts=[part(500, 500)], refund=refund)
    assert booking.money_back
    assert not replace(booking, refunded=799).all_back
    assert replace(booking, refunded=800).all_back


def test_a_show_is_rescheduled_only_for_who_agreed_to_another_time() -> None:
    assert not PENDING.rescheduled(START)
    booking = replace(PENDING, starts_at=START)
    assert not booking.rescheduled(START)
    assert booking.rescheduled(START + timedelta(minutes=1))
