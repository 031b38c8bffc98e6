"""Every failure is answered as RFC 9457 problem+json."""

from typing import Any

import aio_pika.exceptions
import elastic_transport
import httpx2
import pytest
from pymongo.errors import AutoReconnect, DuplicateKeyError, ExecutionTimeout, ServerSelectionTimeoutError

from service_kit import errors
from service_kit.errors import Quota
from service_kit.problems import MOST_FAULTS, is_outage
from tests.unit.service_kit.app import LIMIT, serving


class SeatsTaken(errors.Conflict):
    slug, title = "seats-taken", "Some of these seats are taken"


def problem(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == answer.status_code
    assert {"type", "title", "status", "detail", "instance"} <= set(body)
    assert body["type"].startswith("https://marquee.example/problems/")
    return body


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (errors.Malformed(), 400, "malformed-request"),
        (errors.Unauthenticated(), 401, "unauthenticated"),
        (errors.Forbidden(), 403, "forbidden"),
        (errors.NotFound(), 404, "not-found"),
        (errors.Conflict(), 409, "conflict"),
        (errors.Gone(), 410, "gone"),
        (errors.PreconditionFailed(), 412, "precondition-failed"),
        (errors.Invalid(), 422, "invalid-request"),
        (errors.TooManyRequests(), 429, "too-many-requests"),
        (errors.Unavailable(), 503, "unavailable"),
        (errors.DomainError(), 500, "error"),
        (SeatsTaken(), 409, "seats-taken"),
        (ServerSelectionTimeoutError("no primary"), 503, "unavailable"),
        (ExecutionTimeout("slow"), 503, "unavailable"),
        (elastic_transport.ConnectionError("refused"), 503, "unavailable"),
        (aio_pika.exceptions.AMQPConnectionError("gone"), 503, "unavailable"),
        (httpx2.ConnectError("refused"), 503, "unavailable"),
        (DuplicateKeyError("E11000"), 500, "internal-error"),
        (KeyError("a bug"), 500, "internal-error"),
        (ExceptionGroup("two", [KeyError("a bug"), AutoReconnect("gone")]), 500, "internal-error"),
    ],
)
async def test_each_kind_of_failure_has_its_status_and_type(error: Exception, status: int, slug: str) -> None:
    async with serving(fail=lambda: error) as client:
        answer = await client.get("/fail")
    body = problem(answer)
    assert answer.status_code == status
    assert body["type"].rpartition("/")[2] == slug
    assert body["instance"] == "/fail"
    assert "x-correlation-id" in answer.headers
    if status == 500 and slug == "internal-error":
        assert str(error) not in answer.text


async def test_extras_stand_in_camel_case_beside_the_standard_members() -> None:
    async with serving(fail=lambda: SeatsTaken("Too late", seat_ids=["A-1", "A-2"])) as client:
        body = problem(await client.get("/fail"))
    assert (body["detail"], body["seatIds"]) == ("Too late", ["A-1", "A-2"])


async def test_faults_are_listed_with_pointers_up_to_a_sane_number() -> None:
    faults = [(f"/seats/{number}", "twice") for number in range(500)]
    async with serving(fail=lambda: errors.Invalid(faults=faults)) as client:
        body = problem(await client.get("/fail"))
    assert body["errors"][0] == {"pointer": "/seats/0", "detail": "twice"}
    assert len(body["errors"]) == MOST_FAULTS


async def test_a_broken_rule_without_a_place_of_its_own_points_at_the_whole_body() -> None:
    async with serving(fail=lambda: errors.Invalid("Used with another body")) as client:
        body = problem(await client.get("/fail"))
    assert body["errors"] == [{"pointer": "", "detail": "Used with another body"}]


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (errors.Unauthenticated(), {"www-authenticate": "Bearer"}),
        (errors.Unavailable(retry_after=7), {"retry-after": "7"}),
        (
            errors.TooManyRequests(retry_after=9, quota=Quota("logins", 20, 300)),
            {"retry-after": "9", "ratelimit-policy": '"logins";q=20;w=300', "ratelimit": '"logins";r=0;t=9'},
        ),
        (
            errors.TooManyRequests(retry_after=9, quota=Quota("seats", 20, remaining=3)),
            {"ratelimit-policy": '"seats";q=20', "ratelimit": '"seats";r=3;t=9'},
        ),
    ],
)
async def test_headers_tell_clients_what_to_do(error: Exception, headers: dict[str, str]) -> None:
    async with serving(fail=lambda: error) as client:
        answer = await client.get("/fail")
    assert {name: answer.headers[name] for name in headers} == headers


