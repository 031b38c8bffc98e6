"""Holding seats, to the letter of the contract."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from inventory_service.handlers.expire import sweep
from messaging.events import Pricing, SalesWindow
from service_kit.ids import new_id
from tests.component.inventory.stage import PRICING, Stage, problem


async def test_a_hold_answers_201_with_its_seats_its_price_and_its_end(stage: Stage) -> None:
    showtime, buyer = await stage.open(), stage.buyer()
    answer = await buyer.reserve(showtime, "B1", "A1", "E1")
    assert answer.status_code == 201
    body = answer.json()
    assert answer.headers["location"] == f"/api/v1/bookings/{body['bookingId']}"
    assert answer.headers["etag"] == '"1"'
    assert body["status"] == "pending"
    assert body["showtimeId"] == showtime.showtime_id
    assert body["userId"] == buyer.subject
    assert body["seatIds"] == ["B1", "A1", "E1"]
    assert (body["finalAmount"], body["currency"]) == (2_500 + 1_000 + 800 + 150, "EUR")
    assert [(line["seatId"], line["amount"]) for line in body["price"]["lines"]] == [
        ("A1", 2_500),
        ("B1", 1_000),
        ("E1", 800),
    ]
    assert body["price"]["discounts"] == []
    assert (body["price"]["fee"], body["price"]["total"]) == (150, body["finalAmount"])
    assert datetime.fromisoformat(body["heldUntil"]) == stage.clock.now() + timedelta(seconds=600)
    assert await stage.taken(showtime) == {"A1": "held", "B1": "held", "E1": "held"}
    await stage.sound()


async def test_the_booking_can_be_made_with_the_showtime_in_the_body(stage: Stage) -> None:
    showtime = await stage.open()
    answer = await stage.buyer().post("/bookings", {"showtimeId": showtime.showtime_id, "seatIds": ["A1"]})
    assert answer.status_code == 201
    assert await stage.taken(showtime) == {"A1": "held"}


async def test_second_buyer_gets_409_with_exactly_the_seats_in_the_way(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.hold(showtime, "A1", "A2")
    await stage.bought(showtime, "C5")
    answer = await stage.buyer().reserve(showtime, "A2", "A3", "C5")
    assert problem(answer, 409, "seats-taken")["seatIds"] == ["A2", "C5"]
    assert await stage.taken(showtime) == {"A1": "held", "A2": "held", "C5": "booked"}
    assert await stage.database["bookings"].count_documents({}) == 2
    await stage.sound()


@pytest.mark.parametrize(
    ("seconds", "status"), [(59, 422), (60, 201), (1_800, 201), (1_801, 422), (0, 422), (-60, 422)]
)
async def test_a_hold_lasts_from_one_to_thirty_minutes(stage: Stage, seconds: int, status: int) -> None:
    showtime = await stage.open()
    answer = await stage.buyer().reserve(showtime, "A1", holdTimeoutSeconds=seconds)
    assert answer.status_code == status
    if status == 201:
        assert datetime.fromisoformat(answer.json()["heldUntil"]) == stage.clock.now() + timedelta(seconds=seconds)


async def test_a_started_show_is_410(stage: Stage) -> None:
    showtime = await stage.open(starts_at=stage.clock.now() + timedelta(minutes=1))
    stage.clock.advance(timedelta(minutes=1))
    problem(await stage.buyer().reserve(showtime, "A1"), 410, "showtime-started")


async def test_a_cancelled_show_is_410(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.tell("ShowtimeCancelled", showtime.model_copy(update={"version": 2, "status": "cancelled"}))
    problem(await stage.buyer().reserve(showtime, "A1"), 410, "showtime-cancelled")
    assert await stage.holds(showtime) == {}


@pytest.mark.parametrize(
    ("seat_ids", "pointer"),
    [
        ([], "/seatIds"),
        (["A1", "A1"], "/seatIds/1"),
        ([f"B{n}" for n in range(1, 11)] + ["C1"], "/seatIds"),
        (["A1", "Z1"], "/seatIds/1"),
        ([f"x{n}" for n in range(10_000)], "/seatIds"),
        (["A1", ""], "/seatIds/1"),
        (["A1", "A" * 101], "/seatIds/1"),
        (["A1", 2], "/seatIds/1"),
        (["A1", None], "/seatIds/1"),
        (["A1", {"$gt": ""}], "/seatIds/1"),
        ({"$gt": ""}, "/seatIds"),
        ("A1", "/seatIds"),
        (None, "/seatIds"),
    ],
)
async def test_a_selection_that_can_not_be_had_is_422_with_the_place(stage: Stage, seat_ids: Any, pointer: str) -> None:
    showtime = await stage.open()
    path = f"/showtimes/{showtime.showtime_id}/seats/reserve"
    answer = await stage.buyer().post(path, {"seatIds": seat_ids})
    assert answer.status_code == 422, answer.text
    assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]
    assert (await stage.seat_map(showtime))["version"] == 1


async def test_unknown_seats_are_named(stage: Stage) -> None:
    showtime = await stage.open()
    answer = await stage.buyer().reserve(showtime, "Z1", "A1", "a1", "A1 ", "holds.x", "$where")
    assert problem(answer, 422, "unknown-seats")["seatIds"] == ["Z1", "a1", "A1 ", "holds.x", "$where"]


@pytest.mark.parametrize(
    "change",
    [
        {"seats": ["A1"]},
        {"$where": "1"},
        {"price": 1},
        {"holdTimeoutSeconds": "600"},
        {"holdTimeoutSeconds": True},
        {"holdTimeoutSeconds": 600.5},
        {"holdTimeoutSeconds": {"$gt": 0}},
        {"holdTimeoutSeconds": 10**30},
        {"promoCode": ""},
        {"promoCode": 5},
        {"promoCode": "x" * 51},
        {"promoCode": "no such code"},
        {"userId": {"$ne": None}},
        {"userId": "a b"},
    ],
    ids=str,
)
async def test_unknown_fields_and_wrong_types_are_422_and_hold_nothing(stage: Stage, change: dict[str, Any]) -> None:
    showtime = await stage.open()
    answer = await stage.buyer().reserve(showtime, "A1", **change)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]
    assert (await stage.seat_map(showtime))["version"] == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"seatIds": ["\\ud800"]}', b"\xff\xfe", b'{"seatIds": NaN}']
)
async def test_a_body_that_is_no_request_is_4xx(stage: Stage, body: bytes) -> None:
    showtime = await stage.open()
    buyer = stage.buyer()
    answer = await buyer.client.post(
        f"/api/v1/showtimes/{showtime.showtime_id}/seats/reserve",
        content=body,
        headers={**buyer.headers, "Content-Type": "application/json"},
    )
    assert answer.status_code in {400, 422}, answer.text


async def test_an_unknown_showtime_is_404(stage: Stage) -> None:
    answer = await stage.buyer().post(f"/showtimes/{new_id()}/seats/reserve", {"seatIds": ["A1"]})
    problem(answer, 404, "not-found")
    problem(await stage.buyer().post("/bookings", {"showtimeId": new_id(), "seatIds": ["A1"]}), 404, "not-found")


async def test_without_a_token_nothing_is_held(stage: Stage) -> None:
    showtime = await stage.open()
    answer = await stage.client.post(
        f"/api/v1/showtimes/{showtime.showtime_id}/seats/reserve", json={"seatIds": ["A1"]}
    )
    assert answer.status_code == 401


async def test_a_guest_may_book(stage: Stage) -> None:
    showtime = await stage.open()
    await stage.hold(showtime, "A1", buyer=stage.buyer("guest"))


async def test_only_admins_and_services_book_for_somebody_else(stage: Stage) -> None:
    showtime, ann = await stage.open(), stage.buyer()
    refused = await stage.buyer().reserve(showtime, "A1", userId=ann.subject)
    problem(refused, 403, "forbidden")
    answer = await stage.buyer("admin").reserve(showtime, "A1", userId=ann.subject)
    assert answer.json()["userId"] == ann.subject
    assert (await ann.get(f"/bookings/{answer.json()['bookingId']}")).status_code == 200


async def test_the_price_is_frozen_at_the_hold_even_when_the_catalogue_changes_it(stage: Stage) -> None:
    showtime, buyer = await stage.open(), stage.buyer()
    booking_id = await stage.hold(showtime, "B1", buyer=buyer)
    dearer = Pricing(currency="EUR", tiers={"standard": 9_000, "vip": 9_000}, fee=0)
    await stage.tell("ShowtimeUpdated", showtime.model_copy(update={"version": 2, "pricing": dearer}))
    assert (await buyer.get(f"/bookings/{booking_id}")).json()["finalAmount"] == 1_150
    later = await buyer.reserve(showtime, "B2")
    assert later.json()["finalAmount"] == 9_000


async def test_a_code_that_does_not_apply_is_refused_and_nothing_held(stage: Stage) -> None:
    ends = (stage.clock.now() + timedelta(hours=1)).isoformat()
    promotions = [{"kind": "code", "code": "TWO", "percent": 10, "minTickets": 2, "until": ends}]
    showtime = await stage.open(promotions=promotions)
    too_few = problem(await stage.buyer().reserve(showtime, "B1", promoCode="two"), 422, "promo-code-not-applicable")
    assert too_few["detail"] == "It takes 2 tickets or more"
    assert (await stage.buyer().reserve(showtime, "B1", "B2", promoCode="two")).status_code == 201
    stage.clock.advance(timedelta(hours=1))
    problem(await stage.buyer().reserve(showtime, "A1", "A2", promoCode="two"), 422, "promo-code-not-applicable")
    await sweep(stage.inventory)
    assert await stage.taken(showtime) == {}


async def test_promotions_and_codes_are_listed_and_add_up(stage: Stage) -> None:
    promotions = [{"kind": "third-ticket"}, {"kind": "code", "code": "SPRING", "percent": 10}]
    showtime = await stage.open(promotions=promotions)
    body = (await stage.buyer().reserve(showtime, "B1", "B2", "B3", promoCode="spring")).json()
    assert [(cut["kind"], cut["amount"]) for cut in body["price"]["discounts"]] == [
        ("third-ticket", -500),
        ("code", -250),
    ]
    assert body["finalAmount"] == 3_000 - 750 + 150


async def test_a_code_that_was_just_added_works_in_a_process_that_had_not_heard_of_it(stage: Stage) -> None:
    showtime, buyer = await stage.open(), stage.buyer()
    await stage.hold(showtime, "A1", buyer=buyer)  # the process remembers the showtime without promotions
    promotions = [{"kind": "code", "code": "NEW", "percent": 50}]
    await stage.tell("ShowtimeUpdated", showtime.model_copy(update={"version": 2, "promotions": promotions}))
    answer = await buyer.reserve(showtime, "B1", promoCode="NEW")
    assert answer.status_code == 201, answer.text
    assert answer.json()["finalAmount"] == 500 + 150


async def test_a_repeat_with_the_same_key_gets_the_first_answer_again(stage: Stage) -> None:
    showtime, buyer = await stage.open(), stage.buyer()
    first = await buyer.reserve(showtime, "A1", key="one")
    again = await buyer.reserve(showtime, "A1", key="one")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert await stage.database["bookings"].count_documents({}) == 1


async def test_a_refusal_is_repeated_too(stage: Stage) -> None:
    showtime, buyer = await stage.open(), stage.buyer()
    await stage.hold(showtime, "A1")
    first = await buyer.reserve(showtime, "A1", key="one")
    again = await buyer.reserve(showtime, "A1", key="one")
    assert (again.status_code, again.json()) == (409, first.json())


async def test_the_same_key_with_another_body_is_422(stage: Stage) -> None:
    showtime, buyer = await stage.open(), stage.buyer()
    await buyer.reserve(showtime, "A1", key="one")
    problem(await buyer.reserve(showtime, "A2", key="one"), 422, "idempotency-key-reused")
    assert await stage.taken(showtime) == {"A1": "held"}


async def test_the_same_key_of_somebody_else_is_another_request(stage: Stage) -> None:
    showtime = await stage.open()
    assert (await stage.buyer().reserve(showtime, "A1", key="one")).status_code == 201
    assert (await stage.buyer().reserve(showtime, "A2", key="one")).status_code == 201


async def test_prices_in_the_seat_map_are_those_of_the_hold(stage: Stage) -> None:
    showtime = await stage.open()
    answer = await stage.client.get(f"/api/v1/showtimes/{showtime.showtime_id}/inventory")
    prices = {seat["seatId"]: seat["price"] for seat in answer.json()["seatMap"]["seats"]}
    body = (await stage.buyer().reserve(showtime, "A1", "B1", "F1")).json()
    assert {line["seatId"]: line["amount"] for line in body["price"]["lines"]} == {
        seat_id: prices[seat_id] for seat_id in ("A1", "B1", "F1")
    }
    assert body["price"]["fee"] == PRICING.fee


async def test_before_the_sale_begins_nothing_is_held_and_the_answer_says_when_it_does(stage: Stage) -> None:
    begins = stage.clock.now() + timedelta(hours=1)
    showtime = await stage.open(on_sale=SalesWindow(from_=begins))
    refused = problem(await stage.buyer().reserve(showtime, "A1"), 409, "not-on-sale-yet")
    assert datetime.fromisoformat(refused["onSaleFrom"]) == begins
    stage.clock.advance(timedelta(hours=1))
    assert (await stage.buyer().reserve(showtime, "A1")).status_code == 201


async def test_after_the_sale_has_ended_it_is_410(stage: Stage) -> None:
    showtime = await stage.open(on_sale=SalesWindow(until=stage.clock.now() + timedelta(minutes=5)))
    assert (await stage.buyer().reserve(showtime, "A1")).status_code == 201
    stage.clock.advance(timedelta(minutes=5))
    problem(await stage.buyer().reserve(showtime, "A2"), 410, "sales-ended")


async def test_a_sale_that_was_moved_forward_is_known_at_once(stage: Stage) -> None:
    begins = stage.clock.now() + timedelta(hours=1)
    showtime = await stage.open(on_sale=SalesWindow(from_=begins))
    problem(await stage.buyer().reserve(showtime, "A1"), 409, "not-on-sale-yet")
    await stage.tell("ShowtimeUpdated", showtime.model_copy(update={"version": 2, "on_sale": SalesWindow()}))
    assert (await stage.buyer().reserve(showtime, "A1")).status_code == 201
