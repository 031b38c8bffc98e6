"""Limits of promo codes: never more uses than there may be, and none lost when a booking comes to nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from inventory_service.app import create_app
from inventory_service.config import Settings
from inventory_service.domain.code_uses import Tally
from inventory_service.handlers.cancel import fail
from inventory_service.handlers.confirm import confirm
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.expire import sweep
from inventory_service.handlers.give_back import cancel_by_owner
from inventory_service.handlers.reserve import Reserve, reserve
from inventory_service.store.code_uses import CodeUses
from messaging.events import ShowtimeState
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.component.inventory.crashes import Step, dies_after
from tests.component.inventory.stage import ALL_SEATS, Buyer, Stage, problem
from tests.support import running

TEN_MINUTES = timedelta(minutes=10)
MOST_WRITES = 14


def code(**limits: Any) -> list[dict[str, Any]]:
    return [{"kind": "code", "code": "SPRING", "percent": 10, **limits}]


async def used(stage: Stage) -> dict[str, int]:
    """Uses by the end of their tally's key."""
    found: Counter[str] = Counter()
    async for document in stage.database["code_uses"].find({}):
        assert document["n"] == len(document["uses"])
        found[document["key"].split("/")[2]] += document["n"]
    return {whose: n for whose, n in found.items() if n}


async def take(stage: Stage, showtime: ShowtimeState, seat: str, buyer: Buyer | None = None) -> httpx2.Response:
    return await (buyer or stage.buyer()).reserve(showtime, seat, promoCode="spring")


async def paid(stage: Stage, booking_id: str) -> str:
    payment_id = await stage.prepared(booking_id)
    assert (await stage.settle(booking_id, payment_id)).json()["status"] == "confirmed"
    return payment_id


async def test_a_code_used_up_in_total_is_409_and_holds_nothing(stage: Stage) -> None:
    showtime = await stage.open(promotions=code(limit=2))
    for seat in ("A1", "A2"):
        assert (await take(stage, showtime, seat)).status_code == 201
    refused = problem(await take(stage, showtime, "A3"), 409, "promo-code-used-up")
    assert (refused["limit"], refused["most"]) == ("total", 2)
    assert await stage.taken(showtime) == {"A1": "held", "A2": "held"}
    assert (await stage.buyer().reserve(showtime, "A3")).status_code == 201


async def test_a_person_who_used_a_code_as_often_as_he_may_is_told_that_it_is_his_own_limit(stage: Stage) -> None:
    showtime, ann = await stage.open(promotions=code(limit=5, limitPerPerson=1)), stage.buyer()
    assert (await take(stage, showtime, "A1", ann)).status_code == 201
    refused = problem(await take(stage, showtime, "A2", ann), 409, "promo-code-used-up")
    assert (refused["limit"], refused["most"]) == ("person", 1)
    assert (await take(stage, showtime, "A2")).status_code == 201
    assert await used(stage) == {"all": 2, "person": 2}


async def test_a_code_counts_per_showtime_and_in_a_campaign_over_all_of_its_showtimes(stage: Stage) -> None:
    alone = [await stage.open(promotions=code(limit=1)) for _ in range(2)]
    assert [(await take(stage, showtime, "A1")).status_code for showtime in alone] == [201, 201]
    together = [await stage.open(promotions=code(limit=1, campaign="spring-26")) for _ in range(2)]
    assert [(await take(stage, showtime, "A1")).status_code for showtime in together] == [201, 409]


async def test_a_minimum_of_money_goes_by_the_tickets_before_discounts(stage: Stage) -> None:
    showtime = await stage.open(promotions=code(minAmount=5_000))
    refused = problem(await take(stage, showtime, "A1"), 422, "promo-code-not-applicable")
    assert refused["errors"][0]["pointer"] == "/promoCode"
    assert await stage.taken(showtime) == {}
    answer = await stage.buyer().reserve(showtime, "A1", "A2", promoCode="SPRING")
    assert answer.json()["price"]["discounts"] == [
        {"kind": "code", "description": "10 % off with SPRING", "amount": -500}
    ]


class Untouchable:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked of the uses of codes")


