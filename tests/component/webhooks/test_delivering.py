"""From an event to an organiser's server: what arrives, what is tried again, and when we stop."""

import asyncio
import json
from datetime import timedelta

import pytest
from pydantic import SecretStr

from service_kit.mongo import Database
from service_kit.sealing import Unsealable
from tests.component.webhooks.stage import Stage, booking, refund, states
from tests.servers.receiver import answering, huge
from tests.support import eventually
from webhooks_service.app import worker
from webhooks_service.courier import AT_ONCE
from webhooks_service.domain.schedule import DELAYS, MOST_TRIES
from webhooks_service.store.endpoints import Endpoints


async def test_a_booking_reaches_the_endpoint_signed_and_the_log_tells_of_it(working: Stage) -> None:
    endpoint = await working.endpoint("/hook?key=1")
    event = await working.tell("BookingConfirmed", booking(booking_id="b7"))
    (request,) = await working.received("/hook?key=1")
    assert request.method == "POST"
    assert request.event_id == event.id
    assert request.signed_by(endpoint["secret"])
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    body = json.loads(request.body)
    assert (body["type"], body["data"]["bookingId"]) == ("booking.confirmed", "b7")
    (delivery,) = await working.until(endpoint, lambda log: states(log) == ["delivered"])
    assert (delivery["eventId"], delivery["type"], delivery["tries"]) == (event.id, "booking.confirmed", 1)
    assert delivery["nextTryAt"] is None
    (attempt,) = delivery["attempts"]
    assert (attempt["statusCode"], attempt["answer"], attempt["error"]) == (200, "thanks", "")
    assert attempt["durationMs"] >= 0


async def test_an_endpoint_hears_of_its_types_and_venues_alone(working: Stage) -> None:
    mine = await working.endpoint("/mine", eventTypes=["booking.confirmed", "booking.failed"], venueIds=["v1"])
    everything = await working.endpoint("/all")
    wanted = await working.tell("BookingConfirmed", booking(venue_id="v1"))
    await working.tell("BookingConfirmed", booking(venue_id="v2"))
    await working.tell("BookingExpired", booking(venue_id="v1"))
    await working.until(everything, lambda log: states(log) == ["delivered"] * 3)
    assert [each["eventId"] for each in await working.log(mine)] == [wanted.id]


async def test_a_refund_finds_its_venue_through_the_booking(working: Stage) -> None:
    working.receiver.behaviours["/api/v1/bookings/b1"] = answering(200, b'{"venueId": "v1"}')
    working.receiver.behaviours["/api/v1/bookings/b2"] = answering(200, b'{"venueId": "v2"}')
    working.receiver.behaviours["/api/v1/bookings/b3"] = answering(404, b"{}")
    mine = await working.endpoint("/mine", eventTypes=["payment.refunded"], venueIds=["v1"])
    everything = await working.endpoint("/all")
    wanted = await working.tell("PaymentRefunded", refund("b1"))
    await working.tell("PaymentRefunded", refund("b2"))
    await working.tell("PaymentRefunded", refund("b3"))
    await working.until(everything, lambda log: len(log) == 3)
    assert [each["eventId"] for each in await working.log(mine)] == [wanted.id]


async def test_nobody_is_asked_for_a_venue_that_no_endpoint_wants_to_know(working: Stage) -> None:
    everything = await working.endpoint("/all")
    await working.endpoint("/bookings", eventTypes=["booking.confirmed"], venueIds=["v1"])
    await working.tell("PaymentRefunded", refund("b1"))
    await working.until(everything, lambda log: len(log) == 1)
    assert working.receiver.of("/api/v1/bookings/b1") == []


async def test_a_refund_waits_while_inventory_is_down_and_bookings_do_not(working: Stage) -> None:
    working.receiver.behaviours["/api/v1/bookings/b1"] = answering(503, b"{}")
    mine = await working.endpoint("/mine", venueIds=["v1"])
    late = await working.tell("PaymentRefunded", refund("b1"))
    await working.received("/api/v1/bookings/b1")
    early = await working.tell("BookingConfirmed")
    await working.until(mine, lambda log: [each["eventId"] for each in log] == [early.id])
    working.receiver.behaviours["/api/v1/bookings/b1"] = answering(200, b'{"venueId": "v1"}')
    await working.until(mine, lambda log: {each["eventId"] for each in log} == {early.id, late.id})


