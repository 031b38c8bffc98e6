"""Routes of the search service. Answers are written as they come, without a second check of every hit."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute

from search_service.domain import parse_box
from search_service.handlers import SearchHandlers
from search_service.models import (
    FeatureCollection,
    MapParams,
    PlacesAnswer,
    PlacesParams,
    ShowsAnswer,
    ShowsParams,
    SuggestAnswer,
    SuggestParams,
)
from search_service.reading import read_point, read_search
from service_kit.pages import link_next


class BracketRoute(APIRoute):
    """`category[]=a&category[]=b` is read as `category=a&category=b`; both are in use for lists."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def unbracketed(request: Request) -> Response:
            query: bytes = request.scope["query_string"]
            if b"[]=" in query or b"%5B%5D=" in query or b"%5b%5d=" in query:
                for brackets in (b"[]=", b"%5B%5D=", b"%5b%5d="):
                    query = query.replace(brackets, b"=")
                request = Request({**request.scope, "query_string": query}, request.receive)
            return await handle(request)

        return unbracketed


router = APIRouter(prefix="/api/v1/search", tags=["search"], route_class=BracketRoute)


def _handlers(request: Request) -> SearchHandlers:
    handlers: SearchHandlers = request.app.state.handlers
    return handlers


def _json(content: Any, media_type: str = "application/json") -> Response:
    return Response(orjson.dumps(content), media_type=media_type)


@router.get("/shows", response_model=ShowsAnswer)
async def search_shows(request: Request, params: Annotated[ShowsParams, Query()]) -> Response:
    """Shows to come: by place, words, time, kind and free seats."""
    search, place = read_search(params, request.app.state.gazetteer, request.app.state.kit.clock.now())
    found = await _handlers(request).shows(
        search, place=place, facets=params.facets, cursor=params.cursor, limit=params.limit
    )
    response = _json(found)
    link_next(request, response, found["nextCursor"])
    return response


@router.get("/suggest", response_model=SuggestAnswer, response_model_exclude_none=True)
async def suggest(request: Request, params: Annotated[SuggestParams, Query()]) -> Response:
    """Events, venues and places while one types."""
    return _json(await _handlers(request).suggest(params.q, read_point(params), params.limit))


@router.get("/places", response_model=PlacesAnswer)
async def places(request: Request, params: Annotated[PlacesParams, Query()]) -> Response:
    """Cities by name, for who shares no position."""
    return _json(_handlers(request).places(params.q, read_point(params), params.limit))


@router.get("/map", response_model=FeatureCollection)
async def show_map(request: Request, params: Annotated[MapParams, Query()]) -> Response:
    """Venues with shows to come, or clusters of them, as GeoJSON."""
    found = await _handlers(request).map(parse_box(params.bbox), params.zoom)
    return _json(found, "application/geo+json")
