"""Disputes: forward only, the same whatever the order, and their money is not refunded as well."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_service.domain.disputes import ENDED, STATUSES, DisputeReport, DisputeStatus, Funds
from payment_service.domain.errors import AmountDiffers, MoneyDisputed, NotRefundable, RefundTooLarge
from payment_service.domain.payment import Payment
from payment_service.domain.reports import RefundReport
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


def asked_back(start: Payment, amount: int, refund_id: str = "r") -> Payment:
    """As inventory asks for the refund of a booking that was cancelled."""
    change = start.with_rest(refund_id, amount, "cancelled", NOW)
    assert change is not None
    return change.payment


def refunds(of: Payment) -> list[tuple[str, int, str, bool]]:
    return [(each.id, each.amount, each.status, each.by_dispute) for each in of.refunds]


def learnt(start: Payment, report: DisputeReport) -> tuple[Payment, list[str]]:
    change = start.learn(report, NOW)
    assert change is not None
    return change.payment, [type_ for type_, _ in change.happened]


def test_what_is_asked_back_during_a_dispute_waits_and_claims_its_money() -> None:
    disputed = after(paid(), said("needs_response"))
    waiting = asked_back(disputed, 1000)
    assert refunds(waiting) == [("r", 1000, "waiting", False)]
    assert (waiting.refundable, waiting.refunded, waiting.open_refunds, waiting.due_at) == (0, 0, [], None)
    assert waiting.with_rest("r", 1000, "cancelled", NOW) is None
    assert after(waiting, said("under_review")).refunds == waiting.refunds


def test_a_dispute_that_is_won_lets_the_refund_go_on() -> None:
    won, told = learnt(asked_back(after(paid(), said("needs_response")), 1000), said("won"))
    assert refunds(won) == [("r", 1000, "pending", False)]
    assert (won.due_at, told) == (NOW, ["PaymentDisputed"])


def test_a_dispute_that_is_lost_has_given_the_buyer_what_he_asked_for() -> None:
    lost, told = learnt(asked_back(after(paid(), said("needs_response")), 1000), said("lost"))
    assert refunds(lost) == [("r", 1000, "succeeded", True)]
    assert (lost.status, lost.refunded, lost.refunded_by_us, lost.disputed) == ("refunded", 1000, 0, 0)
    assert told == ["PaymentDisputed", "PaymentRefunded"]


def test_who_cancels_after_the_dispute_was_lost_has_his_money_already() -> None:
    lost = asked_back(after(paid(), said("lost")), 1000)
    assert refunds(lost) == [("r", 1000, "succeeded", True)]
    assert lost.status == "refunded"


def test_of_a_part_that_was_disputed_the_bank_has_given_a_part_and_we_give_the_rest() -> None:
    part = said("needs_response", amount=400)
    lost, told = learnt(asked_back(after(paid(), part), 1000), replace(part, status="lost"))
    assert refunds(lost) == [("r", 600, "pending", False), ("r-disputed", 400, "succeeded", True)]
    assert (lost.status, lost.refunded, lost.due_at, told) == (
        "completed",
        400,
        NOW,
        ["PaymentDisputed", "PaymentRefunded"],
    )
    assert lost.with_rest("r", 1000, "cancelled", NOW) is None
    done = lost.learn(RefundReport("pi_1", "re_1", 600, "succeeded", "r"), NOW)
    assert done is not None
    assert (done.payment.status, done.payment.refunded, done.payment.refunded_by_us) == ("refunded", 1000, 600)


def test_what_the_policy_keeps_of_disputed_money_stays_with_the_bank() -> None:
    lost, _ = learnt(asked_back(after(paid(), said("needs_response")), 500), said("lost"))
    assert refunds(lost) == [("r", 500, "succeeded", True)]
    assert (lost.status, lost.disputed, lost.refundable) == ("completed", 500, 0)


def test_one_of_two_disputes_that_is_still_open_keeps_the_refund_waiting() -> None:
    both = after(paid(), said("needs_response", amount=300), said("needs_response", amount=200, reference="du_2"))
    waiting = after(asked_back(both, 1000), said("won", amount=300))
    assert refunds(waiting) == [("r", 1000, "waiting", False)]
    over, _ = learnt(waiting, said("lost", amount=200, reference="du_2"))
    assert refunds(over) == [("r", 800, "pending", False), ("r-disputed", 200, "succeeded", True)]


@given(
    st.lists(REPORT, max_size=8),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 1000)), max_size=4),
    st.data(),
)
def test_in_every_order_of_news_and_requests_no_more_goes_back_than_was_paid(
    reports: list[DisputeReport], requests: list[tuple[str, int]], data: st.DataObject
) -> None:
    now = paid()
    news = [partial(Payment.learn, report=report, now=NOW) for report in reports]
    asked = [partial(Payment.with_rest, refund_id=id_, amount=sum_, reason="", now=NOW) for id_, sum_ in requests]
    for step in data.draw(st.permutations([*news, *asked])):
        try:
            change = step(now)
        except (RefundTooLarge, NotRefundable):
            continue
        now = change.payment if change else now
        claimed = sum(refund.amount for refund in now.refunds)
        assert claimed <= now.amount
        assert now.refunded_by_us == 0
        assert bool(now.waiting_refunds) <= any(each.taken and each.status not in ENDED for each in now.disputes)
        assert (now.status == "refunded") == (now.refunded >= now.amount)
