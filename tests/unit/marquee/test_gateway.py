"""The gateway: who gets which request, and what it answers itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx2
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, create_model
from starlette.responses import JSONResponse

from marquee.gateway import create_gateway
from marquee.openapi import merged_openapi
from marquee.routing import RouteTable
from marquee.services import apps_to_read
from service_kit.app import service_app


def service(name: str, *routes: str, checks: dict[str, Any] | None = None, log: list[str] | None = None) -> FastAPI:
    """An app that answers each `METHOD /path` with its own name."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.kit = SimpleNamespace(checks=checks or {})
        if log is not None:
            log.append(f"{name} opened")
        yield
        if log is not None:
            log.append(f"{name} closed")

    async def endpoint() -> JSONResponse:
        return JSONResponse({"service": name})

    app = service_app(name=name, title=name, lifespan=lifespan)
    router = APIRouter()
    for route in routes:
        method, _, path = route.partition(" ")
        router.add_api_route(path, endpoint, methods=[method], operation_id=f"{name}-{route}")
    app.include_router(router)
    return app


@asynccontextmanager
async def behind_gateway(**apps: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    gateway = create_gateway(apps)
    async with (
        gateway.lifespan(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=gateway), base_url="http://gateway") as client,
    ):
        yield client


async def test_each_request_reaches_the_service_that_has_the_route() -> None:
    venues = service("venues", "GET /api/v1/showtimes/{showtime_id}", "GET /api/v1/venue/{venue_id}/halls")
    inventory = service("inventory", "GET /api/v1/showtimes/{showtime_id}/inventory")
    async with behind_gateway(venues=venues, inventory=inventory) as client:
        assert (await client.get("/api/v1/showtimes/7")).json() == {"service": "venues"}
        assert (await client.get("/api/v1/showtimes/7/inventory")).json() == {"service": "inventory"}
        assert (await client.get("/api/v1/venue/x/halls")).json() == {"service": "venues"}


async def test_a_path_that_two_services_share_goes_by_method() -> None:
    one, two = service("one", "GET /things"), service("two", "POST /things")
    async with behind_gateway(one=one, two=two) as client:
        assert (await client.get("/things")).json() == {"service": "one"}
        assert (await client.post("/things")).json() == {"service": "two"}


async def test_a_literal_path_goes_before_another_services_parameter() -> None:
    general, special = service("general", "GET /things/{name}"), service("special", "GET /things/best")
    async with behind_gateway(general=general, special=special) as client:
        assert (await client.get("/things/best")).json() == {"service": "special"}
        assert (await client.get("/things/other")).json() == {"service": "general"}


async def test_an_unknown_path_is_a_404_problem_and_a_wrong_method_a_405_problem() -> None:
    async with behind_gateway(one=service("one", "GET /things")) as client:
        unknown, wrong = await client.get("/nothing"), await client.delete("/things")
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")
    assert unknown.headers["x-correlation-id"]
    assert (wrong.status_code, wrong.headers["content-type"]) == (405, "application/problem+json")
    assert wrong.headers["allow"] == "GET"


async def test_readiness_names_every_dependency_and_is_503_when_one_is_down() -> None:
    async def fine() -> None:
        pass

    async def broken() -> None:
        raise ConnectionError

    one, two = service("one", checks={"mongodb": fine}), service("two", checks={"mongodb": fine, "rabbitmq": broken})
    async with behind_gateway(one=one, two=two) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["dependencies"] == {
        "one.mongodb": "ok",
        "two.mongodb": "ok",
        "two.rabbitmq": "down: ConnectionError",
    }


async def test_all_apps_are_opened_before_the_gateway_starts_and_closed_in_reverse() -> None:
    log: list[str] = []
    gateway = create_gateway(
        {"one": service("one", log=log), "two": service("two", log=log)}, lambda: log.append("started")
    )
    async with gateway.lifespan():
        pass
    assert log == ["one opened", "two opened", "started", "two closed", "one closed"]


async def test_the_docs_page_loads_nothing_from_elsewhere() -> None:
    async with behind_gateway(one=service("one")) as client:
        page = (await client.get("/docs")).text
        assert "https://" not in page
        assert (await client.get("/docs/assets/swagger-ui-bundle.js")).status_code == 200


async def test_the_merged_document_keeps_both_meanings_of_a_name_apart() -> None:
    def app_with(item: type[BaseModel], path: str) -> FastAPI:
        page = create_model("Page", items=(list[item], ...))  # type: ignore[valid-type]  # a model made at run time
        app = FastAPI()

        @app.get(path, response_model=page)
        async def endpoint() -> None:
            pass

        return app

    def item(field: str) -> type[BaseModel]:
        fields: dict[str, Any] = {field: (str, ...)}
        model: type[BaseModel] = create_model("Item", **fields)
        return model

    merged = merged_openapi(
        {
            "one": app_with(item("name"), "/one"),
            "two": app_with(item("title"), "/two"),
            "three": app_with(item("name"), "/three"),
        }
    )
    schemas = merged["components"]["schemas"]
    assert set(schemas) >= {"Item", "Page", "TwoItem", "TwoPage"}
    assert "ThreeItem" not in schemas
    assert schemas["TwoPage"]["properties"]["items"]["items"]["$ref"] == "#/components/schemas/TwoItem"
    assert schemas["Page"]["properties"]["items"]["items"]["$ref"] == "#/components/schemas/Item"
    assert set(schemas["TwoItem"]["properties"]) == {"title"}


def test_health_paths_are_no_services_routes() -> None:
    table = RouteTable({"one": service("one", "GET /things")})
    assert table.find("GET", "/things") == "one"
    assert [table.find("GET", path) for path in ("/livez", "/readyz", "/metrics", "/openapi.json")] == [None] * 4


def test_every_services_routes_can_be_described() -> None:
    """FastAPI reads a route only when asked for the document: one that it cannot read breaks all of it."""
    paths = merged_openapi(apps_to_read())["paths"]
    for operations in paths.values():
        assert all(operation["responses"] for operation in operations.values())
    assert {"/api/v1/users/register", "/api/v1/showtimes/{showtime_id}/inventory/stream"} <= set(paths)
