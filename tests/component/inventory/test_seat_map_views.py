"""What people see of a seat map."""

import base64
from datetime import timedelta
from typing import Any

import pytest

from service_kit.ids import new_id
from tests.component.inventory.stage import ALL_SEATS, Stage


def own_fields(body: dict[str, Any], seat_id: str) -> dict[str, Any]:
    (seat,) = [seat for seat in body["seatMap"]["seats"] if seat["seatId"] == seat_id]
    return {name: seat[name] for name in ("holderId", "heldUntil", "bookingId") if name in seat}


async def test_the_seat_map_lists_every_seat_in_the_order_of_the_hall(stage: Stage) -> None:
    showtime = await stage.open()
    answer = await stage.client.get(f"/api/v1/showtimes/{showtime.showtime_id}/inventory")
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"showtimeId", "version", "lastUpdated", "layout", "seatMap", "summary"}
    assert body["layout"] == {"hallId": showtime.hall_id, "version": 1}
    assert [seat["seatId"] for seat in body["seatMap"]["seats"]] == ALL_SEATS
    assert body["seatMap"]["seats"][0] == {"seatId": "A1", "status": "available", "price": 2_500}
    assert {key: body["summary"][key] for key in ("available", "total", "largestBlock", "minPrice", "currency")} == {
        "available": 60,
        "total": 60,
        "largestBlock": 10,
        "minPrice": 800,
        "currency": "EUR",
    }
    assert body["summary"]["bySeatType"]["vip"] == {
        "total": 10,
        "available": 10,
        "largestBlock": 10,
        "price": 2_500,
        "together": [2_500] * 10,
    }


