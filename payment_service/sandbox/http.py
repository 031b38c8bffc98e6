"""The sandbox over HTTP: who may call, idempotency keys, faults, and the table of Stripe's routes."""

import asyncio
import hashlib
import hmac
import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from payment_service.sandbox import disputes, intents, params, refunds
from payment_service.sandbox.failures import StripeFailure, bad_parameter
from payment_service.sandbox.ledger import Answer, Ledger, Object, fresh_id
from payment_service.sandbox.params import Params

LARGEST_BODY = 256 * 1024
LONGEST_KEY = 255
LIST = frozenset(["limit", "starting_after", "ending_before", "created"])


@dataclass(frozen=True)
class Call:
    """One API call with its parameters read; `id` is that of the path."""

    ledger: Ledger
    params: Params
    id: str
    origin: str


@dataclass(frozen=True)
class Operation:
    """A route of the API. `buyer`: an intent's `client_secret` opens it too."""

    method: str
    path: str
    work: Callable[[Call], Object]
    allowed: frozenset[str] = frozenset()
    buyer: bool = False


Parent = Callable[[Ledger, Params], str | None]


def list_of(kind: str, path: str, parent: Parent, call: Call) -> Object:
    limit = params.integer(call.params, "limit", least=1, most=100) or 10
    items, more = call.ledger.newest(
        kind,
        limit=limit,
        after=params.text(call.params, "starting_after"),
        before=params.text(call.params, "ending_before"),
        created=params.created_range(call.params),
        parent=parent(call.ledger, call.params),
    )
    return {"object": "list", "data": items, "has_more": more, "url": path}


def retrieve(kind: str, call: Call) -> Object:
    return call.ledger.load(kind, call.id)


def by(name: str) -> Parent:
    """Lists are narrowed to one parent by the parameter of that name."""
    return lambda _, given: params.text(given, name)


def collection(path: str, kind: str, parent: Parent, *filters: str) -> list[Operation]:
    """Listing and reading one kind of object; `filters` are the parameters from which `parent` reads one."""
    return [
        Operation("GET", path, partial(list_of, kind, path, parent), LIST | set(filters)),
        Operation("GET", path + "/{id}", partial(retrieve, kind)),
    ]


INTENTS, REFUNDS, DISPUTES = "/v1/payment_intents", "/v1/refunds", "/v1/disputes"
OPERATIONS = [
    Operation("POST", INTENTS, lambda call: intents.create(call.ledger, call.params, call.origin), intents.CREATE),
    Operation("GET", INTENTS, partial(list_of, "payment_intent", INTENTS, lambda *_: None), LIST),
    Operation("GET", INTENTS + "/{id}", partial(retrieve, "payment_intent"), intents.RETRIEVE, buyer=True),
    Operation(
        "POST",
        INTENTS + "/{id}",
        lambda call: intents.update(call.ledger, call.id, call.params),
        intents.UPDATE,
    ),
    Operation(
        "POST",
        INTENTS + "/{id}/confirm",
        lambda call: intents.confirm(call.ledger, call.id, call.params, call.origin),
        intents.CONFIRM,
        buyer=True,
    ),
    Operation(
        "POST",
        INTENTS + "/{id}/cancel",
        lambda call: intents.cancel(call.ledger, call.id, call.params),
        intents.CANCEL,
    ),
    Operation("POST", REFUNDS, lambda call: refunds.create(call.ledger, call.params), refunds.CREATE),
    *collection(REFUNDS, "refund", by("payment_intent"), "payment_intent"),
    *collection("/v1/charges", "charge", by("payment_intent"), "payment_intent"),
    *collection(DISPUTES, "dispute", disputes.list_filter, "payment_intent", "charge"),
    Operation(
        "POST", DISPUTES + "/{id}", lambda call: disputes.update(call.ledger, call.id, call.params), disputes.UPDATE
    ),
    Operation("POST", DISPUTES + "/{id}/close", lambda call: disputes.close(call.ledger, call.id)),
    *collection("/v1/events", "event", by("type"), "type"),
]


def routes() -> list[Route]:
    return [Route(each.path, endpoint(each), methods=[each.method]) for each in OPERATIONS]


