"""The loader against a small stand-in for the import routes: batches, order, retries, and what a second run does."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import stamina

from marquee.faults import StackError
from marquee.seed import SeedFailed
from marquee.seed.command import SHIPPED_DATA, Silent, read_stack
from marquee.seed.loader import BATCH_BYTES, BATCH_ITEMS, IMPORT_PATH, LOOKUP_PATH, Loader, SeedReport
from marquee.seed.plan import Step, steps
from marquee.seed.records import read_collection

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class Catalogue:
    """Keeps what it is sent; an item that names what is not there yet is a failed one."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.requests: list[httpx2.Request] = []
        self.trouble: list[httpx2.Response | Exception] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if self.trouble:
            trouble = self.trouble.pop(0)
            if isinstance(trouble, Exception):
                raise trouble
            return trouble
        body = json.loads(request.content)
        if request.url.path == LOOKUP_PATH:
            return httpx2.Response(200, json={"items": [{"ref": r, "id": r} for r in body["refs"] if r in self.stored]})
        return httpx2.Response(200, json={"items": [self._take(item) for item in body["items"]]})

    def _take(self, item: dict[str, Any]) -> dict[str, Any]:
        answer = {"ref": item["ref"], "kind": item["kind"], "id": item["ref"]}
        missing = [item[of] for of in ("venueRef", "hallRef", "eventRef") if of in item and item[of] not in self.stored]
        if missing:
            problem = {"title": "Not found", "detail": missing[0], "status": 404}
            return {"ref": item["ref"], "kind": item["kind"], "status": "failed", "problem": problem}
        status = "exists" if item["ref"] in self.stored else "created"
        self.stored.setdefault(item["ref"], item)
        return answer | {"status": status}

    def imports(self) -> list[httpx2.Request]:
        return [request for request in self.requests if request.url.path == IMPORT_PATH]


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue()


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=4):
        yield


async def load(catalogue: Catalogue, *wanted: Step) -> SeedReport:
    transport = httpx2.MockTransport(catalogue)
    async with httpx2.AsyncClient(transport=transport, base_url="http://catalogue") as client:
        loader = Loader(client, Silent())
        for step in wanted:
            await loader.load(step)
    return loader.report


def shipped_steps(venues: int = 30, showtimes: int = 400) -> Iterator[Step]:
    return steps(read_collection(SHIPPED_DATA), venues=venues, showtimes=showtimes, now=NOW)


def step_of(count: int, size: int = 10) -> Step:
    def body(number: int) -> dict[str, Any]:
        return {"kind": "event", "ref": f"event:{number}", "name": "x" * size}

    return Step("event", {f"event:{number}": lambda number=number: body(number) for number in range(count)})  # type: ignore[misc]  # mypy has no type for a bound default


async def test_everything_arrives_and_nothing_before_what_it_needs(catalogue: Catalogue) -> None:
    report = await load(catalogue, *shipped_steps())
    kinds = Counter(item["kind"] for item in catalogue.stored.values())
    assert report.failed == 0
    assert kinds["venue"] == 30
    assert kinds["hall"] == 60
    assert kinds["showtime"] >= 350
    assert {kind: count.created for kind, count in report.counts.items()} == kinds


async def test_a_second_run_only_asks(catalogue: Catalogue) -> None:
    await load(catalogue, *shipped_steps())
    sent = len(catalogue.imports())
    report = await load(catalogue, *shipped_steps())
    assert len(catalogue.imports()) == sent
    assert all((count.created, count.failed) == (0, 0) for count in report.counts.values())


async def test_a_broken_off_run_is_taken_up_where_it_ended(catalogue: Catalogue) -> None:
    await load(catalogue, step_of(300))
    report = await load(catalogue, step_of(700))
    assert (report.counts["event"].existing, report.counts["event"].created) == (300, 400)


async def test_batches_are_bounded_by_number_and_by_size(catalogue: Catalogue) -> None:
    await load(catalogue, step_of(BATCH_ITEMS * 2 + 1), step_of(5_000, size=9_000))
    bodies = [request.content for request in catalogue.imports()]
    assert max(len(json.loads(body)["items"]) for body in bodies) == BATCH_ITEMS
    assert max(map(len, bodies)) <= BATCH_BYTES + BATCH_ITEMS + 20


@pytest.mark.parametrize("status", [429, 503, 409])
async def test_a_busy_service_is_asked_again_with_the_same_key(catalogue: Catalogue, status: int) -> None:
    step = step_of(10)
    catalogue.trouble = [httpx2.Response(status), httpx2.Response(status, headers={"Retry-After": "3"})]
    report = await load(catalogue, step)
    assert report.counts["event"].created == 10
    assert len({request.headers["Idempotency-Key"] for request in catalogue.requests[:3]}) == 1


async def test_a_lost_connection_is_tried_again(catalogue: Catalogue) -> None:
    catalogue.trouble = [httpx2.ConnectError("refused"), httpx2.ReadTimeout("slow")]
    assert (await load(catalogue, step_of(10))).counts["event"].created == 10


async def test_keys_differ_from_batch_to_batch_and_from_run_to_run(catalogue: Catalogue) -> None:
    await load(catalogue, step_of(1_000))
    catalogue.stored.clear()
    await load(catalogue, step_of(1_000))
    keys = [request.headers["Idempotency-Key"] for request in catalogue.imports()]
    assert len(set(keys)) == len(keys) == 8


async def test_a_service_that_stays_away_ends_in_one_clear_message(catalogue: Catalogue) -> None:
    catalogue.trouble = [httpx2.ConnectError("refused") for _ in range(10)]
    with pytest.raises(SeedFailed, match="http://catalogue does not answer"):
        await load(catalogue, step_of(10))


async def test_a_refusal_is_told_in_the_service_s_own_words_and_not_repeated(catalogue: Catalogue) -> None:
    catalogue.trouble = [httpx2.Response(403, json={"title": "Forbidden", "detail": "An admin's token is needed"})]
    with pytest.raises(SeedFailed, match="403: Forbidden; An admin's token is needed"):
        await load(catalogue, step_of(10))
    assert len(catalogue.requests) == 1


async def test_one_bad_item_does_not_hold_up_the_others(catalogue: Catalogue) -> None:
    orphan = {"kind": "hall", "ref": "hall:1", "venueRef": "venue:none"}
    report = await load(
        catalogue, Step("hall", {"hall:1": lambda: orphan, "hall:2": lambda: {"kind": "hall", "ref": "hall:2"}})
    )
    assert (report.counts["hall"].created, report.counts["hall"].failed) == (1, 1)
    assert report.failures == ["hall:1: Not found; venue:none"]


def test_without_a_stack_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="marquee up"):
        read_stack(tmp_path)
