"""Routes of search results for the machines of others: maps, calendars, search engines."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from starlette.responses import JSONResponse

from search_service.brackets import BracketRoute
from search_service.exports.calendar import to_calendar
from search_service.exports.geojson import feature_collection
from search_service.exports.linked_data import item_list
from search_service.exports.links import Links
from search_service.handlers import SearchHandlers
from search_service.models import ExportParams, FeatureCollection, MapExportParams, SearchParams
from search_service.reading import read_search
from search_service.store import deadline

router = APIRouter(prefix="/api/v1/search", tags=["search"], route_class=BracketRoute)
# What is public anyway may be read by a script of any page.
ANYBODY: Mapping[str, str] = {"Access-Control-Allow-Origin": "*"}


class Json(JSONResponse):
    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class GeoJson(Json):
    media_type = "application/geo+json"


class LinkedData(Json):
    media_type = "application/ld+json"


class CalendarFile(Response):
    media_type = "text/calendar"


@router.get("/shows.geojson", response_model=FeatureCollection, response_class=GeoJson)
async def export_geojson(request: Request, params: Annotated[MapExportParams, Query()]) -> Response:
    """The first shows of a search as points: GeoJSON."""
    items = await _found(request, params, params.limit)
    return GeoJson(feature_collection(items, links_of(request)), headers=ANYBODY)


@router.get("/shows.jsonld", response_class=LinkedData)
async def export_linked_data(request: Request, params: Annotated[ExportParams, Query()]) -> Response:
    """The first shows of a search as an ItemList of schema.org: JSON-LD."""
    items = await _found(request, params, params.limit)
    return LinkedData(item_list(items, links_of(request)), headers=ANYBODY)


@router.get("/shows.ics", response_class=CalendarFile)
async def export_calendar(request: Request, params: Annotated[ExportParams, Query()]) -> Response:
    """The first shows of a search as a calendar to subscribe to: iCalendar."""
    items = await _found(request, params, params.limit)
    name = f"Marquee: {params.query}" if params.query else "Marquee"
    now = request.app.state.kit.clock.now()
    # Hundreds of entries take long enough to hold up everybody else.
    body = await asyncio.to_thread(to_calendar, items, links_of(request), name=name, now=now)
    return CalendarFile(body, headers={**ANYBODY, "Content-Disposition": 'inline; filename="shows.ics"'})


async def _found(request: Request, params: SearchParams, limit: int) -> list[dict[str, Any]]:
    search, _ = read_search(params, request.app.state.gazetteer, request.app.state.kit.clock.now())
    handlers: SearchHandlers = request.app.state.handlers
    async with deadline():
        return await handlers.first(search, limit)


def links_of(request: Request) -> Links:
    links: Links = request.app.state.links
    return links
