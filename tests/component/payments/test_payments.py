"""A payment from its intent to success, decline or a lost webhook, through API, worker and gateway."""

import asyncio
from functools import partial
from typing import Any

import httpx2
import pytest

from payment_service.app import create_app
from payment_service.handlers.payments import Order, Payments
from payment_service.store.payments import Store
from payment_service.stripe_provider import open_stripe
from service_kit.clock import SystemClock
from service_kit.ids import new_id
from tests.component.payments.conftest import House
from tests.component.payments.signing import event, intent, post
from tests.support import eventually, running


def body(**changes: Any) -> dict[str, Any]:
    return {"bookingId": new_id(), "userId": new_id(), "amount": 2400, "currency": "EUR"} | changes


async def ask(house: House, wanted: dict[str, Any], **headers: str) -> httpx2.Response:
    return await house.api.post("/api/v1/payments", json=wanted, headers=house.mint.headers("service") | headers)


async def intents_of(house: House, payment_id: str) -> list[str]:
    """Intents at the gateway that carry this payment's id."""
    listed = await house.gateway.v1.payment_intents.list_async({"limit": 100})
    return [each.id for each in listed.data if each.to_dict()["metadata"].get("paymentId") == payment_id]


async def test_a_new_payment_has_an_intent_at_the_gateway_over_the_same_sum(house: House) -> None:
    payment = await house.open(amount=1250, description="2 seats")
    assert payment["status"] == "pending"
    assert payment["clientSecret"].startswith(payment["paymentIntent"])
    made = await house.gateway.v1.payment_intents.retrieve_async(payment["paymentIntent"])
    assert (made.amount, made.currency, made.description) == (1250, "eur", "2 seats")
    assert made.metadata["bookingId"] == payment["bookingId"]


async def test_a_repeat_for_the_same_booking_gives_the_same_intent(house: House) -> None:
    wanted = body()
    first = await ask(house, wanted)
    again = await ask(house, wanted)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


async def test_twenty_requests_at_once_for_one_booking_make_one_intent(house: House) -> None:
    wanted = body()
    answers = await asyncio.gather(*(ask(house, wanted) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    payment_ids = {answer.json()["paymentId"] for answer in answers}
    assert len(payment_ids) == 1
    assert len(await intents_of(house, payment_ids.pop())) == 1


@pytest.mark.parametrize("change", [{"amount": 2401}, {"currency": "USD"}, {"userId": "somebody-else"}])
async def test_another_sum_or_payer_for_the_same_booking_gets_409(house: House, change: dict[str, Any]) -> None:
    wanted = body()
    await ask(house, wanted)
    clash = await ask(house, wanted | change)
    assert clash.status_code == 409
    assert clash.json()["amount"] == 2400


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": 12.5},
        {"amount": "2400"},
        {"amount": True},
        {"amount": 10**30},
        {"currency": "eur"},
        {"currency": "EURO"},
        {"currency": "XXX"},
        {"bookingId": {"$gt": ""}},
        {"bookingId": ""},
        {"surprise": 1},
        {"retryDeclined": "yes"},
        {"description": "a\x00b"},
    ],
    ids=str,
)
async def test_bad_requests_get_422(house: House, change: dict[str, Any]) -> None:
    assert (await ask(house, body() | change)).status_code == 422


async def test_only_services_open_payments_and_only_the_payer_sees_them(house: House) -> None:
    for role in ("guest", "user", "admin"):
        answer = await house.api.post("/api/v1/payments", json=body(), headers=house.mint.headers(role))
        assert answer.status_code == 403
    assert (await house.api.post("/api/v1/payments", json=body())).status_code == 401

    payment = await house.open()
    path = f"/api/v1/payments/{payment['paymentId']}"
    own = await house.api.get(path, headers=house.mint.headers("user", payment["userId"]))
    assert "no-store" in own.headers["cache-control"]
    payer = await house.api.get(path, headers=house.mint.headers("guest", payment["userId"]))
    assert payer.json()["clientSecret"] == payment["clientSecret"]
    admin = await house.api.get(path, headers=house.mint.headers("admin"))
    assert (admin.status_code, admin.json()["clientSecret"]) == (200, None)
    assert (await house.api.get(path, headers=house.mint.headers("user"))).status_code == 404
    assert (await house.api.get(path)).status_code == 401
    for unknown in (new_id(), "nonsense", "$gt", "webhook"):
        answer = await house.api.get(f"/api/v1/payments/{unknown}", headers=house.mint.headers("admin"))
        assert answer.status_code == 404
    tag = payer.headers["etag"]
    headers = house.mint.headers("guest", payment["userId"]) | {"If-None-Match": tag}
    assert (await house.api.get(path, headers=headers)).status_code == 304


