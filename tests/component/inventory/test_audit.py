"""The audit finds seeded damage of each kind, and nothing where all is well."""

from datetime import timedelta
from typing import Any

import pytest
from bson.int64 import Int64

from inventory_service.handlers.audit import audit
from inventory_service.store.seat_map_document import entry_of
from messaging.events import ShowtimeState
from tests.component.inventory.stage import Stage


@pytest.fixture
async def showtime(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> ShowtimeState:
    # Nothing is under way here, so looking again need not wait.
    monkeypatch.setattr("inventory_service.handlers.audit.PAUSE_SECONDS", 0)
    return await stage.open()


async def damage_map(stage: Stage, showtime: ShowtimeState, change: dict[str, Any]) -> None:
    changed = await stage.database["seat_maps"].update_one({"_id": showtime.showtime_id}, change)
    assert changed.modified_count == 1


async def damage_booking(stage: Stage, booking_id: str, change: dict[str, Any]) -> None:
    changed = await stage.database["bookings"].update_one({"_id": booking_id}, change)
    assert changed.modified_count == 1


async def finding(stage: Stage, *words: str) -> None:
    found = await audit(stage.inventory)
    assert any(all(word in sentence for word in words) for sentence in found), found


async def test_a_house_in_use_is_sound(stage: Stage, showtime: ShowtimeState) -> None:
    ann = stage.buyer()
    await stage.hold(showtime, "A1", buyer=ann)
    await stage.bought(showtime, "B1")
    sold, _ = await stage.bought(showtime, "B2", buyer=ann)
    await ann.put(f"/bookings/{sold}/cancel")
    await stage.hold(showtime, "A2")
    stage.clock.advance(timedelta(seconds=601))
    assert await audit(stage.inventory) == []


async def test_a_seat_taken_by_nobody_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    await damage_map(stage, showtime, {"$bit": {"taken.0": {"or": Int64(0b100)}}})
    await finding(stage, "taken by nobody", "A3", showtime.showtime_id)


async def test_a_seat_booked_without_a_booking_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    await damage_map(stage, showtime, {"$bit": {"taken.0": {"or": Int64(1)}, "booked.0": {"or": Int64(1)}}})
    await finding(stage, "booked without a confirmed booking", "A1")


async def test_a_sold_seat_that_is_free_again_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    await stage.bought(showtime, "A1")
    await damage_map(stage, showtime, {"$set": {"taken.0": Int64(0), "booked.0": Int64(0)}})
    await finding(stage, "sold by a confirmed booking but not booked", "A1")


async def test_a_booked_seat_that_is_not_taken_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    await stage.bought(showtime, "A1")
    await damage_map(stage, showtime, {"$set": {"taken.0": Int64(0)}})
    await finding(stage, "booked but not taken", "A1")


async def test_a_held_seat_that_is_not_taken_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    await stage.hold(showtime, "A1")
    await damage_map(stage, showtime, {"$set": {"taken.0": Int64(0)}})
    await finding(stage, "held but not taken", "A1")


async def test_bits_beyond_the_last_seat_are_found(stage: Stage, showtime: ShowtimeState) -> None:
    await damage_map(stage, showtime, {"$bit": {"taken.1": {"or": Int64(1 << 30)}}})
    await finding(stage, "beyond the end of the hall")


async def test_a_block_beyond_the_last_seat_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    block_id = await stage.block(showtime, "A1")
    await damage_map(stage, showtime, {"$set": {f"blocks.{block_id}.seats.1": Int64(1 << 30)}})
    await finding(stage, "beyond the end of the hall", block_id)


async def test_a_seat_in_two_blocks_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    first, second = await stage.block(showtime, "A1"), await stage.block(showtime, "A2", channel="press")
    assert await audit(stage.inventory) == []
    await damage_map(stage, showtime, {"$set": {f"blocks.{second}.seats.0": Int64(0b11)}})
    await finding(stage, "both have A1", first, second)


async def test_a_seat_sold_twice_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    first, _ = await stage.bought(showtime, "A1")
    second, _ = await stage.bought(showtime, "A2")
    await damage_booking(stage, second, {"$set": {"seatIds": ["A1"]}})
    await finding(stage, "both have A1", first, second)


async def test_a_seat_held_and_sold_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    sold, _ = await stage.bought(showtime, "A1")
    held = await stage.hold(showtime, "A2")
    await damage_map(stage, showtime, {"$set": {f"{entry_of(held)}.seats.0": Int64(0b11)}})
    await finding(stage, "both have A1", held, sold)
    await finding(stage, "name different seats", held)


async def test_a_hold_kept_past_its_end_is_found_with_its_booking(stage: Stage, showtime: ShowtimeState) -> None:
    held = await stage.hold(showtime, "A1")
    stage.clock.advance(timedelta(seconds=600 + 60))
    await finding(stage, "ran out", "still kept", held)
    await finding(stage, "still pending", held)


async def test_a_buyer_who_waits_without_seats_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    held = await stage.hold(showtime, "A1")
    await damage_map(stage, showtime, {"$unset": {entry_of(held): ""}, "$set": {"taken.0": Int64(0)}})
    await finding(stage, "holds no seats", held)


async def test_a_mark_without_booking_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    held = await stage.hold(showtime, "A1")
    await stage.database["bookings"].delete_many({})
    assert await audit(stage.inventory) == []
    await damage_map(
        stage, showtime, {"$set": {f"{entry_of(held)}.mark": "booked"}, "$unset": {f"{entry_of(held)}.until": ""}}
    )
    await finding(stage, "mark of booking", "has no booking", held)


@pytest.mark.parametrize("change", [{"amount": 1}, {"price.fee": 0}, {"price.discounts": [{"amount": -1}]}])
async def test_a_price_that_does_not_add_up_is_found(
    stage: Stage, showtime: ShowtimeState, change: dict[str, Any]
) -> None:
    held = await stage.hold(showtime, "A1")
    await damage_booking(stage, held, {"$set": change})
    await finding(stage, "price", "adds up", held)


async def test_a_ticket_together_with_a_refund_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    sold, _ = await stage.bought(showtime, "A1")
    await damage_booking(stage, sold, {"$set": {"refund": {"amount": 2_650, "currency": "EUR", "reason": "x"}}})
    await finding(stage, "ticket and its money back", sold)


async def test_a_seat_the_hall_has_not_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    held = await stage.hold(showtime, "A1")
    await damage_booking(stage, held, {"$set": {"seatIds": ["Q7"]}})
    await finding(stage, "the hall has not", "Q7")


async def test_bookings_whose_map_is_gone_are_found(stage: Stage, showtime: ShowtimeState) -> None:
    await stage.bought(showtime, "A1")
    await stage.database["seat_maps"].delete_many({})
    await finding(stage, "no seat map", showtime.showtime_id)


async def test_a_map_whose_showtime_is_gone_is_found(stage: Stage, showtime: ShowtimeState) -> None:
    other = await stage.open()
    await stage.database["showtimes"].delete_many({})
    stage.inventory.showtimes._cache.clear()
    await finding(stage, "no showtime", other.showtime_id)