async def test_a_repeated_event_is_sent_once_and_a_late_one_all_the_same(working: Stage) -> None:
    endpoint = await working.endpoint()
    newer = working.event("BookingCancelled", booking(booking_id="b1", version=3, status="cancelled"))
    older = working.event("BookingConfirmed", booking(booking_id="b1", version=2))
    for event in (newer, older, newer, older, newer):
        await working.publish(event)
    last = await working.tell("BookingConfirmed", booking(booking_id="b2"))
    await working.until(endpoint, lambda log: last.id in [each["eventId"] for each in log])
    await working.until(endpoint, lambda log: set(states(log)) == {"delivered"})
    heard = [request.event_id for request in working.receiver.of("/hook")]
    assert sorted(heard) == sorted([newer.id, older.id, last.id])


async def test_a_failure_is_tried_again_after_its_pause_under_the_same_id(working: Stage) -> None:
    endpoint = await working.endpoint()
    working.receiver.behaviours["/hook"] = answering(500, b"out of order")
    await working.tell()
    (failed,) = await working.until(endpoint, lambda log: log and log[0]["attempts"])
    assert (failed["state"], failed["attempts"][0]["statusCode"]) == ("pending", 500)
    assert failed["attempts"][0]["answer"] == "out of order"
    assert (await working.read(endpoint))["failingSince"] is not None
    working.receiver.behaviours["/hook"] = answering(204)
    working.clock.advance(DELAYS[0] * 1.3)
    (done,) = await working.until(endpoint, lambda log: states(log) == ["delivered"])
    assert [each["statusCode"] for each in done["attempts"]] == [500, 204]
    first, second = working.receiver.of("/hook")
    assert first.event_id == second.event_id
    assert first.body == second.body
    assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    assert second.signed_by(endpoint["secret"])
    await eventually(lambda: working.read(endpoint), until=lambda it: it["failingSince"] is None)


async def test_after_ten_tries_over_three_days_it_is_failed(working: Stage) -> None:
    endpoint = await working.endpoint()
    working.receiver.behaviours["/hook"] = answering(502)
    await working.tell()
    for tries in range(1, MOST_TRIES + 1):
        (delivery,) = await working.until(endpoint, lambda log, n=tries: log and len(log[0]["attempts"]) == n)  # type: ignore[misc]  # the lambda is called at once
        if tries < MOST_TRIES:
            assert delivery["state"] == "pending"
            working.clock.advance(DELAYS[tries - 1] * 1.3)
    assert (delivery["state"], delivery["nextTryAt"]) == ("failed", None)
    assert (await working.read(endpoint))["active"]


async def test_retry_after_is_kept_to(working: Stage) -> None:
    endpoint = await working.endpoint()
    working.receiver.behaviours["/hook"] = answering(429, Retry_After="600")
    await working.tell()
    (delivery,) = await working.until(endpoint, lambda log: log and log[0]["attempts"])
    working.clock.advance(timedelta(seconds=590))
    other = await working.endpoint("/other")
    await working.tell()
    # Two rounds of the courier have passed by then.
    await working.until(other, lambda log: states(log) == ["delivered"])
    assert len((await working.log(endpoint))[-1]["attempts"]) == 1
    working.clock.advance(timedelta(seconds=11))
    await working.until(endpoint, lambda log: len(log[-1]["attempts"]) == 2)
    assert delivery["deliveryId"] == (await working.log(endpoint))[-1]["deliveryId"]


async def test_410_disables_the_endpoint_and_says_why(working: Stage) -> None:
    endpoint = await working.endpoint()
    working.receiver.behaviours["/hook"] = answering(410)
    await working.tell()
    await working.until(endpoint, lambda log: states(log) == ["failed"])
    found = await working.read(endpoint)
    assert (found["active"], found["disabled"]["reason"]) == (False, "gone")
    assert found["disabled"]["detail"]
    other = await working.endpoint("/other")
    await working.tell()
    await working.until(other, lambda log: states(log) == ["delivered"])
    assert len(await working.log(endpoint)) == 1
    assert len(working.receiver.of("/hook")) == 1