async def test_a_good_card_completes_the_payment(house: House) -> None:
    payment = await house.paid()
    assert payment["failure"] is None
    assert await house.events_of(payment, 2) == ["PaymentRequested", "PaymentSucceeded"]


async def test_a_declined_card_fails_the_payment_and_its_intent_can_not_succeed_any_more(house: House) -> None:
    payment = await house.open()
    assert (await house.confirm(payment, "pm_card_chargeDeclinedInsufficientFunds")).status_code == 402
    failed = await house.until(payment, lambda it: it["status"] == "failed")
    assert failed["failure"] == "insufficient_funds"
    assert await house.events_of(payment, 2) == ["PaymentRequested", "PaymentFailed"]

    async def status() -> str:
        return (await house.gateway.v1.payment_intents.retrieve_async(payment["paymentIntent"])).status

    await eventually(status, until=lambda found: found == "canceled")
    assert (await house.confirm(payment)).status_code == 400
    assert (await house.get(payment["paymentId"]))["status"] == "failed"


async def test_after_a_decline_that_may_be_tried_again_another_card_pays(house: House) -> None:
    payment = await house.open(retryDeclined=True)
    assert (await house.confirm(payment, "pm_card_chargeDeclinedInsufficientFunds")).status_code == 402
    declined = await house.until(payment, lambda it: it["failure"] == "insufficient_funds")
    assert (declined["status"], declined["cancelling"]) == ("pending", False)
    asked = (await house.confirm(payment, "pm_card_authenticationRequired")).json()
    await house.sandbox.post(asked["next_action"]["redirect_to_url"]["url"], data={"outcome": "failure"})
    await house.until(payment, lambda it: it["failure"] == "payment_intent_authentication_failure")
    assert (await house.confirm(payment)).status_code == 200
    paid = await house.until(payment, lambda it: it["status"] == "completed")
    assert paid["failure"] is None
    assert await house.events_of(payment, 2) == ["PaymentRequested", "PaymentSucceeded"]


async def test_a_declined_payment_that_may_be_tried_again_ends_when_it_is_cancelled(house: House) -> None:
    payment = await house.open(retryDeclined=True)
    await house.confirm(payment, "pm_card_chargeDeclined")
    await house.until(payment, lambda it: it["failure"])
    answer = await house.api.post(
        f"/api/v1/payments/{payment['paymentId']}/cancel", headers=house.mint.headers("service")
    )
    assert answer.json()["status"] == "cancelled"
    assert (await house.confirm(payment)).status_code == 400
    assert await house.events_of(payment, 2) == ["PaymentRequested", "PaymentFailed"]


async def test_three_d_secure_completes_only_after_the_buyers_step(house: House) -> None:
    payment = await house.open()
    asked = await house.confirm(payment, "pm_card_authenticationRequired")
    assert asked.json()["status"] == "requires_action"
    assert (await house.get(payment["paymentId"]))["status"] == "pending"
    page = asked.json()["next_action"]["redirect_to_url"]["url"]
    await house.sandbox.post(page, data={"outcome": "success"})
    await house.until(payment, lambda it: it["status"] == "completed")


async def test_a_processing_payment_completes_by_itself(house: House) -> None:
    payment = await house.open()
    assert (await house.confirm(payment, "pm_usBankAccount_success")).json()["status"] == "processing"
    await house.until(payment, lambda it: it["status"] == "completed")


async def test_money_taken_right_after_a_decline_still_completes_the_payment(house: House) -> None:
    """The buyer's second card is charged before we hear of the first one's decline."""
    payment = await house.open()
    await house.faults(delayMs=400)
    assert (await house.confirm(payment, "pm_card_chargeDeclined")).status_code == 402
    assert (await house.confirm(payment)).status_code == 200
    await house.until(payment, lambda it: it["status"] == "completed")


