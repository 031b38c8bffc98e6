"""The rule against leaving a single seat, as a buyer meets it."""

import asyncio
from typing import Any

import pytest

from messaging.events import Pricing, ShowtimeState
from tests.component.inventory.stage import Buyer, Stage, problem

PRICING = Pricing(currency="EUR", tiers={"standard": 1_000, "wheelchair": 500, "companion": 500, "floor": 700})


def row(types: str) -> dict[str, Any]:
    """Seats A1, A2 …: o standard, W wheelchair, C companion."""
    kinds = {"o": "standard", "W": "wheelchair", "C": "companion"}
    seats = [{"id": f"A{n}", "label": str(n), "seatType": kinds[letter]} for n, letter in enumerate(types, 1)]
    floor = {"id": "floor", "name": "Floor", "capacity": 50, "seatType": "standard"}
    return {
        "sections": [{"id": "stalls", "name": "Stalls", "rows": [{"label": "A", "seats": seats}]}, floor],
    }


async def opened(stage: Stage, types: str, **changes: Any) -> ShowtimeState:
    layout = row(types)
    showtime = stage.showtime(seat_count=len(types) + 50, pricing=PRICING, **{"single_seat_rule": True, **changes})
    stage.near.layouts[showtime.venue.venue_id, showtime.hall_id, "1"] = layout
    await stage.tell("ShowtimeCreated", showtime)
    return showtime


async def test_a_choice_that_strands_a_seat_is_refused_with_that_seat_and_another_choice(stage: Stage) -> None:
    showtime = await opened(stage, "oooooooo")
    answer = problem(await stage.buyer().reserve(showtime, "A2", "A3"), 409, "single-seat-left")
    assert answer["seatIds"] == ["A1"]
    assert answer["alternative"] == ["A3", "A4"]
    assert (await stage.buyer().reserve(showtime, *answer["alternative"])).status_code == 201
    await stage.sound()


async def test_checking_seats_tells_of_the_single_seat_that_a_hold_would_be_refused_for(stage: Stage) -> None:
    showtime = await opened(stage, "oooooooo")
    path = f"/showtimes/{showtime.showtime_id}/seats/check"
    checked = (await stage.buyer().post(path, {"seatIds": ["A2", "A3"]})).json()
    assert (checked["allAvailable"], checked["singleSeats"], checked["alternative"]) == (True, ["A1"], ["A3", "A4"])
    assert (await stage.buyer().post(path, {"seatIds": ["A1", "A2"]})).json()["singleSeats"] == []


async def test_the_row_is_judged_as_others_have_left_it(stage: Stage) -> None:
    showtime = await opened(stage, "oooooooo")
    await stage.hold(showtime, "A1", "A2")
    await stage.hold(showtime, "A7", "A8")
    problem(await stage.buyer().reserve(showtime, "A4", "A5"), 409, "single-seat-left")
    await stage.hold(showtime, "A3", "A4")
    await stage.hold(showtime, "A5", "A6")


async def test_a_row_that_cant_be_helped_is_let_be(stage: Stage) -> None:
    showtime = await opened(stage, "ooo")
    assert (await stage.buyer().reserve(showtime, "A1", "A2")).status_code == 201


@pytest.mark.parametrize("seats", [("A2", "A3"), ("A2",), ("A3",)], ids=["both", "space", "companion"])
async def test_a_wheelchair_user_and_his_companion_may_leave_a_single_seat(
    stage: Stage, seats: tuple[str, ...]
) -> None:
    showtime = await opened(stage, "oWCoooo")
    assert (await stage.buyer().reserve(showtime, *seats)).status_code == 201


async def test_places_of_a_section_with_a_capacity_are_never_stranded(stage: Stage) -> None:
    showtime = await opened(stage, "oooo")
    assert (await stage.buyer().reserve(showtime, "floor:2", "floor:5")).status_code == 201


async def test_the_rule_is_off_where_the_showtime_says_so_and_for_the_box_office(stage: Stage) -> None:
    free = await opened(stage, "oooooooo", single_seat_rule=False)
    assert (await stage.buyer().reserve(free, "A2", "A3")).status_code == 201
    ruled = await opened(stage, "oooooooo")
    assert (await stage.buyer("admin").reserve(ruled, "A2", "A3")).status_code == 201


async def test_a_change_of_the_rule_is_followed(stage: Stage) -> None:
    showtime = await opened(stage, "oooooooo")
    problem(await stage.buyer().reserve(showtime, "A2"), 409, "single-seat-left")
    await stage.tell("ShowtimeUpdated", showtime.model_copy(update={"version": 2, "single_seat_rule": False}))
    assert (await stage.buyer().reserve(showtime, "A2")).status_code == 201


async def test_what_best_gives_is_never_refused_by_the_rule_not_even_in_a_crowd(stage: Stage) -> None:
    showtime = await opened(stage, "o" * 40)

    async def reserve(buyer: Buyer, count: int) -> int:
        path = f"/showtimes/{showtime.showtime_id}/seats/reserve"
        return (await buyer.post(path, {"best": {"count": count, "section": "stalls"}})).status_code

    codes = await asyncio.gather(*(reserve(stage.buyer(), 2 + i % 3) for i in range(13)))
    assert codes.count(201) >= 12
    assert set(codes) <= {201, 409}
    await stage.sound()


async def test_of_two_at_once_who_would_leave_one_between_them_one_is_refused(stage: Stage) -> None:
    """Each alone would be fine; the batch is judged one after the other."""
    showtime = await opened(stage, "o" * 10)
    answers = await asyncio.gather(
        stage.buyer().reserve(showtime, "A1", "A2", "A3", "A4"), stage.buyer().reserve(showtime, "A6", "A7", "A8")
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    (refused,) = (answer for answer in answers if answer.status_code == 409)
    assert problem(refused, 409, "single-seat-left")["seatIds"] == ["A5"]


async def test_best_gives_seats_before_standing_places_unless_those_are_asked_for(stage: Stage) -> None:
    showtime = await opened(stage, "oooo")
    path = f"/api/v1/showtimes/{showtime.showtime_id}/seats/best"

    async def best(**wanted: Any) -> list[str]:
        seat_ids: list[str] = (await stage.client.get(path, params=wanted)).json()["seatIds"]
        return [seat_id.partition(":")[0] for seat_id in seat_ids]

    assert await best(count=2) in (["A1", "A2"], ["A3", "A4"])
    assert await best(count=2, section="floor") == ["floor", "floor"]
    assert await best(count=6) == ["floor"] * 6
