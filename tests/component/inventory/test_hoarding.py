"""Limits of what one person, guest session and address may hold at once, and the pause after abandoned holds."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pymongo.errors import AutoReconnect

from inventory_service.app import create_app
from inventory_service.config import HoldLimits, Settings
from inventory_service.domain.booking import Booking
from inventory_service.domain.hoarding import Claim, TooManyHolds
from inventory_service.domain.seat_map import SeatsTaken
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.expire import sweep
from inventory_service.handlers.hoarding import reserve_within_limits
from inventory_service.handlers.reserve import Reserve, extend
from inventory_service.handlers.turnstile import Turnstile
from inventory_service.store.holders import Holders
from messaging.events import ShowtimeState
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.component.inventory.crashes import Killed, mortal
from tests.component.inventory.stage import ALL_SEATS, Buyer, Stage
from tests.support import running

USER = HoldLimits(holds=4, seats=12, seats_per_showtime=10, abandoned=2)
GUEST = HoldLimits(holds=2, seats=10, seats_per_showtime=10, abandoned=1)
ADDRESS = HoldLimits(holds=8, seats=100, seats_per_showtime=100, abandoned=5)
TEN_MINUTES = timedelta(minutes=10)
FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture(scope="module")
def tight(settings: Settings) -> Settings:
    limits = {"user_limits": USER, "guest_limits": GUEST, "address_limits": ADDRESS}
    return settings.model_copy(update=limits)


@pytest.fixture(scope="module")
async def tight_house(tight: Settings, shared_clock: ManualClock) -> AsyncIterator[tuple[httpx2.AsyncClient, FastAPI]]:
    app = create_app(tight, shared_clock)
    async with running(app) as client:
        yield client, app


@pytest.fixture
def tight_stage(stage: Stage, tight_house: tuple[httpx2.AsyncClient, FastAPI]) -> Stage:
    client, app = tight_house
    return replace(stage, client=client, app=app, inventory=app.state.inventory)


def at(app: FastAPI, address: str) -> httpx2.AsyncClient:
    """A client that calls from that address."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 40_000))
    return httpx2.AsyncClient(transport=transport, base_url="http://marquee.test", timeout=30)


def refusal(answer: httpx2.Response, slug: str) -> dict[str, Any]:
    assert answer.status_code == 429, answer.text
    body: dict[str, Any] = answer.json()
    assert body["type"].endswith(f"/{slug}")
    return body


async def held(stage: Stage, buyer: Buyer, *seat_ids: str) -> list[str]:
    """One hold for each seat, each of a showtime of its own."""
    return [await stage.hold(await stage.open(), seat, buyer=buyer) for seat in seat_ids]


async def documents(stage: Stage) -> list[dict[str, Any]]:
    return await stage.inventory.holders.collection.find({}).to_list()


async def live_claims(stage: Stage) -> list[dict[str, int]]:
    """The seats of each live claim by booking, holder for holder."""
    now = stage.clock.now()
    return [
        {id_: entry["seats"] for id_, entry in document["claims"].items() if entry["until"] > now}
        for document in await documents(stage)
    ]


# --- what the limits are ----------------------------------------------------------------------------------------------


async def test_a_hold_too_many_is_429_with_the_numbers_and_the_time_when_there_is_room(tight_stage: Stage) -> None:
    stage, ann = tight_stage, tight_stage.buyer()
    showtime = await stage.open()
    await stage.hold(showtime, "A1", buyer=ann, holdTimeoutSeconds=61)
    for seat in ("A2", "A3", "A4"):
        await stage.hold(showtime, seat, buyer=ann)
    answer = await ann.reserve(showtime, "A5")
    body = refusal(answer, "too-many-holds")
    assert {name: body[name] for name in ("title", "status", "detail", "limit", "most", "live")} == {
        "title": "Too many holds at once",
        "status": 429,
        "detail": "This user has 4 live holds, and 4 at once are the most; there is room again in 61 s",
        "limit": "user-holds",
        "most": 4,
        "live": 4,
    }
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "61"
    assert answer.headers["ratelimit-policy"] == '"user-holds";q=4'
    assert answer.headers["ratelimit"] == '"user-holds";r=0;t=61'
    assert await stage.taken(showtime) == dict.fromkeys(["A1", "A2", "A3", "A4"], "held")
    stage.clock.advance(timedelta(seconds=61))
    assert (await ann.reserve(showtime, "A5")).status_code == 201
    await stage.sound()


