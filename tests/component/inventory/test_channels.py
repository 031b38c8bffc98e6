"""Buying through a channel: its blocked seats are for those whom it is open to."""

import asyncio
import hashlib
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from inventory_service.app import create_app
from inventory_service.config import Settings
from inventory_service.handlers.access import WRONG_CODES_PER_ADDRESS, WRONG_CODES_PER_PERSON
from inventory_service.handlers.expire import sweep
from messaging.events import SalesWindow, ShowtimeState
from service_kit.clock import ManualClock
from tests.component.inventory.stage import Buyer, Stage
from tests.support import running

CODE = "open sesame"
PRESALE = {"channel": "presale", "accessCode": CODE}
TEN_MINUTES = timedelta(minutes=10)


async def with_presale(stage: Stage, **changes: Any) -> ShowtimeState:
    """A1 to A4 are for the presale, B1 and B2 for the press, and the rest is on sale."""
    showtime = await stage.open(**changes)
    await stage.block(showtime, "A1", "A2", "A3", "A4", channel="presale", accessCode=CODE)
    await stage.block(showtime, "B1", "B2", channel="press")
    return showtime


async def best(buyer: Buyer, showtime: ShowtimeState, count: int, **body: Any) -> httpx2.Response:
    wanted = {"best": {"count": count, "seatType": "vip"}, **body}
    return await buyer.post(f"/showtimes/{showtime.showtime_id}/seats/reserve", wanted)


async def test_with_the_code_one_has_the_seats_of_the_channel_and_public_ones_together(stage: Stage) -> None:
    showtime, ann = await with_presale(stage), stage.buyer()
    answer = await ann.reserve(showtime, "A4", "A5", **PRESALE)
    assert answer.status_code == 201, answer.text
    assert answer.json()["channel"] == "presale"
    assert (await ann.get(f"/bookings/{answer.json()['bookingId']}")).json()["channel"] == "presale"
    assert (await ann.get("/bookings")).json()["items"][0]["channel"] == "presale"
    assert "channel" not in (await ann.reserve(showtime, "A6")).json()
    await stage.sound()


async def test_before_the_sale_begins_the_seats_of_a_channel_are_sold_through_it_and_no_others(stage: Stage) -> None:
    begins = stage.clock.now() + timedelta(hours=1)
    showtime, ann = await with_presale(stage, on_sale=SalesWindow(from_=begins)), stage.buyer()
    assert (await ann.reserve(showtime, "A1")).json()["type"].endswith("/not-on-sale-yet")
    refused = await ann.reserve(showtime, "A4", "A5", "B1", **PRESALE)
    assert (refused.status_code, refused.json()["seatIds"]) == (409, ["A5", "B1"])
    assert (await best(ann, showtime, 3, **PRESALE)).json()["seatIds"] == ["A2", "A3", "A4"]
    assert (await best(ann, showtime, 2, **PRESALE)).json()["type"].endswith("/no-free-block")
    await stage.sound()
    stage.clock.advance(timedelta(hours=1))
    assert (await ann.reserve(showtime, "A1", "A5", **PRESALE)).status_code == 201


async def test_after_the_sale_has_ended_no_channel_sells(stage: Stage) -> None:
    showtime = await with_presale(stage, on_sale=SalesWindow(until=stage.clock.now() + timedelta(minutes=5)))
    stage.clock.advance(timedelta(minutes=5))
    assert (await stage.buyer().reserve(showtime, "A1", **PRESALE)).status_code == 410


async def test_a_sale_put_off_while_the_channel_bought_public_seats_takes_them_back(stage: Stage) -> None:
    """The process that sells has not heard of the change yet, only the map has."""
    showtime = await with_presale(stage)
    later = SalesWindow(from_=stage.clock.now() + timedelta(hours=1))
    await stage.inventory.showtime(showtime.showtime_id)
    changed = showtime.model_copy(update={"version": 2, "on_sale": later})
    await stage.tell("ShowtimeUpdated", changed)
    refused = await stage.buyer().reserve(showtime, "A5", **PRESALE)
    assert refused.status_code == 409, refused.text
    assert "A5" not in await stage.taken(showtime)