async def test_without_a_code_or_without_a_limit_the_uses_are_never_asked(stage: Stage) -> None:
    """So holds, payments and cancellations cost not one query more than they did."""
    limited, unlimited = await stage.open(promotions=code(limit=1)), await stage.open(promotions=code())
    blind = replace(stage.inventory, code_uses=CodeUses(Untouchable()))  # type: ignore[arg-type]  # a stand-in
    for showtime, given in ((limited, None), (unlimited, "SPRING")):
        for end in (False, True):
            command = Reserve(new_id(), new_id(), showtime.showtime_id, ["A1"], 600, promo_code=given)
            booking = await reserve(blind, command)
            if end:
                booking = await confirm(blind, booking.id, await stage.prepared(booking.id))
            assert (await cancel_by_owner(blind, booking)).status == "cancelled"


async def test_who_comes_again_with_his_key_uses_the_code_once(stage: Stage) -> None:
    showtime, ann = await stage.open(promotions=code(limit=1)), stage.buyer()
    answers = [await ann.reserve(showtime, "A1", promoCode="spring", key="mine") for _ in range(3)]
    assert {answer.json()["bookingId"] for answer in answers} == {answers[0].json()["bookingId"]}
    assert await used(stage) == {"all": 1}


# --- giving back -----------------------------------------------------------------------------------------------------


async def cancelled(stage: Stage, booking_id: str, owner: Buyer) -> None:
    assert (await owner.put(f"/bookings/{booking_id}/cancel")).status_code == 200


async def failed(stage: Stage, booking_id: str, _owner: Buyer) -> None:
    await stage.settle(booking_id, await stage.prepared(booking_id), "failed")


async def ran_out(stage: Stage, _booking_id: str, _owner: Buyer) -> None:
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)


async def bought_and_cancelled(stage: Stage, booking_id: str, owner: Buyer) -> None:
    await paid(stage, booking_id)
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)
    assert await used(stage) == {"all": 1, "person": 1}
    await cancelled(stage, booking_id, owner)


async def called_off(stage: Stage, booking_id: str, _owner: Buyer) -> None:
    await paid(stage, booking_id)
    showtime = await stage.inventory.showtime((await stage.inventory.booking(booking_id)).showtime_id)
    await stage.tell("ShowtimeCancelled", showtime.model_copy(update={"version": 2, "status": "cancelled"}))


@pytest.mark.parametrize("end", [cancelled, failed, ran_out, bought_and_cancelled, called_off])
async def test_a_use_comes_back_when_its_booking_comes_to_nothing(
    stage: Stage, end: Callable[[Stage, str, Buyer], Awaitable[None]]
) -> None:
    showtime, ann = await stage.open(promotions=code(limit=1, limitPerPerson=1)), stage.buyer()
    booking_id = (await take(stage, showtime, "A1", ann)).json()["bookingId"]
    await end(stage, booking_id, ann)
    assert await used(stage) == {}
    if end is not called_off:
        assert (await take(stage, showtime, "A2", ann)).status_code == 201


async def test_a_bought_use_stays_however_often_the_sweeper_comes_by(stage: Stage) -> None:
    showtime = await stage.open(promotions=code(limit=1))
    await paid(stage, (await take(stage, showtime, "A1")).json()["bookingId"])
    for _ in range(3):
        stage.clock.advance(TEN_MINUTES)
        await sweep(stage.inventory)
    problem(await take(stage, showtime, "A2"), 409, "promo-code-used-up")


async def test_a_use_of_a_hold_that_was_extended_lives_as_long_as_the_hold(stage: Stage) -> None:
    showtime, ann = await stage.open(promotions=code(limit=1)), stage.buyer()
    booking_id = (await take(stage, showtime, "A1", ann)).json()["bookingId"]
    await ann.post(f"/bookings/{booking_id}/extend", {"additionalMinutes": 10})
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)
    problem(await take(stage, showtime, "A2"), 409, "promo-code-used-up")
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)
    assert (await take(stage, showtime, "A2")).status_code == 201


async def test_a_use_that_found_no_seats_is_not_counted(stage: Stage) -> None:
    showtime, ann = await stage.open(promotions=code(limit=1)), stage.buyer()
    await stage.hold(showtime, "A1")
    assert (await take(stage, showtime, "A1", ann)).status_code == 409
    assert await used(stage) == {}
    assert (await take(stage, showtime, "A2", ann)).status_code == 201


