"""Logging in, refreshing, logging out, and the limits on trying."""

import asyncio
import statistics
import time
from datetime import timedelta
from typing import Any

import httpx2
import jwt
import pytest
from pymongo.asynchronous.database import AsyncDatabase

from accounts_service.app import create_app
from accounts_service.config import Settings
from accounts_service.domain import LOGINS_PER_EMAIL, SESSION_LIFETIME
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.component.accounts.people import PASSWORD, bearer, kind, logged_in, refreshed, registered
from tests.support import running

Database = AsyncDatabase[dict[str, Any]]


async def test_a_login_gives_tokens_that_verify_by_the_published_key(client: httpx2.AsyncClient) -> None:
    user = await registered(client)
    answer = await logged_in(client, user["email"].upper())
    assert answer.status_code == 200
    assert set(answer.json()) == {"accessToken", "refreshToken", "expiresIn"}
    published = await client.get("/.well-known/jwks.json")
    assert "max-age" in published.headers["cache-control"]
    assert [set(key) for key in published.json()["keys"]] == [{"crv", "kty", "x", "kid", "use", "alg"}]
    key = jwt.PyJWKSet.from_dict(published.json()).keys[0]
    claims = jwt.decode(answer.json()["accessToken"], key, algorithms=["EdDSA"], audience="marquee", issuer="marquee")
    assert (claims["sub"], claims["role"]) == (user["userId"], "user")


async def test_wrong_password_and_unknown_address_get_the_same_answer(client: httpx2.AsyncClient) -> None:
    user = await registered(client)
    wrong = await logged_in(client, user["email"], "not the password")
    unknown = await logged_in(client, f"{new_id()}@example.com")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert kind(wrong) == "wrong-credentials"


async def test_wrong_password_and_unknown_address_take_the_same_time(client: httpx2.AsyncClient) -> None:
    user = await registered(client)

    async def seconds(email: str) -> float:
        started = time.perf_counter()
        await logged_in(client, email, "not the password")
        return time.perf_counter() - started

    unknown_email = f"{new_id()}@example.com"
    known, unknown = [], []
    for _ in range(9):  # taken in turns, so that a busy machine slows both alike
        known.append(await seconds(user["email"]))
        unknown.append(await seconds(unknown_email))
    # Without the work done for nobody an unknown address would answer at least four times as fast.
    assert statistics.median(unknown) > statistics.median(known) / 2


async def test_each_refresh_token_works_once_and_a_stolen_one_ends_the_session(client: httpx2.AsyncClient) -> None:
    user = await registered(client)
    second = await refreshed(client, user["refreshToken"])
    assert second.status_code == 200
    assert second.json()["refreshToken"] != user["refreshToken"]
    third = await refreshed(client, second.json()["refreshToken"])
    assert third.status_code == 200
    stolen = await refreshed(client, user["refreshToken"])
    assert (stolen.status_code, kind(stolen)) == (401, "refresh-token-refused")
    assert (await refreshed(client, third.json()["refreshToken"])).status_code == 401
    # Another login of the same person is another session.
    other = (await logged_in(client, user["email"])).json()
    assert (await refreshed(client, other["refreshToken"])).status_code == 200


async def test_of_two_refreshes_at_once_at_most_one_works(client: httpx2.AsyncClient) -> None:
    user = await registered(client)
    answers = await asyncio.gather(*(refreshed(client, user["refreshToken"]) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


async def test_a_refresh_whose_answer_was_lost_can_be_repeated_with_its_key(client: httpx2.AsyncClient) -> None:
    user, headers = await registered(client), {"Idempotency-Key": new_id()}
    body = {"refreshToken": user["refreshToken"]}
    first = await client.post("/api/v1/users/refresh", json=body, headers=headers)
    again = await client.post("/api/v1/users/refresh", json=body, headers=headers)
    assert again.json() == first.json()
    assert (await refreshed(client, first.json()["refreshToken"])).status_code == 200


@pytest.mark.parametrize("token", ["nonsense", "a.b", "x" * 200, "."])
async def test_a_made_up_refresh_token_gets_401(client: httpx2.AsyncClient, token: str) -> None:
    assert (await refreshed(client, token)).status_code == 401


async def test_a_session_left_alone_for_a_month_has_ended(client: httpx2.AsyncClient, clock: ManualClock) -> None:
    user = await registered(client)
    clock.advance(SESSION_LIFETIME - timedelta(seconds=1))
    renewed = await refreshed(client, user["refreshToken"])
    assert renewed.status_code == 200
    clock.advance(SESSION_LIFETIME)
    assert (await refreshed(client, renewed.json()["refreshToken"])).status_code == 401


async def test_after_logout_the_refresh_token_is_worth_nothing(client: httpx2.AsyncClient) -> None:
    user = await registered(client)
    for _ in range(2):
        answer = await client.post("/api/v1/users/logout", json={"refreshToken": user["refreshToken"]})
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await refreshed(client, user["refreshToken"])).status_code == 401


async def test_sessions_and_guests_are_dropped_by_the_database_when_their_time_is_over(
    client: httpx2.AsyncClient, database: Database, clock: ManualClock
) -> None:
    guest = (await client.post("/api/v1/users/guest")).json()
    clock.advance(timedelta(days=1))
    await refreshed(client, guest["refreshToken"])
    sessions = await database["sessions"].index_information()
    users = await database["users"].index_information()
    assert sessions["expiresAt_1"]["expireAfterSeconds"] == users["guestUntil_1"]["expireAfterSeconds"] == 0
    kept = await database["users"].find_one({"_id": guest["userId"]})
    session = await database["sessions"].find_one({"userId": guest["userId"]})
    assert kept is not None
    assert session is not None
    assert kept["guestUntil"] == session["expiresAt"] == clock.now() + SESSION_LIFETIME


async def test_guessing_a_password_is_stopped_even_when_all_guesses_come_at_once(
    client: httpx2.AsyncClient, clock: ManualClock
) -> None:
    user = await registered(client)
    guesses = LOGINS_PER_EMAIL.most + 5
    answers = await asyncio.gather(*(logged_in(client, user["email"], f"guess {n}") for n in range(guesses)))
    assert sorted(answer.status_code for answer in answers) == [401] * LOGINS_PER_EMAIL.most + [429] * 5
    refused = await logged_in(client, user["email"])
    assert (refused.status_code, kind(refused)) == (429, "too-many-requests")
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 300
    assert refused.headers["ratelimit-policy"] == '"failed-logins";q=30;w=300'
    assert refused.headers["ratelimit"] == f'"failed-logins";r=0;t={wait}'
    clock.advance(timedelta(seconds=wait))
    assert (await logged_in(client, user["email"])).status_code == 200


async def test_logins_that_succeed_are_not_counted(client: httpx2.AsyncClient) -> None:
    user = await registered(client)
    for _ in range(LOGINS_PER_EMAIL.most + 2):
        assert (await logged_in(client, user["email"])).status_code == 200


async def test_with_limits_off_nobody_is_stopped(settings: Settings) -> None:
    free = settings.model_copy(update={"limits": "off"})
    async with running(create_app(free)) as client:
        answers = await asyncio.gather(*(logged_in(client, "nobody@example.com", PASSWORD) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {401}


async def test_a_token_that_ran_out_gets_401(client: httpx2.AsyncClient, clock: ManualClock) -> None:
    clock.advance(timedelta(hours=-1))
    user = await registered(client)
    assert (await client.get("/api/v1/users/me", headers=bearer(user))).status_code == 401
