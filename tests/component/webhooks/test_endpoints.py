"""Endpoints over HTTP: making, reading, changing, deleting, and who may."""

from datetime import timedelta
from typing import Any

import pytest

from service_kit.mongo import Database
from tests.component.inventory.stage import problem
from tests.component.webhooks.stage import Json, Stage
from webhooks_service.domain.endpoints import MOST_ENDPOINTS

MISSING = "/0192e4a0-0000-7000-8000-000000000000"


async def test_an_endpoint_shows_its_secret_once(stage: Stage) -> None:
    made = await stage.call("POST", json={"url": stage.receiver.url, "eventTypes": ["booking.confirmed"]})
    assert made.status_code == 201
    endpoint = made.json()
    assert endpoint["secret"].startswith("whsec_")
    assert made.headers["ETag"] == '"1"'
    assert made.headers["Cache-Control"] == "no-store"
    read = await stage.call("GET", made.headers["Location"].removeprefix("/api/v1/webhook-endpoints"))
    assert "secret" not in read.text
    assert read.json() == {name: value for name, value in endpoint.items() if name != "secret"}
    assert read.json()["url"] == stage.receiver.url + "/"
    assert (read.json()["active"], read.json()["venueIds"], read.json()["disabled"]) == (True, None, None)


async def test_no_secret_lies_in_the_database_in_the_clear(stage: Stage, database: Database) -> None:
    headers = {"Idempotency-Key": "a-key"}
    body = {"url": stage.receiver.url, "eventTypes": ["*"]}
    secret = (await stage.call("POST", json=body, headers=headers)).json()["secret"]
    rotated = (await stage.call("GET")).json()["items"][0]["endpointId"]
    rotation = await stage.call("POST", f"/{rotated}/rotate-secret", headers=headers)
    for name in await database.list_collection_names():
        stored = repr([document async for document in database[name].find()])
        assert secret.removeprefix("whsec_") not in stored
        assert rotation.json()["secret"].removeprefix("whsec_") not in stored


async def test_the_same_key_makes_one_endpoint_and_gives_the_same_secret_again(stage: Stage) -> None:
    body = {"url": stage.receiver.url, "eventTypes": ["*"]}
    first = await stage.call("POST", json=body, headers={"Idempotency-Key": "once"})
    again = await stage.call("POST", json=body, headers={"Idempotency-Key": "once"})
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    other = await stage.call("POST", json=body | {"active": False}, headers={"Idempotency-Key": "once"})
    assert other.status_code == 422
    assert len((await stage.call("GET")).json()["items"]) == 1


async def test_a_creation_that_died_before_its_answer_is_found_by_its_retry(stage: Stage, database: Database) -> None:
    body = {"url": stage.receiver.url, "eventTypes": ["*"]}
    first = await stage.call("POST", json=body, headers={"Idempotency-Key": "died"})
    # As if the process had ended between the two writes.
    await database["idempotency"].update_many({}, {"$set": {"state": "running"}, "$unset": {"answer": 1}})
    stage.clock.advance(timedelta(minutes=1))
    again = await stage.call("POST", json=body, headers={"Idempotency-Key": "died"})
    assert again.status_code == 201
    assert again.json() == first.json()


async def test_the_last_endpoint_there_may_be_is_found_by_its_retry_as_well(stage: Stage, database: Database) -> None:
    body = {"url": stage.receiver.url, "eventTypes": ["*"]}
    first = await stage.call("POST", json=body, headers={"Idempotency-Key": "last"})
    one = await database["endpoints"].find_one({})
    assert one is not None
    await database["endpoints"].insert_many([one | {"_id": f"other-{n}"} for n in range(MOST_ENDPOINTS - 1)])
    await database["idempotency"].update_many({}, {"$set": {"state": "running"}, "$unset": {"answer": 1}})
    stage.clock.advance(timedelta(minutes=1))
    again = await stage.call("POST", json=body, headers={"Idempotency-Key": "last"})
    assert again.status_code == 201, again.text
    assert again.json() == first.json()