async def test_five_days_of_failures_disable_it_and_what_it_missed_can_be_replayed(working: Stage) -> None:
    endpoint = await working.endpoint()
    path = f"/{endpoint['endpointId']}"
    working.receiver.behaviours["/hook"] = answering(500)
    await working.tell()
    await working.until(endpoint, lambda log: log and log[0]["attempts"])
    assert (await working.read(endpoint))["active"]
    working.clock.advance(timedelta(days=5, minutes=1))
    await eventually(lambda: working.read(endpoint), until=lambda it: not it["active"])
    disabled = (await working.read(endpoint))["disabled"]
    assert disabled["reason"] == "failing"
    missed = await working.tell()
    await working.until(endpoint, lambda log: log[0]["eventId"] == missed.id and log[0]["state"] == "failed")
    assert (await working.call("POST", path + "/test")).status_code == 409
    working.receiver.behaviours.clear()
    working.receiver.received.clear()
    again = await working.call("PATCH", path, json={"active": True})
    assert (again.json()["disabled"], again.json()["failingSince"]) == (None, None)
    since = (working.clock.now() - timedelta(days=10)).isoformat()
    # The first may be waiting for its next try, and then finds the endpoint active again.
    assert (await working.call("POST", path + "/replay", json={"since": since})).json()["replayed"] >= 1
    await working.received("/hook")
    assert missed.id in [request.event_id for request in await working.received("/hook")]


async def test_one_success_starts_the_five_days_anew(working: Stage) -> None:
    endpoint = await working.endpoint()
    working.receiver.behaviours["/hook"] = answering(500)
    await working.tell()
    await working.until(endpoint, lambda log: log and log[0]["attempts"])
    working.clock.advance(timedelta(days=4))
    working.receiver.behaviours["/hook"] = answering(200)
    await working.until(endpoint, lambda log: states(log) == ["delivered"])
    await eventually(lambda: working.read(endpoint), until=lambda it: it["failingSince"] is None)
    working.receiver.behaviours["/hook"] = answering(500)
    working.clock.advance(timedelta(days=2))
    await working.tell()
    await working.until(endpoint, lambda log: log[0]["attempts"])
    assert (await working.read(endpoint))["active"]


async def test_what_waits_for_an_endpoint_that_was_switched_off_is_not_sent(working: Stage) -> None:
    endpoint = await working.endpoint()
    working.receiver.behaviours["/hook"] = answering(500)
    await working.tell()
    await working.until(endpoint, lambda log: log and log[0]["attempts"])
    await working.call("PATCH", f"/{endpoint['endpointId']}", json={"active": False})
    working.receiver.received.clear()
    working.clock.advance(DELAYS[0] * 1.3)
    (delivery,) = await working.until(endpoint, lambda log: states(log) == ["failed"])
    assert delivery["error"] == "The endpoint was not active"
    other = await working.endpoint("/other")
    await working.tell()
    await working.until(other, lambda log: states(log) == ["delivered"])
    assert working.receiver.of("/hook") == []
    assert len(await working.log(endpoint)) == 1


async def test_a_redirect_is_a_failure_and_nobody_follows_it(working: Stage) -> None:
    endpoint = await working.endpoint()
    working.receiver.behaviours["/hook"] = answering(307, Location=f"{working.receiver.url}/elsewhere")
    await working.tell()
    (delivery,) = await working.until(endpoint, lambda log: log and log[0]["attempts"])
    assert delivery["state"] == "pending"
    assert delivery["attempts"][0]["statusCode"] == 307
    assert delivery["attempts"][0]["error"] == "Redirects are not followed"
    assert working.receiver.of("/elsewhere") == []


async def test_of_an_answer_of_10_mb_only_the_beginning_is_read(working: Stage) -> None:
    endpoint = await working.endpoint()
    working.receiver.behaviours["/hook"] = huge(10 * 1024 * 1024)
    before = working.receiver.broken_off
    await working.tell()
    (delivery,) = await working.until(endpoint, lambda log: states(log) == ["delivered"])
    assert delivery["attempts"][0]["answer"] == "x" * 1_000
    await eventually(lambda: _value(working.receiver.broken_off), until=lambda count: count == before + 1)


async def _value(value: int) -> int:
    return value


async def test_a_body_that_is_no_text_does_no_harm_to_the_log(working: Stage) -> None:
    endpoint = await working.endpoint()
    working.receiver.behaviours["/hook"] = answering(200, b"\xff\x00\xfe<script>", Content_Encoding="gzip")
    await working.tell()
    (delivery,) = await working.until(endpoint, lambda log: states(log) == ["delivered"])
    assert "<script>" in delivery["attempts"][0]["answer"]


async def _garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x16\x03\x01 220 smtp.example.com ESMTP\r\n")
    await writer.drain()


