"""`/livez`: the process answers. `/readyz`: each dependency answers too, by name."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from service_kit.metrics import metrics_answer

Check = Callable[[], Awaitable[None]]
CHECK_SECONDS = 3.0


async def run_checks(checks: Mapping[str, Check]) -> dict[str, str]:
    """Each dependency's state: "ok", or what is wrong with it."""

    async def state(check: Check) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check()
        except TimeoutError:
            return "timeout"
        except Exception as error:
            return f"down: {type(error).__name__}"
        return "ok"

    return dict(zip(checks, await asyncio.gather(*map(state, checks.values())), strict=True))


def readiness_answer(dependencies: Mapping[str, str]) -> Response:
    ready = all(state == "ok" for state in dependencies.values())
    return JSONResponse(
        {"status": "ready" if ready else "not ready", "dependencies": dict(dependencies)},
        status_code=200 if ready else 503,
        headers=None if ready else {"Retry-After": "2"},
    )


def health_router() -> APIRouter:
    """Routes of every service; `app.state.kit.checks` names its dependencies."""
    router = APIRouter(tags=["health"])

    @router.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz(request: Request) -> Response:
        return readiness_answer(await run_checks(request.app.state.kit.checks))

    @router.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return metrics_answer()

    return router
