"""Limits counted in MongoDB."""

import asyncio
from datetime import timedelta

import pytest
from starlette.requests import Request

from service_kit.clock import ManualClock
from service_kit.errors import TooManyRequests
from service_kit.limits import Limit, Limiter, caller_address
from service_kit.mongo import Database
from tests.support import eventually

THREE = Limit("three", 3, timedelta(minutes=5))


async def spent(limiter: Limiter, key: str, limit: Limit = THREE) -> bool:
    try:
        await limiter.spend(limit, key)
    except TooManyRequests:
        return False
    return True


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def limiter(database: Database, clock: ManualClock) -> Limiter:
    limiter = Limiter(database["limits"], clock, enabled=True)
    await limiter.prepare()
    return limiter


async def test_of_many_at_once_as_many_get_through_as_the_limit_says(limiter: Limiter) -> None:
    assert sum(await asyncio.gather(*(spent(limiter, "ada") for _ in range(40)))) == 3


async def test_keys_and_limits_are_counted_apart(limiter: Limiter) -> None:
    assert [await spent(limiter, "ada") for _ in range(4)] == [True, True, True, False]
    assert await spent(limiter, "grace")
    assert await spent(limiter, "ada", Limit("other", 3, timedelta(minutes=5)))


async def test_the_refusal_says_when_to_come_back_and_then_it_works(limiter: Limiter, clock: ManualClock) -> None:
    for _ in range(3):
        await limiter.spend(THREE, "ada")
    with pytest.raises(TooManyRequests) as refusal:
        await limiter.spend(THREE, "ada")
    assert refusal.value.quota is not None
    assert (refusal.value.quota.name, refusal.value.quota.most, refusal.value.quota.window_seconds) == ("three", 3, 300)
    assert refusal.value.retry_after is not None
    assert 1 <= refusal.value.retry_after <= 300
    clock.advance(timedelta(seconds=refusal.value.retry_after))
    assert await spent(limiter, "ada")


async def test_an_attempt_can_be_taken_back(limiter: Limiter) -> None:
    for _ in range(10):
        await limiter.spend(THREE, "ada")
        await limiter.refund(THREE, "ada")
    await limiter.refund(THREE, "ada")
    assert [await spent(limiter, "ada") for _ in range(4)] == [True, True, True, False]


async def test_counts_hold_no_key_in_clear_and_vanish_by_themselves(
    limiter: Limiter, database: Database, clock: ManualClock
) -> None:
    await limiter.spend(THREE, "ada@example.com")
    # Written without waiting for the majority, hence soon, not at once, there for readers of the majority.
    count = await eventually(lambda: database["limits"].find_one({}), until=lambda found: found is not None)
    assert count is not None
    assert "ada" not in str(count)
    assert clock.now() < count["expiresAt"] <= clock.now() + THREE.window
    assert (await database["limits"].index_information())["expiresAt_1"]["expireAfterSeconds"] == 0


async def test_limits_that_are_off_stop_nobody(database: Database, clock: ManualClock) -> None:
    limiter = Limiter(database["limits"], clock, enabled=False)
    assert all([await spent(limiter, "ada") for _ in range(10)])


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        (None, "-"),
    ],
)
def test_an_ipv6_caller_counts_by_his_network(host: str | None, key: str) -> None:
    client = (host, 1234) if host else None
    assert caller_address(Request({"type": "http", "headers": [], "client": client})) == key