async def test_who_finds_the_code_used_up_only_after_the_hold_gives_the_seats_back(stage: Stage) -> None:
    """Two promotions of one code: which one holds is told by what the tickets cost, so nobody can look before."""
    promotions = [*code(limit=1, minAmount=2_000), *code(limit=1)]
    showtime, ann = await stage.open(promotions=promotions), stage.buyer()
    assert (await take(stage, showtime, "A1")).status_code == 201
    problem(await take(stage, showtime, "A2", ann), 409, "promo-code-used-up")
    assert await stage.taken(showtime) == {"A1": "held"}
    assert await used(stage) == {"all": 1}


async def test_late_money_keeps_its_price_and_counts_again_above_the_limit(stage: Stage) -> None:
    showtime = await stage.open(promotions=code(limit=1))
    late = (await take(stage, showtime, "A1")).json()
    payment_id = await stage.prepared(late["bookingId"])
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)
    await paid(stage, (await take(stage, showtime, "A2")).json()["bookingId"])
    answer = await stage.settle(late["bookingId"], payment_id)
    assert (answer.json()["status"], answer.json()["price"]) == ("confirmed", late["price"])
    assert await used(stage) == {"all": 2}
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)
    assert await used(stage) == {"all": 2}


# --- races -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def processes(stage: Stage, settings: Settings, shared_clock: ManualClock) -> AsyncIterator[list[Any]]:
    """Three API processes: the house's own and two more."""
    async with AsyncExitStack() as stack:
        more = [await stack.enter_async_context(running(create_app(settings, shared_clock))) for _ in range(2)]
        yield [stage.client, *more]


@pytest.mark.parametrize("limits", [{"limit": 7}, {"limit": 7, "limitPerPerson": 2}])
async def test_a_crowd_over_several_processes_gets_exactly_what_there_is(
    stage: Stage, processes: list[Any], limits: dict[str, int]
) -> None:
    showtime = await stage.open(promotions=code(**limits))
    crowd = [stage.buyer(client=processes[n % 3]) for n in range(30)]
    answers = await asyncio.gather(
        *(take(stage, showtime, seat, buyer) for seat, buyer in zip(ALL_SEATS, crowd, strict=False))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 7, 409: 23}
    assert (await used(stage))["all"] == 7
    assert len(await stage.taken(showtime)) == 7
    await stage.sound()


async def test_a_person_with_many_processes_at_once_gets_no_more_than_he_may(
    stage: Stage, processes: list[Any]
) -> None:
    showtime, subject = await stage.open(promotions=code(limit=50, limitPerPerson=3)), new_id()
    buyers = [stage.buyer(subject=subject, client=processes[n % 3]) for n in range(8)]
    answers = await asyncio.gather(
        *(take(stage, showtime, seat, buyer) for seat, buyer in zip(ALL_SEATS, buyers, strict=False))
    )
    assert Counter(answer.status_code for answer in answers)[201] == 3
    assert await used(stage) == {"all": 3, "person": 3}


async def test_a_large_limit_is_spread_over_documents_and_still_exact(stage: Stage) -> None:
    uses = CodeUses(stage.database["code_uses"], part=4)
    tally, until = Tally("campaign/c/all/x", "total", 10), stage.clock.now() + TEN_MINUTES
    places = await asyncio.gather(*(uses.claim(tally, new_id(), until) for _ in range(40)))
    assert sum(place is not None for place in places) == 10
    documents = await stage.database["code_uses"].find({}).to_list()
    assert sorted(document["n"] for document in documents) == [2, 4, 4]


async def test_a_limit_that_was_lowered_below_what_is_used_lets_nobody_in(stage: Stage) -> None:
    uses, until = CodeUses(stage.database["code_uses"], part=4), stage.clock.now() + TEN_MINUTES
    before = Tally("campaign/c/all/x", "total", 12)
    claimed = {booking: await uses.claim(before, booking, until) for booking in (new_id() for _ in range(12))}
    for booking, place in claimed.items():
        if place and place.startswith("0:"):
            found = await uses.find(place, booking)
            assert found
            assert await uses.drop(found)
    assert await uses.claim(replace(before, most=8), new_id(), until) is None
    assert await uses.claim(replace(before, most=9), new_id(), until) is not None


# --- crashes ---------------------------------------------------------------------------------------------------------


