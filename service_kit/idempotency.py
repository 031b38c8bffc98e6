"""`Idempotency-Key` on POST: the first answer is kept for 24 hours and given again.

A record is written before the work starts, so that two requests with one key never both work.
It also fixes the id of what will be created: a retry after a crash makes the same thing again
(`resource_id(request)`), which is what lets a buyer find the hold he already has.
"""

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bson import Binary
from fastapi import Request
from fastapi.routing import APIRoute
from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError
from starlette.responses import Response

from service_kit.auth import optional_principal
from service_kit.clock import Clock
from service_kit.errors import Conflict, Invalid
from service_kit.ids import new_id
from service_kit.problems import problem_for

HEADER = "idempotency-key"
KEPT = timedelta(hours=24)
# A request that has not ended by then died with its process; another may take its place.
ABANDONED = timedelta(seconds=30)
LONGEST_KEY = 255
# Answers that say "not now" or "not you", not what became of the request: they are not kept.
PASSING = {401, 403, 408, 429}
KEPT_HEADERS = ("content-type", "location", "etag")


class KeyReused(Invalid):
    slug, title = "idempotency-key-reused", "This Idempotency-Key was used with another body"


class StillRunning(Conflict):
    slug, title = "request-in-progress", "A request with this Idempotency-Key is still running"


@dataclass(frozen=True)
class Claim:
    """The right to do the work of one key: `token` fences the answer of a request thought dead."""

    key: str
    token: str
    resource_id: str


class IdempotencyStore:
    """Records of one service: `{_id, fingerprint, state, token, resourceId, startedAt, expiresAt, answer}`."""

    def __init__(self, collection: AsyncCollection[Any], clock: Clock) -> None:
        self._records = collection
        self._clock = clock

    async def prepare(self) -> None:
        # MongoDB drops records by itself once their day is over.
        await self._records.create_index("expiresAt", expireAfterSeconds=0)

    async def begin(self, key: str, fingerprint: str) -> Claim | Response:
        """Claim `key`, or the kept answer. Raises KeyReused, StillRunning."""
        now = self._clock.now()
        claim = Claim(key, new_id(), new_id())
        try:
            await self._records.insert_one(
                {
                    "_id": key,
                    "fingerprint": fingerprint,
                    "state": "running",
                    "token": claim.token,
                    "resourceId": claim.resource_id,
                    "startedAt": now,
                    "expiresAt": now + KEPT,
                }
            )
        except DuplicateKeyError:
            return await self._join(key, fingerprint)
        return claim

    async def _join(self, key: str, fingerprint: str) -> Claim | Response:
        record = await self._records.find_one({"_id": key})
        if record is None:  # it expired or was released between the two calls
            return await self.begin(key, fingerprint)
        if record["fingerprint"] != fingerprint:
            raise KeyReused
        if record["state"] == "done":
            return _replay(record["answer"])
        token = new_id()
        taken = await self._records.find_one_and_update(
            {
                "_id": key,
                "state": "running",
                "token": record["token"],
                "startedAt": {"$lte": self._clock.now() - ABANDONED},
            },
            {"$set": {"token": token, "startedAt": self._clock.now()}},
            return_document=ReturnDocument.AFTER,
        )
        if taken is None:
            raise StillRunning
        return Claim(key, token, taken["resourceId"])

    async def finish(self, claim: Claim, response: Response) -> None:
        """Keep the answer, unless the request was thought dead and another took over."""
        answer = {
            "status": response.status_code,
            "headers": {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
            "body": Binary(bytes(response.body)),
        }
        await self._records.update_one(
            {"_id": claim.key, "token": claim.token}, {"$set": {"state": "done", "answer": answer}}
        )

    async def release(self, claim: Claim) -> None:
        """The work did not end in an answer: a retry may start at once, with the same resource id."""
        await self._records.update_one(
            {"_id": claim.key, "token": claim.token, "state": "running"},
            {"$set": {"startedAt": self._clock.now() - ABANDONED}},
        )


class IdempotentRoute(APIRoute):
    """Route class of routers whose POSTs create something: `APIRouter(route_class=IdempotentRoute)`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        work = super().get_route_handler()
        if self.methods is None or "POST" not in self.methods:
            return work

        async def handle(request: Request) -> Response:
            key = request.headers.get(HEADER)
            store: IdempotencyStore | None = request.app.state.kit.idempotency
            if key is None or store is None:
                return await work(request)
            return await _once(request, key, store, work)

        return handle


async def _once(
    request: Request, key: str, store: IdempotencyStore, work: Callable[[Request], Coroutine[Any, Any, Response]]
) -> Response:
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
        raise Invalid(f"Idempotency-Key must be 1 to {LONGEST_KEY} printable characters")
    principal = await optional_principal(request)
    who = principal.subject if principal else "-"
    body = await request.body()
    scope = f"{who}\n{request.method} {request.url.path}\n{key}"
    fingerprint = hashlib.sha256(request.url.query.encode() + b"\n" + body).hexdigest()
    outcome = await store.begin(hashlib.sha256(scope.encode()).hexdigest(), fingerprint)
    if isinstance(outcome, Response):
        return outcome
    request.state.resource_id = outcome.resource_id
    try:
        response = await work(request)
    except Exception as error:
        response = problem_for(request, error)
    except BaseException:  # the client went away or the process is stopping
        await store.release(outcome)
        raise
    if response.status_code >= 500 or response.status_code in PASSING:
        await store.release(outcome)
    else:
        await store.finish(outcome, response)
    return response


def resource_id(request: Request) -> str:
    """The id for what this request creates: the same again when the request is retried."""
    known: str | None = getattr(request.state, "resource_id", None)
    return known or new_id()


def _replay(answer: dict[str, Any]) -> Response:
    return Response(
        bytes(answer["body"]),
        status_code=answer["status"],
        headers={**answer["headers"], "Idempotency-Replayed": "true"},
    )
