"""Holds that arrive together share one update, and every one of them gets his own answer."""

import asyncio
from datetime import timedelta
from typing import Any

from pymongo.errors import AutoReconnect

from inventory_service.domain.seat_map import Hold, Mark
from inventory_service.handlers.box_office import BoxOffice, Refused, Taken
from inventory_service.store.seat_maps import SeatMaps
from service_kit.ids import new_id
from tests.component.inventory.stage import Stage


class Counting:
    """A collection that counts its updates, and fails while it is told to."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection
        self.updates = 0
        self.failing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def find_one_and_update(self, *arguments: Any, **options: Any) -> Any:
        self.updates += 1
        if self.failing:
            raise AutoReconnect("the primary is gone")
        return await self._collection.find_one_and_update(*arguments, **options)


def office(stage: Stage) -> tuple[BoxOffice, Counting]:
    counting = Counting(stage.inventory.seat_maps.collection)
    return BoxOffice(SeatMaps(counting), stage.clock), counting  # type: ignore[arg-type]  # a stand-in


def wanted(stage: Stage, mask: int) -> Hold:
    return Hold(new_id(), new_id(), Mark.HOLD, stage.clock.now() + timedelta(minutes=10), mask)


async def test_thirty_buyers_of_different_seats_cost_a_few_updates(stage: Stage) -> None:
    showtime = await stage.open()
    desk, counting = office(stage)
    outcomes = await asyncio.gather(
        *(desk.take(showtime.showtime_id, wanted(stage, 1 << position)) for position in range(30))
    )
    assert all(isinstance(outcome, Taken) for outcome in outcomes)
    assert counting.updates <= 2
    assert (await stage.seat_map(showtime))["version"] == 1 + counting.updates


async def test_of_those_who_want_the_same_seats_the_first_gets_them_and_the_rest_are_told_which(stage: Stage) -> None:
    showtime = await stage.open()
    desk, _ = office(stage)
    outcomes = await asyncio.gather(*(desk.take(showtime.showtime_id, wanted(stage, 0b11 << i % 2)) for i in range(20)))
    assert isinstance(outcomes[0], Taken)
    assert all(isinstance(outcome, Refused) for outcome in outcomes[1:])
    assert outcomes[1] == Refused(0b010)
    assert outcomes[2] == Refused(0b011)


async def test_one_taken_seat_does_not_spoil_the_batch_for_the_others(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.hold(showtime, "A1")  # by a process whose doings this one has not seen
    desk, _ = office(stage)
    outcomes = await asyncio.gather(*(desk.take(showtime.showtime_id, wanted(stage, 1 << i)) for i in range(5)))
    assert outcomes[0] == Refused(1)
    assert all(isinstance(outcome, Taken) for outcome in outcomes[1:])


async def test_a_failing_database_is_told_to_each_who_waits(stage: Stage) -> None:
    showtime = await stage.open()
    desk, counting = office(stage)
    counting.failing = True
    errors = await asyncio.gather(
        *(desk.take(showtime.showtime_id, wanted(stage, 1 << i)) for i in range(3)), return_exceptions=True
    )
    assert [type(error) for error in errors] == [AutoReconnect] * 3
    counting.failing = False
    assert isinstance(await desk.take(showtime.showtime_id, wanted(stage, 1)), Taken)


async def test_who_comes_again_finds_his_own_hold(stage: Stage) -> None:
    showtime = await stage.open()
    desk, _ = office(stage)
    hold = wanted(stage, 0b1)
    await desk.take(showtime.showtime_id, hold)
    again = await desk.take(showtime.showtime_id, hold, retried=True)
    assert isinstance(again, Taken)
    assert again.hold.booking_id == hold.booking_id