async def test_the_code_of_one_channel_does_not_open_another(stage: Stage) -> None:
    showtime = await with_presale(stage)
    await stage.block(showtime, "C1", channel="members", accessCode="members only")
    refused = await stage.buyer().reserve(showtime, "A1", "B1", "C1", **PRESALE)
    assert (refused.status_code, refused.json()["seatIds"]) == (409, ["B1", "C1"])
    other = await stage.buyer().reserve(showtime, "C1", channel="members", accessCode=CODE)
    assert other.status_code == 403


async def test_every_block_of_a_channel_opens_the_whole_channel_with_its_own_code(stage: Stage) -> None:
    showtime = await with_presale(stage)
    await stage.block(showtime, "A5", channel="presale", accessCode="second wave")
    await stage.block(showtime, "A6", channel="presale")
    for seats, code in ((("A1", "A5"), CODE), (("A2", "A6"), "second wave")):
        assert (await stage.buyer().reserve(showtime, *seats, channel="presale", accessCode=code)).status_code == 201


async def test_the_booking_route_takes_channel_and_code_as_well(stage: Stage) -> None:
    showtime = await with_presale(stage)
    body = {"showtimeId": showtime.showtime_id, "seatIds": ["A1"], **PRESALE}
    answer = await stage.buyer("guest").post("/bookings", body)
    assert (answer.status_code, answer.json()["channel"]) == (201, "presale")


async def test_the_best_seats_are_chosen_among_those_of_the_channel_too(stage: Stage) -> None:
    showtime = await with_presale(stage)
    everybody = [await best(stage.buyer(), showtime, 3) for _ in range(3)]
    assert [answer.status_code for answer in everybody] == [201, 201, 409]
    answer = await best(stage.buyer(), showtime, 4, **PRESALE)
    assert answer.json()["seatIds"] == ["A1", "A2", "A3", "A4"]
    nobody = await best(stage.buyer(), showtime, 1, **PRESALE)
    assert nobody.json()["type"].endswith("/no-free-block")


@pytest.mark.parametrize("role", ["admin", "service"])
async def test_admins_and_services_need_no_code_but_the_channel_must_be_there(stage: Stage, role: str) -> None:
    showtime, till = await with_presale(stage), stage.buyer(role)
    assert (await till.reserve(showtime, "B1", channel="press")).json()["channel"] == "press"
    assert (await till.reserve(showtime, "A1", channel="presale")).status_code == 201
    assert (await till.reserve(showtime, "A2")).json()["seatIds"] == ["A2"]
    unknown = await till.reserve(showtime, "C1", channel="box-office")
    assert unknown.status_code == 422
    assert unknown.json()["type"].endswith("/unknown-channel")


@pytest.mark.parametrize(
    "knock",
    [
        {"channel": "presale", "accessCode": "open barley"},
        {"channel": "presale", "accessCode": CODE.upper()},
        {"channel": "presale"},
        {"channel": "press", "accessCode": CODE},
        {"channel": "press"},
        {"channel": "nowhere", "accessCode": CODE},
        {"channel": "nowhere"},
    ],
)
async def test_a_wrong_code_and_an_unknown_channel_look_the_same(stage: Stage, knock: dict[str, str]) -> None:
    showtime = await with_presale(stage)
    for seat_id in ("A1", "C1"):
        answer = await stage.buyer().reserve(showtime, seat_id, **knock)
        assert answer.status_code == 403
        assert answer.json() == {
            "type": "https://marquee.example/problems/channel-refused",
            "title": "This channel is not open to you",
            "status": 403,
            "detail": "This channel is not open to you",
            "instance": f"/api/v1/showtimes/{showtime.showtime_id}/seats/reserve",
        }
    assert set((await stage.taken(showtime)).values()) == {"blocked"}