async def test_held_and_booked_seats_say_so_and_the_summary_counts_them(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.hold(showtime, "A5")
    await stage.bought(showtime, "B1", "B2")
    assert await stage.taken(showtime) == {"A5": "held", "B1": "booked", "B2": "booked"}
    body = (await stage.client.get(f"/api/v1/showtimes/{showtime.showtime_id}/inventory")).json()
    assert body["summary"]["available"] == 57
    assert body["summary"]["bySeatType"]["vip"]["largestBlock"] == 5


async def test_who_holds_a_seat_is_shown_to_himself_to_admins_and_to_services_only(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    held = await stage.hold(showtime, "A1", buyer=ann)
    sold, _ = await stage.bought(showtime, "B1", buyer=ann)
    path = f"/showtimes/{showtime.showtime_id}/inventory"
    until = (await ann.get(f"/bookings/{held}")).json()["heldUntil"]
    for seer in (ann, stage.buyer("admin"), stage.buyer("service")):
        body = (await seer.get(path)).json()
        assert own_fields(body, "A1") == {"holderId": ann.subject, "heldUntil": until, "bookingId": held}
        assert own_fields(body, "B1") == {"holderId": ann.subject, "bookingId": sold}
        assert own_fields(body, "C1") == {}
    for body in ((await stage.buyer().get(path)).json(), (await stage.client.get(f"/api/v1{path}")).json()):
        assert ann.subject not in str(body)
        assert own_fields(body, "A1") == own_fields(body, "B1") == {}


async def test_an_unchanged_map_is_304_and_any_change_is_not(stage: Stage) -> None:
    showtime, buyer = await stage.open(), stage.buyer()
    path = f"/showtimes/{showtime.showtime_id}/inventory"
    first = await buyer.get(path)
    tag = first.headers["etag"]
    assert tag == f'"{first.json()["version"]}"'
    same = await buyer.get(path, headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    await stage.hold(showtime, "A1", buyer=buyer)
    changed = await buyer.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    assert changed.headers["vary"] == "Authorization"


async def test_a_hold_that_ran_out_is_seen_as_free_although_nobody_swept_it(stage: Stage) -> None:
    showtime, buyer = await stage.open(), stage.buyer()
    await stage.hold(showtime, "A1", buyer=buyer)
    path = f"/showtimes/{showtime.showtime_id}/inventory"
    tag = (await buyer.get(path)).headers["etag"]
    stage.clock.advance(timedelta(seconds=600))
    answer = await buyer.get(path, headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.json()["seatMap"]["seats"][0] == {"seatId": "A1", "status": "available", "price": 2_500}
    assert answer.json()["summary"]["available"] == 60


async def test_the_compact_view_says_the_same_as_the_full_one(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.hold(showtime, "A1", "C7")
    await stage.bought(showtime, "D10", "F10")
    full = await stage.client.get(f"/api/v1/showtimes/{showtime.showtime_id}/inventory")
    compact = await stage.client.get(f"/api/v1/showtimes/{showtime.showtime_id}/inventory?view=compact")
    body = compact.json()
    assert compact.headers["etag"] == full.headers["etag"]
    assert body["seats"] == 60
    decoded = {}
    for status in ("held", "booked"):
        packed = base64.b64decode(body[status])
        assert len(packed) == 8
        for position, seat_id in enumerate(ALL_SEATS):
            if packed[position // 8] >> position % 8 & 1:
                decoded[seat_id] = status
    assert decoded == {"A1": "held", "C7": "held", "D10": "booked", "F10": "booked"}
    assert decoded == await stage.taken(showtime)
    for field in ("showtimeId", "version", "lastUpdated", "layout"):
        assert body[field] == full.json()[field]


@pytest.mark.parametrize("view", ["", "packed", "$gt", "full,compact"])
async def test_another_view_is_422(stage: Stage, view: str) -> None:
    showtime = await stage.open()
    answer = await stage.client.get(f"/api/v1/showtimes/{showtime.showtime_id}/inventory?view={view}")
    assert answer.status_code == 422


async def test_checking_seats_says_which_are_free_now(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.hold(showtime, "A1")
    path = f"/api/v1/showtimes/{showtime.showtime_id}/seats/check"
    body = (await stage.client.post(path, json={"seatIds": ["A2", "A1"]})).json()
    assert (body["available"], body["unavailable"], body["allAvailable"]) == (["A2"], ["A1"], False)
    assert (await stage.client.post(path, json={"seatIds": ["A2"]})).json()["allAvailable"] is True


async def test_checking_seats_refuses_what_reserving_refuses(stage: Stage) -> None:
    showtime = await stage.open()
    path = f"/api/v1/showtimes/{showtime.showtime_id}/seats/check"
    for seat_ids in ([], ["A1", "A1"], ["Z1"], [f"A{n}" for n in range(11)]):
        assert (await stage.client.post(path, json={"seatIds": seat_ids})).status_code == 422
    assert (
        await stage.client.post(f"/api/v1/showtimes/{new_id()}/seats/check", json={"seatIds": ["A1"]})
    ).status_code == 404


async def test_no_seat_is_free_in_a_show_that_was_called_off_or_has_started(stage: Stage) -> None:
    off = await stage.open()
    await stage.tell("ShowtimeCancelled", off.model_copy(update={"version": 2, "status": "cancelled"}))
    over = await stage.open(starts_at=stage.clock.now())
    for showtime in (off, over):
        path = f"/api/v1/showtimes/{showtime.showtime_id}/seats/check"
        assert (await stage.client.post(path, json={"seatIds": ["A2"]})).json()["unavailable"] == ["A2"]


ODD_IDS = [
    "%00",
    "..",
    "%2e%2e%2fx",
    "%3Fa=b",
    "a%20b",
    "%24gt",
    "%7B%22$ne%22:1%7D",
    "%ff%fe",
    "%F0%9F%8E%AD",
    "x" * 2_000,
    "'",
    "a%0Ab",
]


@pytest.mark.parametrize("odd", ODD_IDS)
async def test_an_id_with_odd_characters_is_404(stage: Stage, odd: str) -> None:
    buyer, service = stage.buyer(), stage.buyer("service")
    seats = {"seatIds": ["A1"]}
    answers = [
        await buyer.get(f"/showtimes/{odd}/inventory"),
        await buyer.post(f"/showtimes/{odd}/seats/check", seats),
        await buyer.post(f"/showtimes/{odd}/seats/reserve", seats),
        await buyer.get(f"/bookings/{odd}"),
        await buyer.get(f"/bookings/{odd}/ticket"),
        await buyer.put(f"/bookings/{odd}/cancel"),
        await buyer.post(f"/bookings/{odd}/extend", {"additionalMinutes": 1}),
        await buyer.post(f"/bookings/{odd}/preparePayment", {"finalAmount": 1, "currency": "EUR"}),
        await service.put(f"/bookings/{odd}/confirm", {"paymentStatus": "succeeded", "paymentId": "p"}),
    ]
    assert {answer.status_code for answer in answers} <= {404, 405}


async def test_a_showtime_whose_map_is_being_made_is_503_and_says_when_to_come_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inventory_service.handlers.context.OPENING_SECONDS", 0.2)
    showtime = stage.showtime()
    answer = await stage.client.get(f"/api/v1/showtimes/{showtime.showtime_id}/inventory")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


async def test_holding_goes_on_while_the_venues_service_is_away(stage: Stage) -> None:
    showtime = await stage.open()
    stage.near.down = True
    await stage.hold(showtime, "A1")
    unknown = await stage.buyer().get(f"/showtimes/{new_id()}/inventory")
    assert unknown.status_code == 503
