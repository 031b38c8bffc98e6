"""What a process leaves behind when it dies, and several workers at once."""

import asyncio
import os
import signal
import sys
from collections import Counter

from service_kit.clock import SystemClock
from service_kit.mongo import Database
from tests.component.webhooks.stage import Stage, states
from tests.support import eventually
from webhooks_service.courier import LEASE
from webhooks_service.domain.deliveries import Attempt
from webhooks_service.store.deliveries import Deliveries


async def test_a_worker_killed_while_it_sends_loses_nothing(stage: Stage) -> None:
    """Kill -9 in the middle of a request: the next worker sends it again once the claim has lapsed, and not before."""
    endpoint = await stage.endpoint()
    stage.receiver.behaviours["/hook"] = stage.receiver.hang
    settings = stage.settings
    env = {
        **os.environ,
        "MARQUEE_MONGO_URL": settings.mongo_url.get_secret_value(),
        "MARQUEE_AMQP_URL": settings.amqp_url.get_secret_value(),
        "MARQUEE_NAMESPACE": settings.namespace,
        "MARQUEE_INVENTORY_URL": settings.inventory_address,
        "MARQUEE_HOOKS_SECRET": settings.hooks_secret.get_secret_value(),
        "MARQUEE_HOOKS_PRIVATE_TARGETS": ",".join(settings.hooks_private_targets),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "webhooks_service", "worker", env=env, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        event = await stage.tell()
        await eventually(lambda: _count(stage, "/hook"), seconds=60)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    stage.receiver.behaviours.clear()
    # Claims are read once a majority has them.
    (left,) = await stage.until(endpoint, lambda log: log[0]["tries"] == 1)
    assert (left["state"], left["attempts"]) == ("pending", [])
    stage.clock.set(SystemClock().now())
    async with stage.working():
        other = await stage.endpoint("/other")
        await stage.tell()
        await stage.until(other, lambda log: states(log) == ["delivered"])
        assert Counter(each.event_id for each in stage.receiver.of("/hook"))[event.id] == 1
        stage.clock.advance(LEASE * 1.1)
        await stage.until(endpoint, lambda log: set(states(log)) == {"delivered"})
    assert Counter(each.event_id for each in stage.receiver.of("/hook"))[event.id] == 2


async def _count(stage: Stage, path: str) -> int:
    return len(stage.receiver.of(path))


async def test_what_a_worker_thought_dead_writes_late_changes_nothing(stage: Stage, database: Database) -> None:
    endpoint = await stage.endpoint()
    await stage.call("POST", f"/{endpoint['endpointId']}/test")
    deliveries, now = Deliveries(database), stage.clock.now()
    first = await deliveries.claim(endpoint["endpointId"], now, LEASE)
    assert first is not None
    assert await deliveries.claim(endpoint["endpointId"], now + LEASE / 2, LEASE) is None
    second = await deliveries.claim(endpoint["endpointId"], now + LEASE, LEASE)
    assert second is not None
    await deliveries.finish(first, "delivered", Attempt(now, 5, 200))
    await deliveries.finish(second, "failed", Attempt(now, 5, 500))
    await deliveries.finish(first, "delivered", Attempt(now, 5, 200))
    (found,) = await stage.until(endpoint, lambda log: log[0]["state"] != "pending")
    assert (found["state"], found["tries"]) == ("failed", 2)
    assert [each["statusCode"] for each in found["attempts"]] == [500]


async def test_a_replay_does_not_send_what_is_just_being_sent(stage: Stage) -> None:
    endpoint = await stage.endpoint()
    stage.receiver.behaviours["/hook"] = stage.receiver.hang
    async with stage.working(), stage.working():
        await stage.tell()
        await stage.received()
        (delivery,) = await stage.log(endpoint)
        path = f"/{endpoint['endpointId']}/deliveries/{delivery['deliveryId']}/replay"
        assert (await stage.call("POST", path)).status_code == 202
        other = await stage.endpoint("/other")
        await stage.tell()
        await stage.until(other, lambda log: states(log) == ["delivered"])
        stage.receiver.released.set()
        await stage.until(endpoint, lambda log: states(log) == ["delivered"] * 2)
    sent = Counter(each.event_id for each in stage.receiver.of("/hook"))
    assert set(sent.values()) == {1}


async def test_of_several_workers_one_sends_each_delivery(stage: Stage) -> None:
    endpoints = [await stage.endpoint(f"/race{number}") for number in range(3)]
    events = [await stage.tell() for _ in range(60)]
    async with stage.working(), stage.working(), stage.working():
        events += [await stage.tell() for _ in range(20)]
        for endpoint in endpoints:
            await stage.until(endpoint, lambda log: states(log) == ["delivered"] * 80, seconds=40)
    for number in range(3):
        sent = Counter(each.event_id for each in stage.receiver.of(f"/race{number}"))
        assert sent == Counter(event.id for event in events)


async def test_a_claim_that_kills_its_worker_every_time_is_given_up(stage: Stage, database: Database) -> None:
    endpoint = await stage.endpoint()
    await stage.call("POST", f"/{endpoint['endpointId']}/test")
    deliveries = Deliveries(database)
    for _ in range(10):
        assert await deliveries.claim(endpoint["endpointId"], stage.clock.now(), LEASE)
        stage.clock.advance(LEASE)
    async with stage.working():
        (delivery,) = await stage.until(endpoint, lambda log: states(log) == ["failed"])
    assert delivery["error"].startswith("Given up")
    assert stage.receiver.of("/hook") == []


async def test_a_delivery_whose_endpoint_was_deleted_meanwhile_goes_away(stage: Stage, database: Database) -> None:
    endpoint = await stage.endpoint()
    await stage.call("POST", f"/{endpoint['endpointId']}/test")
    # As if the event had come in between the deletion of the endpoint and that of its log.
    await database["endpoints"].delete_many({})
    async with stage.working():
        await eventually(lambda: database["deliveries"].count_documents({}), until=lambda count: count == 0)
    assert stage.receiver.of("/hook") == []
