"""A stadium of 100,000 seats, each under a hold of its own: the document stays small enough and the house sells on."""

import time
from datetime import timedelta
from typing import Any

import pytest

from inventory_service.domain.seat_map import Hold, Mark
from inventory_service.handlers.audit import audit
from inventory_service.handlers.expire import sweep
from inventory_service.store.seat_maps import SeatMaps
from messaging.events import ShowtimeState
from service_kit.ids import new_id
from tests.component.inventory.stage import Stage, problem

ROWS, SEATS_A_ROW = 400, 250
SEATS = ROWS * SEATS_A_ROW
MOST_BYTES = 10_000_000
MANY = 10_000


def stadium() -> dict[str, Any]:
    rows = [
        {
            "label": str(row),
            "seats": [
                {"id": f"{row}-{seat}", "label": str(seat), "seatType": "standard"} for seat in range(SEATS_A_ROW)
            ],
        }
        for row in range(ROWS)
    ]
    return {"sections": [{"id": "ring", "name": "Ring", "rows": rows}]}


@pytest.fixture
async def showtime(stage: Stage) -> ShowtimeState:
    showtime = stage.showtime(seat_count=SEATS)
    stage.near.layouts[showtime.venue.venue_id, showtime.hall_id, "1"] = stadium()
    await stage.tell("ShowtimeCreated", showtime)
    return showtime


async def size(stage: Stage, showtime: ShowtimeState) -> int:
    pipeline: list[dict[str, Any]] = [
        {"$match": {"_id": showtime.showtime_id}},
        {"$project": {"size": {"$bsonSize": "$$ROOT"}}},
    ]
    (found,) = await (await stage.database["seat_maps"].aggregate(pipeline)).to_list()
    return int(found["size"])


async def hold_singly(stage: Stage, showtime: ShowtimeState, seats: range, minutes: int = 10) -> list[str]:
    """A hold for each of these seats, without bookings; their ids."""
    seat_maps: SeatMaps = stage.inventory.seat_maps
    until = stage.clock.now() + timedelta(minutes=minutes)
    ids = [new_id() for _ in seats]
    holds = [Hold(id_, Mark.HOLD, until, 1 << seat) for id_, seat in zip(ids, seats, strict=True)]
    for start in range(0, len(holds), MANY):
        sight = await seat_maps.glance(showtime.showtime_id, [])
        assert sight
        assert await seat_maps.hold(showtime.showtime_id, holds[start : start + MANY], sight, stage.clock.now())
    return ids


async def test_an_empty_stadium_is_a_small_document(stage: Stage, showtime: ShowtimeState) -> None:
    assert await size(stage, showtime) < 150_000


@pytest.mark.timeout(240)
async def test_with_every_seat_under_a_hold_of_its_own_it_is_far_below_16_mb_and_still_sells(
    stage: Stage, showtime: ShowtimeState
) -> None:
    await hold_singly(stage, showtime, range(SEATS - 2))
    assert await size(stage, showtime) < MOST_BYTES
    last = await stage.hold(showtime, f"{ROWS - 1}-{SEATS_A_ROW - 2}", f"{ROWS - 1}-{SEATS_A_ROW - 1}")
    began = time.monotonic()
    refused = problem(await stage.buyer().reserve(showtime, "0-0", "399-249"), 409, "seats-taken")
    assert refused["seatIds"] == ["0-0", "399-249"]
    assert time.monotonic() - began < 2  # it takes milliseconds: what is read has no holds in it
    assert (await stage.buyer("admin").put(f"/bookings/{last}/cancel")).status_code == 200
    assert (await stage.buyer().reserve(showtime, "399-248")).status_code == 201
    assert await audit(stage.inventory) == []


@pytest.mark.timeout(240)
async def test_ten_thousand_holds_that_run_out_at_once_are_swept_and_can_be_had_at_once(
    stage: Stage, showtime: ShowtimeState
) -> None:
    await hold_singly(stage, showtime, range(MANY), minutes=2)
    stage.clock.advance(timedelta(minutes=2))
    assert (await stage.buyer().reserve(showtime, "0-0", "0-1")).status_code == 201
    await sweep(stage.inventory)
    assert len(await stage.holds(showtime)) == 1
    assert await size(stage, showtime) < 200_000
