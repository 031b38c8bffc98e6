"""`Idempotency-Key` on POST: the first answer is kept for 24 hours and given again.

A record is written before the work starts, so that two requests with one key never both work.
It also fixes the id of what will be created: a retry after a crash makes the same thing again
(`resource_id(request)`), which is what lets a buyer find the hold he already has.
"""

import hashlib
import hmac
import json
import math
import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from bson import Binary
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Request
from fastapi.routing import APIRoute
from pymongo import ReturnDocument, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from starlette.responses import Response

from service_kit.auth import optional_principal
from service_kit.clock import Clock
from service_kit.errors import Conflict, Invalid
from service_kit.ids import new_id
from service_kit.lanes import Lane
from service_kit.mongo import insert_new
from service_kit.problems import problem_for

HEADER = "idempotency-key"
KEPT = timedelta(hours=24)
# A request that has not ended by then died with its process; another may take its place.
ABANDONED = timedelta(seconds=30)
LONGEST_KEY = 255
NONCE_BYTES = 12
BATCH = 256
WAITING = 10_000
# A document has 16 MB. A larger answer is not kept: a repeat does the work again, on the same resource id.
LARGEST_KEPT = 8 * 1024 * 1024
# Answers that say "not now" or "not you", not what became of the request: they are not kept.
PASSING = {401, 403, 408, 429}
# Larger bodies are compared byte by byte: reading them twice would cost more than it helps.
LARGEST_COMPARED = 64 * 1024
KEPT_HEADERS = ("content-type", "location", "etag", "cache-control")


class KeyReused(Invalid):
    slug, title = "idempotency-key-reused", "This Idempotency-Key was used with another body"


class StillRunning(Conflict):
    """In `retry_after` seconds it is taken for dead, and its retry may go on with its work."""

    slug, title = "request-in-progress", "A request with this Idempotency-Key is still running"

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


@dataclass(frozen=True)
class Claim:
    """The right to do the work of one key: `token` fences the answer of a request thought dead."""

    key: str
    token: str
    resource_id: str
    retried: bool = False


