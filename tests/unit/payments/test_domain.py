"""The states of a payment, and that no order of reports loses or doubles money."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_service.domain.disputes import DisputeReport
from payment_service.domain.errors import AmountDiffers, NotRefundable, RefundDiffers, RefundReturned, RefundTooLarge
from payment_service.domain.payment import TRANSITIONS, Payment, Status
from payment_service.domain.refunds import REFUSED_FOR, Mismatch
from payment_service.domain.reports import ChargeReport, IntentReport, RefundReport, Report
from service_kit.errors import Invalid
from tests.unit.payments.samples import payment

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
SUCCESS, DECLINE, CANCEL = (IntentReport("pi_1", outcome) for outcome in ("succeeded", "failed", "cancelled"))
REPORTS: dict[Status, Report] = {"completed": SUCCESS, "failed": DECLINE, "cancelled": CANCEL}


def after(start: Payment, *reports: Report) -> Payment:
    for report in reports:
        if change := start.learn(report, NOW):
            assert (change.before, change.payment.version > start.version) == (start.version, True)
            start = change.payment
    return start


@pytest.mark.parametrize("start", get_args(Status))
@pytest.mark.parametrize("end", REPORTS)
def test_reports_move_a_payment_just_as_the_table_allows(start: Status, end: Status) -> None:
    change = payment(NOW, status=start).learn(REPORTS[end], NOW)
    assert (change is not None) == (end in TRANSITIONS[start])
    if change:
        assert change.payment.status == end


def test_a_payment_that_is_not_wanted_any_more_stays_pending_until_the_gateway_has_cancelled_its_intent() -> None:
    change = payment(NOW, reference="pi_1").closing(NOW)
    assert change is not None
    assert (change.payment.status, change.payment.closed, change.payment.due_at) == ("pending", True, NOW)
    assert change.payment.closing(NOW) is None
    cancelled = after(change.payment, CANCEL)
    assert (cancelled.status, cancelled.cancel_intent, cancelled.due_at, cancelled.closed) == (
        "cancelled",
        False,
        None,
        True,
    )
    paid = after(change.payment, SUCCESS)
    assert (paid.status, paid.cancel_intent, paid.due_at, paid.closed) == ("completed", False, None, False)


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "refunded"])
def test_what_is_settled_is_not_closed(status: Status) -> None:
    assert payment(NOW, status=status).closing(NOW) is None


@pytest.mark.parametrize(
    "report",
    [
        RefundReport("pi_1", "re_1", 1001, "succeeded"),
        RefundReport("pi_1", "re_1", 10, "succeeded", currency="USD"),
        ChargeReport("pi_1", 1001),
        ChargeReport("pi_1", 10, "USD"),
    ],
    ids=str,
)
def test_a_refund_of_more_than_was_paid_or_of_other_money_is_not_believed(report: Report) -> None:
    with pytest.raises(AmountDiffers):
        payment(NOW, status="completed").learn(report, NOW)


def test_a_refund_of_another_amount_than_was_asked_for_is_not_believed() -> None:
    asked = payment(NOW, status="completed").with_refund("refund-1", 600, "", NOW)
    assert asked is not None
    with pytest.raises(AmountDiffers):
        asked.payment.learn(RefundReport("pi_1", "re_1", 500, "succeeded", "refund-1"), NOW)


@pytest.mark.parametrize("order", list(permutations([SUCCESS, DECLINE, CANCEL, SUCCESS, DECLINE])))
def test_captured_money_wins_in_every_order(order: tuple[Report, ...]) -> None:
    assert after(payment(NOW), *order).status == "completed"


def test_a_decline_asks_for_the_intent_to_be_cancelled_and_a_cancellation_settles_it() -> None:
    declined = after(payment(NOW), IntentReport("pi_1", "failed", failure="card_declined"))
    assert (declined.status, declined.failure, declined.cancel_intent) == ("failed", "card_declined", True)
    assert declined.due_at == NOW
    settled = after(declined, CANCEL)
    assert (settled.status, settled.cancel_intent, settled.due_at) == ("failed", False, None)
    assert settled.learn(CANCEL, NOW) is None


def test_a_decline_that_may_be_tried_again_is_noted_once_and_ends_nothing() -> None:
    report = IntentReport("pi_1", "failed", failure="card_declined")
    change = payment(NOW, retry_declined=True).learn(report, NOW)
    assert change is not None
    assert (change.payment.status, change.payment.failure, change.happened) == ("pending", "card_declined", ())
    assert not change.payment.cancel_intent
    assert change.payment.learn(report, NOW) is None
    paid = after(change.payment, SUCCESS)
    assert (paid.status, paid.failure) == ("completed", None)
    assert paid.learn(report, NOW) is None


@pytest.mark.parametrize("order", list(permutations([DECLINE, CANCEL, DECLINE])))
def test_a_payment_that_may_be_tried_again_ends_with_its_intent(order: tuple[Report, ...]) -> None:
    assert after(payment(NOW, retry_declined=True, cancel_intent=True), *order).status == "cancelled"


@pytest.mark.parametrize("amount_and_currency", [(999, None), (1000, "USD"), (1001, "EUR")])
@pytest.mark.parametrize("status", ["pending", "failed", "cancelled"])
def test_a_success_over_another_sum_pays_for_nothing_and_is_to_be_given_back(
    status: Any, amount_and_currency: tuple[int, str | None]
) -> None:
    amount, currency = amount_and_currency
    before = payment(NOW, status=status, retry_declined=True)
    report = IntentReport("pi_1", "succeeded", amount=amount, currency=currency)
    assert before.doubts(report)
    change = before.learn(report, NOW)
    assert change is not None
    came = change.payment
    assert [type_ for type_, _ in change.happened] == (["PaymentFailed"] if status == "pending" else [])
    assert came.mismatch == Mismatch(amount, currency or "EUR", "pending", NOW)
    assert (came.status, came.captured, came.due_at) == ("failed" if status == "pending" else status, 0, NOW)
    for late in (SUCCESS, report, IntentReport("pi_1", "cancelled"), IntentReport("pi_1", "failed")):
        assert came.learn(late, NOW) is None
        assert not came.doubts(late)


def test_what_was_taken_as_asked_is_not_doubted_afterwards() -> None:
    paid = payment(NOW, status="completed")
    assert paid.learn(IntentReport("pi_1", "succeeded", amount=1), NOW) is None


def mismatched() -> Payment:
    return after(payment(NOW), IntentReport("pi_1", "succeeded", amount=999))


def test_a_mismatch_has_gone_back_once_the_gateways_refunds_add_up_to_it() -> None:
    came = mismatched()
    some = [RefundReport("pi_1", "re_1", 400, "succeeded"), RefundReport("pi_1", "re_2", 599, "pending")]
    assert (came.mismatch_left([]), came.mismatch_left(some[:1]), came.mismatch_left(some)) == (999, 599, 0)
    assert came.mismatch_read(some, NOW) is None
    done = came.mismatch_read([some[0], replace(some[1], status="succeeded")], NOW)
    assert done is not None
    assert done.payment.mismatch is not None
    assert (done.payment.mismatch.status, done.payment.due_at, done.payment.refunded) == ("succeeded", None, 0)
    assert done.payment.learn(RefundReport("pi_1", "re_2", 599, "succeeded", currency="USD"), NOW) is None


@pytest.mark.parametrize(("verdict", "back"), [("won", 0), ("lost", 999)])
def test_what_a_bank_may_take_is_not_returned_beside_it_and_what_it_takes_has_gone_back(
    verdict: Any, back: int
) -> None:
    came = after(payment(NOW), IntentReport("pi_1", "succeeded", amount=5_000))
    objection = DisputeReport("pi_1", "du_1", 5_000, "fraudulent", "needs_response", NOW, "EUR", at=NOW)
    disputed = after(came, objection)
    assert (disputed.mismatch_left([]), disputed.mismatch_read([], NOW)) == (0, None)
    ended = after(disputed, replace(objection, status=verdict))
    assert ended.due_at == NOW
    if verdict == "won":
        assert ended.mismatch_left([]) == 5_000
        return
    assert ended.mismatch_left([]) == 0
    read = ended.mismatch_read([], NOW)
    assert read is not None
    assert read.payment.mismatch is not None
    assert read.payment.mismatch.status == "succeeded"


def test_a_dispute_that_is_won_has_a_return_tried_that_had_failed() -> None:
    failed = mismatched().mismatch_read([RefundReport("pi_1", "re_1", 999, "failed")], NOW)
    assert failed is not None
    won = after(failed.payment, DisputeReport("pi_1", "du_1", 999, "fraudulent", "won", NOW, "EUR", at=NOW))
    assert (won.mismatch_open, won.due_at) == (True, NOW)


def test_an_intent_that_is_made_for_a_payment_that_has_ended_is_cancelled_again() -> None:
    change = payment(NOW, status="failed").attached("pi_1", "secret", NOW)
    assert change is not None
    assert (change.payment.cancel_intent, change.payment.due_at) == (True, NOW)


def test_a_return_that_failed_is_for_people_who_may_make_another_at_the_gateway() -> None:
    failed = [RefundReport("pi_1", "re_1", 999, "failed")]
    lost = mismatched().mismatch_read(failed, NOW)
    assert lost is not None
    assert lost.payment.mismatch is not None
    assert (lost.payment.mismatch.status, lost.payment.due_at) == ("failed", None)
    assert lost.payment.learn(failed[0], NOW) is None
    assert lost.payment.learn(ChargeReport("pi_1", 0, "EUR"), NOW) is None
    again = lost.payment.learn(ChargeReport("pi_1", 999, "EUR"), NOW)
    assert again is not None
    assert again.payment.due_at == NOW
    read = again.payment.mismatch_read([*failed, RefundReport("pi_1", "re_2", 999, "succeeded")], NOW)
    assert read is not None
    assert read.payment.mismatch is not None
    assert read.payment.mismatch.status == "succeeded"


def test_what_the_gateway_refuses_to_give_back_is_tried_for_a_day_and_ever_more_seldom() -> None:
    now, pauses = NOW, []
    refused = mismatched()
    asked = payment(NOW, status="completed").with_refund("r", 400, "", NOW)
    assert asked is not None
    refund = asked.payment
    while refused.mismatch_open:
        assert refused.mismatch is not None
        sent, asked_again = refused.mismatch, refund.refunds[0]
        one, other = refused.mismatch_refused(sent, now), refund.refund_refused(asked_again, now, REFUSED_FOR)
        assert one is not None
        assert other is not None
        refused, refund = one.payment, other.payment
        # Who notes the same refusal again, in another process, changes nothing.
        assert refused.mismatch_refused(sent, now) is None
        assert refund.refund_refused(asked_again, now, REFUSED_FOR) is None
        assert refused.due_at == refund.due_at
        if refused.due_at:
            pauses.append(refused.due_at - now)
            now = refused.due_at
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (timedelta(minutes=1), timedelta(hours=1))
    assert timedelta(days=1) <= now - NOW <= timedelta(days=1, hours=1)
    assert refund.refunds[0].status == "failed"
    assert refund.refunds[0].key == f"r-{len(pauses) + 1}"
    assert refund.refundable == 1000


def test_an_intent_that_the_gateway_will_not_make_fails_its_payment_once() -> None:
    change = payment(NOW, reference=None, client_secret=None).refused(NOW)
    assert change is not None
    assert [type_ for type_, _ in change.happened] == ["PaymentFailed"]
    assert (change.payment.status, change.payment.failure, change.payment.due_at) == ("failed", "gateway-refused", None)
    assert change.payment.refused(NOW) is None
    assert payment(NOW, reference="pi_1").refused(NOW) is None


def test_refunds_heard_of_before_the_payment_itself_count_after_it() -> None:
    early = after(payment(NOW), RefundReport("pi_1", "re_1", 1000, "succeeded"))
    assert early.status == "pending"
    change = early.learn(SUCCESS, NOW)
    assert change is not None
    assert [type_ for type_, _ in change.happened] == ["PaymentSucceeded", "PaymentRefunded"]
    assert [state.status for _, state in change.happened] == ["completed", "refunded"]
    assert (change.before, change.payment.version) == (early.version, early.version + 2)


def test_a_refund_is_counted_once_however_one_hears_of_it() -> None:
    asked = payment(NOW, status="completed").with_refund("refund-1", None, "", NOW)
    assert asked is not None
    direct = RefundReport("pi_1", "re_1", 1000, "succeeded", "refund-1")
    webhook = RefundReport("pi_1", "re_1", 1000, "succeeded")
    done = after(asked.payment, direct, webhook, ChargeReport("pi_1", 1000), direct)
    assert (done.status, done.refunded, len(done.refunds), done.unread_refunds) == ("refunded", 1000, 1, 0)


def test_a_charge_with_more_refunded_than_known_makes_one_ask() -> None:
    paid = payment(NOW, status="completed")
    asking = after(paid, ChargeReport("pi_1", 300))
    assert (asking.unread_refunds, asking.due_at, asking.refunded) == (300, NOW, 0)
    known = after(asking, RefundReport("pi_1", "re_9", 300, "succeeded"))
    assert known.refunds_read(200, NOW) is None
    read = known.refunds_read(300, NOW)
    assert read is not None
    assert (read.payment.unread_refunds, read.payment.refunded, read.payment.due_at) == (0, 300, None)


def test_a_refund_that_failed_gives_its_claim_back() -> None:
    asked = payment(NOW, status="completed").with_refund("refund-1", 600, "", NOW)
    assert asked is not None
    assert asked.payment.refundable == 400
    failed = after(asked.payment, RefundReport("pi_1", "", 600, "failed", "refund-1"))
    assert (failed.refundable, failed.status) == (1000, "completed")
    again = failed.with_refund("refund-1", 600, "", NOW)
    assert again is not None
    assert [refund.status for refund in again.payment.refunds] == ["pending"]


def test_a_settled_refund_does_not_change_any_more_and_one_that_comes_back_is_for_people_to_see() -> None:
    asked = payment(NOW, status="completed").with_refund("refund-1", 600, "", NOW)
    assert asked is not None
    done = after(asked.payment, RefundReport("pi_1", "re_1", 600, "succeeded", "refund-1"))
    assert done.learn(RefundReport("pi_1", "re_1", 600, "pending", "refund-1"), NOW) is None
    with pytest.raises(RefundReturned):
        done.learn(RefundReport("pi_1", "re_1", 600, "failed", "refund-1"), NOW)
    failed = after(asked.payment, RefundReport("pi_1", "re_1", 600, "failed", "refund-1"))
    assert failed.learn(RefundReport("pi_1", "re_1", 600, "succeeded", "refund-1"), NOW) is None


def test_refunds_have_their_limits() -> None:
    paid = payment(NOW, status="completed")
    with pytest.raises(Invalid):
        paid.with_refund("r", 1001, "", NOW)
    claimed = paid.with_refund("r", 700, "", NOW)
    assert claimed is not None
    assert claimed.payment.with_refund("r", 700, "", NOW) is None
    with pytest.raises(RefundDiffers):
        claimed.payment.with_refund("r", 701, "", NOW)
    with pytest.raises(RefundTooLarge):
        claimed.payment.with_refund("other", 301, "", NOW)
    for status in ("pending", "failed", "cancelled"):
        with pytest.raises(NotRefundable):
            payment(NOW, status=status).with_refund("r", 1, "", NOW)


def test_who_asks_for_the_rest_gets_no_more_than_is_left_and_the_same_again() -> None:
    paid = payment(NOW, status="completed")
    part = paid.with_refund("part", 300, "", NOW)
    assert part is not None
    rest = part.payment.with_rest("rest", 1_000, "", NOW)
    assert rest is not None
    assert rest.payment.refund("rest").amount == 700  # type: ignore[union-attr]  # it was just made
    assert rest.payment.with_rest("rest", 1_000, "", NOW) is None
    with pytest.raises(RefundTooLarge):  # it may fail yet, and then there is something left
        rest.payment.with_rest("other", 1_000, "", NOW)
    given_back = after(
        rest.payment,
        RefundReport("pi_1", "re_1", 300, "succeeded", "part"),
        RefundReport("pi_1", "re_2", 700, "succeeded", "rest"),
    )
    assert given_back.with_rest("other", 1_000, "", NOW) is None


def test_what_waits_longer_is_looked_at_more_seldom() -> None:
    waiting = payment(NOW)
    pauses = [waiting.attend_next(NOW + age) for age in (timedelta(0), timedelta(minutes=10), timedelta(days=1))]
    assert pauses[0] == NOW + timedelta(seconds=30)
    assert pauses[1] == NOW + timedelta(minutes=20)
    assert pauses[2] == NOW + timedelta(days=1, hours=1)
    assert payment(NOW, status="completed").attend_next(NOW) is None


REPORT = st.one_of(
    st.sampled_from([SUCCESS, DECLINE, CANCEL]),
    st.builds(
        RefundReport,
        intent=st.just("pi_1"),
        reference=st.sampled_from(["re_1", "re_2", "re_3"]),
        amount=st.just(300),
        status=st.sampled_from(["pending", "succeeded", "failed"]),
    ),
    st.builds(ChargeReport, intent=st.just("pi_1"), refunded=st.sampled_from([300, 600, 900])),
)


@given(st.lists(REPORT, max_size=12))
def test_no_order_of_reports_goes_back_or_counts_twice(reports: list[Report]) -> None:
    now = payment(NOW)
    for report in reports:
        try:
            before, now = now, after(now, report)
        except RefundReturned:
            continue
        assert now.refunded >= before.refunded
        assert now.status == before.status or now.status in TRANSITIONS[before.status]
        assert now.refunded <= 900
        assert after(now, report) == now or now.status != before.status