@pytest.mark.parametrize("body", [{"accessCode": CODE}, {"channel": "Presale", "accessCode": CODE}, {"channel": ""}])
async def test_a_code_without_a_channel_or_a_channel_that_can_not_be_is_422(stage: Stage, body: dict[str, str]) -> None:
    showtime = await with_presale(stage)
    assert (await stage.buyer().reserve(showtime, "C1", **body)).status_code == 422


async def test_a_code_is_kept_nowhere_not_even_so_that_it_could_be_tried_fast(stage: Stage) -> None:
    showtime, wanted = await stage.open(), {"seatIds": ["A1"], **PRESALE}
    blocks, headers = f"/showtimes/{showtime.showtime_id}/blocks", {"Idempotency-Key": "mine"}
    assert CODE not in (await stage.buyer("admin").post(blocks, wanted, headers=headers)).text
    assert (await stage.buyer().reserve(showtime, "A1", key="mine", **PRESALE)).status_code == 201
    fast = hashlib.sha256(b"\n" + json.dumps(wanted, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    for name in await stage.database.list_collection_names():
        kept = str(await stage.database[name].find().to_list())
        assert CODE not in kept
        assert fast not in kept


async def test_two_blocks_with_one_code_keep_different_digests(stage: Stage) -> None:
    showtime = await with_presale(stage)
    await stage.block(showtime, "A5", channel="presale", accessCode=CODE)
    digests = [block.get("code") for block in (await stage.seat_map(showtime))["blocks"].values()]
    assert len(set(digests)) == 3


# --- guessing --------------------------------------------------------------------------------------------------------


async def test_who_guesses_too_often_is_stopped_for_a_while_even_with_the_right_code(stage: Stage) -> None:
    showtime, ann = await with_presale(stage), stage.buyer()
    stage.clock.set(stage.clock.now().replace(minute=30, second=0, microsecond=0))
    for number in range(WRONG_CODES_PER_PERSON.most):
        wrong = await ann.reserve(showtime, "A1", channel="presale", accessCode=f"guess number {number}")
        assert wrong.status_code == 403
    stopped = await ann.reserve(showtime, "A1", **PRESALE)
    assert stopped.status_code == 429
    assert 0 < int(stopped.headers["retry-after"]) <= 15 * 60
    assert (await ann.reserve(showtime, "C1")).status_code == 201
    assert (await stage.buyer().reserve(showtime, "A2", **PRESALE)).status_code == 201
    stage.clock.advance(timedelta(minutes=15))
    assert (await ann.reserve(showtime, "A1", **PRESALE)).status_code == 201


async def test_guesses_that_come_at_once_are_counted_before_they_are_looked_at(stage: Stage) -> None:
    showtime, ann = await with_presale(stage), stage.buyer()
    guesses = (ann.reserve(showtime, "A1", channel="presale", accessCode=f"guess number {n}") for n in range(20))
    answers = Counter(answer.status_code for answer in await asyncio.gather(*guesses))
    assert answers == {403: 10, 429: 10}


async def test_new_people_at_one_address_can_not_go_on_guessing(stage: Stage) -> None:
    showtime = await with_presale(stage)
    answers = [
        (await stage.buyer("guest").reserve(showtime, "A1", channel="nowhere", accessCode=CODE)).status_code
        for _ in range(WRONG_CODES_PER_ADDRESS.most + 1)
    ]
    assert answers == [403] * WRONG_CODES_PER_ADDRESS.most + [429]


async def test_right_codes_are_not_counted(stage: Stage) -> None:
    showtime, ann = await with_presale(stage), stage.buyer()
    for _ in range(WRONG_CODES_PER_PERSON.most + 1):
        answer = await ann.reserve(showtime, "A1", **PRESALE)
        assert answer.status_code == 201
        await ann.put(f"/bookings/{answer.json()['bookingId']}/cancel")


async def test_where_limits_are_off_nobody_is_stopped(
    stage: Stage, settings: Settings, shared_clock: ManualClock
) -> None:
    showtime = await with_presale(stage)
    lifted = settings.model_copy(update={"limits": "off"})
    async with running(create_app(lifted, shared_clock)) as client:
        ann = stage.buyer(client=client)
        for _ in range(WRONG_CODES_PER_PERSON.most + 2):
            assert (
                await ann.reserve(showtime, "A1", channel="presale", accessCode="the same wrong one")
            ).status_code == 403


# --- what becomes of such bookings -----------------------------------------------------------------------------------


async def test_seats_that_are_given_back_belong_to_the_channel_again(stage: Stage) -> None:
    showtime, ann = await with_presale(stage), stage.buyer()
    held = (await ann.reserve(showtime, "A1", **PRESALE)).json()["bookingId"]
    sold = (await ann.reserve(showtime, "A2", "A5", **PRESALE)).json()["bookingId"]
    await stage.settle(sold, await stage.prepared(sold))
    assert {s: status for s, status in (await stage.taken(showtime)).items() if s in {"A1", "A2", "A5"}} == {
        "A1": "held",
        "A2": "booked",
        "A5": "booked",
    }
    for booking_id in (held, sold):
        assert (await ann.put(f"/bookings/{booking_id}/cancel")).json()["channel"] == "presale"
    now = await stage.taken(showtime)
    assert (now["A1"], now["A2"]) == ("blocked", "blocked")
    assert "A5" not in now
    assert (await stage.buyer().reserve(showtime, "A1")).status_code == 409
    assert (await stage.buyer().reserve(showtime, "A1", "A2", **PRESALE)).status_code == 201
    await stage.sound()


async def test_unblocking_a_sold_seat_takes_it_from_nobody(stage: Stage) -> None:
    showtime, ann, admin = await stage.open(), stage.buyer(), stage.buyer("admin")
    block_id = await stage.block(showtime, "A1", "A2", **PRESALE)
    sold = (await ann.reserve(showtime, "A1", **PRESALE)).json()["bookingId"]
    await stage.settle(sold, await stage.prepared(sold))
    await admin.delete(f"/showtimes/{showtime.showtime_id}/blocks/{block_id}")
    assert await stage.taken(showtime) == {"A1": "booked"}
    await ann.put(f"/bookings/{sold}/cancel")
    assert await stage.taken(showtime) == {}
    await stage.sound()


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize(("channel", "status"), [("presale", "confirmed"), ("press", "expired")])
async def test_late_money_takes_seats_of_the_bookings_own_channel_only(
    stage: Stage, channel: str, status: str, swept: bool
) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    block_id = await stage.block(showtime, "A1", "A2", **PRESALE)
    booking_id = (await ann.reserve(showtime, "A1", "A2", "A3", **PRESALE)).json()["bookingId"]
    payment_id = await stage.prepared(booking_id)
    stage.clock.advance(TEN_MINUTES)
    if swept:
        await sweep(stage.inventory)
    await stage.buyer("admin").delete(f"/showtimes/{showtime.showtime_id}/blocks/{block_id}")
    await stage.block(showtime, "A2", "A3", channel=channel)
    answer = await stage.settle(booking_id, payment_id)
    assert answer.json()["status"] == status
    assert ("refund" in answer.json()) == (status == "expired")
    await stage.sound()


async def test_a_crowd_behind_one_address_gets_in_with_the_right_code(stage: Stage) -> None:
    showtime = await with_presale(stage)
    crowd = WRONG_CODES_PER_ADDRESS.most + 20
    answers = await asyncio.gather(*(stage.buyer().reserve(showtime, "A1", **PRESALE) for _ in range(crowd)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: crowd - 1}
