"""A small service on the kit, for the tests beside: routes that fail in every way."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx2
from fastapi import APIRouter, FastAPI, Query, Request, Response
from pydantic import Field

from service_kit.app import open_kit, service_app
from service_kit.auth import Admin, Caller
from service_kit.correlation import current_traceparent
from service_kit.etags import etag, require_match
from service_kit.health import Check
from service_kit.models import Int, Location, Model, Moment, Name
from service_kit.pages import PageRequest, cut, link_next
from service_kit.settings import KitSettings
from tests.support import running

LIMIT = 1_000
ROWS = [{"id": number} for number in range(25)]


class Seat(Model):
    label: Name
    row: Annotated[Int, Field(ge=1)]


class Thing(Model):
    name: Name
    seats: list[Seat] = Field(default_factory=list)
    location: Location | None = None
    starts_at: Moment | None = None


def routes(fail: Callable[[], Exception]) -> APIRouter:
    router = APIRouter()

    @router.get("/fail")
    async def failing() -> None:
        raise fail()

    @router.post("/things", status_code=201)
    async def add(thing: Thing) -> Thing:
        return thing

    @router.get("/things")
    async def things(request: Request, response: Response, paging: PageRequest) -> dict[str, Any]:
        after = paging.after(int)
        rows = [row for row in ROWS if after is None or row["id"] > after[0]][: paging.limit + 1]
        items, next_cursor = cut(rows, paging.limit, lambda row: [row["id"]])
        link_next(request, response, next_cursor)
        return {"items": items, "nextCursor": next_cursor}

    @router.get("/count")
    async def count(of: Annotated[int, Query(ge=1)]) -> int:
        return of

    @router.put("/versioned")
    async def change(request: Request, response: Response) -> None:
        require_match(request, etag(7))
        response.headers["ETag"] = etag(8)

    @router.get("/trace")
    async def trace() -> str:
        return current_traceparent()

    @router.get("/me")
    async def me(caller: Caller) -> str:
        return f"{caller.role} {caller.subject}"

    @router.get("/office")
    async def office(caller: Admin) -> str:
        return caller.subject

    return router


@asynccontextmanager
async def serving(
    *,
    fail: Callable[[], Exception] = RuntimeError,
    settings: KitSettings | None = None,
    checks: Mapping[str, Check] | None = None,
) -> AsyncIterator[httpx2.AsyncClient]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_kit(settings or KitSettings(), checks=checks or {}) as kit:
            app.state.kit = kit
            yield

    app = service_app(name="test", title="Test", lifespan=lifespan, max_body=LIMIT)
    app.include_router(routes(fail))
    async with running(app) as client:
        yield client