Story = Callable[[Stage, ShowtimeState], Awaitable[tuple[Step, int]]]


async def held_with_code(stage: Stage, showtime: ShowtimeState) -> str:
    booking_id: str = (await take(stage, showtime, "A1")).json()["bookingId"]
    return booking_id


async def holding(stage: Stage, showtime: ShowtimeState) -> tuple[Step, int]:
    command = Reserve(new_id(), new_id(), showtime.showtime_id, ["A1"], 600, promo_code="SPRING")
    return lambda inventory: reserve(inventory, command), 0


async def buying(stage: Stage, showtime: ShowtimeState) -> tuple[Step, int]:
    booking_id = await held_with_code(stage, showtime)
    payment_id = await stage.prepared(booking_id)
    return lambda inventory: confirm(inventory, booking_id, payment_id), 1


async def buying_late(stage: Stage, showtime: ShowtimeState) -> tuple[Step, int]:
    step, uses = await buying(stage, showtime)
    stage.clock.advance(TEN_MINUTES)
    await sweep(stage.inventory)
    assert await used(stage) == {}
    return step, uses


async def giving_up(stage: Stage, showtime: ShowtimeState) -> tuple[Step, int]:
    booking = await stage.inventory.booking(await held_with_code(stage, showtime))
    return lambda inventory: cancel_by_owner(inventory, booking), 0


async def failing(stage: Stage, showtime: ShowtimeState) -> tuple[Step, int]:
    booking_id = await held_with_code(stage, showtime)
    payment_id = await stage.prepared(booking_id)
    return lambda inventory: fail(inventory, booking_id, payment_id), 0


async def cancelling(stage: Stage, showtime: ShowtimeState) -> tuple[Step, int]:
    booking_id = await held_with_code(stage, showtime)
    await paid(stage, booking_id)
    booking = await stage.inventory.booking(booking_id)
    return lambda inventory: cancel_by_owner(inventory, booking), 0


async def expiring(stage: Stage, showtime: ShowtimeState) -> tuple[Step, int]:
    await held_with_code(stage, showtime)
    stage.clock.advance(TEN_MINUTES)
    return sweep, 0


@pytest.mark.parametrize("repeated", [True, False], ids=["repeated", "swept"])
@pytest.mark.parametrize("story", [holding, buying, buying_late, giving_up, failing, cancelling, expiring])
async def test_a_crash_anywhere_neither_loses_a_use_nor_leaves_one(stage: Stage, story: Story, repeated: bool) -> None:
    for writes in range(1, MOST_WRITES):
        await stage.database["code_uses"].delete_many({})
        showtime = await stage.open(promotions=code(limit=1, limitPerPerson=1))
        step, uses = await story(stage, showtime)
        died = await dies_after(stage.inventory, writes, step)
        assert max((await used(stage)).values(), default=0) <= 1
        # A payment that left no mark is told again until it is dealt with.
        if repeated or (story in {buying, buying_late} and not await sold(stage, showtime)):
            stage.clock.advance(timedelta(seconds=6))
            if story is not holding:
                await step(stage.inventory)
        for _ in range(3):
            stage.clock.advance(TEN_MINUTES)
            await sweep(stage.inventory)
        assert await used(stage) == ({"all": uses, "person": uses} if uses else {}), writes
        await stage.sound()
        if not died:
            assert writes > 1
            return
    raise AssertionError("the step never came to its end")


async def sold(stage: Stage, showtime: ShowtimeState) -> bool:
    return "booked" in (await stage.taken(showtime)).values()


async def test_a_hold_after_a_crash_finds_its_own_use_of_the_last_there_was(stage: Stage) -> None:
    showtime = await stage.open(promotions=code(limit=1, limitPerPerson=1))
    command = Reserve(new_id(), new_id(), showtime.showtime_id, ["A1"], 600, promo_code="SPRING")

    async def step(inventory: Inventory) -> object:
        return await reserve(inventory, command)

    # Seats; of each of two tallies no room, its document, and a use; and then no booking.
    assert await dies_after(stage.inventory, 7, step)
    assert await used(stage) == {"all": 1, "person": 1}
    booking = await reserve(stage.inventory, replace(command, retried=True))
    assert booking.status == "pending"
    assert await used(stage) == {"all": 1, "person": 1}
