"""Late money whose seats are gone: an equal block, where the buyer agreed to that, else the money back."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import pytest

from inventory_service.handlers.cancel import cancel
from inventory_service.handlers.confirm import confirm
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.expire import sweep
from inventory_service.handlers.reserve import Reserve, reserve
from messaging.events import ShowtimeState
from service_kit.ids import new_id
from tests.component.inventory.crashes import dies_after, meddled
from tests.component.inventory.stage import PRICING, Stage

TEN_MINUTES = timedelta(minutes=10)
MOST_STEPS = 40
ROW_A = [f"A{n}" for n in range(1, 11)]


async def lost(
    stage: Stage, *seat_ids: str, showtime: ShowtimeState | None = None, agreed: bool = True
) -> tuple[ShowtimeState, str, str]:
    """A booking whose hold ran out, whose seats somebody else bought, and whose payment is under way."""
    showtime = showtime or await stage.open()
    booking_id = await stage.hold(showtime, *seat_ids, acceptOther=agreed)
    payment_id = await stage.prepared(booking_id)
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)
    await stage.bought(showtime, seat_ids[0])
    return showtime, booking_id, payment_id


async def sell_all_but(stage: Stage, showtime: ShowtimeState, row: Sequence[str], *left: str) -> None:
    taken = await stage.taken(showtime)
    wanted = [seat_id for seat_id in row if seat_id not in left and seat_id not in taken]
    await stage.bought(showtime, *wanted)


async def went_back(stage: Stage, booking_id: str, payment_id: str) -> None:
    answer = (await stage.settle(booking_id, payment_id)).json()
    assert (answer["status"], answer["refund"]["reason"]) == ("expired", "seats-gone")
    assert "seatsChanged" not in answer
    assert await stage.events(booking_id, "BookingConfirmed") == []
    await stage.sound()


async def test_who_agreed_gets_an_equal_block_and_is_told_of_it(stage: Stage) -> None:
    showtime, booking_id, payment_id = await lost(stage, "A1", "A2")
    await sell_all_but(stage, showtime, ROW_A, "A7", "A8", "A3")
    before = await stage.document(booking_id)
    answer = (await stage.settle(booking_id, payment_id)).json()
    assert (answer["status"], answer["seatIds"], answer["acceptOther"]) == ("confirmed", ["A7", "A8"], True)
    assert answer["seatsChanged"] == {"from": ["A1", "A2"], "to": ["A7", "A8"]}
    assert [(line["seatId"], line["label"], line["amount"]) for line in answer["price"]["lines"]] == [
        ("A7", "A7", 2_500),
        ("A8", "A8", 2_500),
    ]
    assert answer["finalAmount"] == before["amount"]
    (told,) = await stage.events(booking_id, "BookingConfirmed")
    assert told["data"]["seatIds"] == ["A7", "A8"]
    assert await stage.holds(showtime) == {}
    assert (await stage.taken(showtime))["A7"] == "booked"
    ticket = await stage.buyer("admin").get(f"/bookings/{booking_id}/ticket")
    assert ticket.status_code == 200
    await stage.sound()


async def test_told_twice_at_once_while_a_better_block_becomes_free_he_gets_one_block(stage: Stage) -> None:
    """The slower of the two has read the map without that block, and would choose another."""
    for at in range(1, MOST_STEPS):
        showtime, booking_id, payment_id = await lost(stage, "A1", "A2")
        await sell_all_but(stage, showtime, ROW_A, "A4", "A5", "A8", "A9")
        rival = stage.buyer()
        held = await stage.hold(showtime, "A4", "A5", buyer=rival)

        async def overtake(hold: str = held, paid: str = booking_id, payment: str = payment_id) -> None:
            await cancel(stage.inventory, await stage.inventory.booking(hold))
            await confirm(stage.inventory, paid, payment)

        step = partial(confirm, booking_id=booking_id, payment_id=payment_id)
        reached = await meddled(stage.inventory, at, step, overtake)
        await stage.sound()
        assert len((await stage.document(booking_id))["seatIds"]) == 2
        sold = [seat for seat in ("A4", "A5", "A8", "A9") if (await stage.taken(showtime)).get(seat) == "booked"]
        assert sold == (await stage.document(booking_id))["seatIds"]
        if not reached:
            return
    raise AssertionError("it never ends")


async def test_his_own_seats_come_first(stage: Stage) -> None:
    showtime = await stage.open()
    booking_id = await stage.hold(showtime, "A1", "A2", acceptOther=True)
    payment_id = await stage.prepared(booking_id)
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)
    answer = (await stage.settle(booking_id, payment_id)).json()
    assert (answer["status"], answer["seatIds"]) == ("confirmed", ["A1", "A2"])
    assert "seatsChanged" not in answer


async def test_who_did_not_agree_gets_his_money_back(stage: Stage) -> None:
    _, booking_id, payment_id = await lost(stage, "A1", "A2", agreed=False)
    await went_back(stage, booking_id, payment_id)


async def test_without_an_equal_block_the_money_goes_back(stage: Stage) -> None:
    showtime, booking_id, payment_id = await lost(stage, "A1", "A2")
    await sell_all_but(stage, showtime, ROW_A, "A4", "A6", "A8")
    await went_back(stage, booking_id, payment_id)


async def test_seats_that_are_blocked_or_dearer_now_are_no_equal(stage: Stage) -> None:
    showtime, booking_id, payment_id = await lost(stage, "A1", "A2")
    await sell_all_but(stage, showtime, ROW_A, "A7", "A8")
    await stage.block(showtime, "A7")
    await went_back(stage, booking_id, payment_id)
    other, booking_id, payment_id = await lost(stage, "A1", "A2")
    dearer = PRICING.model_copy(update={"tiers": {**PRICING.tiers, "vip": 9_900}})
    await stage.tell("ShowtimeUpdated", other.model_copy(update={"version": 2, "pricing": dearer}))
    await went_back(stage, booking_id, payment_id)


async def test_two_bands_get_a_block_each(stage: Stage) -> None:
    _, booking_id, payment_id = await lost(stage, "A1", "A2", "E5", "E6")
    answer = (await stage.settle(booking_id, payment_id)).json()
    assert answer["status"] == "confirmed"
    rows = "".join(sorted(seat_id[0] for seat_id in answer["seatIds"]))
    assert rows[:2] == "AA"
    assert set(rows[2:]) <= set("EF")
    assert [line["amount"] for line in answer["price"]["lines"]] == [2_500, 2_500, 800, 800]
    await stage.sound()


async def test_where_one_band_finds_nothing_none_is_taken(stage: Stage) -> None:
    showtime, booking_id, payment_id = await lost(stage, "A1", "A2", "E5", "E6")
    await sell_all_but(stage, showtime, ROW_A, "A4")
    before = await stage.taken(showtime)
    await went_back(stage, booking_id, payment_id)
    assert await stage.taken(showtime) == before


async def test_after_the_show_has_begun_the_money_goes_back(stage: Stage) -> None:
    showtime = await stage.open(starts_at=stage.clock.now() + timedelta(minutes=12))
    _, booking_id, payment_id = await lost(stage, "A1", showtime=showtime)
    stage.clock.advance(TEN_MINUTES)
    await went_back(stage, booking_id, payment_id)


async def test_seats_under_a_hold_that_ran_out_are_free(stage: Stage) -> None:
    showtime, booking_id, payment_id = await lost(stage, "A1", "A2")
    await sell_all_but(stage, showtime, ROW_A, "A7", "A8")
    await stage.hold(showtime, "A7", "A8", holdTimeoutSeconds=60)
    stage.clock.advance(timedelta(minutes=1))
    assert (await stage.settle(booking_id, payment_id)).json()["seatIds"] == ["A7", "A8"]
    await sweep(stage.inventory)
    await stage.sound()


async def test_the_news_of_one_payment_five_times_at_once_buys_one_block(stage: Stage) -> None:
    showtime, booking_id, payment_id = await lost(stage, "A1", "A2")
    told = await asyncio.gather(*(confirm(stage.inventory, booking_id, payment_id) for _ in range(5)))
    assert {booking.status for booking in told} == {"confirmed"}
    assert len({tuple(booking.seat_ids) for booking in told}) == 1
    assert len(await stage.events(booking_id, "BookingConfirmed")) == 1
    assert len(await stage.taken(showtime)) == 3
    again = (await stage.settle(booking_id, payment_id)).json()
    assert again["seatIds"] == told[0].seat_ids
    await stage.sound()


async def test_a_crowd_of_late_payments_shares_what_is_left_and_the_rest_get_their_money(stage: Stage) -> None:
    showtime = await stage.open()
    late = []
    for _ in range(5):
        booking_id = await stage.hold(showtime, "A1", "A2", acceptOther=True)
        late.append((booking_id, await stage.prepared(booking_id)))
        stage.clock.advance(TEN_MINUTES)
        await sweep(stage.inventory)
    await stage.bought(showtime, "A1", "A2")
    await sell_all_but(stage, showtime, ROW_A, "A4", "A5", "A8", "A9")
    bookings = await asyncio.gather(*(confirm(stage.inventory, *one) for one in late))
    assert sorted(booking.status for booking in bookings) == ["confirmed"] * 2 + ["expired"] * 3
    assert sum(booking.refund is not None for booking in bookings) == 3
    await stage.sound()


async def test_whoever_comes_in_between_nobody_loses_seats_or_money(stage: Stage) -> None:
    """Another buys the best other block before the first, second, third … call of the late payment."""
    for at in range(1, MOST_STEPS):
        showtime, booking_id, payment_id = await lost(stage, "A1", "A2")
        await sell_all_but(stage, showtime, ROW_A, "A5", "A6", "A8", "A9")
        rival = partial(buy, stage.inventory, Reserve(new_id(), new_id(), showtime.showtime_id, ["A5", "A6"], 600))
        pay = partial(confirm, booking_id=booking_id, payment_id=payment_id)
        in_time = await meddled(stage.inventory, at, pay, rival)
        booking = await pay(stage.inventory)
        assert (booking.status, booking.refund) == ("confirmed", None)
        assert booking.seat_ids in (["A5", "A6"], ["A8", "A9"])
        await stage.sound()
        if not in_time:
            return
    raise AssertionError("the step never came to its end")


async def buy(inventory: Inventory, command: Reserve) -> None:
    booking = await reserve(inventory, command)
    await confirm(inventory, booking.id, new_id())


@pytest.mark.parametrize("mended", ["told again", "swept"])
@pytest.mark.parametrize("repriced", [False, True])
async def test_a_crash_anywhere_is_finished_with_the_seats_of_the_mark(
    stage: Stage, mended: str, repriced: bool
) -> None:
    for writes in range(1, MOST_STEPS):
        showtime, booking_id, payment_id = await lost(stage, "A1", "A2", "E5")
        pay = partial(confirm, booking_id=booking_id, payment_id=payment_id)
        died = await dies_after(stage.inventory, writes, pay)
        await stage.sound()
        marked = set(await stage.taken(showtime)) - {"A1"}
        if repriced:
            dearer = PRICING.model_copy(update={"tiers": {"standard": 1, "vip": 2, "balcony": 3}})
            await stage.tell("ShowtimeUpdated", showtime.model_copy(update={"version": 2, "pricing": dearer}))
        stage.clock.advance(timedelta(seconds=20))
        if mended == "swept":
            await sweep(stage.inventory)
        else:
            await pay(stage.inventory)
        booking = await stage.inventory.booking(booking_id)
        assert booking.status == "confirmed"
        assert set(booking.seat_ids) == marked == {line["seat_id"] for line in booking.price["lines"]}
        assert sorted(line["amount"] for line in booking.price["lines"]) == [800, 2_500, 2_500]
        assert booking.seats_changed == {"from": ["A1", "A2", "E5"], "to": booking.seat_ids}
        await stage.sound()
        if not died:
            assert writes > 1
            return
    raise AssertionError("the step never came to its end")


@pytest.mark.parametrize("swept", [True, False])
async def test_who_cancels_after_a_crash_gives_back_the_seats_he_was_given(stage: Stage, swept: bool) -> None:
    showtime, booking_id, payment_id = await lost(stage, "A1", "A2")
    assert await dies_after(stage.inventory, 1, partial(confirm, booking_id=booking_id, payment_id=payment_id))
    assert len(await stage.taken(showtime)) == 3
    if swept:
        stage.clock.advance(timedelta(seconds=20))
        await sweep(stage.inventory)
    else:  # whoever took the seats was cut short before he told the booking that its hold is over
        await stage.database["bookings"].update_one({"_id": booking_id}, {"$set": {"status": "pending"}})
    owner = stage.buyer(subject=(await stage.inventory.booking(booking_id)).user_id)
    answer = (await owner.put(f"/bookings/{booking_id}/cancel")).json()
    assert (answer["status"], answer["refund"]["amount"]) == ("cancelled", answer["finalAmount"])
    assert answer["seatsChanged"]["to"] == answer["seatIds"]
    assert await stage.taken(showtime) == {"A1": "booked"}
    await stage.sound()