async def test_an_endpoint_whose_secret_can_not_be_opened_is_read_changed_and_deleted_all_the_same(
    stage: Stage, database: Database
) -> None:
    endpoint = await stage.endpoint()
    await database["endpoints"].update_one({}, {"$set": {"secrets.0.sealed": b"sealed by another key"}})
    path = f"/{endpoint['endpointId']}"
    assert [each["endpointId"] for each in (await stage.call("GET")).json()["items"]] == [endpoint["endpointId"]]
    assert (await stage.call("PATCH", path, json={"description": "x"})).json()["description"] == "x"
    assert (await stage.call("POST", f"{path}/rotate-secret")).status_code == 200
    assert (await stage.call("DELETE", path)).status_code == 204


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"eventTypes": ["*"]}, "/url"),
        ({"url": "https://hooks.example.com", "eventTypes": []}, "/eventTypes"),
        ({"url": "https://hooks.example.com"}, "/eventTypes"),
        ({"url": "https://hooks.example.com", "eventTypes": ["SeatsReleased"]}, "/eventTypes/0"),
        ({"url": "https://hooks.example.com", "eventTypes": "*"}, "/eventTypes"),
        ({"url": "https://hooks.example.com", "eventTypes": ["*"], "venueIds": []}, "/venueIds"),
        ({"url": "https://hooks.example.com", "eventTypes": ["*"], "venueIds": ["a b"]}, "/venueIds/0"),
        ({"url": "https://hooks.example.com", "eventTypes": ["*"], "venueIds": ["v"] * 101}, "/venueIds"),
        ({"url": "https://hooks.example.com", "eventTypes": ["*"], "active": "yes"}, "/active"),
        ({"url": "https://hooks.example.com", "eventTypes": ["*"], "description": "x" * 501}, "/description"),
        ({"url": "https://hooks.example.com", "eventTypes": ["*"], "secret": "whsec_x"}, "/secret"),
        ({"url": "https://hooks.example.com/" + "x" * 2_000, "eventTypes": ["*"]}, "/url"),
        ({"url": "http://hooks.example.com", "eventTypes": ["*"]}, "/url"),
        ({"url": "https://10.0.0.1/", "eventTypes": ["*"]}, "/url"),
        ({"url": "https://169.254.169.254/latest/meta-data", "eventTypes": ["*"]}, "/url"),
        ({"url": "https://[::ffff:127.0.0.1]/", "eventTypes": ["*"]}, "/url"),
        ({"url": "https://2130706433/", "eventTypes": ["*"]}, "/url"),
        ({"url": "https://a:b@hooks.example.com/", "eventTypes": ["*"]}, "/url"),
        ({"url": "https://inside.example.com/", "eventTypes": ["*"]}, "/url"),
        ({"url": "https://mixed.example.com/", "eventTypes": ["*"]}, "/url"),
        ({"url": "https://nowhere.example.com/", "eventTypes": ["*"]}, "/url"),
        ({"url": "https://hooks.example.com:25/", "eventTypes": ["*"]}, "/url"),
    ],
)
async def test_what_can_not_be_accepted_is_named_by_a_pointer(stage: Stage, body: Json, pointer: str) -> None:
    stage.names.lead("hooks.example.com", "93.184.216.34")
    stage.names.lead("inside.example.com", "127.0.0.1")
    stage.names.lead("mixed.example.com", "93.184.216.34", "fd00::1")
    answer = await stage.call("POST", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]
    assert (await stage.call("GET")).json()["items"] == []


