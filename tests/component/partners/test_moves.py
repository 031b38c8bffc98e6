"""A show at another time: the theatre that has confirmed a booking of it is told."""

from datetime import datetime, timedelta

import pytest

from partners_service.handlers.asking import NotAskedYet
from service_kit.ids import new_id
from tests.component.partners.desk import TWO_MINUTES, Desk

DAY = timedelta(days=1)


async def test_a_theatre_is_told_that_the_show_was_moved_until_it_has_heard_it(desk: Desk) -> None:
    booking_id = await desk.ask(partner := await desk.partner())
    await desk.work()
    before = (await desk.request(booking_id)).starts_at
    await desk.theatre.faults(fail=2)
    await desk.asking.move(booking_id, before + DAY, 5)
    await desk.asking.move(booking_id, before + TWO_MINUTES, 4)  # older news that were late
    await desk.asking.move(booking_id, before + DAY, 5)  # came again
    await desk.work_for(timedelta(minutes=2), timedelta(seconds=20))
    kinds = [(exchange["kind"], exchange["outcome"]) for exchange in await desk.log(partner, booking_id)]
    assert kinds == [("confirm", "confirmed"), ("move", "failed"), ("move", "failed"), ("move", "moved")]
    known = await desk.theatre.booking(booking_id)
    assert datetime.fromisoformat(known["startsAt"]) == before + DAY
    assert [ticket["seatId"] for ticket in known["tickets"]] == ["A1", "A2"]
    assert (await desk.look(partner))["open"] == {"asking": 0, "telling": 0}


async def test_a_move_and_seats_given_back_are_told_together(desk: Desk) -> None:
    booking_id = await desk.ask(partner := await desk.partner())
    await desk.work()
    later = (await desk.request(booking_id)).starts_at + DAY
    await desk.asking.move(booking_id, later, 3)
    await desk.asking.reduce(booking_id, ["A2"])
    await desk.work()
    assert [exchange["kind"] for exchange in await desk.log(partner, booking_id)] == ["confirm", "reduce"]
    known = await desk.theatre.booking(booking_id)
    assert datetime.fromisoformat(known["startsAt"]) == later
    assert [ticket["seatId"] for ticket in known["tickets"]] == ["A2"]


async def test_what_comes_up_while_a_move_is_told_is_told_next(desk: Desk) -> None:
    booking_id = await desk.ask(await desk.partner())
    await desk.work()
    later = (await desk.request(booking_id)).starts_at + DAY
    await desk.asking.move(booking_id, later, 3)
    sent = await desk.request(booking_id)
    await desk.asking.reduce(booking_id, ["A2"])
    await desk.asking._change(sent, lambda it: it.told(sent, desk.clock.now()))
    now = await desk.request(booking_id)
    assert (now.moving, now.reducing, now.due_at) == ("told", "due", now.updated_at)


async def test_a_show_moved_while_the_theatre_is_asked_is_told_once_it_has_confirmed(desk: Desk) -> None:
    booking_id = await desk.ask(partner := await desk.partner())
    later = (await desk.request(booking_id)).starts_at + DAY
    await desk.asking.move(booking_id, later, 3)
    await desk.work()
    assert [exchange["kind"] for exchange in await desk.log(partner, booking_id)] == ["confirm", "move"]
    assert datetime.fromisoformat((await desk.theatre.booking(booking_id))["startsAt"]) == later
    assert [event["type"] for event in await desk.events(booking_id)] == ["PartnerConfirmed"]


async def test_a_show_moved_away_and_back_while_the_theatre_is_asked_is_no_news(desk: Desk) -> None:
    booking_id = await desk.ask(partner := await desk.partner())
    before = (await desk.request(booking_id)).starts_at
    await desk.asking.move(booking_id, before + DAY, 3)
    await desk.asking.move(booking_id, before, 4)
    await desk.work()
    assert [exchange["kind"] for exchange in await desk.log(partner, booking_id)] == ["confirm"]


async def test_a_move_that_is_heard_of_before_the_request_is_kept_for_later(desk: Desk) -> None:
    with pytest.raises(NotAskedYet):
        await desk.asking.move(new_id(), desk.clock.now(), 3)


async def test_a_request_of_before_moves_were_told_is_read_and_gone_on_with(desk: Desk) -> None:
    booking_id = await desk.ask(await desk.partner())
    fields = {"moving": "", "movedTo": "", "movedVersion": ""}
    await desk.database["requests"].update_one({"_id": booking_id}, {"$unset": fields})
    await desk.work()
    assert (await desk.request(booking_id)).state == "confirmed"
