"""All HTTP apps of the services behind one origin, in one process: what nginx is in front of the containers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from swagger_ui_bundle import swagger_ui_path

from marquee.openapi import merged_openapi
from marquee.routing import RouteTable
from service_kit.app import MIB
from service_kit.health import readiness_answer, run_checks
from service_kit.metrics import metrics_answer
from service_kit.middleware import RequestShell
from service_kit.problems import install_problem_handlers

DOCS_ASSETS = "/docs/assets"


class Gateway:
    """The ASGI app: hands each request to the service that has the route; the rest it answers itself."""

    def __init__(self, apps: Mapping[str, FastAPI], started: Callable[[], object]) -> None:
        self._apps = dict(apps)
        self._routes = RouteTable(apps)
        self._own = _own_app(self._apps, started)

    def lifespan(self) -> AbstractAsyncContextManager[object]:
        """What an ASGI server enters at start, for those who run the gateway without one."""
        return self._own.router.lifespan_context(self._own)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            service = self._routes.find(scope["method"], scope["path"])
            if service is not None:
                await self._apps[service](scope, receive, send)
                return
        await self._own(scope, receive, send)


def create_gateway(apps: Mapping[str, FastAPI], started: Callable[[], object] = lambda: None) -> Gateway:
    """One ASGI app over these, by service name. Its lifespan enters all of theirs, then calls `started`."""
    return Gateway(apps, started)


def _own_app(apps: Mapping[str, FastAPI], started: Callable[[], object]) -> FastAPI:
    """Health, metrics and documentation of all services together; 404 as a problem for what nobody has."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for app in apps.values():
                await stack.enter_async_context(app.router.lifespan_context(app))
            started()
            yield

    own = FastAPI(title="Marquee", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    install_problem_handlers(own)
    own.add_middleware(RequestShell, service="gateway", max_body=MIB)

    @own.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @own.get("/readyz")
    async def readyz() -> Response:
        checks = {
            f"{service}.{dependency}": check
            for service, app in apps.items()
            for dependency, check in app.state.kit.checks.items()
        }
        return readiness_answer(await run_checks(checks))

    @own.get("/metrics")
    async def metrics() -> Response:
        return metrics_answer()

    @own.get("/openapi.json")
    async def openapi() -> Response:
        return JSONResponse(merged_openapi(apps))

    @own.get("/docs")
    async def docs() -> HTMLResponse:
        return docs_page()

    own.mount(DOCS_ASSETS, StaticFiles(directory=swagger_ui_path))
    return own


def docs_page() -> HTMLResponse:
    """Swagger UI with its files from here, not from a CDN."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Marquee",
        swagger_js_url=f"{DOCS_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{DOCS_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{DOCS_ASSETS}/favicon-32x32.png",
    )
