"""The log of an endpoint: looking, replaying, trying."""

import json
from datetime import timedelta
from typing import Any

import pytest

from service_kit.mongo import Database
from tests.component.webhooks.stage import Json, Stage, booking, states
from tests.servers.receiver import answering


async def _failed(stage: Stage, endpoint: Json, database: Database, count: int) -> list[Json]:
    """So many deliveries that failed for good, an hour apart."""
    for number in range(count):
        type_ = "BookingCancelled" if number % 2 else "BookingConfirmed"
        await stage.tell(type_, booking(booking_id=f"b{number}"))
        await stage.until(endpoint, lambda log, n=number: len(log) == n + 1 and all(each["attempts"] for each in log))  # type: ignore[misc]  # the lambda is called at once
        stage.clock.advance(timedelta(hours=1))
    await database["deliveries"].update_many({}, {"$set": {"state": "failed"}, "$unset": {"waiting": 1, "dueAt": 1}})
    return await stage.log(endpoint)


async def test_the_log_is_paged_newest_first_and_told_apart_by_state(working: Stage) -> None:
    endpoint = await working.endpoint()
    events = [await working.tell() for _ in range(5)]
    await working.until(endpoint, lambda log: states(log) == ["delivered"] * 5)
    path = f"/{endpoint['endpointId']}/deliveries"
    first = await working.call("GET", path, params={"limit": 3})
    rest = await working.call("GET", path, params={"limit": 3, "cursor": first.json()["nextCursor"]})
    found = [each["eventId"] for each in first.json()["items"] + rest.json()["items"]]
    assert sorted(found) == sorted(event.id for event in events)
    assert rest.json()["nextCursor"] is None
    assert await working.log(endpoint, state="failed") == []
    assert len(await working.log(endpoint, state="delivered")) == 5
    assert (await working.call("GET", path, params={"state": "lost"})).status_code == 422


async def test_a_delivery_shows_the_body_that_was_signed(working: Stage) -> None:
    endpoint = await working.endpoint()
    await working.tell()
    (delivery,) = await working.until(endpoint, lambda log: states(log) == ["delivered"])
    path = f"/{endpoint['endpointId']}/deliveries/{delivery['deliveryId']}"
    whole = await working.call("GET", path)
    (request,) = working.receiver.of("/hook")
    assert whole.json()["body"] == request.body.decode()
    assert (await working.call("GET", path, headers={"If-None-Match": whole.headers["ETag"]})).status_code == 304
    other = await working.endpoint("/other")
    foreign = await working.call("GET", f"/{other['endpointId']}/deliveries/{delivery['deliveryId']}")
    assert foreign.status_code == 404


async def test_a_delivered_one_can_be_sent_again_under_the_same_event_id(working: Stage) -> None:
    endpoint = await working.endpoint()
    await working.tell()
    (delivery,) = await working.until(endpoint, lambda log: states(log) == ["delivered"])
    path = f"/{endpoint['endpointId']}/deliveries/{delivery['deliveryId']}"
    answer = await working.call("POST", path + "/replay")
    assert answer.status_code == 202
    assert answer.headers["Location"].endswith(path)
    first, second = await working.received(count=2)
    assert first.event_id == second.event_id
    (again,) = await working.until(endpoint, lambda log: len(log[0]["attempts"]) == 2)
    assert (again["state"], again["tries"]) == ("delivered", 1)


async def test_all_failed_ones_of_a_time_are_replayed_and_no_others(working: Stage, database: Database) -> None:
    endpoint = await working.endpoint()
    path = f"/{endpoint['endpointId']}/replay"
    working.receiver.behaviours["/hook"] = answering(500)
    began = working.clock.now()
    log = await _failed(working, endpoint, database, 6)
    working.receiver.behaviours.clear()
    working.receiver.received.clear()

    def moment(hours: float) -> str:
        return (began + timedelta(hours=hours)).isoformat()

    span: Json = {"since": moment(0.5), "until": moment(4.5), "types": ["booking.confirmed"]}
    answer = await working.call("POST", path, json=span)
    assert (answer.status_code, answer.json()) == (202, {"replayed": 2})
    await working.received(count=2)
    heard = {json.loads(request.body)["data"]["bookingId"] for request in working.receiver.of("/hook")}
    assert heard == {"b2", "b4"}
    await working.until(endpoint, lambda found: states(found).count("delivered") == 2)
    assert (await working.call("POST", path, json={"since": moment(-1)})).json() == {"replayed": len(log) - 2}
    await working.until(endpoint, lambda found: states(found) == ["delivered"] * 6)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"since": "yesterday"},
        {"since": "2026-11-01T00:00:00"},
        {"since": "2026-11-01T00:00:00Z", "types": []},
        {"since": "2026-11-01T00:00:00Z", "types": ["SeatsHeld"]},
        {"since": "2026-11-01T00:00:00Z", "before": "2026-11-01T00:00:00Z"},
    ],
)
async def test_a_replay_of_no_sensible_time_is_refused(stage: Stage, body: Any) -> None:
    endpoint = await stage.endpoint()
    assert (await stage.call("POST", f"/{endpoint['endpointId']}/replay", json=body)).status_code == 422


async def test_an_inactive_endpoint_is_sent_nothing_on_demand(stage: Stage) -> None:
    endpoint = await stage.endpoint(active=False)
    path = f"/{endpoint['endpointId']}"
    for answer in [
        await stage.call("POST", path + "/test"),
        await stage.call("POST", path + "/replay", json={"since": "2026-11-01T00:00:00Z"}),
        await stage.call("POST", path + "/deliveries/d/replay"),
    ]:
        assert answer.status_code == 409
        assert answer.json()["type"].endswith("/endpoint-inactive")


async def test_a_test_event_is_sent_once_per_key_whatever_the_endpoint_wants(working: Stage) -> None:
    endpoint = await working.endpoint(eventTypes=["showtime.created"], venueIds=["v1"])
    path = f"/{endpoint['endpointId']}/test"
    answer = await working.call("POST", path, headers={"Idempotency-Key": "try"})
    assert (answer.status_code, answer.json()["type"]) == (202, "webhook.test")
    again = await working.call("POST", path, headers={"Idempotency-Key": "try"})
    assert again.json() == answer.json()
    (request,) = await working.received()
    assert request.signed_by(endpoint["secret"])
    assert json.loads(request.body)["data"] == {"endpointId": endpoint["endpointId"]}
    (delivery,) = await working.until(endpoint, lambda log: states(log) == ["delivered"])
    assert answer.headers["Location"].endswith(delivery["deliveryId"])


async def test_deliveries_are_kept_for_30_days(stage: Stage, database: Database) -> None:
    indexes = await database["deliveries"].index_information()
    assert indexes["kept"]["expireAfterSeconds"] == 30 * 24 * 3600