async def _mangled(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 \xff\xfe\xed\xa0\x80 \r\nX-\xff: \x00\r\n\r\n")
    await writer.drain()


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Header: " + b"x" * 60_000 + b"\r\n")
        await writer.drain()


async def _silence(_: asyncio.StreamWriter) -> None:
    """The connection is closed without a word."""


@pytest.mark.parametrize("behaviour", [_garbage, _mangled, _endless, _silence])
async def test_what_is_no_http_is_a_failure_with_its_reason(working: Stage, behaviour: object) -> None:
    endpoint = await working.endpoint()
    working.receiver.behaviours["/hook"] = behaviour  # type: ignore[assignment]  # one of those above
    await working.tell()
    (delivery,) = await working.until(endpoint, lambda log: log and log[0]["attempts"])
    assert delivery["attempts"][0]["statusCode"] is None
    assert delivery["attempts"][0]["error"]


async def test_a_hanging_endpoint_holds_up_nobody_else_and_is_given_up_after_ten_seconds(working: Stage) -> None:
    working.receiver.behaviours["/slow"] = working.receiver.hang
    slow, fast = await working.endpoint("/slow"), await working.endpoint("/fast")
    for _ in range(AT_ONCE * 4):
        await working.tell()
    await working.until(fast, lambda log: states(log) == ["delivered"] * AT_ONCE * 4, seconds=8)
    assert working.receiver.most_at_once["/slow"] == AT_ONCE
    log = await working.until(slow, lambda log: any(each["attempts"] for each in log), seconds=20)
    (attempt,) = next(each["attempts"] for each in log if each["attempts"])
    assert attempt["error"] == "No answer within 10 s"
    assert 9_000 < attempt["durationMs"] < 14_000
    assert set(states(log)) == {"pending"}


async def test_a_new_secret_signs_with_the_old_one_for_a_day(working: Stage) -> None:
    endpoint = await working.endpoint()
    path = f"/{endpoint['endpointId']}/rotate-secret"
    key = {"Idempotency-Key": "rotate"}
    answer = await working.call("POST", path, headers=key)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await working.call("POST", path, headers=key)).json() == answer.json()
    new = answer.json()["secret"]
    assert new != endpoint["secret"]
    await working.tell()
    (request,) = await working.received()
    assert request.signed_by(new)
    assert request.signed_by(endpoint["secret"])
    working.clock.advance(timedelta(hours=24, seconds=1))
    await working.tell()
    _, request = await working.received(count=2)
    assert request.signed_by(new)
    assert not request.signed_by(endpoint["secret"])


async def test_secrets_can_not_be_rotated_without_end(stage: Stage) -> None:
    endpoint = await stage.endpoint()
    path = f"/{endpoint['endpointId']}/rotate-secret"
    codes = [(await stage.call("POST", path)).status_code for _ in range(5)]
    assert codes == [200, 200, 200, 200, 409]
    stage.clock.advance(timedelta(hours=25))
    assert (await stage.call("POST", path)).status_code == 200


async def test_no_event_is_kept_for_an_endpoint_that_is_switched_off(working: Stage, database: Database) -> None:
    await working.endpoint("/off", active=False)
    witness = await working.endpoint("/on")
    await working.tell()
    await working.until(witness, lambda log: states(log) == ["delivered"])
    assert await database["deliveries"].count_documents({}) == 1


async def test_a_delivery_that_can_not_be_signed_fails_as_a_try_until_the_endpoint_has_a_new_secret(
    working: Stage, database: Database
) -> None:
    endpoint = await working.endpoint()
    await database["endpoints"].update_one({}, {"$set": {"secrets.0.sealed": b"sealed by another key"}})
    other = await working.endpoint("/other")
    await working.tell()
    (delivery,) = await working.until(endpoint, lambda log: log and log[0]["attempts"])
    assert (delivery["state"], delivery["tries"]) == ("pending", 1)
    assert delivery["attempts"][0]["error"] == Unsealable.title
    await working.until(other, lambda log: states(log) == ["delivered"])
    rotation = await working.call("POST", f"/{endpoint['endpointId']}/rotate-secret")
    working.clock.advance(DELAYS[0] * 1.3)
    (request,) = await working.received()
    assert request.signed_by(rotation.json()["secret"])


async def test_after_a_change_of_the_key_a_worker_seals_anew_and_the_old_one_can_go(
    stage: Stage, database: Database
) -> None:
    endpoint = await stage.endpoint()
    changed = {"hooks_secret": SecretStr("quite another secret")}
    before = changed | {"hooks_secret_before": stage.settings.hooks_secret}
    async with worker(stage.settings.model_copy(update=before), stage.clock, stage.names.resolve):
        pass
    (found,) = await Endpoints(database).all()
    assert found.id == endpoint["endpointId"]
    async with worker(stage.settings.model_copy(update=changed), stage.clock, stage.names.resolve):
        await stage.tell()
        (request,) = await stage.received()
    assert request.signed_by(endpoint["secret"])
