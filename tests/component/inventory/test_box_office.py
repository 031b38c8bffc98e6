"""Holds that arrive together share one update, and every one of them gets his own answer."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pymongo.errors import AutoReconnect

from inventory_service.domain.layout import Layout
from inventory_service.domain.seat_map import Hold, Mark, SeatsTaken, ShowtimeCancelled
from inventory_service.domain.wishes import BestSeats, NoFreeBlock, TheseSeats
from inventory_service.handlers.box_office import BoxOffice, Taken, Wanted
from inventory_service.store.seat_maps import SeatMaps
from messaging.events import ShowtimeState
from service_kit.ids import new_id
from tests.component.inventory.stage import Stage


class Counting:
    """A collection that counts its updates, and of how many maps at once, and fails while it is told to."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection
        self.updates = 0
        self.at_once = 0
        self.most_at_once = 0
        self.failing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def bulk_write(self, changes: Any, **options: Any) -> Any:
        with self._counted(len(changes)):
            return await self._collection.bulk_write(changes, **options)

    async def find_one_and_update(self, *arguments: Any, **options: Any) -> Any:
        with self._counted():
            if self.failing:
                raise AutoReconnect("the primary is gone")
            return await self._collection.find_one_and_update(*arguments, **options)

    @contextmanager
    def _counted(self, maps: int = 1) -> Iterator[None]:
        self.updates += 1
        self.at_once += maps
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            self.at_once -= maps


def office(stage: Stage) -> tuple[BoxOffice, Counting]:
    counting = Counting(stage.inventory.seat_maps.collection)
    seat_maps = SeatMaps(counting)  # type: ignore[arg-type]  # a stand-in
    return BoxOffice(seat_maps, stage.clock, stage.inventory.expire_bookings), counting


async def hall(stage: Stage, showtime: ShowtimeState) -> Layout:
    return await stage.inventory.layout(showtime)


def wanted(stage: Stage, layout: Layout, mask: int, *, retried: bool = False) -> Wanted:
    wish = TheseSeats(layout, mask, tidy=False)
    return Wanted(new_id(), stage.clock.now() + timedelta(minutes=10), wish, None, retried, 1)


def in_the_way(layout: Layout, outcome: object) -> int:
    assert isinstance(outcome, SeatsTaken)
    return layout.mask(outcome.extras["seat_ids"])


async def take_all(desk: BoxOffice, showtime: ShowtimeState, wishes: Iterable[Wanted]) -> list[Any]:
    return await asyncio.gather(*(desk.take(showtime.showtime_id, one) for one in wishes), return_exceptions=True)


async def test_thirty_buyers_of_different_seats_cost_a_few_updates(stage: Stage) -> None:
    showtime = await stage.open()
    layout = await hall(stage, showtime)
    desk, counting = office(stage)
    outcomes = await take_all(desk, showtime, (wanted(stage, layout, 1 << position) for position in range(30)))
    assert all(isinstance(outcome, Taken) for outcome in outcomes)
    assert counting.updates <= 2
    assert (await stage.seat_map(showtime))["version"] == 1 + counting.updates


async def test_of_those_who_want_the_same_seats_the_first_gets_them_and_the_rest_are_told_which(stage: Stage) -> None:
    showtime = await stage.open()
    layout = await hall(stage, showtime)
    desk, _ = office(stage)
    outcomes = await take_all(desk, showtime, (wanted(stage, layout, 0b11 << i % 2) for i in range(20)))
    assert isinstance(outcomes[0], Taken)
    assert in_the_way(layout, outcomes[1]) == 0b010
    assert in_the_way(layout, outcomes[2]) == 0b011
    assert all(isinstance(outcome, SeatsTaken) for outcome in outcomes[1:])


async def test_one_taken_seat_does_not_spoil_the_batch_for_the_others(stage: Stage) -> None:
    showtime = await stage.open()
    layout = await hall(stage, showtime)
    await stage.hold(showtime, "A1")  # by a process whose doings this one has not seen
    desk, _ = office(stage)
    outcomes = await take_all(desk, showtime, (wanted(stage, layout, 1 << i) for i in range(5)))
    assert in_the_way(layout, outcomes[0]) == 1
    assert all(isinstance(outcome, Taken) for outcome in outcomes[1:])


async def test_a_failing_database_is_told_to_each_who_waits(stage: Stage) -> None:
    showtime = await stage.open()
    layout = await hall(stage, showtime)
    desk, counting = office(stage)
    counting.failing = True
    errors = await take_all(desk, showtime, (wanted(stage, layout, 1 << i) for i in range(3)))
    assert [type(error) for error in errors] == [AutoReconnect] * 3
    counting.failing = False
    assert isinstance(await desk.take(showtime.showtime_id, wanted(stage, layout, 1)), Taken)


async def test_who_comes_again_finds_his_own_hold(stage: Stage) -> None:
    showtime = await stage.open()
    layout = await hall(stage, showtime)
    desk, _ = office(stage)
    first = wanted(stage, layout, 0b1)
    await desk.take(showtime.showtime_id, first)
    again = await desk.take(showtime.showtime_id, replace(first, retried=True))
    assert isinstance(again, Taken)
    assert again.hold.booking_id == first.booking_id


