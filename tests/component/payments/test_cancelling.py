"""Cancelling a payment over HTTP, and finding payments by their booking."""

import asyncio

import httpx2
import pytest

from service_kit.ids import new_id
from tests.component.payments.conftest import House, Json
from tests.support import eventually


async def cancel(house: House, payment: Json, key: str | None = None) -> httpx2.Response:
    headers = house.mint.headers("admin", "the-admin") | ({"Idempotency-Key": key} if key else {})
    return await house.api.post(f"/api/v1/payments/{payment['paymentId']}/cancel", headers=headers)


async def test_a_cancelled_payments_intent_is_cancelled_at_the_gateway_and_repeats_are_harmless(house: House) -> None:
    payment = await house.open()
    first = await cancel(house, payment)
    assert (first.status_code, first.json()["status"], first.json()["clientSecret"]) == (200, "cancelled", None)
    again = await cancel(house, payment)
    assert (again.status_code, again.json()) == (200, first.json())
    assert (await house.gateway.v1.payment_intents.retrieve_async(payment["paymentIntent"])).status == "canceled"
    assert (await house.confirm(payment)).status_code == 400
    assert await house.events_of(payment, 2) == ["PaymentRequested", "PaymentFailed"]


async def test_ten_cancellations_at_once_are_one(house: House) -> None:
    payment = await house.open()
    answers = await asyncio.gather(*(cancel(house, payment) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert await house.events_of(payment, 2) == ["PaymentRequested", "PaymentFailed"]


async def test_a_cancelled_payment_is_not_opened_again(house: House) -> None:
    wanted = {"bookingId": new_id(), "userId": new_id(), "amount": 700, "currency": "EUR"}
    headers = house.mint.headers("service")
    payment = (await house.api.post("/api/v1/payments", json=wanted, headers=headers)).json()
    assert (await cancel(house, payment)).status_code == 200
    again = await house.api.post("/api/v1/payments", json=wanted, headers=headers)
    assert (again.status_code, again.json()["title"]) == (409, "No more money is taken for this booking")


async def test_what_was_paid_can_not_be_cancelled(house: House) -> None:
    payment = await house.paid()
    refused = await cancel(house, payment)
    assert (refused.status_code, refused.json()["paymentStatus"]) == (409, "completed")
    assert (await house.refund(payment)).status_code == 201
    assert (await cancel(house, payment)).json()["paymentStatus"] == "refunded"


async def test_a_success_that_we_have_not_heard_of_is_learnt_of_when_one_cancels(house: House) -> None:
    await house.faults(drop=True)
    payment = await house.open()
    assert (await house.confirm(payment)).status_code == 200
    assert (await cancel(house, payment)).status_code == 409
    assert (await house.get(payment["paymentId"]))["status"] == "completed"
    assert (await house.events_of(payment, 2))[-1] == "PaymentSucceeded"


async def test_while_the_gateway_is_down_the_answer_is_202_and_the_worker_sees_to_it(house: House) -> None:
    payment = await house.open()
    await house.faults(failStatus=500)
    waiting = await cancel(house, payment)
    assert (waiting.status_code, waiting.json()["status"], waiting.json()["cancelling"]) == (202, "pending", True)
    await house.sandbox.delete("/sandbox/faults")
    assert (await cancel(house, payment)).status_code in {200, 202}
    done = await house.until(payment, lambda it: it["status"] == "cancelled")
    assert done["cancelling"] is False


async def test_a_declined_payment_may_be_cancelled_too(house: House) -> None:
    payment = await house.open()
    await house.confirm(payment, "pm_card_chargeDeclined")
    await house.until(payment, lambda it: it["status"] == "failed")
    assert (await cancel(house, payment)).json()["status"] == "failed"


async def test_only_admins_and_services_cancel_what_there_is(house: House) -> None:
    payment = await house.open()
    path = f"/api/v1/payments/{payment['paymentId']}/cancel"
    payer = await house.api.post(path, headers=house.mint.headers("user", payment["userId"]))
    assert payer.status_code == 403
    assert (await house.api.post(path)).status_code == 401
    assert (await cancel(house, {"paymentId": new_id()})).status_code == 404
    assert (await house.api.post(path, headers=house.mint.headers("service"))).status_code == 200


async def listed(house: House, **query: str | int) -> httpx2.Response:
    return await house.api.get("/api/v1/payments", params=query, headers=house.mint.headers("service"))


async def test_a_booking_leads_to_its_payment(house: House) -> None:
    payment = await house.open()
    answer = await listed(house, bookingId=payment["bookingId"])
    assert answer.json() == {"items": [payment], "nextCursor": None}
    assert (await listed(house, bookingId=new_id())).json() == {"items": [], "nextCursor": None}


async def test_all_payments_are_listed_newest_first_page_by_page(house: House) -> None:
    made = [(await house.open())["paymentId"] for _ in range(5)]
    first = await listed(house, limit=2)
    assert 'rel="next"' in first.headers["link"]
    seen = [each["paymentId"] for each in first.json()["items"]]
    second = await listed(house, limit=3, cursor=first.json()["nextCursor"])
    seen += [each["paymentId"] for each in second.json()["items"]]
    assert seen == made[::-1]


@pytest.mark.parametrize(
    "query", [{"bookingId": "$gt"}, {"bookingId": ""}, {"cursor": "x"}, {"limit": 0}, {"limit": 101}], ids=str
)
async def test_bad_lists_get_422(house: House, query: dict[str, str | int]) -> None:
    assert (await listed(house, **query)).status_code == 422


async def test_only_admins_and_services_list_payments(house: House) -> None:
    payment = await house.open()
    for role in ("guest", "user"):
        headers = house.mint.headers(role, payment["userId"])
        assert (await house.api.get("/api/v1/payments", headers=headers)).status_code == 403
    assert (await house.api.get("/api/v1/payments")).status_code == 401
    admin = await house.api.get(
        "/api/v1/payments", params={"bookingId": payment["bookingId"]}, headers=house.mint.headers("admin")
    )
    assert admin.json()["items"][0]["clientSecret"] is None


async def test_amount_and_currency_stay_as_the_booking_has_them_whatever_becomes_of_the_payment(house: House) -> None:
    payment = await house.paid(amount=900)
    for change in ({"amount": 901}, {"currency": "USD"}):
        wanted = {key: payment[key] for key in ("bookingId", "userId", "amount", "currency")} | change
        clash = await house.api.post("/api/v1/payments", json=wanted, headers=house.mint.headers("service"))
        assert (clash.status_code, clash.json()["amount"], clash.json()["currency"]) == (409, 900, "EUR")
    made = await house.gateway.v1.payment_intents.retrieve_async(payment["paymentIntent"])
    assert (made.amount, made.currency) == (900, "eur")
    await eventually(lambda: house.get(payment["paymentId"]), until=lambda it: it["version"] == payment["version"])
