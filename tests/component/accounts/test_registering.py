"""Registering, and what the database keeps of it."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import jwt
import pytest
from pymongo.asynchronous.database import AsyncDatabase

from accounts_service.admin import create_admin
from accounts_service.config import Settings
from accounts_service.domain import EmailTaken
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.component.accounts.people import PASSWORD, bearer, kind, logged_in, registered, registration

Database = AsyncDatabase[dict[str, Any]]


async def test_a_new_user_gets_his_profile_and_tokens_in_one_flat_answer(client: httpx2.AsyncClient) -> None:
    answer = await client.post(
        "/api/v1/users/register", json=registration(email="Ada@Example.com", phone="+49 30 1234")
    )
    assert answer.status_code == 201
    user = answer.json()
    assert set(user) == {
        "userId", "email", "name", "phone", "role", "createdAt", "accessToken", "refreshToken", "expiresIn",
    }  # fmt: skip
    assert user["email"] == "ada@example.com"
    assert user["phone"] == "+49301234"
    assert user["role"] == "user"
    assert user["expiresIn"] == 900
    assert answer.headers["cache-control"] == "no-store"
    me = await client.get("/api/v1/users/me", headers=bearer(user))
    assert me.json() == {name: user[name] for name in ("userId", "email", "name", "phone", "role", "createdAt")}


async def test_a_used_address_gets_409_however_it_is_written(client: httpx2.AsyncClient) -> None:
    user = await registered(client)
    answer = await client.post("/api/v1/users/register", json=registration(email=f" {user['email'].upper()} "))
    assert answer.status_code == 409
    assert kind(answer) == "email-taken"


async def test_of_twenty_people_who_want_one_address_at_once_one_gets_it(client: httpx2.AsyncClient) -> None:
    body = registration()
    answers = await asyncio.gather(*(client.post("/api/v1/users/register", json=body) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"email": "not an address"}, "/email"),
        ({"email": {"$gt": ""}}, "/email"),
        ({"password": "short"}, "/password"),
        ({"password": "x" * 257}, "/password"),
        ({"password": 12345678}, "/password"),
        ({"name": " "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "bell\u0007"}, "/name"),
        ({"phone": "call me"}, "/phone"),
        ({"role": "admin"}, "/role"),
        ({"$where": "1"}, "/$where"),
    ],
)
async def test_bad_fields_are_named_and_nothing_is_kept(
    client: httpx2.AsyncClient, database: Database, fields: dict[str, Any], pointer: str
) -> None:
    answer = await client.post("/api/v1/users/register", json=registration(**fields))
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert await database["users"].count_documents({}) == 0


async def test_a_password_with_half_a_character_is_refused_not_stumbled_over(client: httpx2.AsyncClient) -> None:
    body = b'{"email": "a@example.com", "name": "Ada", "password": "\\ud800 12345678"}'
    answer = await client.post("/api/v1/users/register", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


async def test_the_database_holds_neither_password_nor_tokens_in_clear(
    client: httpx2.AsyncClient, database: Database
) -> None:
    answer = await client.post(
        "/api/v1/users/register", json=registration(), headers={"Idempotency-Key": "key-of-this-test"}
    )
    kept = ""
    for name in await database.list_collection_names():
        kept += str([document async for document in database[name].find()])
    assert "argon2id" in kept
    for secret in (PASSWORD, answer.json()["accessToken"], *answer.json()["refreshToken"].split(".")):
        assert secret not in kept


async def test_a_repeat_with_the_same_key_gets_the_first_answer(client: httpx2.AsyncClient) -> None:
    body, headers = registration(), {"Idempotency-Key": new_id()}
    first = await client.post("/api/v1/users/register", json=body, headers=headers)
    again = await client.post("/api/v1/users/register", json=body, headers=headers)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["cache-control"] == "no-store"
    other = await client.post("/api/v1/users/register", json=body | {"password": "another one"}, headers=headers)
    assert (other.status_code, kind(other)) == (422, "idempotency-key-reused")


async def test_a_retry_after_a_crash_finds_the_user_it_made(
    client: httpx2.AsyncClient, database: Database, clock: ManualClock
) -> None:
    body, headers = registration(), {"Idempotency-Key": new_id()}
    first = await client.post("/api/v1/users/register", json=body, headers=headers)
    # As if the process had died after it wrote the user: the record is still open.
    await database["idempotency"].update_many({}, {"$set": {"state": "running"}, "$unset": {"answer": ""}})
    clock.advance(timedelta(seconds=31))
    again = await client.post("/api/v1/users/register", json=body, headers=headers)
    assert again.status_code == 201
    assert again.json()["userId"] == first.json()["userId"]
    assert await database["users"].count_documents({}) == 1


async def test_a_guest_gets_a_token_of_role_guest(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/v1/users/guest")
    assert answer.status_code == 201
    guest = answer.json()
    assert guest["role"] == "guest"
    assert jwt.decode(guest["accessToken"], options={"verify_signature": False})["role"] == "guest"
    me = await client.get("/api/v1/users/me", headers=bearer(guest))
    assert me.json() == {name: guest[name] for name in ("userId", "role", "createdAt")}
    assert (await client.post("/api/v1/users/guest", json={})).status_code == 201
    assert (await client.post("/api/v1/users/guest", json={"role": "admin"})).status_code == 422


async def test_a_guests_key_counts_only_when_nobody_can_guess_it(client: httpx2.AsyncClient) -> None:
    async def guest(key: str) -> str:
        answer = await client.post("/api/v1/users/guest", headers={"Idempotency-Key": key})
        return str(answer.json()["userId"])

    key = new_id()
    assert await guest(key) == await guest(key)
    assert await guest("1") != await guest("1")


async def test_only_the_command_line_makes_an_admin(client: httpx2.AsyncClient, settings: Settings) -> None:
    user_id = await create_admin(settings, "Boss@example.com", PASSWORD, "The Boss")
    tokens = (await logged_in(client, "boss@example.com")).json()
    me = (await client.get("/api/v1/users/me", headers=bearer(tokens))).json()
    assert (me["userId"], me["role"]) == (user_id, "admin")
    with pytest.raises(EmailTaken):
        await create_admin(settings, "boss@example.com", PASSWORD, "Another")
    with pytest.raises(ValueError, match="8 to 256"):
        await create_admin(settings, "boss2@example.com", "short", "Another")