def endpoint(operation: Operation) -> Callable[[Request], object]:
    async def answer(request: Request) -> Response:
        state = request.app.state
        call = Call(
            state.ledger, await _params(request), request.path_params.get("id", ""), str(request.base_url).rstrip("/")
        )
        _authorise(request, call, operation)
        params.refuse_unknown(call.params, operation.allowed)
        if seconds := state.dial.hanging():
            await asyncio.sleep(seconds)
        failing = state.dial.failing()
        lost = StripeFailure(failing, "The sandbox fails on purpose.", type_="api_error") if failing else None
        if lost and not state.dial.faults.answer_lost:
            raise lost
        status, body, headers = _perform(call, operation, _idempotency(request, operation, call))
        state.courier.wake.set()
        if lost:
            raise lost
        return Response(body, status, headers={**headers, "Request-Id": fresh_id("req")}, media_type="application/json")

    return answer


def _perform(call: Call, operation: Operation, idempotency: tuple[str, str] | None) -> tuple[int, str, dict[str, str]]:
    """Do the work, once per key. What was refused for another reason than its parameters is refused so again."""
    try:
        return _work(call, operation, idempotency)
    except StripeFailure as failure:
        if idempotency and not failure.of_parameters:
            kept = Answer(idempotency[1], failure.status, json.dumps(failure.body))
            with call.ledger.transaction():
                call.ledger.keep_answer(idempotency[0], kept)
        raise


def _work(call: Call, operation: Operation, idempotency: tuple[str, str] | None) -> tuple[int, str, dict[str, str]]:
    """Its effect and the kept answer are one transaction."""
    with call.ledger.transaction():
        if idempotency and (kept := call.ledger.answer_of(idempotency[0])):
            if kept.fingerprint != idempotency[1]:
                raise StripeFailure(
                    400,
                    "Keys for idempotent requests can only be used again with the parameters of their first use.",
                    type_="idempotency_error",
                )
            return kept.status, kept.body, {"Idempotent-Replayed": "true"}
        try:
            status, body = 200, json.dumps(operation.work(call))
        except intents.Declined as failure:
            status, body = failure.status, json.dumps(failure.body)
        if idempotency:
            call.ledger.keep_answer(idempotency[0], Answer(idempotency[1], status, body))
        return status, body, {}


def _idempotency(request: Request, operation: Operation, call: Call) -> tuple[str, str] | None:
    """The key of a POST, and what its parameters come down to."""
    key = request.headers.get("idempotency-key")
    if operation.method != "POST" or not key:
        return None
    if len(key) > LONGEST_KEY:
        raise StripeFailure(400, f"Idempotency keys can have at most {LONGEST_KEY} characters.")
    exact = json.dumps([request.url.path, call.params], sort_keys=True)
    return key, hashlib.sha256(exact.encode()).hexdigest()


async def _params(request: Request) -> Params:
    if request.method == "GET":
        return params.decode(request.url.query.encode())
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise StripeFailure(413, "The request is too large.")
    return params.decode(body)


def _authorise(request: Request, call: Call, operation: Operation) -> None:
    """The sandbox guards no money: any secret test key opens it, and so does none, for a tester with curl.

    A buyer's call, by its publishable key or its `client_secret`, is held to that secret as Stripe holds it.
    """
    key = _key(request)
    if operation.buyer and "client_secret" in call.params and (key is None or key.startswith("pk_")):
        intent = call.ledger.load("payment_intent", call.id)
        given = params.text(call.params, "client_secret") or ""
        if not hmac.compare_digest(given.encode(), intent["client_secret"].encode()):
            raise bad_parameter("client_secret", "The client_secret is not that of this PaymentIntent.")
        return
    if key is None or key.startswith("sk_test_"):
        return
    raise StripeFailure(401, "Invalid API Key provided.")


def _key(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() == "basic":
        try:
            return b64decode(value, validate=True).decode().partition(":")[0] or None
        except ValueError:
            return ""
    return None


def refused(_: Request, failure: Exception) -> Response:
    """Any refusal as Stripe words it."""
    if not isinstance(failure, StripeFailure):
        raise failure
    headers = {"Request-Id": fresh_id("req")}
    if failure.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="Stripe"'
    return JSONResponse(failure.body, failure.status, headers=headers)


def unknown_route(request: Request, _: Exception) -> Response:
    message = f"Unrecognized request URL ({request.method}: {request.url.path})."
    return refused(request, StripeFailure(404, message))