async def test_repeated_and_reordered_webhooks_change_nothing(house: House) -> None:
    await house.faults(repeat=3, reorder=True)
    payments = [await house.open() for _ in range(3)]
    for payment in payments:
        assert (await house.confirm(payment, "pm_card_chargeDeclined")).status_code == 402
        await house.confirm(payment)
    for payment in payments:
        await house.until(payment, lambda it: it["status"] == "completed")
        await eventually(partial(house.events_of, payment, 2), until=lambda found: found[-1] == "PaymentSucceeded")


@pytest.mark.parametrize(("method", "status"), [("pm_card_visa", "completed"), ("pm_card_chargeDeclined", "failed")])
async def test_a_webhook_that_never_comes_is_made_good_by_asking_the_gateway(
    house: House, method: str, status: str
) -> None:
    await house.faults(drop=True)
    payment = await house.open()
    await house.confirm(payment, method)
    await house.until(payment, lambda it: it["status"] == status, seconds=20)


async def test_a_gateway_that_is_down_is_503_and_a_repeat_finishes_the_same_payment(house: House) -> None:
    wanted = body()
    await house.faults(failStatus=500)
    down = await ask(house, wanted)
    assert (down.status_code, "retry-after" in down.headers) == (503, True)
    written = await house.database["payments"].find_one({"bookingId": wanted["bookingId"]})
    assert written is not None
    assert (written["status"], written["reference"]) == ("pending", None)
    await house.sandbox.delete("/sandbox/faults")
    again = await ask(house, wanted)
    assert again.json()["paymentId"] == written["_id"]
    assert again.json()["clientSecret"]


async def test_a_lost_answer_of_the_gateway_leads_to_the_same_intent_on_a_repeat(house: House) -> None:
    wanted = body()
    await house.faults(failStatus=500, answerLost=True)
    assert (await ask(house, wanted)).status_code == 503
    await house.sandbox.delete("/sandbox/faults")
    payment = (await ask(house, wanted)).json()
    assert await intents_of(house, payment["paymentId"]) == [payment["paymentIntent"]]


async def test_a_crash_before_the_reference_is_stored_neither_loses_nor_doubles_the_intent(house: House) -> None:
    """The process dies between the gateway's answer and the second write; the buyer's success comes before a repeat."""
    order = Order(new_id(), new_id(), 900, "EUR")
    async with open_stripe(house.settings) as provider:
        store = Store(house.database)
        payments = Payments(store, provider, SystemClock(), house.settings.reconcile_after)
        new = payments._new(order, new_id())
        assert await store.add(new, [])
        made = await provider.create_intent(new)
    thing = {"id": made.reference, "amount": 900, "currency": "eur", "metadata": {"paymentId": new.id}}
    assert (await post(house, event("payment_intent.succeeded", thing))).status_code == 200
    await house.until({"paymentId": new.id}, lambda it: it["status"] == "completed")
    repeat = await ask(house, body(bookingId=order.booking_id, userId=order.user_id, amount=900))
    assert (repeat.status_code, repeat.json()["paymentIntent"]) == (200, made.reference)
    assert await intents_of(house, new.id) == [made.reference]


async def test_a_gateway_that_refuses_our_key_is_503_not_500(house: House) -> None:
    settings = house.settings.model_copy(update={"stripe_api_key": type(house.settings.stripe_api_key)("sk_live_no")})
    async with running(create_app(settings)) as api:
        answer = await api.post("/api/v1/payments", json=body(), headers=house.mint.headers("service"))
    assert answer.status_code == 503


async def test_a_gateway_that_hangs_is_503_in_time_for_the_caller(house: House) -> None:
    settings = house.settings.model_copy(update={"stripe_timeout_seconds": 0.2})
    await house.faults(hangMs=2_000)
    async with running(create_app(settings)) as api:
        answer = await api.post("/api/v1/payments", json=body(), headers=house.mint.headers("service"), timeout=10)
    assert answer.status_code == 503


async def test_signed_success_for_a_payment_twice_keeps_one_version(house: House) -> None:
    payment = await house.paid()
    assert (await post(house, event("payment_intent.succeeded", intent(payment)))).status_code == 200
    later = await house.until(payment, lambda it: it["status"] == "completed")
    assert later["version"] == payment["version"]


async def test_readiness_names_the_database(house: House) -> None:
    answer = await house.api.get("/readyz")
    assert answer.json() == {"status": "ready", "dependencies": {"mongodb": "ok"}}
    assert (await house.sandbox.get("/readyz")).status_code == 200
    assert (await house.sandbox.get("/livez")).status_code == 200
