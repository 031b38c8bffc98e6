"""The sandbox gateway, driven by Stripe's official SDK."""

import httpx2
import pytest
import stripe

from service_kit.ids import new_id
from tests.component.payments.conftest import API_KEY, House


async def test_the_official_sdk_takes_an_intent_from_creation_to_success(house: House) -> None:
    intents = house.gateway.v1.payment_intents
    made = await intents.create_async({"amount": 1999, "currency": "eur", "metadata": {"order": "7"}})
    assert (made.status, made.metadata["order"]) == ("requires_payment_method", "7")
    done = await intents.confirm_async(made.id, {"payment_method": "pm_card_visa"})
    assert (done.status, done.amount_received) == ("succeeded", 1999)
    assert (await intents.retrieve_async(made.id)).status == "succeeded"
    newest = await intents.list_async({"limit": 1})
    assert newest.data[0].id == made.id
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await intents.cancel_async(made.id)
    assert refused.value.code == "payment_intent_unexpected_state"


@pytest.mark.parametrize(
    ("method", "code", "reason"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ],
)
async def test_a_decline_is_a_card_error_and_the_intent_waits_for_another_card(
    house: House, method: str, code: str, reason: str | None
) -> None:
    intents = house.gateway.v1.payment_intents
    made = await intents.create_async({"amount": 500, "currency": "eur"})
    with pytest.raises(stripe.CardError) as declined:
        await intents.confirm_async(made.id, {"payment_method": method})
    error = declined.value.error
    assert (declined.value.http_status, declined.value.code) == (402, code)
    assert error is not None
    assert getattr(error, "decline_code", None) == reason
    now = await intents.retrieve_async(made.id)
    assert now.status == "requires_payment_method"
    assert now.last_payment_error is not None
    assert (await intents.confirm_async(made.id, {"payment_method": "pm_card_visa"})).status == "succeeded"


async def test_three_d_secure_needs_the_buyers_step(house: House) -> None:
    intents = house.gateway.v1.payment_intents
    made = await intents.create_async(
        {"amount": 500, "currency": "eur", "payment_method": "pm_card_authenticationRequired"}
    )
    assert made.status == "requires_confirmation"
    asked = await intents.confirm_async(made.id)
    assert asked.status == "requires_action"
    assert asked.next_action is not None
    assert asked.next_action.redirect_to_url is not None
    page = asked.next_action.redirect_to_url.url or ""
    assert "3-D Secure" in (await house.sandbox.get(page)).text
    assert (await house.sandbox.post(page, data={"outcome": "success"})).json()["status"] == "succeeded"


async def test_a_failed_authentication_is_a_failed_attempt(house: House) -> None:
    intents = house.gateway.v1.payment_intents
    made = await intents.create_async(
        {"amount": 500, "currency": "eur", "payment_method": "pm_card_threeDSecure2Required", "confirm": True}
    )
    await house.sandbox.post(f"/sandbox/authenticate/{made.id}", data={"outcome": "failure"})
    now = await intents.retrieve_async(made.id)
    assert now.status == "requires_payment_method"
    assert now.last_payment_error is not None
    assert now.last_payment_error.code == "payment_intent_authentication_failure"


async def test_the_same_idempotency_key_makes_one_intent_and_refuses_other_parameters(house: House) -> None:
    intents = house.gateway.v1.payment_intents
    key: stripe.RequestOptions = {"idempotency_key": new_id()}
    first = await intents.create_async({"amount": 500, "currency": "eur"}, key)
    again = await intents.create_async({"amount": 500, "currency": "eur"}, key)
    assert first.id == again.id
    assert again.last_response is not None
    assert again.last_response.headers["idempotent-replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        await intents.create_async({"amount": 501, "currency": "eur"}, key)


async def test_a_decline_is_replayed_to_its_key_and_not_tried_twice(house: House) -> None:
    intents = house.gateway.v1.payment_intents
    made = await intents.create_async({"amount": 500, "currency": "eur"})
    charges = set()
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            await intents.confirm_async(
                made.id, {"payment_method": "pm_card_chargeDeclined"}, {"idempotency_key": f"confirm-{made.id}"}
            )
        body = declined.value.json_body
        assert isinstance(body, dict)
        charges.add(body["error"]["charge"])
    assert len(charges) == 1


async def test_refunds_go_in_parts_and_never_above_the_charge(house: House) -> None:
    gateway = house.gateway.v1
    made = await gateway.payment_intents.create_async(
        {"amount": 1000, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True}
    )
    part = await gateway.refunds.create_async({"payment_intent": made.id, "amount": 400})
    assert (part.status, part.amount) == ("succeeded", 400)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        await gateway.refunds.create_async({"payment_intent": made.id, "amount": 601})
    rest = await gateway.refunds.create_async({"payment_intent": made.id})
    assert rest.amount == 600
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await gateway.refunds.create_async({"payment_intent": made.id})
    assert refused.value.code == "charge_already_refunded"
    listed = await gateway.refunds.list_async({"payment_intent": made.id})
    assert [refund.id for refund in listed.data] == [rest.id, part.id]


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"currency": "eur"}, "amount", "parameter_missing"),
        ({"amount": 500}, "currency", "parameter_missing"),
        ({"amount": 0, "currency": "eur"}, "amount", "parameter_invalid_integer"),
        ({"amount": -5, "currency": "eur"}, "amount", "parameter_invalid_integer"),
        ({"amount": "4.5", "currency": "eur"}, "amount", "parameter_invalid_integer"),
        ({"amount": 100_000_000, "currency": "eur"}, "amount", "amount_too_large"),
        ({"amount": 500, "currency": "xxx"}, "currency", None),
        ({"amount": 500, "currency": "eur", "surprise": "1"}, "surprise", "parameter_unknown"),
        ({"amount": 500, "currency": "eur", "payment_method": "pm_nothing"}, "payment_method", "resource_missing"),
    ],
)
async def test_bad_parameters_are_named_as_stripe_names_them(
    house: House, params: dict[str, object], param: str, code: str | None
) -> None:
    answer = await house.sandbox.post(
        "/v1/payment_intents", data=params, headers={"Authorization": f"Bearer {API_KEY}"}
    )
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["type"], error["param"], error.get("code")) == ("invalid_request_error", param, code)


