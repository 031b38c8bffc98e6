"""Idempotency-Key, on a real MongoDB."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, FastAPI, Request, Response

from service_kit.app import open_kit, service_app
from service_kit.clock import ManualClock
from service_kit.errors import Conflict, DomainError, Forbidden, NotFound, Unavailable
from service_kit.idempotency import ABANDONED, KEPT, IdempotentRoute, is_retry, resource_id
from service_kit.mongo import Database
from service_kit.settings import KitSettings
from service_kit.tokens import SigningKey
from tests.support import TokenMint, running, token_mint

KEY = {"Idempotency-Key": "5f3c2c1e"}


class Shop:
    """Makes one thing per request; a test may step in before the answer."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.retries: list[bool] = []
        self.step: Callable[[], Awaitable[None]] | None = None

    def router(self) -> APIRouter:
        router = APIRouter(route_class=IdempotentRoute)

        @router.post("/things", status_code=201)
        async def make(body: dict[str, Any], request: Request, response: Response) -> dict[str, Any]:
            self.made.append(resource_id(request))
            self.retries.append(is_retry(request))
            if self.step:
                await self.step()
            response.headers["Location"] = f"/things/{self.made[-1]}"
            return {"id": self.made[-1], "number": len(self.made), **body}

        @router.post("/others", status_code=201)
        async def make_other(request: Request) -> dict[str, Any]:
            return {"id": resource_id(request)}

        return router


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
async def mint() -> AsyncIterator[TokenMint]:
    async with token_mint() as mint:
        yield mint