async def test_a_crowd_that_wants_the_best_seats_gets_different_ones_in_a_few_updates(stage: Stage) -> None:
    showtime = await stage.open()
    layout = await hall(stage, showtime)
    desk, counting = office(stage)
    until = stage.clock.now() + timedelta(minutes=10)
    pairs = [Wanted(new_id(), until, BestSeats(layout, 2), None, False, 1) for _ in range(35)]
    outcomes = await take_all(desk, showtime, pairs)
    served = [outcome for outcome in outcomes if isinstance(outcome, Taken)]
    assert len(served) == 30  # all of the house's sixty seats
    assert sum(outcome.hold.mask for outcome in served) == layout.everything
    assert [type(outcome) for outcome in outcomes[30:]] == [NoFreeBlock] * 5
    assert counting.updates <= 3


async def test_who_comes_when_holds_have_run_out_gets_their_seats_and_their_owners_are_told(stage: Stage) -> None:
    showtime = await stage.open()
    layout = await hall(stage, showtime)
    first = await stage.hold(showtime, "A1", "A2", holdTimeoutSeconds=60)
    await stage.hold(showtime, "A3", holdTimeoutSeconds=600)
    stage.clock.advance(timedelta(seconds=61))
    desk, _ = office(stage)
    outcomes = await take_all(desk, showtime, [wanted(stage, layout, 0b10), wanted(stage, layout, 0b100)])
    assert isinstance(outcomes[0], Taken)
    assert in_the_way(layout, outcomes[1]) == 0b100
    assert (await stage.document(first))["status"] == "expired"


async def test_single_buyers_of_many_showtimes_share_a_write_and_each_gets_his_own_answer(stage: Stage) -> None:
    showtimes = [await stage.open() for _ in range(12)]
    await stage.hold(showtimes[3], "A1")  # by a process whose doings this one has not seen
    await stage.tell("ShowtimeUpdated", showtimes[5].model_copy(update={"version": 2}))
    await stage.tell("ShowtimeCancelled", showtimes[7].model_copy(update={"version": 2, "status": "cancelled"}))
    desk, counting = office(stage)
    layouts = [await hall(stage, showtime) for showtime in showtimes]
    outcomes = await asyncio.gather(
        *(
            desk.take(showtime.showtime_id, wanted(stage, layout, 0b11))
            for showtime, layout in zip(showtimes, layouts, strict=True)
        ),
        return_exceptions=True,
    )
    assert in_the_way(layouts[3], outcomes[3]) == 1
    assert isinstance(outcomes[7], ShowtimeCancelled)
    served = {index: outcome for index, outcome in enumerate(outcomes) if isinstance(outcome, Taken)}
    assert set(served) == set(range(12)) - {3, 7}
    assert served[5].showtime_version == 2
    assert counting.updates <= 4
    for index, outcome in served.items():
        assert set(await stage.holds(showtimes[index])) == {outcome.hold.booking_id}


async def test_who_comes_again_for_the_best_seats_among_single_buyers_gets_those_that_he_holds(stage: Stage) -> None:
    showtimes = [await stage.open() for _ in range(4)]
    layouts = [await hall(stage, showtime) for showtime in showtimes]
    first, _ = office(stage)
    best = Wanted(new_id(), stage.clock.now() + timedelta(minutes=10), BestSeats(layouts[3], 2), None, False, 1)
    mine = await first.take(showtimes[3].showtime_id, best)
    assert isinstance(mine, Taken)
    desk, _ = office(stage)  # of another process, which sees that some seats are taken, but not by whom
    await desk.take(showtimes[3].showtime_id, wanted(stage, layouts[3], 0b1))
    again = replace(best, retried=True, until=best.until + timedelta(minutes=1))
    outcomes = await asyncio.gather(
        *(
            desk.take(showtime.showtime_id, wanted(stage, layout, 0b1))
            for showtime, layout in zip(showtimes[:3], layouts, strict=False)
        ),
        desk.take(showtimes[3].showtime_id, again),
    )
    found = outcomes[3]
    assert isinstance(found, Taken)
    assert found.hold == mine.hold


async def test_however_buyers_come_and_come_again_one_update_of_a_showtime_is_under_way_at_a_time(stage: Stage) -> None:
    showtime = await stage.open()
    layout = await hall(stage, showtime)
    desk, counting = office(stage)

    async def shop(first: int) -> None:
        for position in range(first, first + 6):
            await desk.take(showtime.showtime_id, wanted(stage, layout, 1 << position))

    await asyncio.gather(*(shop(first) for first in range(0, 60, 6)))
    assert counting.most_at_once == 1
    assert len(await stage.holds(showtime)) == 60


async def test_of_holds_written_together_each_is_told_apart_even_within_one_showtime(stage: Stage) -> None:
    showtime, other = await stage.open(), await stage.open()
    seat_maps, until = stage.inventory.seat_maps, stage.clock.now() + timedelta(minutes=10)
    sights = {one.showtime_id: await seat_maps.glance(one.showtime_id, []) for one in (showtime, other)}
    wishes = [(showtime, 0b01), (showtime, 0b10), (other, 0b11), (showtime, 0b11)]
    holds = []
    for one, mask in wishes:
        sight = sights[one.showtime_id]
        assert sight is not None
        holds.append((one.showtime_id, Hold(new_id(), Mark.HOLD, until, mask), sight))
    assert await seat_maps.hold_each(holds, stage.clock.now()) == [True, True, True, False]
