"""What the kit does around each request: correlation, pages, conditional requests, health."""

import asyncio
import base64
import json
import time
from functools import partial
from typing import Any

import pytest
from pydantic import SecretStr

from service_kit.errors import PreconditionFailed
from service_kit.mongo import open_database, ping
from service_kit.pages import BadCursor, decode_cursor, encode_cursor
from service_kit.settings import KitSettings
from tests.unit.service_kit.app import ROWS, serving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_the_callers_trace_goes_on_under_a_new_span() -> None:
    sent = f"00-{TRACE}-00f067aa0ba902b7-01"
    async with serving() as client:
        answer = await client.get("/trace", headers={"traceparent": sent})
    assert answer.headers["x-correlation-id"] == TRACE
    seen = answer.json()
    assert seen != sent
    assert seen.split("-")[1] == TRACE


@pytest.mark.parametrize("sent", ["", "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}-\u00e4-01"])
async def test_without_a_readable_trace_a_new_one_begins(sent: str) -> None:
    async with serving() as client:
        headers = [(b"traceparent", sent.encode("latin-1"))]
        answers = [await client.get("/trace", headers=headers) for _ in range(2)]
    ids = {answer.headers["x-correlation-id"] for answer in answers}
    assert len(ids) == 2
    assert not ids & {TRACE, "0" * 32}


async def test_requests_side_by_side_keep_their_own_traces() -> None:
    traces = [f"{number:032x}" for number in range(1, 30)]
    async with serving() as client:
        answers = await asyncio.gather(
            *(client.get("/trace", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}) for trace in traces)
        )
    assert [answer.json().split("-")[1] for answer in answers] == traces


async def test_pages_follow_one_another_to_the_end_without_gap_or_repeat() -> None:
    seen: list[Any] = []
    async with serving() as client:
        url: str | None = "/things?limit=10"
        sizes = []
        while url:
            answer = await client.get(url)
            items = answer.json()["items"]
            sizes.append(len(items))
            seen += items
            link = answer.headers.get("link")
            assert (link is None) == (answer.json()["nextCursor"] is None)
            url = link[1 : link.index(">")] if link else None
            assert url is None or "limit=10" in url
    assert seen == ROWS
    assert sizes == [10, 10, 5]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "cursor=%00", "cursor=a!", "cursor=" + "A" * 2001]
)
async def test_a_page_that_can_not_be_gets_422(query: str) -> None:
    async with serving() as client:
        assert (await client.get(f"/things?{query}")).status_code == 422


def test_a_cursor_brings_back_its_position() -> None:
    position: list[str | int | float | None] = ["Zoo Palast", 17, 2.5, "01a1"]
    assert decode_cursor(encode_cursor(position), str, int, float, str) == position


@pytest.mark.parametrize(
    "text",
    [
        "null", "{}", "[]", "[1, 2]", '["1"]', "[true]", "[1.0]", "[null]", "[[1]]", "[" * 1200, "[1" + "0" * 30 + "]",
        "[-9223372036854775809]",
    ],
)  # fmt: skip
def test_a_forged_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(base64.urlsafe_b64encode(text.encode()).decode(), int)


@pytest.mark.parametrize(("text", "kind"), [('["\\ud800"]', str), ("[NaN]", float), ("[-Infinity]", float)])
def test_a_forged_cursor_of_the_right_type_is_refused_where_no_engine_could_take_it(text: str, kind: type) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(base64.urlsafe_b64encode(text.encode()).decode(), kind)


@pytest.mark.parametrize(
    ("given", "status"),
    [(None, 200), ('"7"', 200), ("*", 200), ('"1", "7"', 200), ('"6"', 412), ('W/"7"', 412), ("7", 412), ("", 412)],
)
async def test_a_change_goes_through_only_on_the_version_it_names(given: str | None, status: int) -> None:
    async with serving() as client:
        answer = await client.put("/versioned", headers={} if given is None else {"If-Match": given})
    assert answer.status_code == status
    if status == 412:
        assert answer.json()["type"].endswith(PreconditionFailed.slug)


async def test_readiness_names_each_dependency_and_livez_needs_none() -> None:
    async def fine() -> None:
        return None

    async def broken() -> None:
        raise ConnectionRefusedError

    async with serving(checks={"mongodb": fine, "rabbitmq": broken}) as client:
        ready = await client.get("/readyz")
        assert (await client.get("/livez")).status_code == 200
    assert ready.status_code == 503
    assert ready.json()["dependencies"] == {"mongodb": "ok", "rabbitmq": "down: ConnectionRefusedError"}
    assert ready.headers["retry-after"] == "2"


async def test_a_dead_mongodb_is_told_within_seconds() -> None:
    settings = KitSettings(mongo_url=SecretStr("mongodb://127.0.0.1:9/?replicaSet=rs0"), namespace="dead")
    async with (
        open_database(settings, "test") as database,
        serving(checks={"mongodb": partial(ping, database)}) as client,
    ):
        started = time.monotonic()
        ready = await client.get("/readyz")
        assert time.monotonic() - started < 5
        assert ready.status_code == 503
        assert ready.json()["dependencies"]["mongodb"] != "ok"


async def test_metrics_count_requests_by_route_not_by_address() -> None:
    async with serving() as client:
        await client.get("/fail")
        await client.get("/made-up-by-a-scanner")
        text = (await client.get("/metrics")).text
    assert 'route="/fail",service="test",status="500"' in text
    assert "made-up-by-a-scanner" not in text


def test_settings_never_show_credentials() -> None:
    settings = KitSettings(mongo_url=SecretStr("mongodb://me:secret@host/"), service_token=SecretStr("eyJtoken"))
    for shown in (repr(settings), str(settings), json.dumps(settings.model_dump(mode="json"))):
        assert "secret@" not in shown
        assert "eyJtoken" not in shown
