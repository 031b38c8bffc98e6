"""One's own profile: reading, changing, erasing; and the events that tell others."""

import asyncio
from typing import Any

import httpx2
import pytest
from pymongo.asynchronous.database import AsyncDatabase

from accounts_service.app import worker
from accounts_service.config import Settings
from messaging.topology import Topology
from tests.component.accounts.people import bearer, kind, logged_in, refreshed, registered
from tests.servers.broker import remove_topology
from tests.support import eventually

Database = AsyncDatabase[dict[str, Any]]
ME = "/api/v1/users/me"


async def test_a_profile_is_changed_field_by_field(client: httpx2.AsyncClient) -> None:
    user = await registered(client, phone="+4930901820")
    changed = await client.patch(ME, json={"name": "Ada King"}, headers=bearer(user))
    assert (changed.json()["name"], changed.json()["phone"]) == ("Ada King", "+4930901820")
    without = await client.patch(ME, json={"phone": None}, headers=bearer(user))
    assert "phone" not in without.json()
    assert (await client.get(ME, headers=bearer(user))).json() == without.json()


@pytest.mark.parametrize(
    "body",
    [{"name": None}, {"name": ""}, {"email": "other@example.com"}, {"role": "admin"}, {"phone": "?"}, {"a.b": 1}, []],
)
async def test_a_change_that_is_not_allowed_gets_422(client: httpx2.AsyncClient, body: Any) -> None:
    user = await registered(client)
    assert (await client.patch(ME, json=body, headers=bearer(user))).status_code == 422
    assert (await client.get(ME, headers=bearer(user))).json()["name"] == "Ada Lovelace"


async def test_a_profile_changed_since_it_was_read_is_not_overwritten(client: httpx2.AsyncClient) -> None:
    user = await registered(client)
    tag = (await client.get(ME, headers=bearer(user))).headers["etag"]
    headers = bearer(user) | {"If-Match": tag}
    answers = await asyncio.gather(*(client.patch(ME, json={"name": f"Ada {n}"}, headers=headers) for n in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    assert (await client.delete(ME, headers=headers)).status_code == 412
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert winner.headers["etag"] != tag
    assert (await client.get(ME, headers=bearer(user))).json() == winner.json()


async def test_who_has_the_present_version_gets_304(client: httpx2.AsyncClient) -> None:
    user = await registered(client)
    first = await client.get(ME, headers=bearer(user))
    again = await client.get(ME, headers=bearer(user) | {"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await client.patch(ME, json={"name": "Ada King"}, headers=bearer(user))
    later = await client.get(ME, headers=bearer(user) | {"If-None-Match": first.headers["etag"]})
    assert later.status_code == 200


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_without_a_token_there_is_no_profile(client: httpx2.AsyncClient, method: str) -> None:
    answer = await client.request(method, ME)
    assert (answer.status_code, kind(answer)) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_who_unregisters_leaves_nothing_personal_behind(client: httpx2.AsyncClient, database: Database) -> None:
    user = await registered(client, name="Grace Hopper", phone="+12025550100")
    assert (await client.delete(ME, headers=bearer(user))).status_code == 204

    gone = await client.get(ME, headers=bearer(user))
    assert (gone.status_code, kind(gone)) == (401, "account-gone")
    assert (await client.patch(ME, json={"name": "Back"}, headers=bearer(user))).status_code == 401
    assert (await client.delete(ME, headers=bearer(user))).status_code == 401
    assert (await refreshed(client, user["refreshToken"])).status_code == 401
    assert (await logged_in(client, user["email"])).status_code == 401

    kept = ""
    for name in await database.list_collection_names():
        kept += str([document async for document in database[name].find()])
    assert user["userId"] in kept
    for personal in ("Grace", "+12025550100", user["email"], "argon2"):
        assert personal not in kept


async def test_an_address_is_free_again_for_another_account(client: httpx2.AsyncClient) -> None:
    user = await registered(client)
    await client.delete(ME, headers=bearer(user))
    again = await registered(client, email=user["email"])
    assert again["userId"] != user["userId"]


async def test_what_happened_waits_in_the_users_document_until_the_worker_sends_it(
    client: httpx2.AsyncClient, database: Database, settings: Settings
) -> None:
    user = await registered(client)
    await logged_in(client, user["email"])
    await client.delete(ME, headers=bearer(user))

    async def waiting() -> list[dict[str, Any]]:
        document = await database["users"].find_one({"_id": user["userId"]})
        assert document is not None
        outbox: list[dict[str, Any]] = document["outbox"]
        return outbox

    events = await waiting()
    assert [event["type"] for event in events] == ["UserRegistered", "UserLoggedIn", "UserUnregistered"]
    assert {event["data"]["userId"] for event in events} == {user["userId"]}
    try:
        async with worker(settings):
            await eventually(waiting, until=lambda outbox: not outbox)
    finally:
        await remove_topology(settings.amqp_url.get_secret_value(), Topology(settings.namespace))
