"""Routes of the pages that people and search engines read. They are outside /api, and answer failures as pages too."""

import json
from collections.abc import Callable, Coroutine
from hashlib import blake2b
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse

from search_service.domain import Search
from search_service.handlers import SearchHandlers
from search_service.pages.render import SHOWN, Pages
from service_kit.errors import NotFound
from service_kit.etags import answer_304, etag, not_modified
from service_kit.problems import problem_for

# Seats go fast: as long as a page may be out of date.
KEPT = "public, max-age=30"
HTML = "text/html; charset=utf-8"


class NothingOn(NotFound):
    slug, title = "nothing-on", "Nothing is on here"


class PageRoute(APIRoute):
    """Failures with the status they have in the API, as pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:
                return _as_page(request, problem_for(request, error))

        return shown


router = APIRouter(tags=["pages"], route_class=PageRoute)


@router.head("/events/{event_id}", include_in_schema=False)
@router.get("/events/{event_id}", response_class=HTMLResponse)
async def event_page(event_id: str, request: Request) -> Response:
    """An event and its next shows, as a page."""
    items = await _next(request, Search(event_ids=[event_id], sort="soonest"))
    return _page(request, _pages(request).event(items))


@router.head("/venues/{venue_id}", include_in_schema=False)
@router.get("/venues/{venue_id}", response_class=HTMLResponse)
async def venue_page(venue_id: str, request: Request) -> Response:
    """A venue and its next shows, as a page."""
    items = await _next(request, Search(venue_ids=[venue_id], sort="soonest"))
    return _page(request, _pages(request).venue(items))


async def _next(request: Request, search: Search) -> list[dict[str, Any]]:
    """Raises NothingOn: the index doesn't know what has been, so what is over and what never was are the same."""
    handlers: SearchHandlers = request.app.state.handlers
    items = await handlers.first(search, SHOWN + 1)
    if not items:
        raise NothingOn("There is no such page, or no show to come. It may be back when there is one.")
    return items


def _pages(request: Request) -> Pages:
    pages: Pages = request.app.state.pages
    return pages


def _page(request: Request, html: str) -> Response:
    body = html.encode()
    tag = etag(blake2b(body, digest_size=12).hexdigest())
    if not_modified(request, tag):
        return answer_304(tag, **{"Cache-Control": KEPT})
    return Response(body, media_type=HTML, headers={**_safe(request), "ETag": tag, "Cache-Control": KEPT})


def _as_page(request: Request, problem: Response) -> Response:
    told = json.loads(bytes(problem.body))
    html = _pages(request).problem(told["title"], told["detail"])
    kept = {name: problem.headers[name] for name in ("retry-after",) if name in problem.headers}
    headers = {**_safe(request), **kept, "Cache-Control": "no-store"}
    return Response(html.encode(), problem.status_code, headers, media_type=HTML)


def _safe(request: Request) -> dict[str, str]:
    return {"Content-Security-Policy": _pages(request).policy, "X-Content-Type-Options": "nosniff"}
