"""Routes of the search service. Answers are written as they come, without a second check of every hit."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from search_service.brackets import BracketRoute
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
from search_service.store import deadline
from service_kit.pages import link_next

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
    async with deadline():
        found = await _handlers(request).shows(
            search, place=place, facets=params.facets, cursor=params.cursor, limit=params.limit
        )
    response = _json(found)
    link_next(request, response, found["nextCursor"])
    return response


@router.get("/suggest", response_model=SuggestAnswer, response_model_exclude_none=True)
async def suggest(request: Request, params: Annotated[SuggestParams, Query()]) -> Response:
    """Events, venues and places while one types."""
    async with deadline():
        return _json(await _handlers(request).suggest(params.q, read_point(params), params.limit))


@router.get("/places", response_model=PlacesAnswer)
async def places(request: Request, params: Annotated[PlacesParams, Query()]) -> Response:
    """Cities by name, for who shares no position."""
    return _json(_handlers(request).places(params.q, read_point(params), params.limit))


@router.get("/map", response_model=FeatureCollection)
async def show_map(request: Request, params: Annotated[MapParams, Query()]) -> Response:
    """Venues with shows to come, or clusters of them, as GeoJSON."""
    async with deadline():
        found = await _handlers(request).map(parse_box(params.bbox), params.zoom)
    return _json(found, "application/geo+json")