async def test_seats_are_limited_over_all_showtimes_and_in_each(tight_stage: Stage) -> None:
    stage, ann = tight_stage, tight_stage.buyer()
    one, two = await stage.open(), await stage.open()
    await stage.hold(one, *ALL_SEATS[:6], buyer=ann)
    body = refusal(await ann.reserve(one, *ALL_SEATS[10:15]), "too-many-seats")
    assert (body["limit"], body["most"], body["live"]) == ("user-showtime-seats", 10, 6)
    answer = await ann.reserve(two, *ALL_SEATS[:7])
    body = refusal(answer, "too-many-seats")
    assert (body["limit"], body["most"], body["live"]) == ("user-seats", 12, 6)
    assert answer.headers["ratelimit"] == '"user-seats";r=6;t=600'
    assert (await ann.reserve(two, *ALL_SEATS[:6])).status_code == 201


async def test_the_seats_of_a_best_block_count_as_well(tight_stage: Stage) -> None:
    ann, showtime = tight_stage.buyer(), await tight_stage.open()
    path = f"/showtimes/{showtime.showtime_id}/seats/reserve"
    assert (await ann.post(path, {"best": {"count": 6}})).status_code == 201
    refusal(await ann.post(path, {"best": {"count": 5}}), "too-many-seats")
    assert (await ann.post(path, {"best": {"count": 4}})).status_code == 201
    assert [sorted(claims.values()) for claims in await live_claims(tight_stage)] == [[4, 6], [4, 6]]


async def test_a_guest_has_limits_of_his_own(tight_stage: Stage) -> None:
    guest = tight_stage.buyer("guest")
    await held(tight_stage, guest, "A1", "A2")
    body = refusal(await guest.reserve(await tight_stage.open(), "A3"), "too-many-holds")
    assert (body["limit"], body["most"], body["live"]) == ("guest-holds", 2, 2)


async def test_an_address_is_limited_however_many_people_come_from_it(tight_stage: Stage) -> None:
    showtime = await tight_stage.open()
    async with at(tight_stage.app, "203.0.113.7") as here, at(tight_stage.app, "203.0.113.8") as elsewhere:
        for seat in ALL_SEATS[:8]:
            assert (await tight_stage.buyer(client=here).reserve(showtime, seat)).status_code == 201
        body = refusal(await tight_stage.buyer(client=here).reserve(showtime, "F1"), "too-many-holds")
        assert (body["limit"], body["most"], body["live"]) == ("address-holds", 8, 8)
        ann = tight_stage.buyer(client=elsewhere)
        assert (await ann.reserve(showtime, "F1")).status_code == 201
    assert sorted(map(len, await live_claims(tight_stage))) == [*[1] * 10, 8]


async def test_a_caller_of_ipv6_is_told_by_his_network(tight_stage: Stage) -> None:
    showtime = await tight_stage.open()
    for number, seat in enumerate(ALL_SEATS[:9]):
        async with at(tight_stage.app, f"2001:db8::{number}") as here:
            answer = await tight_stage.buyer(client=here).reserve(showtime, seat)
    assert refusal(answer, "too-many-holds")["limit"] == "address-holds"


async def test_no_address_is_kept_in_the_clear(tight_stage: Stage) -> None:
    async with at(tight_stage.app, "203.0.113.7") as here:
        booking_id = await tight_stage.hold(await tight_stage.open(), "A1", buyer=tight_stage.buyer(client=here))
    kept = [await tight_stage.document(booking_id), *await documents(tight_stage)]
    assert "203.0.113.7" not in str(kept)


