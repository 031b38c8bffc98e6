"""Disputes: forward only, the same whatever the order, and their money is not refunded as well."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_service.disputes import ENDED, STATUSES, DisputeReport, DisputeStatus, Funds
from payment_service.domain import Payment
from payment_service.errors import AmountDiffers, MoneyDisputed, RefundTooLarge
from tests.unit.payments.samples import payment

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)


def said(status: DisputeStatus, funds: Funds = "untouched", **changes: object) -> DisputeReport:
    report = DisputeReport("pi_1", "du_1", 1000, "fraudulent", status, NOW, "EUR", funds, NOW)
    return replace(report, **changes)  # type: ignore[arg-type]


def after(start: Payment, *reports: DisputeReport) -> Payment:
    for report in reports:
        if change := start.learn(report, NOW):
            assert [type_ for type_, _ in change.happened] == ["PaymentDisputed"]
            start = change.payment
    return start


def paid(**changes: object) -> Payment:
    return payment(NOW, status="completed", reference="pi_1", **changes)


def test_a_dispute_is_recorded_with_its_stages() -> None:
    opened = after(paid(), said("needs_response"))
    assert [(each.reference, each.status, each.closed_at) for each in opened.disputes] == [
        ("du_1", "needs_response", None)
    ]
    later = NOW + timedelta(days=9)
    closed = after(opened, said("under_review"), said("won", at=later))
    assert [(each.status, each.opened_at, each.closed_at) for each in closed.disputes] == [("won", NOW, later)]
    assert closed.status == "completed"
    assert closed.learn(said("under_review"), NOW) is None


@pytest.mark.parametrize(
    ("reports", "left"),
    [
        ([said("inquiry")], 1000),
        ([said("inquiry"), said("closed")], 1000),
        ([said("inquiry", "withdrawn")], 0),
        ([said("needs_response")], 0),
        ([said("under_review", amount=400)], 600),
        ([said("won")], 1000),
        ([said("needs_response", "withdrawn"), said("won")], 1000),
        ([said("lost")], 0),
        ([said("won"), said("lost")], 0),
    ],
    ids=str,
)
def test_what_a_bank_has_or_may_have_taken_can_not_be_refunded_as_well(reports: list[DisputeReport], left: int) -> None:
    disputed = after(paid(), *reports)
    assert (disputed.refundable, disputed.disputed) == (left, 1000 - left)
    if left < 1000:
        with pytest.raises(MoneyDisputed) as refused:
            disputed.with_refund("r", 1000, "", NOW)
        assert refused.value.extras == {"refundable": left, "disputed": 1000 - left, "currency": "EUR"}
    if not left:
        with pytest.raises(MoneyDisputed):
            disputed.with_refund("r", None, "", NOW)
    else:
        change = disputed.with_refund("r", None, "", NOW)
        assert change is not None
        assert change.payment.refunds[0].amount == left


def test_refunds_and_disputes_together_never_leave_less_than_nothing() -> None:
    refunded = paid().with_refund("r", 700, "", NOW)
    assert refunded is not None
    disputed = after(refunded.payment, said("lost"))
    assert disputed.refundable == 0
    with pytest.raises(RefundTooLarge):
        disputed.with_refund("other", 301, "", NOW)
    with pytest.raises(MoneyDisputed):
        disputed.with_refund("other", 300, "", NOW)


@pytest.mark.parametrize("wrong", [said("lost", amount=1001), said("lost", currency="USD")])
def test_a_dispute_over_more_than_was_paid_or_other_money_is_not_believed(wrong: DisputeReport) -> None:
    with pytest.raises(AmountDiffers):
        paid().learn(wrong, NOW)


def test_two_disputes_of_one_payment_are_two() -> None:
    both = after(paid(), said("lost", amount=300), said("lost", amount=200, reference="du_2"))
    assert (len(both.disputes), both.refundable) == (2, 500)


REPORT = st.builds(
    said,
    st.sampled_from(STATUSES),
    st.sampled_from(get_args(Funds)),
    reference=st.sampled_from(["du_1", "du_2"]),
    amount=st.sampled_from([300, 400]),
    at=st.builds(lambda minutes: NOW + timedelta(minutes=minutes), st.integers(0, 9)),
)


@given(st.lists(REPORT, max_size=8).flatmap(lambda them: st.tuples(st.just(them), st.permutations(them * 2))))
def test_every_order_of_reports_with_repeats_leads_to_the_same_disputes(
    orders: tuple[list[DisputeReport], list[DisputeReport]],
) -> None:
    one, other = (after(paid(), *order) for order in orders)
    assert one.disputes == other.disputes
    assert one.refundable == other.refundable


@given(st.lists(REPORT, max_size=12))
def test_a_dispute_never_goes_back(reports: list[DisputeReport]) -> None:
    now = paid()
    for report in reports:
        before, now = now, after(now, report)
        for dispute in before.disputes:
            later = next(each for each in now.disputes if each.reference == dispute.reference)
            assert STATUSES.index(later.status) >= STATUSES.index(dispute.status)
            assert (later.closed_at is not None) == (later.status in ENDED)
        assert after(now, report) == now