async def test_a_test_key_or_an_intents_own_secret_opens_the_sandbox_and_no_other_key(house: House) -> None:
    made = await house.gateway.v1.payment_intents.create_async({"amount": 500, "currency": "eur"})
    path = f"/v1/payment_intents/{made.id}"

    async def status(method: str, where: str, key: str = "", **data: str) -> int:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return (await house.sandbox.request(method, where, data=data or None, headers=headers)).status_code

    assert await status("GET", path, "sk_live_1") == 401
    assert await status("GET", path, "pk_test_1") == 401
    assert await status("GET", path) == 200
    assert await status("POST", f"{path}/confirm", "pk_test_1", payment_method="pm_card_visa") == 401
    assert await status("POST", f"{path}/confirm", "pk_test_1", client_secret="wrong") == 400
    assert await status("POST", f"{path}/cancel", "pk_test_1", client_secret=made.client_secret or "") == 401
    assert (await house.sandbox.get(path, auth=(API_KEY, ""))).status_code == 200
    paid = {"payment_method": "pm_card_visa", "client_secret": made.client_secret or ""}
    assert await status("POST", f"{path}/confirm", "pk_test_1", **paid) == 200


async def test_unknown_paths_and_things_are_stripes_404(house: House) -> None:
    with pytest.raises(stripe.InvalidRequestError) as missing:
        await house.gateway.v1.payment_intents.retrieve_async("pi_nothing")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    answer = await house.sandbox.get("/v1/nothing")
    assert answer.status_code == 404
    assert "Unrecognized request URL" in answer.json()["error"]["message"]


async def test_the_dial_fails_the_next_calls_and_then_recovers(house: House) -> None:
    await house.faults(failStatus=503, fail=1)
    with pytest.raises(stripe.APIError) as failed:
        await house.gateway.v1.payment_intents.create_async({"amount": 500, "currency": "eur"})
    assert failed.value.http_status == 503
    await house.gateway.v1.payment_intents.create_async({"amount": 500, "currency": "eur"})


async def test_a_lost_answer_leaves_the_work_done(house: House) -> None:
    intents = house.gateway.v1.payment_intents
    made = await intents.create_async({"amount": 500, "currency": "eur"})
    await house.faults(fail=1, answerLost=True)
    with pytest.raises(stripe.APIError):
        await intents.cancel_async(made.id)
    assert (await intents.retrieve_async(made.id)).status == "canceled"


async def test_a_hanging_gateway_answers_late(house: House) -> None:
    await house.faults(hangMs=2_000)
    with pytest.raises(httpx2.ReadTimeout):
        await house.sandbox.get("/v1/events", auth=(API_KEY, ""), timeout=0.2)


async def test_the_dial_refuses_what_it_does_not_know(house: House) -> None:
    for wrong in ({"explode": True}, {"drop": -1}, {"drop": 1.5}, {"delayMs": "1"}):
        assert (await house.sandbox.post("/sandbox/faults", json=wrong)).status_code == 400
    await house.faults(drop=3, repeat=2)
    assert (await house.sandbox.get("/sandbox/faults")).json()["drop"] == 3
    assert (await house.sandbox.delete("/sandbox/faults")).json()["drop"] is False