@pytest.mark.parametrize("role", ["admin", "service"])
async def test_admins_and_services_are_not_limited_nor_is_whom_they_book_for(tight_stage: Stage, role: str) -> None:
    staff, ann, showtime = tight_stage.buyer(role), tight_stage.buyer(), await tight_stage.open()
    for seat in ALL_SEATS[:10]:
        assert (await staff.reserve(showtime, seat, userId=ann.subject)).status_code == 201
    assert await live_claims(tight_stage) == []
    assert (await ann.reserve(showtime, "F1")).status_code == 201


async def test_where_limits_are_off_nothing_is_counted(
    stage: Stage, tight: Settings, shared_clock: ManualClock
) -> None:
    showtime = await stage.open()
    async with running(create_app(tight.model_copy(update={"limits": "off"}), shared_clock)) as client:
        guest = stage.buyer("guest", client=client)
        for seat in ALL_SEATS[:10]:
            booking_id = await stage.hold(showtime, seat, buyer=guest)
            assert (await guest.put(f"/bookings/{booking_id}/cancel")).status_code == 200
            await stage.hold(showtime, seat, buyer=guest)
    assert await live_claims(stage) == []


# --- many at once -----------------------------------------------------------------------------------------------------


async def test_of_20_holds_that_one_asks_for_at_once_he_gets_as_many_as_he_may(tight_stage: Stage) -> None:
    ann, showtimes = tight_stage.buyer(), [await tight_stage.open() for _ in range(20)]
    answers = await asyncio.gather(*(ann.reserve(showtime, "A1") for showtime in showtimes))
    assert Counter(answer.status_code for answer in answers) == {201: 4, 429: 16}
    assert await tight_stage.database["bookings"].count_documents({"status": "pending"}) == 4
    # Nobody who is refused takes a seat even for a moment.
    untouched = [showtime for showtime in showtimes if (await tight_stage.seat_map(showtime))["version"] == 1]
    assert len(untouched) == 16


async def test_two_processes_together_give_nobody_more_than_he_may_have(
    tight_stage: Stage, tight: Settings, shared_clock: ManualClock
) -> None:
    showtimes = [await tight_stage.open() for _ in range(10)]
    people = [tight_stage.buyer() for _ in range(3)]
    for person in people:  # who is known already has a document that both processes change
        await held(tight_stage, person, "A1")
    async with running(create_app(tight, shared_clock)) as other:
        await replace(people[0], client=other).get("/bookings")  # has it fetch the keys, so that both are as quick
        answers = await asyncio.gather(
            *(
                replace(person, client=client).reserve(showtime, ALL_SEATS[2 * n + side])
                for n, person in enumerate(people)
                for side, client in enumerate((tight_stage.client, other))
                for showtime in showtimes
            )
        )
    won = Counter(answer.json()["userId"] for answer in answers if answer.status_code == 201)
    won.update(person.subject for person in people)
    assert {answer.status_code for answer in answers} == {201, 429}
    assert max(won.values()) <= USER.holds
    assert won.total() <= ADDRESS.holds
    seats = [seat for showtime in showtimes for seat in await tight_stage.taken(showtime)]
    assert len(seats) == won.total() - len(people)
    # Each claim that is left is that of a hold.
    assert sorted(map(len, await live_claims(tight_stage))) == sorted([*won.values(), won.total()])
    assert await tight_stage.database["bookings"].count_documents({}) == won.total()


async def test_holds_that_fail_count_not_even_at_once_with_others(tight_stage: Stage) -> None:
    showtime = await tight_stage.open()
    async with at(tight_stage.app, "203.0.113.9") as elsewhere:
        await tight_stage.hold(showtime, "A1", buyer=tight_stage.buyer(client=elsewhere))
    ann = tight_stage.buyer()
    answers = await asyncio.gather(*(ann.reserve(showtime, "A1") for _ in range(30)))
    assert Counter(answer.status_code for answer in answers) == {409: 30}
    assert (await ann.reserve(showtime, "A2")).status_code == 201


