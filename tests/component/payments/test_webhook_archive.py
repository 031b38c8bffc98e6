"""Webhook events that came to nothing: admins see why, and have them applied again."""

import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from payment_service.audit import open_books
from service_kit.ids import new_id
from tests.component.payments.conftest import House, Json
from tests.component.payments.signing import event, intent, post
from tests.support import eventually

PATH = "/api/v1/payments/webhooks"


async def left(house: House, state: str = "failed", **query: Any) -> Json:
    answer = await house.api.get(PATH, params={"state": state, **query}, headers=house.mint.headers("admin"))
    assert answer.status_code == 200, answer.text
    page: Json = answer.json()
    return page


async def replay(house: House, event_id: str) -> httpx2.Response:
    return await house.api.post(f"{PATH}/{event_id}/replay", headers=house.mint.headers("admin"))


async def ended(house: House, body: bytes, state: str) -> str:
    """The id of a stored event, once it has come to that state."""
    event_id: str = json.loads(body)["id"]
    assert (await post(house, body)).status_code == 200
    await until(house, event_id, state)
    return event_id


async def until(house: House, event_id: str, state: str) -> None:
    await eventually(lambda: house.stored_event(event_id), until=lambda it: it and it["state"] == state)


async def test_an_event_that_could_not_be_applied_is_seen_with_its_reason(house: House) -> None:
    payment = await house.open()
    charge = {"payment_intent": payment["paymentIntent"], "amount_refunded": 10**6, "currency": "eur"}
    event_id = await ended(house, event("charge.refunded", charge), "failed")
    newest = (await left(house))["items"][0]
    assert (newest["eventId"], newest["type"], newest["state"]) == (event_id, "charge.refunded", "failed")
    assert "AmountDiffers" in newest["error"]
    assert newest["tries"] == 1
    assert newest["receivedAt"] <= newest["finishedAt"]


async def test_an_event_that_is_replayed_is_applied_once_what_stood_in_its_way_is_gone(house: House) -> None:
    payment = await house.open()
    await house.faults(drop=True)
    payments = house.database["payments"]
    # As after a restore from a backup that was made before the intent was noted down.
    await payments.update_one({"_id": payment["paymentId"]}, {"$set": {"reference": f"pi_{new_id()}", "dueAt": None}})
    event_id = await ended(house, event("payment_intent.succeeded", intent(payment)), "unmatched")
    assert event_id in [each["eventId"] for each in (await left(house, "unmatched"))["items"]]
    await payments.update_one({"_id": payment["paymentId"]}, {"$set": {"reference": payment["paymentIntent"]}})
    again = await replay(house, event_id)
    assert (again.status_code, again.json()["state"]) == (202, "received")
    await house.until(payment, lambda it: it["status"] == "completed")
    await until(house, event_id, "applied")
    refused = await replay(house, event_id)
    assert (refused.status_code, refused.json()["state"]) == (409, "applied")


async def test_an_event_that_fails_again_is_seen_again(house: House) -> None:
    event_id = await ended(house, event("payment_intent.succeeded", {"amount": "x"}), "failed")
    assert (await replay(house, event_id)).status_code == 202
    assert (await replay(house, event_id)).status_code == 202
    await until(house, event_id, "failed")
    assert (await left(house))["items"][0]["eventId"] == event_id


async def dismiss(house: House, event_id: str, reason: str = "a test of the gateway's") -> httpx2.Response:
    headers = house.mint.headers("admin")
    return await house.api.post(f"{PATH}/{event_id}/dismiss", json={"reason": reason}, headers=headers)


async def unapplied(house: House) -> str:
    """What the audit says of events."""
    async with open_books(house.settings) as books:
        return "\n".join(await books.unapplied(timedelta(minutes=2)))


@pytest.mark.parametrize("state", ["failed", "unmatched"])
async def test_an_event_that_is_dismissed_is_told_of_by_the_audit_no_more(house: House, state: str) -> None:
    thing = {"amount": "x"} if state == "failed" else {"id": f"pi_{new_id()}", "amount": 5, "currency": "eur"}
    event_id = await ended(house, event("payment_intent.succeeded", thing), state)
    assert (event_id in await unapplied(house)) == (state == "failed")
    answer = await dismiss(house, event_id)
    assert (answer.status_code, answer.json()["state"]) == (200, "dismissed")
    assert answer.json()["dismissal"]["reason"] == "a test of the gateway's"
    assert (await dismiss(house, event_id, "again")).json() == answer.json()
    assert event_id not in await unapplied(house)
    assert event_id not in [each["eventId"] for each in (await left(house, state))["items"]]
    assert (await left(house, "dismissed"))["items"][0]["eventId"] == event_id
    assert (await replay(house, event_id)).json()["dismissal"] is None
    await until(house, event_id, state)


async def test_what_was_applied_or_is_not_there_can_not_be_dismissed(house: House) -> None:
    payment = await house.open()
    event_id = await ended(house, event("payment_intent.succeeded", intent(payment)), "applied")
    refused = await dismiss(house, event_id)
    assert (refused.status_code, refused.json()["state"]) == (409, "applied")
    assert (await dismiss(house, "evt_that_never_was")).status_code == 404
    assert (await dismiss(house, event_id, "")).status_code == 422


async def test_failed_events_are_listed_page_by_page(house: House) -> None:
    made = [await ended(house, event("refund.updated", {"amount": number}), "failed") for number in range(5)]
    first = await left(house, limit=2)
    second = await left(house, limit=3, cursor=first["nextCursor"])
    assert [each["eventId"] for each in first["items"] + second["items"]] == made[::-1]


async def test_the_list_is_served_by_its_small_index(house: House) -> None:
    cursor = house.database["webhook_events"].find(
        {"state": "failed"}, sort=[("finishedAt", -1), ("_id", -1)], limit=20
    )
    plan = json.dumps((await cursor.explain())["queryPlanner"]["winningPlan"], default=str)
    assert '"come_to_nothing"' in plan
    assert "SORT" not in plan


async def test_only_admins_see_and_replay_events(house: House) -> None:
    for role in ("guest", "user", "service"):
        headers = house.mint.headers(role)
        assert (await house.api.get(PATH, headers=headers)).status_code == 403
        assert (await house.api.post(f"{PATH}/evt_1/replay", headers=headers)).status_code == 403
        body = {"reason": "x"}
        assert (await house.api.post(f"{PATH}/evt_1/dismiss", json=body, headers=headers)).status_code == 403
    assert (await house.api.get(PATH)).status_code == 401
    assert (await replay(house, "evt_that_never_was")).status_code == 404


@pytest.mark.parametrize(
    "query",
    [{"state": "applied"}, {"state": ""}, {"cursor": "x"}, {"cursor": "WzEwMDAwMDAwMDAwMDAwMDAwMDAsICJ4Il0"}],
    ids=str,
)
async def test_bad_lists_get_422(house: House, query: dict[str, str]) -> None:
    answer = await house.api.get(PATH, params=query, headers=house.mint.headers("admin"))
    assert answer.status_code == 422