async def test_frameworks_own_errors_are_problems_too() -> None:
    async with serving() as client:
        assert problem(await client.get("/nowhere"))["status"] == 404
        wrong_method = await client.delete("/fail")
        assert problem(wrong_method)["status"] == 405
        assert wrong_method.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/name"]),
        ({"name": "x", "unknown": 1}, ["/unknown"]),
        ({"name": "x", "$set": 1, "a.b": 1}, ["/$set", "/a.b"]),
        ({"name": "x", "a/b~c": 1}, ["/a~1b~0c"]),
        ({"name": "x", "seats": [{"label": "1", "row": 1}, {"label": "2", "row": 0}]}, ["/seats/1/row"]),
        ({"name": "x", "seats": [{"label": "1", "row": "1"}]}, ["/seats/0/row"]),
        ({"name": "x", "seats": [{"label": "1", "row": True}]}, ["/seats/0/row"]),
        ({"name": "x", "location": {"lat": 91, "lon": True}}, ["/location/lat", "/location/lon"]),
        ({"name": "x", "startsAt": "2026-12-01T20:00:00"}, ["/startsAt"]),
        ({"name": "x", "startsAt": 1_800_000_000}, ["/startsAt"]),
        ({"name": "x", "startsAt": "0001-01-01T00:00:00+10:00"}, ["/startsAt"]),
        ({"name": "x", "startsAt": "9999-12-31T23:00:00-10:00"}, ["/startsAt"]),
        ({"name": "x\u202ey"}, ["/name"]),
        ([], [""]),
        (None, [""]),
    ],
)
async def test_a_body_that_breaks_the_model_gets_422_with_a_pointer_for_each_fault(
    body: Any, pointers: list[str]
) -> None:
    async with serving() as client:
        answer = await client.post("/things", json=body)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in problem(answer)["errors"]] == pointers


async def test_the_length_of_a_text_is_told_in_characters() -> None:
    async with serving() as client:
        answer = await client.post("/things", json={"name": "x" * 201})
    (fault,) = problem(answer)["errors"]
    assert "at most 200 characters" in fault["detail"]


async def test_a_parameter_that_breaks_its_rule_is_named() -> None:
    async with serving() as client:
        answer = await client.get("/count", params={"of": "many"})
    assert [fault["parameter"] for fault in problem(answer)["errors"]] == ["of"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"name": "\xff"}', 400),
        (b"[" * 900, 400),
        (b'{"name": ' + b"9" * 900 + b"}", 422),
        (b'{"name": "\\ud800"}', 422),
        (b'{"name": "x", "location": {"lat": NaN, "lon": 1}}', 422),
        (b'{"name": "x", "location": {"lat": 1e999, "lon": 1}}', 422),
        (b'{"name": "x", "location": {"lat": 1' + b"0" * 400 + b', "lon": 1}}', 422),
        (b'{"\\ud800": 1}', 422),
        (b'{"name": "\\u0000"}', 422),
        (b"", 422),
    ],
)
async def test_a_hostile_body_gets_a_4xx_problem(body: bytes, status: int) -> None:
    async with serving() as client:
        answer = await client.post("/things", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    problem(answer)


async def test_a_body_over_the_limit_gets_413_with_and_without_a_declared_length() -> None:
    async def chunks() -> Any:
        yield b'{"name": "'
        for _ in range(20):
            yield b"x" * (LIMIT // 10)
        yield b'"}'

    json = {"Content-Type": "application/json"}
    async with serving() as client:
        declared = await client.post("/things", content=b"x" * (LIMIT + 1), headers=json)
        streamed = await client.post("/things", content=chunks(), headers=json)
        just_fits = await client.post("/things", content=b'{"name": "x"}'.ljust(LIMIT), headers=json)
    assert "content-length" not in streamed.request.headers
    for answer in (declared, streamed):
        assert answer.status_code == 413
        assert problem(answer)["type"].endswith("/content-too-large")
    assert just_fits.status_code == 201


def test_a_group_is_an_outage_only_when_all_of_it_is() -> None:
    gone = AutoReconnect("gone")
    assert is_outage(ExceptionGroup("both", [gone, errors.Unavailable()]))
    assert not is_outage(ExceptionGroup("mixed", [gone, KeyError("a bug")]))
