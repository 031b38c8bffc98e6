"""Where the money of a booking is, and when a step of it is overdue."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from inventory_service.domain.money import BookingMoney
from marquee.balance import Balance, Pair, Patience, faults_of
from payment_service.domain.disputes import DisputeReport, opened
from payment_service.domain.payment import Payment
from payment_service.domain.refunds import Refund

NOW = datetime(2026, 11, 25, 20, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
PAYMENT = Payment(
    id="payment",
    version=2,
    booking_id="booking",
    user_id="ann",
    amount=1_000,
    currency="EUR",
    description="",
    status="completed",
    provider="stripe",
    created_at=LONG_AGO,
    updated_at=LONG_AGO,
    due_at=None,
)
BOOKING = BookingMoney("booking", "confirmed", 1_000, 1_000, "EUR", "payment", {}, 0, 0, LONG_AGO, LONG_AGO)


def faults(booking: BookingMoney | None, payment: Payment | None = PAYMENT) -> list[str]:
    return list(faults_of(Pair(booking, payment), NOW, Patience()))


def test_a_ticket_that_was_paid_for_is_in_order() -> None:
    assert faults(BOOKING) == []


def test_money_that_led_to_nothing_is_told_once_its_step_is_overdue() -> None:
    (fault,) = faults(replace(BOOKING, status="expired"))
    assert "neither ticket nor refund" in fault
    assert faults(replace(BOOKING, status="expired", updated_at=NOW)) == []


def test_a_theatre_that_is_asked_has_its_time_to_answer() -> None:
    asked = replace(BOOKING, status="pending", waits_until=NOW - timedelta(seconds=30))
    assert faults(asked) == []
    assert faults(replace(asked, waits_until=NOW - timedelta(minutes=3))) != []


def test_who_gave_the_paid_seats_back_may_keep_or_cancel_those_that_cost_nothing() -> None:
    payment = replace(PAYMENT, refunds=(Refund("r", 1_000, "cancelled", "succeeded", LONG_AGO, "re_1"),))
    free = replace(BOOKING, worth=0, asked={"r": 1_000}, refunded=1_000)
    assert faults(free, payment) == []
    assert faults(replace(free, status="cancelled"), payment) == []
    assert "a ticket and all the money back" in faults(replace(free, worth=1_000), payment)[0]
    assert "which is cancelled" in faults(replace(free, worth=1_000, status="cancelled"), payment)[0]


def test_a_refund_that_was_made_short_is_told() -> None:
    made = Refund("r", 300, "cancelled", "succeeded", LONG_AGO, "re_1")
    part = replace(BOOKING, worth=600, asked={"r": 400}, refunded=300)
    (fault,) = faults(part, replace(PAYMENT, refunds=(made,)))
    assert "1.00 EUR were asked back" in fault
    by_bank = replace(made, id="r-disputed", amount=100, by_dispute=True)
    other = replace(made, id="admin", amount=100)
    for rest in (by_bank, other):
        assert faults(replace(part, refunded=400), replace(PAYMENT, refunds=(made, rest))) == []


def test_what_the_policy_keeps_is_not_lost() -> None:
    refund = Refund("r", 400, "cancelled", "succeeded", LONG_AGO, "re_1")
    payment = replace(PAYMENT, refunds=(refund,))
    cancelled = replace(BOOKING, status="refunded", asked={"r": 400}, refunded=400, kept=600)
    assert faults(cancelled, payment) == []
    assert faults(replace(cancelled, kept=500), payment) != []
    balance = Balance()
    balance.count(Pair(cancelled, payment))
    sums = balance.by_currency["EUR"]
    assert (sums.taken, sums.refunded, sums.kept, sums.open) == (1_000, 400, 600, 0)


def test_a_refund_that_waits_for_a_dispute_is_under_way_and_adds_up_when_it_ends() -> None:
    cancelled = replace(BOOKING, status="cancelled", asked={"r": 1_000})
    disputed = opened(DisputeReport("pi", "du", 400, "fraudulent", "needs_response", LONG_AGO), LONG_AGO)
    waiting = replace(
        PAYMENT, refunds=(Refund("r", 1_000, "cancelled", "waiting", LONG_AGO),), disputes=(disputed,), reference="pi"
    )
    assert faults(cancelled, waiting) == []
    sums = Pair(cancelled, waiting).parts()
    assert (sums.taken, sums.disputed, sums.refunding, sums.open) == (1_000, 400, 600, 0)
    change = waiting.learn(DisputeReport("pi", "du", 400, "fraudulent", "lost", LONG_AGO), NOW)
    assert change is not None
    sums = Pair(cancelled, change.payment).parts()
    assert (sums.taken, sums.refunded, sums.disputed, sums.refunding, sums.open) == (1_000, 0, 400, 600, 0)
    assert faults(replace(cancelled, refunded=400), change.payment) == []


def test_a_refund_that_failed_after_all_is_told_until_another_is_made_in_its_place() -> None:
    failed = Refund("r", 400, "cancelled", "failed", LONG_AGO, "re_1")
    reduced = replace(BOOKING, asked={"r": 400})
    (fault,) = faults(reduced, replace(PAYMENT, refunds=(failed,)))
    assert "it failed" in fault
    another = Refund("s", 400, "again", "succeeded", LONG_AGO, "re_2")
    assert faults(replace(reduced, refunded=400), replace(PAYMENT, refunds=(failed, another))) == []


def test_a_ticket_without_money_is_told() -> None:
    assert faults(BOOKING, None) != []
    assert faults(BOOKING, replace(PAYMENT, status="failed")) != []