@asynccontextmanager
async def serving(
    shop: Shop, database: Database, clock: ManualClock, mint: TokenMint, signing_key: SigningKey | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_kit(
            KitSettings(jwks_url=mint.jwks_url),
            checks={},
            idempotency=database["idempotency"],
            clock=clock,
            signing_key=signing_key,
        ) as kit:
            app.state.kit = kit
            yield

    app = service_app(name="shop", title="Shop", lifespan=lifespan)
    app.include_router(shop.router())
    async with running(app) as client:
        yield client


@pytest.fixture
async def client(
    shop: Shop, database: Database, clock: ManualClock, mint: TokenMint
) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(shop, database, clock, mint) as client:
        yield client


def failing(error: Exception) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise error

    return fail


async def test_a_repeat_gets_the_first_answer_and_nothing_is_made_twice(client: httpx2.AsyncClient, shop: Shop) -> None:
    first = await client.post("/things", json={"a": 1}, headers=KEY)
    again = await client.post("/things", json={"a": 1}, headers=KEY)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert len(shop.made) == 1


async def test_without_a_key_every_request_makes_something(client: httpx2.AsyncClient, shop: Shop) -> None:
    for _ in range(2):
        await client.post("/things", json={})
    assert len(set(shop.made)) == 2


async def test_the_same_body_written_otherwise_is_the_same_body(client: httpx2.AsyncClient, shop: Shop) -> None:
    headers = {**KEY, "Content-Type": "application/json"}
    first = await client.post("/things", content=b'{"a": [1, 2], "b": "\\u00e9"}', headers=headers)
    again = await client.post("/things", content='{"b":"\u00e9","a":[1,2]}'.encode(), headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert len(shop.made) == 1


async def test_another_body_under_the_same_key_gets_422(client: httpx2.AsyncClient, shop: Shop) -> None:
    await client.post("/things", json={"a": 1}, headers=KEY)
    for url, body in (("/things", {"a": 2}), ("/things?x=1", {"a": 1})):
        answer = await client.post(url, json=body, headers=KEY)
        assert answer.status_code == 422
        assert answer.json()["type"].endswith("/idempotency-key-reused")
    assert len(shop.made) == 1


async def test_the_same_key_of_another_caller_or_route_is_another_key(
    client: httpx2.AsyncClient, shop: Shop, mint: TokenMint
) -> None:
    for headers in (KEY, KEY | mint.headers("user", "ada"), KEY | mint.headers("user", "grace")):
        assert (await client.post("/things", json={}, headers=headers)).status_code == 201
    assert (await client.post("/others", headers=KEY)).status_code == 201
    assert len(set(shop.made)) == 3


async def test_while_the_first_request_runs_a_repeat_gets_409(client: httpx2.AsyncClient, shop: Shop) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await go_on.wait()

    shop.step = wait
    first = asyncio.create_task(client.post("/things", json={}, headers=KEY))
    await begun.wait()
    meanwhile = await client.post("/things", json={}, headers=KEY)
    assert meanwhile.status_code == 409
    assert meanwhile.json()["type"].endswith("/request-in-progress")
    assert 1 <= int(meanwhile.headers["retry-after"]) <= 30
    go_on.set()
    assert (await first).status_code == 201
    assert len(shop.made) == 1


async def test_of_many_at_once_one_works(client: httpx2.AsyncClient, shop: Shop) -> None:
    answers = await asyncio.gather(*(client.post("/things", json={}, headers=KEY) for _ in range(30)))
    assert len(shop.made) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1


async def test_after_a_crash_a_retry_makes_the_same_thing_again(
    client: httpx2.AsyncClient, shop: Shop, database: Database, clock: ManualClock
) -> None:
    await client.post("/things", json={}, headers=KEY)
    # What a process leaves behind that dies between its work and the keeping of its answer.
    await database["idempotency"].update_many({}, {"$set": {"state": "running"}, "$unset": {"answer": ""}})
    clock.advance(ABANDONED - timedelta(seconds=1))
    assert (await client.post("/things", json={}, headers=KEY)).status_code == 409
    clock.advance(timedelta(seconds=1))
    assert (await client.post("/things", json={}, headers=KEY)).status_code == 201
    assert len(shop.made) == 2
    assert len(set(shop.made)) == 1
    assert shop.retries == [False, True]


async def test_who_was_thought_dead_does_not_overwrite_the_answer_of_his_successor(
    client: httpx2.AsyncClient, shop: Shop, clock: ManualClock
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await go_on.wait()

    shop.step = wait
    slow = asyncio.create_task(client.post("/things", json={}, headers=KEY))
    await begun.wait()
    shop.step = None
    clock.advance(ABANDONED)
    successor = await client.post("/things", json={}, headers=KEY)
    shop.made.append("so that the slow answer differs")
    go_on.set()
    await slow
    again = await client.post("/things", json={}, headers=KEY)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == successor.json()


@pytest.mark.parametrize("error", [Unavailable(), RuntimeError("a bug"), Forbidden()])
async def test_a_failure_that_may_pass_is_not_kept(client: httpx2.AsyncClient, shop: Shop, error: Exception) -> None:
    shop.step = failing(error)
    failed = await client.post("/things", json={}, headers=KEY)
    assert failed.status_code in {403, 500, 503}
    assert failed.headers["content-type"] == "application/problem+json"
    shop.step = None
    assert (await client.post("/things", json={}, headers=KEY)).status_code == 201
    assert len(set(shop.made)) == 1


@pytest.mark.parametrize("error", [Conflict(seat_ids=["A-1"]), NotFound()])
async def test_a_refusal_is_kept_like_any_answer(client: httpx2.AsyncClient, shop: Shop, error: DomainError) -> None:
    shop.step = failing(error)
    first = await client.post("/things", json={}, headers=KEY)
    shop.step = None
    again = await client.post("/things", json={}, headers=KEY)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["content-type"] == "application/problem+json"


async def test_a_client_that_went_away_can_come_back_at_once(client: httpx2.AsyncClient, shop: Shop) -> None:
    begun = asyncio.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    shop.step = wait
    gone = asyncio.create_task(client.post("/things", json={}, headers=KEY))
    await begun.wait()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    shop.step = None
    assert (await client.post("/things", json={}, headers=KEY)).status_code == 201
    assert len(set(shop.made)) == 1


async def test_a_key_is_forgotten_after_a_day(
    client: httpx2.AsyncClient, shop: Shop, clock: ManualClock, database: Database
) -> None:
    first = await client.post("/things", json={}, headers=KEY)
    clock.advance(KEPT - timedelta(seconds=1))
    assert (await client.post("/things", json={}, headers=KEY)).json() == first.json()
    clock.advance(timedelta(seconds=1))
    assert (await client.post("/things", json={}, headers=KEY)).json()["id"] != first.json()["id"]
    indexes = await database["idempotency"].index_information()
    assert indexes["expiresAt_1"]["expireAfterSeconds"] == 0


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tin it", "caf\u00e9\u0085"])
async def test_a_key_that_is_none_gets_422(client: httpx2.AsyncClient, key: str) -> None:
    answer = await client.post("/things", json={}, headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert answer.status_code == 422


async def test_a_body_that_is_no_json_is_refused_alike_each_time(client: httpx2.AsyncClient) -> None:
    headers = KEY | {"Content-Type": "application/json"}
    answers = [await client.post("/things", content=b"{", headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [400, 400]


async def test_with_a_signing_key_kept_answers_are_sealed_yet_replayed(
    shop: Shop, database: Database, clock: ManualClock, mint: TokenMint
) -> None:
    body = {"password": "correct horse battery"}
    key = SigningKey(Ed25519PrivateKey.generate())
    async with serving(shop, database, clock, mint, key) as client:
        first = await client.post("/things", json=body, headers=KEY)
        record = await database["idempotency"].find_one({})
        again = await client.post("/things", json=body, headers=KEY)
    assert record is not None
    assert again.content == first.content
    assert b"horse" not in bytes(record["answer"]["body"])
    # Another process of the service, with the same key, can answer too.
    async with serving(shop, database, clock, mint, key) as client:
        assert (await client.post("/things", json=body, headers=KEY)).content == first.content