async def test_of_100_behind_one_address_who_want_the_same_pair_one_gets_it_and_99_are_told_it_is_taken(
    tight_stage: Stage,
) -> None:
    showtime = await tight_stage.open()
    answers = await asyncio.gather(*(tight_stage.buyer().reserve(showtime, "A1", "A2") for _ in range(100)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 99}
    assert sum(len(claims) for claims in await live_claims(tight_stage)) == 2  # the buyer's and the address's


# --- what ends a claim, and how ---------------------------------------------------------------------------------------


async def test_a_purchase_makes_room_and_is_never_held_against_anybody(tight_stage: Stage) -> None:
    guest = tight_stage.buyer("guest")
    for _ in range(3):
        for seat in ("A1", "A2"):
            await tight_stage.bought(await tight_stage.open(), seat, buyer=guest)
    tight_stage.clock.advance(TEN_MINUTES)
    await held(tight_stage, guest, "A1", "A2")


async def test_a_purchase_that_came_after_the_hold_had_run_out_lifts_the_pause(tight_stage: Stage) -> None:
    stage, guest = tight_stage, tight_stage.buyer("guest")
    late, _ = await held(stage, guest, "A1", "A2")
    payment_id = await stage.prepared(late)
    stage.clock.advance(TEN_MINUTES)
    showtime = await stage.open()
    refusal(await guest.reserve(showtime, "A1"), "cooling-down")
    await held(stage, stage.buyer(), "A1")  # now it is noted down for the address too that the two holds ran out
    assert (await stage.settle(late, payment_id)).json()["status"] == "confirmed"
    assert (await guest.reserve(showtime, "A1")).status_code == 201


async def test_a_cancelled_hold_makes_room_but_counts_as_abandoned(tight_stage: Stage) -> None:
    guest, showtime = tight_stage.buyer("guest"), await tight_stage.open()
    for expected in (201, 201, 429):
        answer = await guest.reserve(showtime, "A1")
        assert answer.status_code == expected
        if expected == 201:
            await guest.put(f"/bookings/{answer.json()['bookingId']}/cancel")
            await guest.put(f"/bookings/{answer.json()['bookingId']}/cancel")  # again counts no more
    body = refusal(answer, "cooling-down")
    assert {name: body[name] for name in ("limit", "most", "abandoned", "windowSeconds")} == {
        "limit": "guest-abandoned",
        "most": 1,
        "abandoned": 2,
        "windowSeconds": 900,
    }
    assert answer.headers["retry-after"] == "300"
    assert answer.headers["ratelimit-policy"] == '"guest-abandoned";q=1;w=900'
    assert answer.headers["ratelimit"] == '"guest-abandoned";r=0;t=300'
    tight_stage.clock.advance(FIVE_MINUTES)
    assert (await guest.reserve(showtime, "A1")).status_code == 201


async def test_holds_that_run_out_are_followed_by_a_pause_whether_swept_or_not(tight_stage: Stage) -> None:
    ann, bob = tight_stage.buyer(), tight_stage.buyer()
    for buyer in (ann, bob):
        await held(tight_stage, buyer, "A1", "A2")
    tight_stage.clock.advance(TEN_MINUTES)
    for buyer in (ann, bob):
        await held(tight_stage, buyer, "A1")
    tight_stage.clock.advance(TEN_MINUTES)
    showtime = await tight_stage.open()
    refusal(await ann.reserve(showtime, "A1"), "cooling-down")
    await sweep(tight_stage.inventory)
    body = refusal(await bob.reserve(showtime, "A1"), "cooling-down")
    assert (body["limit"], body["abandoned"]) == ("user-abandoned", 3)
    tight_stage.clock.advance(FIVE_MINUTES)
    assert (await ann.reserve(showtime, "A1")).status_code == 201


async def test_an_address_that_cycles_through_guests_is_told_to_pause(tight_stage: Stage) -> None:
    showtime = await tight_stage.open()
    for _ in range(6):
        guest = tight_stage.buyer("guest")
        booking_id = await tight_stage.hold(showtime, "A1", buyer=guest)
        assert (await guest.put(f"/bookings/{booking_id}/cancel")).status_code == 200
    body = refusal(await tight_stage.buyer("guest").reserve(showtime, "A1"), "cooling-down")
    assert (body["limit"], body["most"], body["abandoned"]) == ("address-abandoned", 5, 6)


async def test_a_payment_that_failed_makes_room_and_is_not_held_against_anybody(tight_stage: Stage) -> None:
    guest, showtime = tight_stage.buyer("guest"), await tight_stage.open()
    for _ in range(5):
        booking_id = await tight_stage.hold(showtime, "A1", buyer=guest)
        assert (
            await tight_stage.settle(booking_id, await tight_stage.prepared(booking_id), "failed")
        ).status_code == 200
    assert await live_claims(tight_stage) == [{}, {}]


async def test_a_hold_that_staff_cancel_is_not_held_against_its_owner(tight_stage: Stage) -> None:
    guest, admin, showtime = tight_stage.buyer("guest"), tight_stage.buyer("admin"), await tight_stage.open()
    for _ in range(5):
        booking_id = await tight_stage.hold(showtime, "A1", buyer=guest)
        assert (await admin.put(f"/bookings/{booking_id}/cancel")).status_code == 200


async def test_the_holds_of_a_show_that_is_called_off_count_no_more(tight_stage: Stage) -> None:
    stage, guest = tight_stage, tight_stage.buyer("guest")
    for _ in range(3):
        showtime = await stage.open()
        for seat in ("A1", "A2"):
            await stage.hold(showtime, seat, buyer=guest)
        off = showtime.model_copy(update={"version": 2, "status": "cancelled"})
        await stage.tell("ShowtimeCancelled", off)
    assert await live_claims(stage) == [{}, {}]


async def test_the_claim_lasts_as_long_as_the_hold_that_was_extended(tight_stage: Stage) -> None:
    guest = tight_stage.buyer("guest")
    first, _ = await held(tight_stage, guest, "A1", "A2")
    assert (await guest.post(f"/bookings/{first}/extend", {"additionalMinutes": 20})).status_code == 200
    tight_stage.clock.advance(TEN_MINUTES)
    assert [list(claims) for claims in await live_claims(tight_stage)] == [[first], [first]]
    await held(tight_stage, guest, "A3")
    body = refusal(await guest.reserve(await tight_stage.open(), "A4"), "too-many-holds")
    assert body["live"] == 2


async def test_what_is_refused_for_any_reason_leaves_no_claim(tight_stage: Stage) -> None:
    showtime, unknown, ann = await tight_stage.open(), tight_stage.showtime(), tight_stage.buyer()
    await tight_stage.database["seat_maps"].delete_one({"_id": showtime.showtime_id})
    answers = [
        await ann.reserve(await tight_stage.open(), "Z1"),
        await ann.reserve(unknown.model_copy(update={"showtime_id": new_id()}), "A1"),
        await ann.reserve(showtime, "A1"),
        await ann.reserve(showtime, *ALL_SEATS[:11]),
        await ann.reserve(showtime, "A1", "A1"),
    ]
    assert [answer.status_code for answer in answers] == [422, 404, 503, 422, 422]
    assert await documents(tight_stage) == []


# --- retries and crashes ----------------------------------------------------------------------------------------------


async def test_a_refused_hold_can_be_asked_for_again_under_the_same_key(tight_stage: Stage) -> None:
    guest, showtime = tight_stage.buyer("guest"), await tight_stage.open()
    first, _ = await held(tight_stage, guest, "A1", "A2")
    refusal(await guest.reserve(showtime, "A1", key="mine"), "too-many-holds")
    await tight_stage.settle(first, await tight_stage.prepared(first))
    assert (await guest.reserve(showtime, "A1", key="mine")).status_code == 201


async def crashing_hold(stage: Stage, buyer: Buyer, showtime: Any, writes: int) -> None:
    stage.app.state.inventory = mortal(stage.inventory, writes)
    try:
        with pytest.raises(Killed):
            await buyer.reserve(showtime, "A1", key="mine")
    finally:
        stage.app.state.inventory = stage.inventory
    await stage.database["idempotency"].update_many({}, {"$set": {"startedAt": stage.clock.now()}})


async def test_who_comes_again_after_a_crash_finds_his_own_claim(tight_stage: Stage) -> None:
    guest, showtime = tight_stage.buyer("guest"), await tight_stage.open()
    await held(tight_stage, guest, "A1")
    await crashing_hold(tight_stage, guest, showtime, 2)
    tight_stage.clock.advance(timedelta(seconds=31))
    refusal(await guest.reserve(showtime, "A2"), "too-many-holds")
    answer = await guest.reserve(showtime, "A1", key="mine")
    assert answer.status_code == 201, answer.text
    assert list(map(len, await live_claims(tight_stage))) == [2, 2]


async def test_a_hold_that_a_crash_left_uncounted_is_counted_when_he_comes_again(tight_stage: Stage) -> None:
    guest, showtime = tight_stage.buyer("guest"), await tight_stage.open()
    await held(tight_stage, guest, "A1")
    await crashing_hold(tight_stage, guest, showtime, 1)
    assert list(map(len, await live_claims(tight_stage))) == [1, 1]
    tight_stage.clock.advance(timedelta(seconds=31))
    assert (await guest.reserve(showtime, "A1", key="mine")).status_code == 201
    assert list(map(len, await live_claims(tight_stage))) == [2, 2]


async def test_the_claim_of_a_buyer_who_never_comes_again_ends_with_his_hold(tight_stage: Stage) -> None:
    guest, showtime = tight_stage.buyer("guest"), await tight_stage.open()
    await crashing_hold(tight_stage, guest, showtime, 2)
    tight_stage.clock.advance(TEN_MINUTES)
    await held(tight_stage, guest, "A1", "A2")


# --- the turnstile ----------------------------------------------------------------------------------------------------


class Counting:
    """A collection that counts its calls, lets somebody in before a write, and fails while it is told to."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection
        self.reads = self.writes = 0
        self.failing = False
        self.before_write: Any = None

    def with_options(self, **options: Any) -> "Counting":
        self._collection = self._collection.with_options(**options)
        return self

    def find(self, *arguments: Any) -> Any:
        self.reads += 1
        if self.failing:
            raise AutoReconnect("the primary is gone")
        return self._collection.find(*arguments)

    async def bulk_write(self, *arguments: Any, **options: Any) -> Any:
        self.writes += 1
        if self.before_write:
            meddle, self.before_write = self.before_write, None
            await meddle()
        return await self._collection.bulk_write(*arguments, **options)


def counted(stage: Stage) -> tuple[Inventory, Counting]:
    """Another process, whose calls are counted."""
    counting = Counting(stage.database["holders"])
    return replace(stage.inventory, holders=Holders(counting)), counting  # type: ignore[arg-type]  # a stand-in


async def hold_for(inventory: Inventory, showtime: ShowtimeState, seat: str, *keys: str) -> Booking:
    command = Reserve(new_id(), new_id(), showtime.showtime_id, [seat], 600, holder_keys=keys)
    return await reserve_within_limits(inventory, command)


async def test_thirty_people_at_once_cost_a_few_reads_and_one_write(tight_stage: Stage) -> None:
    inventory, counting = counted(tight_stage)
    showtime = await tight_stage.open()
    await asyncio.gather(*(hold_for(inventory, showtime, seat, f"user:{seat}") for seat in ALL_SEATS[:30]))
    assert len(await live_claims(tight_stage)) == 30
    assert (counting.reads, counting.writes) == (2, 1)


async def test_who_is_refused_seats_costs_no_write(tight_stage: Stage) -> None:
    inventory, counting = counted(tight_stage)
    showtime = await tight_stage.open()
    await tight_stage.hold(showtime, "A1")
    with pytest.raises(SeatsTaken):
        await hold_for(inventory, showtime, "A1", "user:ann")
    assert (counting.reads, counting.writes) == (1, 0)


async def test_a_hold_whose_room_another_process_took_meanwhile_is_released_again(tight_stage: Stage) -> None:
    ours, counting = counted(tight_stage)
    theirs, _ = counted(tight_stage)
    showtime = await tight_stage.open()
    for seat in ("A1", "A2", "A3"):
        await hold_for(theirs, showtime, seat, "address:here", "user:ann")
    counting.before_write = lambda: hold_for(theirs, showtime, "B1", "user:ann")
    with pytest.raises(TooManyHolds):
        await hold_for(ours, showtime, "B2", "address:here", "user:ann")
    assert await tight_stage.taken(showtime) == dict.fromkeys(["A1", "A2", "A3", "B1"], "held")
    # What had been stored for the address by then was taken back.
    assert sorted(map(len, await live_claims(tight_stage))) == [3, 4]
    assert await tight_stage.database["bookings"].count_documents({}) == 4
    await tight_stage.sound()


async def test_a_holder_that_two_processes_see_for_the_first_time_is_stored_once(tight_stage: Stage) -> None:
    ours, counting = counted(tight_stage)
    theirs, _ = counted(tight_stage)
    showtime = await tight_stage.open()
    counting.before_write = lambda: hold_for(theirs, showtime, "A1", "user:ann")
    await hold_for(ours, showtime, "A2", "user:ann")
    assert [len(claims) for claims in await live_claims(tight_stage)] == [2]


def attempt(stage: Stage) -> Claim:
    return Claim(new_id(), new_id(), 1, stage.clock.now() + TEN_MINUTES)


async def pass_through(gate: Turnstile, key: str, claim: Claim) -> None:
    async with gate.admitted([key], claim):
        pass


async def test_who_finds_no_room_beside_holds_on_their_way_waits_for_the_end_of_one(tight_stage: Stage) -> None:
    gate = tight_stage.inventory.turnstile
    inside, let_go = asyncio.Event(), asyncio.Event()

    async def on_its_way() -> None:
        async with gate.admitted(["guest:ann"], attempt(tight_stage)):
            inside.set()
            await let_go.wait()

    before = [asyncio.create_task(on_its_way()) for _ in range(GUEST.holds)]
    await inside.wait()
    waiting = asyncio.create_task(pass_through(gate, "guest:ann", attempt(tight_stage)))
    await pass_through(gate, "user:bob", attempt(tight_stage))  # others pass meanwhile
    assert not waiting.done()
    let_go.set()
    await asyncio.gather(waiting, *before)


async def test_who_goes_away_while_he_is_admitted_is_in_nobodys_way(tight_stage: Stage) -> None:
    gate = tight_stage.inventory.turnstile
    gone = [asyncio.create_task(pass_through(gate, "guest:ann", attempt(tight_stage))) for _ in range(GUEST.holds)]
    await asyncio.sleep(0)  # each has asked now
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    async with asyncio.timeout(1), gate.admitted(["guest:ann"], attempt(tight_stage)):
        await pass_through(gate, "guest:ann", attempt(tight_stage))


async def test_a_failing_database_is_told_to_each_who_asks(tight_stage: Stage) -> None:
    inventory, counting = counted(tight_stage)
    counting.failing = True
    errors = await asyncio.gather(
        *(pass_through(inventory.turnstile, f"user:{n}", attempt(tight_stage)) for n in range(3)),
        return_exceptions=True,
    )
    assert [type(error) for error in errors] == [AutoReconnect] * 3


async def test_a_hold_is_extended_even_if_its_claim_can_not_follow(tight_stage: Stage) -> None:
    inventory, counting = counted(tight_stage)
    booking = await hold_for(inventory, await tight_stage.open(), "A1", "user:ann")
    counting.failing = True
    extended = await extend(inventory, booking, 5)
    assert extended.held_until == booking.held_until + FIVE_MINUTES


async def test_mongodb_drops_holders_of_which_nothing_matters_any_more(tight_stage: Stage) -> None:
    indexes = await tight_stage.database["holders"].index_information()
    assert indexes["expiresAt_1"]["expireAfterSeconds"] == 0
    booking = await hold_for(tight_stage.inventory, await tight_stage.open(), "A1", "user:ann")
    now = tight_stage.clock.now()
    (kept,) = await documents(tight_stage)
    assert kept["expiresAt"] == now + TEN_MINUTES + timedelta(minutes=15)
    await tight_stage.inventory.turnstile.buy(booking)
    (kept,) = await documents(tight_stage)
    assert kept["expiresAt"] == now