class IdempotencyStore:
    """Records of one service: `{_id, fingerprint, state, token, resourceId, startedAt, expiresAt, answer}`.

    Where bodies hold passwords and answers hold tokens, a `secret` kept outside the database protects both: a
    fingerprint can't be used to try passwords, and kept answers are encrypted.
    """

    def __init__(self, collection: AsyncCollection[Any], clock: Clock, secret: bytes | None = None) -> None:
        self._records = collection
        self._clock = clock
        self._secret = secret
        self._cipher = AESGCM(hmac.digest(secret, b"answers", "sha256")) if secret else None
        # A key costs two writes. Those of requests that arrive together are written together.
        self._claims: Lane[dict[str, Any], bool] = Lane(self._insert_all, batch=BATCH, waiting=WAITING)
        self._answers: Lane[UpdateOne, None] = Lane(self._update_all, batch=BATCH, waiting=WAITING)

    def fingerprint(self, content: bytes) -> str:
        """What tells one request's content from another's."""
        if self._secret:
            return hmac.digest(self._secret, content, "sha256").hex()
        return hashlib.sha256(content).hexdigest()

    async def prepare(self) -> None:
        # MongoDB drops records by itself once their day is over.
        await self._records.create_index("expiresAt", expireAfterSeconds=0)

    async def begin(self, key: str, fingerprint: str) -> Claim | Response:
        """Claim `key`, or the kept answer. Raises KeyReused, StillRunning."""
        now = self._clock.now()
        claim = Claim(key, new_id(), new_id())
        is_first = await self._claims.submit(
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
        return claim if is_first else await self._join(key, fingerprint)

    async def _insert_all(self, records: Sequence[dict[str, Any]]) -> list[bool | Exception]:
        """Whether each is the first of its key."""
        return await insert_new(self._records, records)

    async def _update_all(self, changes: Sequence[UpdateOne]) -> list[Exception | None]:
        await self._records.bulk_write(list(changes), ordered=False)
        return [None] * len(changes)

    async def _join(self, key: str, fingerprint: str) -> Claim | Response:
        record = await self._records.find_one({"_id": key})
        if record is None:  # it expired or was released between the two calls
            return await self.begin(key, fingerprint)
        if record["expiresAt"] <= self._clock.now():  # MongoDB clears up once a minute only
            await self._records.delete_one({"_id": key, "token": record["token"]})
            return await self.begin(key, fingerprint)
        if record["fingerprint"] != fingerprint:
            raise KeyReused
        if record["state"] == "done":
            return self._replay(record)
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
            left = record["startedAt"] + ABANDONED - self._clock.now()
            raise StillRunning(max(1, math.ceil(left.total_seconds())))
        return Claim(key, token, taken["resourceId"], retried=True)

    async def finish(self, claim: Claim, response: Response) -> None:
        """Keep the answer, unless the request was thought dead and another took over."""
        body = bytes(response.body)
        answer = {
            "status": response.status_code,
            "headers": {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
            "body": Binary(self._sealed(claim.key, body)),
        }
        await self._answers.submit(
            UpdateOne({"_id": claim.key, "token": claim.token}, {"$set": {"state": "done", "answer": answer}})
        )

    async def release(self, claim: Claim) -> None:
        """The work did not end in an answer: a retry may start at once, with the same resource id."""
        await self._records.update_one(
            {"_id": claim.key, "token": claim.token, "state": "running"},
            {"$set": {"startedAt": self._clock.now() - ABANDONED}},
        )

    def _replay(self, record: dict[str, Any]) -> Response:
        answer = record["answer"]
        return Response(
            self._unsealed(record["_id"], bytes(answer["body"])),
            status_code=answer["status"],
            headers={**answer["headers"], "Idempotency-Replayed": "true"},
        )

    def _sealed(self, key: str, body: bytes) -> bytes:
        if self._cipher is None:
            return body
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, body, key.encode())

    def _unsealed(self, key: str, body: bytes) -> bytes:
        if self._cipher is None:
            return body
        return self._cipher.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], key.encode())


class IdempotentRoute(APIRoute):
    """Route class of routers whose POSTs create something: `APIRouter(route_class=IdempotentRoute)`.

    Shorter keys than `shortest_key` are ignored.
    """

    shortest_key: ClassVar[int] = 1

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        work = super().get_route_handler()
        if self.methods is None or "POST" not in self.methods:
            return work

        async def handle(request: Request) -> Response:
            key = request.headers.get(HEADER)
            store: IdempotencyStore | None = request.app.state.kit.idempotency
            if key is None or store is None or 0 < len(key) < self.shortest_key:
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
    fingerprint = store.fingerprint(request.url.query.encode() + b"\n" + _meaning(body))
    outcome = await store.begin(hashlib.sha256(scope.encode()).hexdigest(), fingerprint)
    if isinstance(outcome, Response):
        return outcome
    request.state.resource_id = outcome.resource_id
    request.state.retried = outcome.retried
    try:
        response = await work(request)
    except Exception as error:
        response = problem_for(request, error)
    except BaseException:  # the client went away or the process is stopping
        await store.release(outcome)
        raise
    too_large = len(response.body) > LARGEST_KEPT
    if response.status_code >= 500 or response.status_code in PASSING or too_large:
        await store.release(outcome)
    else:
        await store.finish(outcome, response)
    return response


def resource_id(request: Request) -> str:
    """The id for what this request creates: the same again when the request is retried."""
    known: str | None = getattr(request.state, "resource_id", None)
    return known or new_id()


def _meaning(body: bytes) -> bytes:
    """A small JSON body without what does not matter in it, so that a client may write it anew when it tries again."""
    if len(body) > LARGEST_COMPARED:
        return body
    try:
        return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):  # not JSON, or nothing that can be written again
        return body


def is_retry(request: Request) -> bool:
    """Whether an earlier request with this key began the work and did not end in an answer."""
    known: bool = getattr(request.state, "retried", False)
    return known
