"""Two steps at once, systematically: all of the second happens before the first, second, third … call of the first.

Whatever the point, in the end each seat has one owner, and who paid has his seats or his money, never both or neither.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import pytest

from inventory_service.domain.booking import Booking
from inventory_service.handlers.cancel import fail, refunded
from inventory_service.handlers.confirm import confirm
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.expire import sweep
from inventory_service.handlers.follow_up import follow_up
from inventory_service.handlers.give_back import Wish, cancel_by_owner
from inventory_service.handlers.move import move
from inventory_service.handlers.pauses import PAUSE
from inventory_service.handlers.read import scan_ticket
from inventory_service.handlers.reserve import Reserve, extend, reserve
from messaging.events import ShowtimeState
from service_kit.errors import DomainError
from service_kit.ids import new_id
from tests.component.inventory.crashes import meddled
from tests.component.inventory.reseating import publish
from tests.component.inventory.stage import Stage

TEN_MINUTES = timedelta(minutes=10)
MOST_CALLS = 40


@dataclass
class Scene:
    """A booking of A1 and A2 with its payment, and a second buyer who is after A2."""

    stage: Stage
    showtime: ShowtimeState
    booking_id: str
    payment_id: str
    paid: bool = False
    money_came_back: bool = False
    called_off: bool = False
    rivals: list[str] = field(default_factory=list)

    async def booking(self, inventory: Inventory) -> Booking:
        return await inventory.booking(self.booking_id)

    async def pay(self, inventory: Inventory) -> None:
        self.paid = True
        await confirm(inventory, self.booking_id, self.payment_id)

    async def decline(self, inventory: Inventory) -> None:
        await fail(inventory, self.booking_id, self.payment_id)

    async def cancel(self, inventory: Inventory) -> None:
        await cancel_by_owner(inventory, await self.booking(inventory))

    async def give_back_a_seat(self, inventory: Inventory) -> None:
        await cancel_by_owner(inventory, await self.booking(inventory), Wish(["A2"]))

    async def extend(self, inventory: Inventory) -> None:
        await extend(inventory, await self.booking(inventory), 10)

    async def give_money_back(self, inventory: Inventory) -> None:
        self.money_came_back = True
        await refunded(inventory, self.booking_id, (await self.booking(inventory)).paid)

    async def scan(self, inventory: Inventory) -> None:
        answer = await self.stage.buyer("admin").get(f"/bookings/{self.booking_id}/ticket")
        if answer.status_code == 200:
            await scan_ticket(inventory, answer.json()["code"])

    async def rival_holds(self, inventory: Inventory) -> None:
        booking_id = new_id()
        self.rivals.append(booking_id)
        await reserve(inventory, Reserve(booking_id, new_id(), self.showtime.showtime_id, ["A2", "A3"], 1_800))

    async def rival_buys(self, inventory: Inventory) -> None:
        await self.rival_holds(inventory)
        await confirm(inventory, self.rivals[-1], new_id())

    async def rival_cancels(self, inventory: Inventory) -> None:
        await cancel_by_owner(inventory, await inventory.booking(self.rivals[-1]))

    async def call_off(self, inventory: Inventory) -> None:
        self.called_off = True
        state = self.showtime.model_copy(update={"version": 2, "status": "cancelled"})
        await inventory.seat_maps.follow([state], inventory.now())
        await follow_up(inventory)

    async def sweep(self, inventory: Inventory) -> None:
        await sweep(inventory)

    async def sweep_by_a_fast_clock(self, inventory: Inventory) -> None:
        ahead = type(self.stage.clock)(self.stage.clock.now() + TEN_MINUTES)
        await sweep(replace(inventory, clock=ahead))

    async def move(self, inventory: Inventory) -> None:
        """To the layout that it has not, in which every seat has another position."""
        seat_map = await inventory.seat_map(self.showtime.showtime_id)
        await move(inventory, self.showtime.showtime_id, 3 - seat_map.layout.version, lambda _version: None)

    async def pay_by_a_fast_clock(self, inventory: Inventory) -> None:
        """Of which no pause of the seats keeps it."""
        await self.pay(replace(inventory, clock=type(self.stage.clock)(self.stage.clock.now() + 2 * PAUSE)))

    async def somebody_else_cancels(self, inventory: Inventory) -> None:
        elsewhere = await inventory.bookings.of_showtime(self.showtime.showtime_id, ["confirmed"])
        for booking in elsewhere:
            if booking.seat_ids == ["F1"]:
                await cancel_by_owner(inventory, booking)


Step = Callable[[Scene, Inventory], Awaitable[None]]


def first_then(*steps: Step) -> Step:
    async def one_after_the_other(scene: Scene, inventory: Inventory) -> None:
        for step in steps:
            with suppress(DomainError):
                await step(scene, inventory)

    one_after_the_other.__name__ = "-".join(step.__name__ for step in steps)
    return one_after_the_other


pay, decline, cancel, extend_, give_money_back = (
    Scene.pay,
    Scene.decline,
    Scene.cancel,
    Scene.extend,
    Scene.give_money_back,
)
give_back_a_seat = Scene.give_back_a_seat
rival_holds, rival_buys, swept = Scene.rival_holds, Scene.rival_buys, Scene.sweep

moved = Scene.move

# What came before, the step, and what overtakes it.
WHILE_HELD = [
    (pay, pay),
    (pay, cancel),
    (cancel, pay),
    (pay, decline),
    (decline, pay),
    (pay, give_money_back),
    (give_money_back, pay),
    (give_money_back, cancel),
    (cancel, first_then(pay, cancel)),
    (cancel, first_then(pay, cancel, rival_buys)),
    (extend_, pay),
    (pay, extend_),
    (extend_, cancel),
    (Scene.sweep_by_a_fast_clock, extend_),
    (extend_, Scene.sweep_by_a_fast_clock),
    (Scene.sweep_by_a_fast_clock, pay),
    (pay, moved),
    (pay, first_then(moved, cancel, rival_buys)),
    (decline, moved),
    (cancel, moved),
    (extend_, moved),
    (rival_holds, moved),
    (moved, Scene.pay_by_a_fast_clock),
    (moved, Scene.sweep_by_a_fast_clock),
    (moved, moved),
]
ONCE_RUN_OUT = [
    (pay, pay),
    (pay, rival_holds),
    (rival_holds, pay),
    (pay, swept),
    (swept, pay),
    (swept, rival_holds),
    (rival_holds, swept),
    (cancel, rival_holds),
    (cancel, pay),
    (swept, first_then(rival_holds, pay)),
    (pay, first_then(pay, cancel)),
    (pay, first_then(pay, cancel, rival_buys)),
    (pay, first_then(rival_buys, pay)),
    (pay, first_then(rival_holds, pay, Scene.rival_cancels)),
    (pay, Scene.somebody_else_cancels),
    (pay, moved),
    (pay, first_then(moved, rival_buys)),
    (rival_holds, moved),
    (swept, moved),
    (moved, Scene.pay_by_a_fast_clock),
]
ONCE_SOLD = [
    (cancel, cancel),
    (cancel, first_then(cancel, rival_buys)),
    (pay, first_then(cancel, rival_buys)),
    (cancel, Scene.scan),
    (Scene.scan, cancel),
    (cancel, give_money_back),
    (give_money_back, cancel),
    (give_money_back, first_then(cancel, rival_buys)),
    (cancel, swept),
    (cancel, moved),
    (cancel, first_then(moved, cancel, rival_buys)),
    (give_money_back, moved),
    (Scene.scan, moved),
    (give_back_a_seat, give_back_a_seat),
    (give_back_a_seat, first_then(give_back_a_seat, rival_buys)),
    (give_back_a_seat, cancel),
    (give_back_a_seat, first_then(cancel, rival_buys)),
    (cancel, give_back_a_seat),
    (cancel, first_then(give_back_a_seat, rival_buys)),
    (give_back_a_seat, give_money_back),
    (give_money_back, first_then(give_back_a_seat, rival_buys)),
    (give_back_a_seat, Scene.scan),
    (Scene.scan, give_back_a_seat),
    (give_back_a_seat, pay),
    (pay, first_then(give_back_a_seat, rival_buys)),
    (give_back_a_seat, moved),
    (give_back_a_seat, first_then(moved, give_back_a_seat, rival_buys)),
    (moved, give_back_a_seat),
]


async def held(stage: Stage) -> Scene:
    showtime = await stage.open()
    publish(stage, showtime)
    await stage.bought(showtime, "F1")
    booking_id = await stage.hold(showtime, "A1", "A2")
    return Scene(stage, showtime, booking_id, await stage.prepared(booking_id))


async def run_out(stage: Stage) -> Scene:
    scene = await held(stage)
    stage.clock.advance(TEN_MINUTES)
    return scene


async def hold_gone(stage: Stage) -> Scene:
    """The hold was evicted and its booking has not been told, as a crash leaves it."""
    scene = await run_out(stage)
    seat_map = await stage.inventory.seat_map(scene.showtime.showtime_id)
    await stage.inventory.seat_maps.release(
        scene.showtime.showtime_id, seat_map.layout, list(seat_map.holds.values()), stage.clock.now()
    )
    return scene


async def expired(stage: Stage) -> Scene:
    scene = await run_out(stage)
    await sweep(stage.inventory)
    return scene


async def sold(stage: Stage) -> Scene:
    scene = await held(stage)
    await scene.pay(stage.inventory)
    return scene


CASES = [
    *((held, first, second) for first, second in WHILE_HELD),
    *((run_out, first, second) for first, second in ONCE_RUN_OUT),
    *((hold_gone, first, second) for first, second in ONCE_RUN_OUT),
    *((begin, pay, Scene.call_off) for begin in (held, run_out, hold_gone, expired, sold)),
    *((begin, Scene.call_off, pay) for begin in (held, run_out, expired)),
    *((sold, first, second) for first, second in [(cancel, Scene.call_off), (Scene.call_off, give_back_a_seat)]),
    (expired, pay, pay),
    (expired, pay, rival_buys),
    (expired, pay, first_then(rival_holds, pay, Scene.rival_cancels)),
    (expired, pay, first_then(pay, cancel, rival_buys)),
    *((sold, first, second) for first, second in ONCE_SOLD),
]


@pytest.mark.parametrize(
    ("begin", "step", "other"),
    CASES,
    ids=[f"{begin.__name__}: {step.__name__} overtaken by {other.__name__}" for begin, step, other in CASES],
)
async def test_a_step_overtaken_at_any_point_ends_well(
    stage: Stage, begin: Callable[[Stage], Awaitable[Scene]], step: Step, other: Step
) -> None:
    inventory = stage.inventory
    for at in range(1, MOST_CALLS):
        scene = await begin(stage)

        async def overtake(scene: Scene = scene) -> None:
            with suppress(DomainError):
                await other(scene, inventory)

        async def run(given: Inventory, scene: Scene = scene) -> None:
            await step(scene, given)

        overtaken = await meddled(inventory, at, run, overtake)
        await check(scene, f"overtaken at call {at}")
        if not overtaken:
            assert at > 2
            return
    raise AssertionError("the step never came to its end")


async def check(scene: Scene, where: str) -> None:
    """After everything has been told again and swept."""
    stage = scene.stage
    if scene.paid:
        await confirm(stage.inventory, scene.booking_id, scene.payment_id)
    stage.clock.advance(timedelta(minutes=40))
    for _ in range(2):
        await sweep(stage.inventory)
        await follow_up(stage.inventory)
        stage.clock.advance(timedelta(minutes=2))
    await stage.sound()
    booking = await stage.inventory.booking(scene.booking_id)
    assert not (scene.called_off and booking.status == "confirmed"), where
    events = await stage.events(scene.booking_id, "RefundRequested")
    requests = {event["data"]["refundId"]: event["data"]["amount"] for event in events}
    assert booking.status != "pending", where
    assert len(requests) == len(events), where
    assert sum(requests.values()) == booking.asked <= booking.paid, where
    if scene.paid and not scene.money_came_back:
        owed = booking.asked_for_parts if booking.status == "confirmed" else booking.paid
        assert booking.asked == owed, (where, booking.status, requests)
    if scene.money_came_back:
        assert booking.status in {"refunded", "cancelled"}, (where, booking.status)
    if not scene.paid:
        assert not requests, where


async def test_late_money_is_not_sent_back_because_somebody_else_cancelled_elsewhere_in_the_house(stage: Stage) -> None:
    for at in range(1, 12):
        scene = await hold_gone(stage)
        await meddled(stage.inventory, at, scene.pay, partial(scene.somebody_else_cancels, stage.inventory))
        assert (await stage.inventory.booking(scene.booking_id)).status == "confirmed"


async def test_a_sweeper_whose_clock_is_ahead_does_not_take_seats_of_a_hold_that_was_extended(stage: Stage) -> None:
    scene = await held(stage)
    assert await meddled(stage.inventory, 1, scene.sweep_by_a_fast_clock, partial(scene.extend, stage.inventory))
    assert (await stage.inventory.booking(scene.booking_id)).status == "pending"
    assert set(await stage.taken(scene.showtime)) == {"A1", "A2", "F1"}
