"""Many buyers at once: no seat is ever held or sold twice."""

import asyncio
import random
from collections import Counter
from datetime import timedelta

import httpx2

from inventory_service.app import create_app
from inventory_service.config import Settings
from inventory_service.handlers.expire import sweep
from service_kit.clock import ManualClock
from tests.component.inventory.stage import ALL_SEATS, Stage
from tests.support import running


def winners(answers: list[httpx2.Response]) -> list[list[str]]:
    assert {answer.status_code for answer in answers} <= {201, 409}, Counter(a.status_code for a in answers)
    return [answer.json()["seatIds"] for answer in answers if answer.status_code == 201]


async def test_of_100_buyers_of_one_pair_one_gets_it_and_99_are_told_of_both_seats(stage: Stage) -> None:
    showtime = await stage.open()
    answers = await asyncio.gather(*(stage.buyer().reserve(showtime, "A1", "A2") for _ in range(100)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 99}
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["type"].endswith("/seats-taken")
            assert answer.json()["seatIds"] == ["A1", "A2"]
    assert await stage.database["bookings"].count_documents({}) == 1
    assert await stage.taken(showtime) == {"A1": "held", "A2": "held"}
    await stage.sound()


async def test_buyers_of_overlapping_triples_share_no_seat_and_losers_hold_nothing(stage: Stage) -> None:
    showtime = await stage.open()
    triples = [ALL_SEATS[n : n + 3] for n in range(50)]
    random.shuffle(triples)
    answers = await asyncio.gather(*(stage.buyer().reserve(showtime, *triple) for triple in triples))
    won = winners(list(answers))
    seats = [seat for triple in won for seat in triple]
    assert len(seats) == len(set(seats))
    assert set(await stage.taken(showtime)) == set(seats)
    for triple, answer in zip(triples, answers, strict=True):
        if answer.status_code == 409:
            assert set(answer.json()["seatIds"]) <= set(triple)
            assert set(answer.json()["seatIds"]) <= set(seats)
            assert answer.json()["seatIds"]
    await stage.sound()


async def test_two_processes_race_for_the_same_seats_and_each_seat_has_one_owner(
    stage: Stage, settings: Settings, shared_clock: ManualClock
) -> None:
    showtime = await stage.open()
    async with running(create_app(settings, shared_clock)) as other:
        processes = [stage.client, other]
        wanted = [random.sample(ALL_SEATS[:20], 3) for _ in range(80)]
        answers = await asyncio.gather(
            *(stage.buyer(client=processes[n % 2]).reserve(showtime, *seats) for n, seats in enumerate(wanted))
        )
    seats = [seat for won in winners(list(answers)) for seat in won]
    assert len(seats) == len(set(seats))
    assert set(await stage.taken(showtime)) == set(seats)
    await stage.sound()


async def test_fifty_people_who_cancel_at_once_are_all_served_and_paid_back_once(
    stage: Stage, settings: Settings, shared_clock: ManualClock
) -> None:
    showtime = await stage.open()
    buyers = [stage.buyer() for _ in range(50)]
    bought = [await stage.bought(showtime, seat, buyer=who) for who, seat in zip(buyers, ALL_SEATS, strict=False)]
    async with running(create_app(settings, shared_clock)) as other:
        processes = [stage.client, other]

        async def cancel(number: int) -> httpx2.Response:
            who, (booking_id, _) = buyers[number % 50], bought[number % 50]
            one = stage.buyer(subject=who.subject, client=processes[number // 50])
            return await one.put(f"/bookings/{booking_id}/cancel")

        answers = await asyncio.gather(*map(cancel, range(100)))
    assert Counter(answer.status_code for answer in answers) == {200: 100}
    assert await stage.taken(showtime) == {}
    for booking_id, _ in bought:
        assert len(await stage.events(booking_id, "RefundRequested")) == 1
    await stage.sound()


async def test_a_key_sent_twice_at_once_makes_one_booking(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    answers = await asyncio.gather(*(ann.reserve(showtime, "A1", key="mine") for _ in range(10)))
    codes = Counter(answer.status_code for answer in answers)
    assert codes[201] >= 1
    assert codes[201] + codes[409] == 10
    assert len({answer.json()["bookingId"] for answer in answers if answer.status_code == 201}) == 1
    assert await stage.database["bookings"].count_documents({}) == 1


async def test_an_expired_hold_is_claimed_by_one_of_many_without_any_sweep(stage: Stage) -> None:
    showtime = await stage.open()
    first, second = await stage.hold(showtime, "A1", "A2"), await stage.hold(showtime, "A3")
    stage.clock.advance(timedelta(seconds=600))
    answers = await asyncio.gather(*(stage.buyer().reserve(showtime, "A2", "A3") for _ in range(40)))
    assert len(winners(list(answers))) == 1
    assert await stage.taken(showtime) == {"A2": "held", "A3": "held"}
    for booking_id in (first, second):
        assert (await stage.document(booking_id))["status"] == "expired"
        assert len(await stage.events(booking_id, "BookingExpired")) == 1
    await stage.sound()


async def test_buyers_and_the_sweeper_race_for_expired_holds(stage: Stage) -> None:
    showtime = await stage.open()
    for _ in range(5):
        await asyncio.gather(*(stage.buyer().reserve(showtime, seat) for seat in ALL_SEATS[:20]))
        stage.clock.advance(timedelta(seconds=600))
        answers, _, _ = await asyncio.gather(
            asyncio.gather(*(stage.buyer().reserve(showtime, *ALL_SEATS[n : n + 2]) for n in range(19))),
            sweep(stage.inventory),
            sweep(stage.inventory),
        )
        seats = [seat for won in winners(list(answers)) for seat in won]
        assert len(seats) == len(set(seats))
        assert set(await stage.taken(showtime)) == set(seats)
        stage.clock.advance(timedelta(seconds=700))
        await sweep(stage.inventory)
        await stage.sound()


async def test_a_sold_out_house_is_sold_seat_by_seat_exactly_once(stage: Stage) -> None:
    showtime = await stage.open()

    async def shop() -> None:
        for _ in range(8):
            buyer = stage.buyer()
            answer = await buyer.reserve(showtime, *random.sample(ALL_SEATS, 2))
            if answer.status_code != 201:
                continue
            booking_id = answer.json()["bookingId"]
            match random.randrange(3):
                case 0:
                    await buyer.put(f"/bookings/{booking_id}/cancel")
                case 1:
                    payment_id = await stage.prepared(booking_id)
                    await asyncio.gather(
                        stage.settle(booking_id, payment_id), stage.settle(booking_id, payment_id, "failed")
                    )
                case _:
                    payment_id = await stage.prepared(booking_id)
                    await stage.settle(booking_id, payment_id)
                    await asyncio.gather(buyer.put(f"/bookings/{booking_id}/cancel"), sweep(stage.inventory))

    await asyncio.gather(*(shop() for _ in range(12)))
    await stage.sound()
    async for document in stage.database["bookings"].find({"paymentId": {"$exists": True}}):
        assert (document["status"] == "confirmed") != ("refund" in document)
