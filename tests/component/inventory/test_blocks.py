"""Seats that admins keep from public sale: blocking, looking, unblocking."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from inventory_service.domain import blocking
from inventory_service.handlers.expire import sweep
from messaging.events import ShowtimeState
from tests.component.inventory.stage import ALL_SEATS, SEATS_A_ROW, Stage

ROW_A = [f"A{number}" for number in range(1, SEATS_A_ROW + 1)]
BALCONY = [seat_id for seat_id in ALL_SEATS if seat_id[0] in "EF"]
CAPACITY = 40


async def block(stage: Stage, showtime: ShowtimeState, key: str | None = None, **body: Any) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await stage.buyer("admin", "ada").post(f"/showtimes/{showtime.showtime_id}/blocks", body, headers=headers)


def path(showtime: ShowtimeState, block_id: str = "") -> str:
    return f"/showtimes/{showtime.showtime_id}/blocks" + (f"/{block_id}" if block_id else "")


async def with_floor(stage: Stage) -> ShowtimeState:
    """A showtime in a hall that has a floor with a capacity besides its seats."""
    showtime = stage.showtime(seat_count=len(ALL_SEATS) + CAPACITY)
    layout = stage.near.layouts[showtime.venue.venue_id, showtime.hall_id, "1"]
    layout["sections"].append({"id": "floor", "name": "Floor", "capacity": CAPACITY, "seatType": "standard"})
    await stage.tell("ShowtimeCreated", showtime)
    return showtime


async def test_blocked_seats_can_be_had_by_nobody_and_everybody_sees_why(stage: Stage) -> None:
    showtime = await stage.open()
    answer = await block(stage, showtime, seatIds=["A1", "A2"], reason="camera")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert answer.headers["location"] == f"/api/v1{path(showtime, body['blockId'])}"
    assert body == {
        "blockId": body["blockId"],
        "showtimeId": showtime.showtime_id,
        "seatIds": ["A1", "A2"],
        "channel": None,
        "hasAccessCode": False,
        "reason": "camera",
        "madeAt": body["madeAt"],
    }
    for role in ("user", "guest", "admin", "service"):
        refused = await stage.buyer(role).reserve(showtime, "A2", "A3")
        assert (refused.status_code, refused.json()["seatIds"]) == (409, ["A2"])
    assert await stage.taken(showtime) == {"A1": "blocked", "A2": "blocked"}
    await stage.sound()


async def test_nothing_that_looks_for_free_seats_counts_blocked_ones(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.block(showtime, *ROW_A)
    base = f"/api/v1/showtimes/{showtime.showtime_id}"
    summary = (await stage.client.get(f"{base}/inventory")).json()["summary"]
    assert (summary["available"], summary["bySeatType"]["vip"]["available"]) == (50, 0)
    assert (await stage.client.get(f"{base}/seats/best?count=2&seatType=vip")).json()["available"] == 50
    checked = (await stage.client.post(f"{base}/seats/check", json={"seatIds": ["A1", "B1"]})).json()
    assert (checked["available"], checked["unavailable"]) == (["B1"], ["A1"])
    best = await stage.buyer().post(f"/showtimes/{showtime.showtime_id}/seats/reserve", {"best": {"count": 10}})
    assert not set(best.json()["seatIds"]) & set(ROW_A)
    assert (await stage.seat_map(showtime))["dirty"]


@pytest.mark.parametrize(
    ("which", "seats"),
    [
        ({"section": "balcony"}, BALCONY),
        ({"seatType": "VIP"}, ROW_A),
        ({"section": "stalls", "seatType": "vip"}, ROW_A),
    ],
)
async def test_a_section_a_type_or_what_they_share_is_blocked_at_once(
    stage: Stage, which: dict[str, Any], seats: list[str]
) -> None:
    showtime = await stage.open()
    answer = await block(stage, showtime, **which)
    assert answer.json()["seatIds"] == seats
    assert await stage.taken(showtime) == dict.fromkeys(seats, "blocked")


async def test_of_a_section_with_a_capacity_the_last_free_places_are_blocked(stage: Stage) -> None:
    showtime = await with_floor(stage)
    await stage.hold(showtime, f"floor:{CAPACITY}")
    answer = await block(stage, showtime, section="floor", count=3)
    assert answer.json()["seatIds"] == ["floor:37", "floor:38", "floor:39"]
    again = await block(stage, showtime, section="floor", count=2)
    assert again.json()["seatIds"] == ["floor:35", "floor:36"]
    too_many = await block(stage, showtime, section="floor", count=CAPACITY - 5)
    assert (too_many.status_code, too_many.json()["available"]) == (409, CAPACITY - 6)
    assert too_many.json()["type"].endswith("/too-few-free")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"seatIds": []},
        {"seatIds": ["A1"], "section": "stalls"},
        {"seatIds": ["A1"], "seatType": "vip"},
        {"seatIds": ["A1"], "count": 1},
        {"seatIds": ["A1", "A1"]},
        {"seatIds": ["A1", "Z9"]},
        {"section": "pit"},
        {"seatType": "sofa"},
        {"section": "balcony", "seatType": "vip"},
        {"count": 2},
        {"section": "stalls", "count": 2},
        {"section": "floor", "count": 0},
        {"section": "floor", "seatType": "standard", "count": 2},
        {"seatIds": ["A1"], "channel": "Box Office"},
        {"seatIds": ["A1"], "channel": "x" * 51},
        {"seatIds": ["A1"], "channel": ""},
        {"seatIds": ["A1"], "accessCode": "opensesame"},
        {"seatIds": ["A1"], "channel": "presale", "accessCode": "short"},
        {"seatIds": ["A1"], "channel": "presale", "accessCode": "x" * 101},
        {"seatIds": ["A1"], "reason": "a\u0000b"},
        {"seatIds": ["A1"], "colour": "red"},
    ],
)
async def test_a_senseless_block_is_422_and_blocks_nothing(stage: Stage, body: dict[str, Any]) -> None:
    showtime = await with_floor(stage)
    answer = await block(stage, showtime, **body)
    assert answer.status_code == 422, answer.text
    assert await stage.taken(showtime) == {}


async def test_seats_that_somebody_has_or_that_are_blocked_are_named_and_none_is_blocked(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.hold(showtime, "A1")
    await stage.bought(showtime, "A3")
    await stage.block(showtime, "A5")
    before = await stage.taken(showtime)
    answer = await block(stage, showtime, seatType="vip")
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/seats-taken")
    assert answer.json()["seatIds"] == ["A1", "A3", "A5"]
    assert await stage.taken(showtime) == before


async def test_a_hold_that_ran_out_is_in_nobodys_way(stage: Stage) -> None:
    showtime = await stage.open()
    booking_id = await stage.hold(showtime, "A1")
    stage.clock.advance(timedelta(seconds=600))
    await stage.block(showtime, "A1", "A2")
    assert (await stage.document(booking_id))["status"] == "expired"
    assert await stage.taken(showtime) == {"A1": "blocked", "A2": "blocked"}
    await stage.sound()


async def test_no_block_in_a_show_that_is_unknown_over_or_called_off(stage: Stage) -> None:
    off = await stage.open()
    await stage.tell("ShowtimeCancelled", off.model_copy(update={"version": 2, "status": "cancelled"}))
    over = await stage.open(starts_at=stage.clock.now())
    for showtime, slug in ((off, "showtime-cancelled"), (over, "showtime-started")):
        answer = await block(stage, showtime, seatIds=["A1"])
        assert answer.status_code == 410
        assert answer.json()["type"].endswith(slug)


@pytest.mark.parametrize("odd", ["01a2143f-787c-7294-b13a-96e8a1210275", "%24gt", "%00", "a%0Ab", "%2e%2e%2fx"])
async def test_an_unknown_showtime_or_block_is_404(stage: Stage, odd: str) -> None:
    showtime, admin, seats = await stage.open(), stage.buyer("admin"), {"seatIds": ["A1"]}
    answers = [
        await admin.post(f"/showtimes/{odd}/blocks", seats),
        await admin.get(f"/showtimes/{odd}/blocks"),
        await admin.get(path(showtime, odd)),
        await admin.delete(path(showtime, odd)),
        await admin.post(path(showtime, f"{odd}/unblock"), seats),
        await admin.post(f"/showtimes/{odd}/seats/reserve", {**seats, "channel": "press"}),
    ]
    assert {answer.status_code for answer in answers} <= {404, 405}


async def test_only_admins_block_look_and_unblock(stage: Stage) -> None:
    showtime = await stage.open()
    block_id = await stage.block(showtime, "A1")
    for role in ("user", "guest", "service"):
        who = stage.buyer(role)
        answers = [
            await who.post(path(showtime), {"seatIds": ["B1"]}),
            await who.get(path(showtime)),
            await who.get(path(showtime, block_id)),
            await who.delete(path(showtime, block_id)),
            await who.post(path(showtime, f"{block_id}/unblock"), {"seatIds": ["A1"]}),
        ]
        assert {answer.status_code for answer in answers} == {403}
    assert (await stage.client.get(f"/api/v1{path(showtime)}")).status_code == 401
    assert await stage.taken(showtime) == {"A1": "blocked"}


async def test_blocks_are_listed_in_the_order_of_their_making_page_by_page(stage: Stage) -> None:
    showtime, admin = await stage.open(), stage.buyer("admin")
    made = [await stage.block(showtime, seat_id) for seat_id in ROW_A[:3]]
    first = await admin.get(path(showtime), params={"limit": 2})
    assert [item["blockId"] for item in first.json()["items"]] == made[:2]
    assert 'rel="next"' in first.headers["link"]
    rest = await admin.get(path(showtime), params={"limit": 2, "cursor": first.json()["nextCursor"]})
    assert [item["seatIds"] for item in rest.json()["items"]] == [["A3"]]
    assert rest.json()["nextCursor"] is None
    assert (await admin.get(path(showtime), headers={"If-None-Match": first.headers["etag"]})).status_code == 304


async def test_there_is_an_end_to_the_number_of_blocks(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inventory_service.handlers.blocks.MOST_BLOCKS", 2)
    assert blocking.MOST_BLOCKS > 2
    showtime = await stage.open()
    await stage.block(showtime, "A1")
    await stage.block(showtime, "A2")
    answer = await block(stage, showtime, seatIds=["A3"])
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/too-many-blocks")


async def test_admins_and_services_see_which_block_a_seat_is_in_and_nobody_else_does(stage: Stage) -> None:
    showtime = await stage.open()
    block_id = await stage.block(showtime, "A1", channel="press", reason="premiere")
    where = f"/showtimes/{showtime.showtime_id}/inventory"
    for role in ("admin", "service"):
        first, second = (await stage.buyer(role).get(where)).json()["seatMap"]["seats"][:2]
        assert (first["status"], first["blockId"], first["channel"]) == ("blocked", block_id, "press")
        assert "blockId" not in second
    for text in ((await stage.buyer().get(where)).text, (await stage.client.get(f"/api/v1{where}")).text):
        assert block_id not in text
        assert "press" not in text


# --- unblocking ------------------------------------------------------------------------------------------------------


async def test_some_seats_of_a_block_are_put_on_sale_and_the_rest_stays(stage: Stage) -> None:
    showtime, admin = await stage.open(), stage.buyer("admin")
    block_id = await stage.block(showtime, "A1", "A2", "A3", channel="press")
    before = (await admin.get(path(showtime, block_id))).headers["etag"]
    answer = await admin.post(path(showtime, f"{block_id}/unblock"), {"seatIds": ["A2"]})
    assert answer.status_code == 200
    assert (answer.json()["seatIds"], answer.json()["channel"]) == (["A1", "A3"], "press")
    seen = await admin.get(path(showtime, block_id), headers={"If-None-Match": before})
    assert seen.json() == answer.json()
    assert seen.headers["etag"] == answer.headers["etag"] != before
    await stage.hold(showtime, "A2")
    assert await stage.taken(showtime) == {"A1": "blocked", "A2": "held", "A3": "blocked"}


async def test_a_block_that_loses_its_last_seat_is_gone(stage: Stage) -> None:
    showtime, admin = await stage.open(), stage.buyer("admin")
    block_id = await stage.block(showtime, "A1", "A2")
    answer = await admin.post(path(showtime, f"{block_id}/unblock"), {"seatIds": ["A1", "A2"]})
    assert answer.json()["seatIds"] == []
    assert (await admin.get(path(showtime, block_id))).status_code == 404
    assert (await stage.seat_map(showtime))["blocks"] == {}
    await stage.hold(showtime, "A1", "A2")


async def test_a_removed_block_is_on_sale_and_can_not_be_removed_twice(stage: Stage) -> None:
    showtime, admin = await stage.open(), stage.buyer("admin")
    block_id = await stage.block(showtime, *ROW_A)
    assert (await admin.delete(path(showtime, block_id))).status_code == 204
    assert (await admin.delete(path(showtime, block_id))).status_code == 404
    assert (await admin.get(path(showtime))).json()["items"] == []
    await stage.hold(showtime, *ROW_A)


@pytest.mark.parametrize(("seat_ids", "slug"), [(["A1", "A9"], "not-in-block"), (["Z1"], "unknown-seats")])
async def test_seats_that_are_not_in_the_block_are_named(stage: Stage, seat_ids: list[str], slug: str) -> None:
    showtime, admin = await stage.open(), stage.buyer("admin")
    block_id = await stage.block(showtime, "A1", "A2")
    answer = await admin.post(path(showtime, f"{block_id}/unblock"), {"seatIds": seat_ids})
    assert answer.status_code == 422
    assert answer.json()["type"].endswith(slug)
    assert answer.json()["seatIds"] == seat_ids[-1:]
    assert await stage.taken(showtime) == {"A1": "blocked", "A2": "blocked"}


async def test_who_has_not_seen_the_latest_change_of_the_blocks_is_told(stage: Stage) -> None:
    showtime, admin = await stage.open(), stage.buyer("admin")
    block_id = await stage.block(showtime, "A1", "A2")
    old = {"If-Match": (await admin.get(path(showtime, block_id))).headers["etag"]}
    await admin.post(path(showtime, f"{block_id}/unblock"), {"seatIds": ["A1"]}, headers=old)
    late = [
        await admin.post(path(showtime, f"{block_id}/unblock"), {"seatIds": ["A2"]}, headers=old),
        await admin.delete(path(showtime, block_id), headers=old),
    ]
    assert [answer.status_code for answer in late] == [412, 412]
    assert await stage.taken(showtime) == {"A2": "blocked"}
    await stage.hold(showtime, "B1")  # holds don't change the blocks
    now = {"If-Match": (await admin.get(path(showtime, block_id))).headers["etag"]}
    await stage.hold(showtime, "B2")
    assert (await admin.delete(path(showtime, block_id), headers=now)).status_code == 204


async def test_blocks_of_a_show_that_has_begun_can_still_be_removed(stage: Stage) -> None:
    showtime = await stage.open()
    block_id = await stage.block(showtime, "A1")
    stage.clock.set(showtime.starts_at)
    assert (await stage.buyer("admin").delete(path(showtime, block_id))).status_code == 204


# --- late payments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("swept", [False, True])
async def test_late_money_for_seats_blocked_meanwhile_goes_back(stage: Stage, swept: bool) -> None:
    showtime = await stage.open()
    booking_id = await stage.hold(showtime, "A1", "A2")
    payment_id = await stage.prepared(booking_id)
    stage.clock.advance(timedelta(minutes=10))
    if swept:
        await sweep(stage.inventory)
    await stage.block(showtime, "A2", channel="press")
    answer = await stage.settle(booking_id, payment_id)
    assert (answer.json()["status"], answer.json()["refund"]["status"]) == ("expired", "requested")
    assert await stage.taken(showtime) == {"A2": "blocked"}
    await stage.sound()


# --- large houses ----------------------------------------------------------------------------------------------------


def stadium(rows: int, seats_a_row: int) -> dict[str, Any]:
    def row(number: int) -> dict[str, Any]:
        seats = [{"id": f"{number}-{seat}", "label": str(seat), "seatType": "standard"} for seat in range(seats_a_row)]
        return {"label": str(number), "seats": seats}

    return {"sections": [{"id": "bowl", "name": "Bowl", "rows": [row(number) for number in range(rows)]}]}


async def test_half_a_stadium_is_blocked_seat_by_seat_and_put_on_sale_again(stage: Stage) -> None:
    showtime, admin = stage.showtime(seat_count=100_000), stage.buyer("admin")
    layout = stadium(1_000, 100)
    stage.near.layouts[showtime.venue.venue_id, showtime.hall_id, "1"] = layout
    await stage.tell("ShowtimeCreated", showtime)
    ids = [seat["id"] for row in layout["sections"][0]["rows"] for seat in row["seats"]]
    half = ids[::2]
    # As long as the ids of a large house may be.
    answer = await block(stage, showtime, seatIds=half, channel="members", accessCode="open sesame")
    assert answer.status_code == 201, answer.text
    assert answer.json()["seatIds"] == half
    assert (await stage.buyer().reserve(showtime, ids[0])).status_code == 409
    await stage.hold(showtime, ids[1])
    await stage.hold(showtime, ids[2], channel="members", accessCode="open sesame")
    again = await block(stage, showtime, seatIds=ids[1::2])
    assert (again.status_code, again.json()["seatIds"]) == (409, [ids[1]])
    unblock = path(showtime, f"{answer.json()['blockId']}/unblock")
    assert (await admin.post(unblock, {"seatIds": half[1:]})).json()["seatIds"] == half[:1]


# --- many at once ----------------------------------------------------------------------------------------------------


async def test_a_block_and_holds_of_the_same_seats_at_once_never_both_succeed(stage: Stage) -> None:
    for _ in range(20):
        showtime = await stage.open()
        blocked, *held = await asyncio.gather(
            block(stage, showtime, seatIds=["A1", "A2", "A3"]),
            *(stage.buyer().reserve(showtime, seat_id) for seat_id in ("A1", "A2", "A3", "A4")),
        )
        assert held[3].status_code == 201
        won = [answer.status_code == 201 for answer in held[:3]]
        if blocked.status_code == 201:
            assert not any(won)
        else:
            assert blocked.status_code == 409
            assert set(blocked.json()["seatIds"]) <= {"A1", "A2", "A3"}
            assert any(won)
        await stage.sound()


async def test_of_blocks_that_share_a_seat_one_is_made(stage: Stage) -> None:
    showtime = await stage.open()
    answers = await asyncio.gather(
        *(block(stage, showtime, seatIds=ROW_A[number : number + 2]) for number in range(9)),
        block(stage, showtime, seatType="vip"),
    )
    made = [answer.json()["seatIds"] for answer in answers if answer.status_code == 201]
    seats = [seat_id for block_ in made for seat_id in block_]
    assert made
    assert len(seats) == len(set(seats))
    assert {answer.status_code for answer in answers} <= {201, 409}
    await stage.sound()


async def test_seats_unblocked_one_by_one_at_once_are_all_on_sale(stage: Stage) -> None:
    showtime, admin = await stage.open(), stage.buyer("admin")
    block_id = await stage.block(showtime, *ROW_A, "B1")
    unblock = path(showtime, f"{block_id}/unblock")
    answers = await asyncio.gather(*(admin.post(unblock, {"seatIds": [seat_id]}) for seat_id in ROW_A))
    assert [answer.status_code for answer in answers] == [200] * len(ROW_A)
    assert await stage.taken(showtime) == {"B1": "blocked"}


async def test_ten_admins_who_block_places_of_one_floor_get_different_ones(stage: Stage) -> None:
    showtime = await with_floor(stage)
    answers = await asyncio.gather(*(block(stage, showtime, section="floor", count=4) for _ in range(10)))
    seats = [seat_id for answer in answers for seat_id in answer.json()["seatIds"]]
    assert len(set(seats)) == len(seats) == CAPACITY
