"""Webhook events that came to nothing: admins see why, and have them applied again."""

import json
from typing import Any

import httpx2
import pytest

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
    event_id = await ended(house, event("payment_intent.succeeded", intent(payment, amount=1)), "failed")
    newest = (await left(house))["items"][0]
    assert (newest["eventId"], newest["type"], newest["state"]) == (event_id, "payment_intent.succeeded", "failed")
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
    assert '"left"' in plan
    assert "SORT" not in plan


async def test_only_admins_see_and_replay_events(house: House) -> None:
    for role in ("guest", "user", "service"):
        headers = house.mint.headers(role)
        assert (await house.api.get(PATH, headers=headers)).status_code == 403
        assert (await house.api.post(f"{PATH}/evt_1/replay", headers=headers)).status_code == 403
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
