"""What the search service asks Elasticsearch: the app runs in this process, behind it a proxy that takes notes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import aiohttp
import httpx2
from aiohttp import web

from bench.search.wire import Request
from search_index.mapping import alias
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
                    noted.append(_request(request, body, alias(namespace)))
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


def _request(request: web.Request, body: bytes, index: str) -> Request:
    """As it came, but for the cache, of the present (its snapshot is gone when it is asked again), and in plain JSON
    without the driver's own media types."""
    if request.path.endswith("_msearch"):
        lines = body.splitlines()
        lines[::2] = [json.dumps({**json.loads(head), **UNCACHED}).encode() for head in lines[::2]]
        lines[1::2] = [_of_the_present(line) for line in lines[1::2]]
        path = f"/{index}/_msearch?{request.query_string}"
        return Request(request.method, path, b"\n".join([*lines, b""]), "application/x-ndjson")
    path = f"/{index}/_search?{request.query_string}{'&' if request.query_string else ''}request_cache=false"
    return Request(request.method, path, _of_the_present(body), "application/json")


def _of_the_present(body: bytes) -> bytes:
    return json.dumps({name: value for name, value in json.loads(body).items() if name != "pit"}).encode()


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
