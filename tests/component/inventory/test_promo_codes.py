"""Guessing at promo codes: so many wrong ones, then none for a while."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from inventory_service.handlers.promo_codes import WRONG_CODES_PER_ADDRESS, WRONG_CODES_PER_PERSON
from messaging.events import ShowtimeState
from tests.component.inventory.stage import Stage

PROMOTIONS = [{"kind": "code", "code": "SPRING", "percent": 10}]


@pytest.fixture
async def showtime(stage: Stage) -> ShowtimeState:
    # Windows are fixed stretches of time: one must not end in the middle.
    stage.clock.set(stage.clock.now().replace(minute=30, second=0, microsecond=0) + timedelta(hours=1))
    return await stage.open(promotions=PROMOTIONS)


async def test_who_guesses_too_often_is_stopped_for_a_while_even_with_the_right_code(
    stage: Stage, showtime: ShowtimeState
) -> None:
    ann = stage.buyer()
    for number in range(WRONG_CODES_PER_PERSON.most):
        assert (await ann.reserve(showtime, "A1", promoCode=f"guess {number}")).status_code == 422
    stopped = await ann.reserve(showtime, "A1", promoCode="SPRING")
    assert stopped.status_code == 429
    assert 0 < int(stopped.headers["retry-after"]) <= 15 * 60
    assert (await ann.reserve(showtime, "A1")).status_code == 201
    assert (await stage.buyer().reserve(showtime, "A2", promoCode="spring")).status_code == 201
    stage.clock.advance(timedelta(minutes=15))
    assert (await ann.reserve(showtime, "B1", promoCode="SPRING")).status_code == 201


async def test_guesses_that_come_at_once_are_counted_before_they_are_looked_at(
    stage: Stage, showtime: ShowtimeState
) -> None:
    ann = stage.buyer()
    guesses = (ann.reserve(showtime, "A1", promoCode=f"guess {number}") for number in range(20))
    assert Counter(answer.status_code for answer in await asyncio.gather(*guesses)) == {422: 10, 429: 10}


async def test_new_people_at_one_address_can_not_go_on_guessing(stage: Stage, showtime: ShowtimeState) -> None:
    answers = [
        (await stage.buyer("guest").reserve(showtime, "A1", promoCode=f"guess {number}")).status_code
        for number in range(WRONG_CODES_PER_ADDRESS.most + 1)
    ]
    assert answers == [422] * WRONG_CODES_PER_ADDRESS.most + [429]


async def test_a_crowd_with_the_right_code_is_not_taken_for_guessing(stage: Stage, showtime: ShowtimeState) -> None:
    crowd = WRONG_CODES_PER_ADDRESS.most + 10
    answers = await asyncio.gather(
        *(stage.buyer("guest").reserve(showtime, "A1", promoCode="spring") for _ in range(crowd))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: crowd - 1}


async def test_a_code_that_this_process_has_not_heard_of_yet_is_no_guess(stage: Stage, showtime: ShowtimeState) -> None:
    await stage.hold(showtime, "A1")
    newer = showtime.model_copy(update={"version": 2, "promotions": [{"kind": "code", "code": "NEW", "percent": 50}]})
    await stage.tell("ShowtimeUpdated", newer)
    for _ in range(WRONG_CODES_PER_PERSON.most + 2):
        answer = await stage.buyer(subject="ann").reserve(showtime, "A2", promoCode="NEW")
        assert answer.status_code in {201, 409}
