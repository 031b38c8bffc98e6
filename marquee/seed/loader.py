"""Sends items to the catalogue's import route: what is known is asked first, the rest goes in batches."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol
from uuid import uuid4

import httpx2
import stamina

from marquee.faults import StackError
from marquee.seed.plan import Step

IMPORT_PATH, LOOKUP_PATH = "/api/v1/catalogue/import", "/api/v1/catalogue/lookup"
LOOKUP_REFS = 1_000
BATCH_ITEMS = 250
# Well under the service's 16 MiB, and small enough that the progress bar moves.
BATCH_BYTES = 2_000_000
# Two keep the service busy while the next batch is made; more only queue up.
IN_FLIGHT = 2
REQUEST_SECONDS = 120.0
RETRY_SECONDS = 180.0
RETRY_ATTEMPTS = 12
FAILURES_KEPT = 10


class SeedFailed(StackError):
    """The service refused the import as a whole, or could not be reached."""


class Watch(Protocol):
    """Is told how far the loading is."""

    def begins(self, kind: str, total: int) -> None: ...

    def goes_on(self, kind: str, count: int) -> None: ...


@dataclass
class Count:
    """Of one kind."""

    created: int = 0
    existing: int = 0
    failed: int = 0


@dataclass
class SeedReport:
    """What a run did, by kind, and the first failures in words."""

    counts: dict[str, Count] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        return sum(count.failed for count in self.counts.values())


class _TryAgain(Exception):
    """An answer that may be another one a little later."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(f"{response.status_code}")
        self.response = response


def _wait(error: Exception) -> bool | float:
    """For stamina: whether to try again, or after how many seconds when the service names them."""
    if isinstance(error, httpx2.TransportError):
        return True
    if not isinstance(error, _TryAgain):
        return False
    after = error.response.headers.get("Retry-After", "")
    return float(after) if after.isdigit() else True


class Loader:
    """One run against one service."""

    def __init__(self, client: httpx2.AsyncClient, watch: Watch) -> None:
        self._client = client
        self._watch = watch
        # Keys hold for this run only: a key of yesterday would replay an answer about rows since deleted.
        self._run = uuid4().hex
        self.report = SeedReport()

    async def load(self, step: Step) -> None:
        """Raises SeedFailed when a whole batch is refused; faults of single items go into the report."""
        count = self.report.counts.setdefault(step.kind, Count())
        self._watch.begins(step.kind, len(step.bodies))
        known = await self._known(step)
        count.existing += len(known)
        self._watch.goes_on(step.kind, len(known))
        batches = _batches(step, known)
        senders = [asyncio.create_task(self._send_all(batches, step.kind, count)) for _ in range(IN_FLIGHT)]
        try:
            await asyncio.gather(*senders)
        finally:
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)

    async def _known(self, step: Step) -> set[str]:
        refs = list(step.bodies)
        known: set[str] = set()
        for at in range(0, len(refs), LOOKUP_REFS):
            body = json.dumps({"kind": step.kind, "refs": refs[at : at + LOOKUP_REFS]}).encode()
            answer = await self._post(LOOKUP_PATH, body)
            known.update(item["ref"] for item in answer["items"])
        return known

    async def _send_all(self, batches: Iterator[list[bytes]], kind: str, count: Count) -> None:
        """Several of these share one iterator, so a batch is made only when somebody can send it."""
        for batch in batches:
            answer = await self._post(IMPORT_PATH, b'{"items":[' + b",".join(batch) + b"]}")
            for item in answer["items"]:
                self._note(item, count)
            self._watch.goes_on(kind, len(batch))

    def _note(self, item: dict[str, Any], count: Count) -> None:
        if item["status"] == "created":
            count.created += 1
        elif item["status"] == "exists":
            count.existing += 1
        else:
            count.failed += 1
            if len(self.report.failures) < FAILURES_KEPT:
                self.report.failures.append(f"{item['ref']}: {_in_words(item.get('problem'))}")

    async def _post(self, path: str, body: bytes) -> dict[str, Any]:
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": sha256(self._run.encode() + body).hexdigest()[:32],
        }
        try:
            async for attempt in stamina.retry_context(
                on=_wait, attempts=RETRY_ATTEMPTS, timeout=RETRY_SECONDS, wait_initial=0.2
            ):
                with attempt:
                    return await self._post_once(path, body, headers)
        except httpx2.TransportError as error:
            raise SeedFailed(f"{self._client.base_url} does not answer: {error!r}") from error
        except _TryAgain as error:
            raise _refused(path, error.response) from error
        raise AssertionError("stamina ends with an answer or an error")

    async def _post_once(self, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        response = await self._client.post(path, content=body, headers=headers)
        # 409: our own first try, given up here, is still running there.
        if response.status_code in (409, 429, 502, 503, 504):
            raise _TryAgain(response)
        if response.is_error:
            raise _refused(path, response)
        answer: dict[str, Any] = response.json()
        return answer


def _batches(step: Step, known: set[str]) -> Iterator[list[bytes]]:
    """JSON bodies of what is not known yet, bounded by number and by size."""
    batch: list[bytes] = []
    size = 0
    for ref, body in step.bodies.items():
        if ref in known:
            continue
        text = json.dumps(body(), ensure_ascii=False, separators=(",", ":")).encode()
        if batch and (len(batch) >= BATCH_ITEMS or size + len(text) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _refused(path: str, response: httpx2.Response) -> SeedFailed:
    try:
        said = _in_words(response.json())
    except ValueError:
        said = response.text[:200]
    return SeedFailed(f"POST {path} was answered {response.status_code}: {said}")


def _in_words(problem: dict[str, Any] | None) -> str:
    if not problem:
        return "no reason given"
    faults = [f"{fault.get('pointer', '')} {fault.get('detail', '')}".strip() for fault in problem.get("errors", [])]
    return "; ".join(filter(None, [problem.get("title"), problem.get("detail"), *faults[:3]]))
