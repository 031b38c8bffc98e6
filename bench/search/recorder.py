"""What the search service asks Elasticsearch: the app runs in this process, behind it a proxy that takes notes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import aiohttp
import httpx2
from aiohttp import web

from bench.search.wire import Request
from search_service.app import create_app
from search_service.config import Settings

# Of the same bytes asked again, Elasticsearch would give the answer from the time before; the service's are never the
# same, for they have the time in them.
UNCACHED = {"request_cache": False}
PASSED_ON = ("content-type", "accept", "authorization")
NOT_PASSED_BACK = frozenset(("content-length", "transfer-encoding", "content-encoding"))


async def record(url: str, namespace: str, paths: Sequence[str]) -> list[list[Request]]:
    """The searches behind each path, in the order in which they were sent. Raises where an answer is no 200."""
    noted: list[Request] = []
    async with aiohttp.ClientSession() as session:

        async def pass_on(request: web.Request) -> web.Response:
            body = await request.read()
            headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
            target = f"{url}{request.path_qs}"
            async with session.request(request.method, target, data=body or None, headers=headers) as answer:
                if request.path.endswith(("/_search", "/_msearch")):
                    noted.append(_request(request, body))
                kept = {name: text for name, text in answer.headers.items() if name.lower() not in NOT_PASSED_BACK}
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)

        proxy = web.Application()
        proxy.router.add_route("*", "/{path:.*}", pass_on)
        runner = web.AppRunner(proxy)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            address: Any = runner.addresses[0]
            return await _ask_all(f"http://127.0.0.1:{address[1]}", namespace, paths, noted)
        finally:
            await runner.cleanup()


def _request(request: web.Request, body: bytes) -> Request:
    """As it came, but for the cache, and in plain JSON without the driver's own media types."""
    if request.path.endswith("_msearch"):
        lines = body.splitlines()
        heads = [json.dumps({**json.loads(head), **UNCACHED}).encode() for head in lines[::2]]
        lines[::2] = heads
        return Request(request.method, request.path_qs, b"\n".join([*lines, b""]), "application/x-ndjson")
    path = f"{request.path_qs}{'&' if request.query_string else '?'}request_cache=false"
    return Request(request.method, path, body, "application/json")


async def _ask_all(proxy: str, namespace: str, paths: Sequence[str], noted: list[Request]) -> list[list[Request]]:
    settings = Settings.model_validate({"elasticsearch_url": proxy, "namespace": namespace, "cursor_secret": "bench"})
    app = create_app(settings)
    recorded = []
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://bench", timeout=60) as client,
    ):
        for path in paths:
            (await client.get(path)).raise_for_status()
            recorded.append(list(noted))
            noted.clear()
    return recorded
