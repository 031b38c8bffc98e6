"""What a reading of a seat map says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inventory_service.domain.availability import summarize
from inventory_service.domain.seat_map import (
    Block,
    Glance,
    Hold,
    Mark,
    SeatMap,
    ShowtimeCancelled,
    ShowtimeStarted,
)
from messaging.events import Pricing
from tests.unit.inventory.halls import KEY, hall, sections

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LIVE = Hold("live", Mark.HOLD, NOW + MINUTE, 0b000011)
OVER = Hold("over", Mark.HOLD, NOW, 0b001100)
SOLD = Hold("sold", Mark.BOOKED, None, 0b110000)


def seat_map(*holds: Hold, taken: int = 0, booked: int = 0, **values: Any) -> SeatMap:
    fields: dict[str, Any] = {
        "showtime_id": "show",
        "version": 7,
        "status": "open",
        "starts_at": NOW + timedelta(hours=7),
        "updated_at": NOW,
        "layout": KEY,
        "showtime_version": 1,
        "taken": taken,
        "booked": booked,
        "holds": {hold.booking_id: hold for hold in holds},
        "turns": {},
    }
    return SeatMap(**{**fields, **values})


def test_a_hold_is_over_at_the_very_moment_it_was_promised_until() -> None:
    assert OVER.expired(NOW)
    assert not OVER.live(NOW)
    assert LIVE.live(NOW)


def test_a_mark_is_neither_live_nor_ever_over() -> None:
    assert not SOLD.live(NOW)
    assert not SOLD.expired(NOW + timedelta(days=999))


def test_seats_of_an_expired_hold_are_not_occupied() -> None:
    assert seat_map(LIVE, OVER, SOLD, taken=0b111111, booked=0b110000).occupied(NOW) == 0b110011


def test_only_expired_holds_that_touch_the_wanted_seats_are_in_the_way() -> None:
    assert seat_map(LIVE, OVER, taken=0b1111).in_the_way(0b000100, NOW) == [OVER]
    assert seat_map(LIVE, OVER, taken=0b1111).in_the_way(0b110000, NOW) == []


def test_a_cancelled_show_can_not_be_booked_even_before_it_starts() -> None:
    with pytest.raises(ShowtimeCancelled):
        seat_map(status="cancelled").require_bookable(NOW)


def test_a_show_can_be_booked_until_it_starts() -> None:
    seat_map(starts_at=NOW + timedelta(milliseconds=1)).require_bookable(NOW)
    with pytest.raises(ShowtimeStarted):
        seat_map(starts_at=NOW).require_bookable(NOW)


PRESS = Block("press", 0b0011, NOW, "press")
CAMERA = Block("camera", 0b0100, NOW)
MORE_PRESS = Block("more", 0b1000, NOW, "press")


@pytest.mark.parametrize(("channel", "closed"), [(None, 0b1111), ("press", 0b0100), ("members", 0b1111)])
def test_who_buys_through_a_channel_may_have_its_blocks_and_no_other(channel: str | None, closed: int) -> None:
    blocks = (PRESS, CAMERA, MORE_PRESS)
    glance = Glance("open", NOW, KEY, 1, 0, blocks, 3, None, {})
    assert seat_map(blocks=blocks).closed(channel) == closed
    assert [glance.closed(channel), glance.closed(channel)] == [closed, closed]


PRICING = Pricing(currency="EUR", tiers={"standard": 1_000, "vip": 3_000})


def test_the_summary_counts_free_seats_by_type_with_longest_run_and_cheapest_price() -> None:
    layout = sections(("boxes", "vip", [2]), ("stalls", "standard", [4]))
    summary = summarize(seat_map(LIVE, taken=0b001011), layout, PRICING, NOW)
    assert (summary.total, summary.available, summary.largest_block, summary.min_price) == (6, 3, 2, 1_000)
    assert summary.by_seat_type["vip"].available == 0
    assert summary.by_seat_type["standard"].model_dump() == {
        "total": 4,
        "available": 3,
        "largest_block": 2,
        "price": 1_000,
        "together": [1_000, 1_000],
    }


def test_blocked_seats_are_not_available_to_everybody() -> None:
    summary = summarize(seat_map(taken=0b0001, blocks=(PRESS,)), hall(4), PRICING, NOW)
    assert (summary.total, summary.available, summary.largest_block) == (4, 2, 2)


def test_a_sold_out_show_has_no_price() -> None:
    assert summarize(seat_map(taken=0b11, booked=0b11), hall(2), PRICING, NOW).min_price is None


def test_nothing_is_available_in_a_cancelled_show() -> None:
    summary = summarize(seat_map(status="cancelled"), hall(4), PRICING, NOW)
    assert (summary.status, summary.available, summary.largest_block) == ("cancelled", 0, 0)
