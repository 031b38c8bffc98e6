"""Random histories of one showtime, crashes among them, on the real store, against a model of a few lines.

The model knows of each booking whether its seats are surely its own, surely not, or (after a crash) perhaps. Whatever
is sure must show in every answer; at the end of each history everything is redelivered and swept, and then nothing may
be left open.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from inventory_service.clients import Payments, Venues
from inventory_service.config import Settings
from inventory_service.domain.booking import Booking, NotCancellable
from inventory_service.domain.layout import LayoutKey
from inventory_service.domain.seat_map import SeatsTaken
from inventory_service.handlers.audit import audit
from inventory_service.handlers.cancel import cancel, fail
from inventory_service.handlers.confirm import confirm
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.expire import sweep
from inventory_service.handlers.give_back import Wish, cancel_by_owner
from inventory_service.handlers.move import move
from inventory_service.handlers.pauses import PAUSE
from inventory_service.handlers.reserve import Reserve, extend, reserve
from inventory_service.handlers.showtimes import follow_showtimes
from inventory_service.store.bookings import Bookings
from inventory_service.store.catalogue import Layouts, RefundPolicies, Showtimes
from inventory_service.store.code_uses import CodeUses
from inventory_service.store.holders import Holders
from inventory_service.store.seat_maps import SeatMaps
from marquee.engines import EngineUrls
from messaging.envelope import new_event
from service_kit.clock import ManualClock
from service_kit.errors import DomainError
from service_kit.ids import new_id
from service_kit.mongo import open_database
from tests.component.inventory.crashes import Killed, Step, mortal
from tests.component.inventory.reseating import reseated
from tests.component.inventory.stage import ALL_SEATS, seat_layout, showtime_state

# Around the border of two blocks.
SEATS = ALL_SEATS[29:36]
seats = st.lists(st.sampled_from(SEATS), min_size=1, max_size=3, unique=True)
# After which write the process dies; none of the steps makes more than a handful.
deaths = st.one_of(st.none(), st.none(), st.integers(1, 5))
which = st.integers(0, 50)


class House:
    """The service without HTTP, in a loop of its own."""

    def __init__(self, settings_: Settings) -> None:
        self.settings = settings_
        self.clock = ManualClock()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.inventory: Inventory = self.runner.run(self._open())

    async def _open(self) -> Inventory:
        database = await self.stack.enter_async_context(open_database(self.settings, "inventory"))
        nobody = await self.stack.enter_async_context(httpx2.AsyncClient(base_url="http://127.0.0.1:9"))

        async def fetch(_venue: str, key: LayoutKey) -> dict[str, Any]:
            return seat_layout() if key.version == 1 else reseated()

        seat_maps, bookings = SeatMaps(database["seat_maps"]), Bookings(database["bookings"])
        await seat_maps.prepare()
        await bookings.prepare()
        return Inventory(
            seat_maps=seat_maps,
            bookings=bookings,
            holders=Holders(database["holders"]),
            code_uses=CodeUses(database["code_uses"]),
            showtimes=Showtimes(database),
            layouts=Layouts(database, fetch),
            policies=RefundPolicies(database),
            venues=Venues(nobody),
            payments=Payments(nobody),
            clock=self.clock,
            settings=self.settings,
        )

    def close(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()


@dataclass
class Known:
    """What the model knows of a booking: `fate` is held, sold, over, or unsure."""

    command: Reserve
    fate: str
    until: Any
    payment_id: str
    paid: bool = False


class Sales(RuleBasedStateMachine):
    house: House

    @initialize()
    def open_showtime(self) -> None:
        self.known: list[Known] = []
        self.inventory, self.clock = self.house.inventory, self.house.clock
        self.showtime = showtime_state(self.clock.now(), starts_at=self.clock.now() + timedelta(days=9))
        event = new_event(
            "ShowtimeCreated",
            source="venues",
            subject=self.showtime.showtime_id,
            version=1,
            data=self.showtime,
            clock=self.clock,
        )

        async def reset() -> None:
            await self.inventory.seat_maps.collection.delete_many({})
            await self.inventory.bookings.collection.delete_many({})
            await follow_showtimes(self.inventory, [event])

        self.house.runner.run(reset())

    def run(self, step: Step, dies: int | None = None) -> Any:
        """The result of a step; None where its process died in it."""

        async def attempt() -> Any:
            try:
                return await step(mortal(self.inventory, dies) if dies else self.inventory)
            except Killed:
                return None

        return self.house.runner.run(attempt())

    def booking(self, known: Known) -> Booking | None:
        return self.house.runner.run(self.inventory.bookings.get(known.command.booking_id))

    def surely_taken(self, besides: Known | None = None) -> set[str]:
        now = self.clock.now()
        owners = [one for one in self.known if one.fate == "sold" or (one.fate == "held" and one.until > now)]
        return {seat for one in owners if one is not besides for seat in one.command.seat_ids}

    def perhaps_taken(self, besides: Known | None = None) -> set[str]:
        unsure = [one for one in self.known if one.fate == "unsure" and one is not besides]
        return self.surely_taken(besides) | {seat for one in unsure for seat in one.command.seat_ids}

    def pick(self, number: int) -> Known:
        return self.known[number % len(self.known)]

    # --- rules -------------------------------------------------------------------------------------------------------

    @rule(wanted=seats, seconds=st.sampled_from([60, 600]), dies=deaths)
    def hold(self, wanted: list[str], seconds: int, dies: int | None) -> None:
        self.attempt_hold(Reserve(new_id(), new_id(), self.showtime.showtime_id, wanted, seconds), dies)

    def attempt_hold(self, command: Reserve, dies: int | None) -> None:
        blocked, doubtful = self.surely_taken() & set(command.seat_ids), self.perhaps_taken() & set(command.seat_ids)
        known = Known(command, "unsure", self.clock.now() + timedelta(seconds=command.hold_seconds), new_id())
        try:
            booking = self.run(lambda inventory: reserve(inventory, command), dies)
        except SeatsTaken as refused:
            named = set(refused.extras["seat_ids"])
            assert named
            assert blocked <= named <= doubtful
            return
        if booking:
            assert not blocked
            known.fate = "held"
        elif blocked:
            return  # it died while it was being refused
        self.known.append(known)

    @precondition(lambda self: self.known)
    @rule(number=which)
    def come_again(self, number: int) -> None:
        """The buyer repeats his request with the same key, after whatever became of it."""
        known = self.pick(number)
        before = self.booking(known)
        again = replace(known.command, retried=True)
        try:
            booking = self.run(lambda inventory: reserve(inventory, again))
        except SeatsTaken:
            assert before is None
            known.fate = "over"
            return
        if before is None:
            known.fate, known.until = "held", booking.held_until
        else:
            assert booking == before

    @precondition(lambda self: self.known)
    @rule(number=which, dies=deaths)
    def pay(self, number: int, dies: int | None) -> None:
        known = self.pick(number)
        if self.booking(known) is None:
            return
        known.paid = True
        wanted = set(known.command.seat_ids)
        blocked, free = self.surely_taken(known) & wanted, not self.perhaps_taken(known) & wanted
        booking = self.run(lambda inventory: confirm(inventory, known.command.booking_id, known.payment_id), dies)
        if booking is None or booking.leaving:  # half cancelled is what a death in `cancel` leaves
            known.fate = "unsure"
            return
        if booking.status == "confirmed":
            assert not blocked
            known.fate, known.command = "sold", replace(known.command, seat_ids=booking.seat_ids)
        else:
            assert booking.refund, "paid, and neither seats nor money"
            assert known.fate in {"over", "unsure"} or (known.fate == "held" and not free), known
            known.fate = "over"

    @precondition(lambda self: self.known)
    @rule(number=which, dies=deaths)
    def give_back_the_first_seat(self, number: int, dies: int | None) -> None:
        known = self.pick(number)
        found = self.booking(known)
        if found is None or found.status != "confirmed" or len(found.seat_ids) < 2 or found.leaving:
            return
        wish = Wish(found.seat_ids[:1])
        try:
            booking = self.run(lambda inventory: cancel_by_owner(inventory, found, wish), dies)
        except NotCancellable:  # the show has begun
            return
        if booking is None:
            known.fate = "unsure"
            return
        assert booking.seat_ids == found.seat_ids[1:]
        known.fate, known.command = "sold", replace(known.command, seat_ids=booking.seat_ids)

    @precondition(lambda self: self.known)
    @rule(number=which, dies=deaths)
    def payment_fails(self, number: int, dies: int | None) -> None:
        self.end(self.pick(number), lambda inventory, id_: fail(inventory, id_, None), dies)

    @precondition(lambda self: self.known)
    @rule(number=which, dies=deaths)
    def cancel(self, number: int, dies: int | None) -> None:
        async def step(inventory: Inventory, booking_id: str) -> Booking:
            return await cancel(inventory, await inventory.booking(booking_id))

        self.end(self.pick(number), step, dies)

    def end(self, known: Known, step: Any, dies: int | None) -> None:
        booking_id = known.command.booking_id
        if self.booking(known) is None:
            return
        booking = self.run(lambda inventory: step(inventory, booking_id), dies)
        if booking is None or booking.leaving:
            known.fate = "unsure"
        elif known.fate == "unsure" and booking.status in {"failed", "expired"}:
            return  # a payment that died on its way may have taken the seats again
        elif booking.status != "pending":
            known.fate = "sold" if booking.status == "confirmed" else "over"
            known.command = replace(known.command, seat_ids=booking.seat_ids)

    @precondition(lambda self: self.known)
    @rule(number=which, dies=deaths)
    def extend(self, number: int, dies: int | None) -> None:
        known = self.pick(number)
        found = self.booking(known)
        if found is None:
            return
        try:
            booking = self.run(lambda inventory: extend(inventory, found, 5), dies)
        except DomainError:
            return
        known.until = booking.held_until if booking else known.until
        known.fate = "held" if booking else "unsure"

    @rule(version=st.sampled_from([1, 2]), dies=deaths)
    def move(self, version: int, dies: int | None) -> None:
        """To a layout in which every seat has another position, or to the one it has. Whose they are stays the same."""

        async def step(inventory: Inventory) -> object:
            return await move(inventory, self.showtime.showtime_id, version, lambda _version: None)

        if not self.run(step, dies):
            self.clock.advance(PAUSE)  # after a death, who comes next would have to wait for that

    @rule(seconds=st.sampled_from([1, 20, 61, 700]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @rule(dies=deaths)
    def sweep(self, dies: int | None) -> None:
        self.run(sweep, dies)

    # --- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def what_is_sure_is_in_the_map(self) -> None:
        async def occupied() -> set[str]:
            seat_map = await self.inventory.seat_map(self.showtime.showtime_id)
            layout = await self.inventory.layouts.get(self.showtime.venue.venue_id, seat_map.layout)
            return set(layout.ids(seat_map.occupied(self.clock.now())))

        if hasattr(self, "showtime"):
            found = self.house.runner.run(occupied())
            assert self.surely_taken() <= found <= self.perhaps_taken()

    def teardown(self) -> None:
        if not hasattr(self, "showtime"):
            return
        for _ in range(3):
            self.clock.advance(timedelta(seconds=20))
            self.run(sweep)
        for known in self.known:
            if known.paid:  # what was not acknowledged is told again
                self.run(partial(confirm, booking_id=known.command.booking_id, payment_id=known.payment_id))
        self.clock.advance(timedelta(hours=1))
        for _ in range(2):
            self.run(sweep)
            self.clock.advance(timedelta(minutes=2))
        assert self.run(audit) == []
        for known in self.known:
            booking = self.booking(known)
            if booking is None:
                continue
            assert booking.status != "pending"
            assert (booking.status == "confirmed") == (known.paid and booking.refund is None)
            if not known.paid:
                assert booking.refund is None
            elif booking.status != "confirmed":
                assert booking.asked == booking.paid, "not all of it came back"


@pytest.mark.timeout(180)
def test_random_histories_with_crashes_never_sell_a_seat_twice_nor_lose_money(
    engine_urls: EngineUrls, namespace: str
) -> None:
    own = Settings.model_validate(
        {
            "mongo_url": engine_urls.mongo_url,
            "namespace": f"{namespace}_machine",
            "ticket_secret": "a secret for tests only",
        }
    )
    house = House(own)
    machine = type("SalesHere", (Sales,), {"house": house})
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=60,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                # No shrinking: it would run the real store for many minutes.
                phases=[Phase.explicit, Phase.reuse, Phase.generate],
            ),
        )
    finally:
        house.close()