async def test_a_public_name_is_accepted_and_types_and_venues_count_once(stage: Stage) -> None:
    stage.names.lead("hooks.example.com", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946")
    body = {
        "url": "https://Hooks.example.com",
        "eventTypes": ["booking.failed", "booking.failed"],
        "venueIds": ["v1", "v1", "v2"],
    }
    made = (await stage.call("POST", json=body)).json()
    assert made["url"] == "https://hooks.example.com/"
    assert (made["eventTypes"], made["venueIds"]) == (["booking.failed"], ["v1", "v2"])


async def test_an_endpoint_of_a_venue_that_is_not_there_is_refused(stage: Stage) -> None:
    body = {"url": stage.receiver.url, "eventTypes": ["*"], "venueIds": ["v1", "v8", "v9"]}
    (fault,) = problem(await stage.call("POST", json=body), 422, "unknown-venues")["errors"]
    assert fault["pointer"] == "/venueIds"
    assert "v8, v9" in fault["detail"]
    made = await stage.endpoint(venueIds=["v1"])
    path = f"/{made['endpointId']}"
    problem(await stage.call("PATCH", path, json={"venueIds": ["v1", "v9"]}), 422, "unknown-venues")
    assert (await stage.read(made))["venueIds"] == ["v1"]
    stage.venues("v2")
    kept = await stage.call("PATCH", path, json={"venueIds": ["v1", "v2"]})
    assert (kept.status_code, kept.json()["venueIds"]) == (200, ["v1", "v2"])


async def test_venues_can_only_be_named_while_they_can_be_asked_for(stage: Stage) -> None:
    stage.catalogue.down = True
    body = {"url": stage.receiver.url, "eventTypes": ["*"], "venueIds": ["v1"]}
    assert (await stage.call("POST", json=body)).status_code == 503
    assert (await stage.read(await stage.endpoint()))["venueIds"] is None


async def test_a_change_leaves_the_rest_and_obeys_if_match(stage: Stage) -> None:
    made = await stage.endpoint(venueIds=["v1"], description="box office")
    path = f"/{made['endpointId']}"
    stale = await stage.call("PATCH", path, json={"active": False}, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    changed = await stage.call("PATCH", path, json={"venueIds": None}, headers={"If-Match": '"1"'})
    assert changed.status_code == 200
    assert changed.headers["ETag"] == '"2"'
    assert changed.json()["venueIds"] is None
    assert (changed.json()["description"], changed.json()["eventTypes"]) == ("box office", ["*"])
    unchanged = await stage.call("GET", path, headers={"If-None-Match": '"2"'})
    assert unchanged.status_code == 304


async def test_a_change_that_changes_nothing_is_no_new_version(stage: Stage) -> None:
    made = await stage.endpoint(description="box office")
    same = {"description": "box office", "active": True, "url": made["url"]}
    answer = await stage.call("PATCH", f"/{made['endpointId']}", json=same)
    assert answer.json() == await stage.read(made)
    assert answer.headers["ETag"] == '"1"'


async def test_a_new_url_and_an_owners_switch_forget_what_was_counted(stage: Stage, database: Database) -> None:
    made = await stage.endpoint()
    path = f"/{made['endpointId']}"
    await database["endpoints"].update_one({}, {"$set": {"failingSince": stage.clock.now()}})
    assert (await stage.call("PATCH", path, json={"description": "x"})).json()["failingSince"]
    moved = await stage.call("PATCH", path, json={"url": stage.receiver.url + "/new"})
    assert moved.json()["failingSince"] is None
    disabled = {"reason": "failing", "detail": "…", "at": stage.clock.now()}
    await database["endpoints"].update_one({}, {"$set": {"active": False, "disabled": disabled}})
    off = await stage.call("PATCH", path, json={"active": False})
    assert (off.json()["active"], off.json()["disabled"]) == (False, None)


@pytest.mark.parametrize("patch", [{"url": None}, {"eventTypes": None}, {"active": None}, {"secret": "x"}, []])
async def test_a_change_to_nothing_sensible_is_refused(stage: Stage, patch: Any) -> None:
    made = await stage.endpoint()
    answer = await stage.call("PATCH", f"/{made['endpointId']}", json=patch)
    assert answer.status_code == 422
    assert (await stage.read(made))["version"] == 1


async def test_a_change_of_url_is_checked_like_a_new_one(stage: Stage) -> None:
    made = await stage.endpoint()
    stage.names.lead("inside.example.com", "10.0.0.5")
    answer = await stage.call("PATCH", f"/{made['endpointId']}", json={"url": "https://inside.example.com/"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/url"
    assert (await stage.read(made))["url"] == made["url"]


async def test_a_deleted_endpoint_is_gone_with_its_log(working: Stage, database: Database) -> None:
    made = await working.endpoint()
    await working.tell()
    await working.until(made, bool)
    path = f"/{made['endpointId']}"
    assert (await working.call("DELETE", path, headers={"If-Match": '"9"'})).status_code == 412
    assert (await working.call("DELETE", path)).status_code == 204
    for method, rest in [("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/test")]:
        assert (await working.call(method, path + rest)).status_code == 404
    assert await database["deliveries"].count_documents({}) == 0


async def test_lists_are_paged(stage: Stage) -> None:
    made = [(await stage.endpoint(f"/{number}"))["endpointId"] for number in range(5)]
    found, cursor = [], None
    while True:
        page = await stage.call("GET", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        found += [each["endpointId"] for each in page.json()["items"]]
        cursor = page.json()["nextCursor"]
        assert ("Link" in page.headers) == bool(cursor)
        if not cursor:
            break
    assert found == made
    assert (await stage.call("GET", params={"cursor": "x"})).status_code == 422


async def test_there_is_a_limit_to_endpoints(stage: Stage, database: Database) -> None:
    made = await stage.endpoint()
    document = await database["endpoints"].find_one({"_id": made["endpointId"]})
    assert document is not None
    await database["endpoints"].insert_many([{**document, "_id": f"e{at}"} for at in range(MOST_ENDPOINTS - 1)])
    answer = await stage.call("POST", json={"url": stage.receiver.url, "eventTypes": ["*"]})
    assert answer.status_code == 409
    assert answer.json()["most"] == MOST_ENDPOINTS


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", ""),
        ("GET", MISSING),
        ("PATCH", MISSING),
        ("DELETE", MISSING),
        ("POST", MISSING + "/rotate-secret"),
        ("POST", MISSING + "/test"),
        ("POST", MISSING + "/replay"),
        ("GET", MISSING + "/deliveries"),
        ("GET", MISSING + "/deliveries/d"),
        ("POST", MISSING + "/deliveries/d/replay"),
    ],
)
async def test_admins_alone_may(stage: Stage, method: str, path: str) -> None:
    for role in ("guest", "user", "service"):
        assert (await stage.call(method, path, role=role)).status_code == 403
    assert (await stage.client.request(method, "/api/v1/webhook-endpoints" + path)).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"active": True}),
        ("DELETE", "", None),
        ("POST", "/rotate-secret", None),
        ("POST", "/test", None),
        ("POST", "/replay", {"since": "2026-11-01T00:00:00Z"}),
        ("GET", "/deliveries", None),
        ("POST", "/deliveries/d/replay", None),
    ],
)
async def test_what_is_not_there_is_404(stage: Stage, method: str, path: str, body: Json | None) -> None:
    answer = await stage.call(method, MISSING + path, **({"json": body} if body else {}))
    assert answer.status_code == 404
    assert answer.json()["status"] == 404


async def test_a_body_of_megabytes_is_refused(stage: Stage) -> None:
    answer = await stage.call("POST", content=b"x" * 1_000_000)
    assert answer.status_code == 413
