"""The sandbox theatre over HTTP."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from partners_service.domain.signing import (
    REQUEST_ID,
    SIGNATURE,
    BadSignature,
    answer_text,
    request_text,
    sign,
    verify,
)
from partners_service.sandbox.books import Books
from partners_service.sandbox.config import Settings
from partners_service.sandbox.faults import Dial, Faults

A_YEAR = 365 * 24 * 3600


def create_app(settings: Settings) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.dial = Dial()
        app.state.now = time.time
        app.state.secret = settings.partner_sandbox_secret.get_secret_value()
        app.state.books = Books(settings.partner_sandbox_state)
        try:
            yield
        finally:
            app.state.books.close()

    return Starlette(
        routes=[
            Route("/bookings/{id}", booking, methods=["PUT", "PATCH", "DELETE"]),
            Route("/sandbox/bookings/{id}", look, methods=["GET"]),
            Route("/sandbox/faults", faults, methods=["GET", "POST", "DELETE"]),
            Route("/livez", alive),
        ],
        lifespan=lifespan,
    )


async def booking(request: Request) -> Response:
    state, dial, body = request.app.state, request.app.state.dial, await request.body()
    request_id = request.headers.get(REQUEST_ID, "")
    try:
        text = request_text(request.method, request.url.path, request_id, body)
        verify(request.headers.get(SIGNATURE), [state.secret], int(state.now()), text)
    except BadSignature as error:
        return JSONResponse({"error": str(error)}, 401)
    await asyncio.sleep(dial.faults.delay_ms / 1000)
    if dial.strikes("hang"):
        await asyncio.sleep(A_YEAR)
    if dial.strikes("redirect"):
        return RedirectResponse(str(request.url), 307)
    if dial.strikes("fail"):
        return JSONResponse({"error": "The sandbox fails on purpose"}, 500)
    if request.method == "DELETE":
        said = state.books.cancel(request.path_params["id"])
    elif request.method == "PATCH":
        said = state.books.change(request.path_params["id"], json.loads(body))
    else:
        said = state.books.confirm(request.path_params["id"], json.loads(body), refuse=dial.strikes("refuse"))
    if dial.strikes("answer_lost"):
        return JSONResponse({"error": "The sandbox loses its answer on purpose"}, 500)
    return _signed(request, request_id, said)


def _signed(request: Request, request_id: str, said: dict[str, Any]) -> Response:
    dial = request.app.state.dial
    status = 409 if said["status"] == "refused" else 200
    body = b"[not an answer" if dial.strikes("garbage") else json.dumps(said).encode()
    secret = "psk_of_somebody_else" if dial.strikes("bad_signature") else request.app.state.secret
    text = answer_text(status, request.url.path, request_id, body)
    headers = {SIGNATURE: sign([secret], int(request.app.state.now()), text)}
    return Response(body, status, headers=headers, media_type="application/json")


async def look(request: Request) -> Response:
    books: Books = request.app.state.books
    found = books.find(request.path_params["id"])
    if found is None:
        return JSONResponse({"error": "There is no such booking"}, 404)
    return JSONResponse({**found, "startsAt": books.starts_at(request.path_params["id"])})


async def faults(request: Request) -> Response:
    dial: Dial = request.app.state.dial
    if request.method == "DELETE":
        dial.faults = Faults()
    elif request.method == "POST":
        try:
            dial.faults = Faults.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"error": error.errors(include_url=False)[0]["msg"]}, 400)
    return JSONResponse(dial.faults.model_dump(by_alias=True))


async def alive(_: Request) -> Response:
    return JSONResponse({"status": "alive"})
