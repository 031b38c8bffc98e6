"""Choosing over HTTP: the best free block, looked at and held."""

import asyncio
from typing import Any

import pytest

from tests.component.inventory.stage import SEATS_A_ROW, Stage


async def best(stage: Stage, showtime_id: str, **query: Any) -> Any:
    return await stage.buyer().get(f"/showtimes/{showtime_id}/seats/best", params=query)


async def test_the_best_block_is_free_adjacent_and_of_the_size_asked_for(stage: Stage) -> None:
    showtime = await stage.open()
    answer = await best(stage, showtime.showtime_id, count=4)
    assert answer.status_code == 200
    body = answer.json()
    assert (len(body["seatIds"]), body["together"], body["blocks"]) == (4, True, [body["seatIds"]])
    numbers = [int(seat_id[1:]) for seat_id in body["seatIds"]]
    assert len({seat_id[0] for seat_id in body["seatIds"]}) == 1
    assert numbers == list(range(numbers[0], numbers[0] + 4))


async def test_type_section_and_price_narrow_the_choice(stage: Stage) -> None:
    showtime_id = (await stage.open()).showtime_id
    assert {seat[0] for seat in (await best(stage, showtime_id, count=2, seatType="VIP")).json()["seatIds"]} == {"A"}
    section = (await best(stage, showtime_id, count=2, section="balcony")).json()["seatIds"]
    assert {seat[0] for seat in section} <= {"E", "F"}
    cheap = (await best(stage, showtime_id, count=2, maxPrice=900)).json()["seatIds"]
    assert {seat[0] for seat in cheap} <= {"E", "F"}


async def test_where_no_such_block_is_free_the_answer_says_so(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.hold(showtime, *(f"A{number}" for number in range(1, SEATS_A_ROW + 1)))
    answer = await best(stage, showtime.showtime_id, count=2, seatType="vip")
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/no-free-block")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"count": 0},
        {"count": 11},
        {"count": "x"},
        {"count": 2, "seatType": "sofa"},
        {"count": 2, "section": "pit"},
        {"count": 2, "section": "balcony", "seatType": "vip"},
    ],
)
async def test_a_senseless_wish_is_422(stage: Stage, query: dict[str, Any]) -> None:
    showtime = await stage.open()
    assert (await best(stage, showtime.showtime_id, **query)).status_code == 422


async def test_best_is_held_at_once_and_every_buyer_gets_a_block_of_his_own(stage: Stage) -> None:
    showtime = await stage.open()
    path = f"/showtimes/{showtime.showtime_id}/seats/reserve"
    answers = await asyncio.gather(*(stage.buyer().post(path, {"best": {"count": 3}}) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    held = [seat_id for answer in answers for seat_id in answer.json()["seatIds"]]
    assert len(held) == len(set(held)) == 24
    await stage.sound()


@pytest.mark.parametrize("body", [{}, {"seatIds": ["A1"], "best": {"count": 1}}, {"best": {"count": 2, "row": "A"}}])
async def test_either_seats_or_best_and_nothing_unknown(stage: Stage, body: dict[str, Any]) -> None:
    showtime = await stage.open()
    answer = await stage.buyer().post(f"/showtimes/{showtime.showtime_id}/seats/reserve", body)
    assert answer.status_code == 422
    assert await stage.taken(showtime) == {}


@pytest.mark.parametrize("price", [-1, 100_000_000_001, 10**30, "1e3", "NaN"])
async def test_a_price_that_is_none_is_refused(stage: Stage, price: Any) -> None:
    showtime = await stage.open()
    answer = await stage.client.get(
        f"/api/v1/showtimes/{showtime.showtime_id}/seats/best", params={"count": 2, "maxPrice": price}
    )
    assert answer.status_code == 422
