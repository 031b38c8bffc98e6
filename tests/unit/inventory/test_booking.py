"""The states of a booking."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from inventory_service.domain.booking import REASONS, TRANSITIONS, Booking, HoldExpired, NotPending
from inventory_service.domain.layout import LayoutKey
from messaging.events import BookingStatus

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PENDING = Booking(
    id="booking",
    version=1,
    status="pending",
    showtime_id="show",
    event_id="event",
    venue_id="venue",
    user_id="ann",
    layout=LayoutKey("hall", 1),
    seat_ids=["A1"],
    price={},
    amount=1_000,
    currency="EUR",
    created_at=NOW,
    updated_at=NOW,
    held_until=NOW + timedelta(minutes=10),
)


def test_every_state_has_its_row_and_leads_to_known_states_only() -> None:
    assert set(TRANSITIONS) == set(get_args(BookingStatus))
    assert set().union(*TRANSITIONS.values()) <= set(TRANSITIONS)


def test_the_table_is_that_of_the_contract() -> None:
    assert {
        "pending": {"confirmed", "expired", "cancelled", "failed"},
        "confirmed": {"cancelled"},
        "expired": {"pending", "confirmed", "refunded"},
        "failed": {"pending", "confirmed", "refunded"},
        "cancelled": {"refunded"},
        "refunded": set(),
    } == TRANSITIONS


def test_only_late_money_at_a_partner_s_makes_a_booking_wait_again_and_no_state_leads_to_itself() -> None:
    again = {status for status, reached in TRANSITIONS.items() if "pending" in reached}
    assert again == {"expired", "failed"}
    assert all("partner theatre" in REASONS[status, "pending"] for status in again)
    assert all(status not in reached for status, reached in TRANSITIONS.items())


def test_a_pending_booking_can_be_paid_until_its_hold_ends() -> None:
    PENDING.require_payable(NOW + timedelta(minutes=9, seconds=59))
    with pytest.raises(HoldExpired):
        PENDING.require_payable(PENDING.held_until)


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        ("expired", HoldExpired),
        ("confirmed", NotPending),
        ("cancelled", NotPending),
        ("failed", NotPending),
        ("refunded", NotPending),
    ],
)
def test_a_booking_past_waiting_can_not_be_paid(status: Any, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        replace(PENDING, status=status).require_payable(NOW)


def test_money_is_back_once_it_was_asked_for_or_has_come_in_full() -> None:
    assert not PENDING.money_back
    assert not replace(PENDING, refunded=999).money_back
    assert replace(PENDING, refunded=1_000).money_back
    assert replace(PENDING, refund={"amount": 1_000}).money_back
    assert not replace(PENDING, amount=0).money_back
