"""Routes of venues."""

import math
import re
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from geopy.units import kilometers

from messaging.events import VenueState
from service_kit.auth import Admin
from service_kit.errors import Invalid
from service_kit.etags import IfMatch, tagged
from service_kit.idempotency import IdempotentRoute, resource_id
from service_kit.models import Id
from service_kit.pages import BadCursor, Page, PageRequest, link_next
from venues_service.domain.drafts import Wanted, only
from venues_service.domain.venues import VenueDraft
from venues_service.http.common import Handlers, MergePatch, Words, created

DISTANCE = re.compile(r"^(\d{1,8}(?:\.\d{1,6})?)\s*(m|km|mi|)$")
HALF_THE_EARTH_KM = 20_038

router = APIRouter(tags=["venues"], route_class=IdempotentRoute)


@router.post("/venue", status_code=201)
async def create_venue(
    _: Admin, request: Request, response: Response, draft: VenueDraft, handlers: Handlers
) -> VenueState:
    venue = only(await handlers.venues.create([Wanted(resource_id(request), draft)]))
    created(response, f"/api/v1/venue/{venue.venue_id}", venue.version)
    return venue


@router.get("/venues")
async def list_venues(
    request: Request,
    response: Response,
    page: PageRequest,
    handlers: Handlers,
    *,
    city: Words = None,
    text: Words = None,
    near: Annotated[str | None, Query(max_length=100, description="lat,lon", examples=["48.85,2.35"])] = None,
    distance: Annotated[str, Query(max_length=30, description="`10km`, `5mi` or `800m`")] = "25km",
    partner_id: Annotated[Id | None, Query(alias="partnerId", description="Venues that name this theatre")] = None,
) -> Page[VenueState]:
    point = _point(near) if near is not None else None
    metres = _metres(distance)
    position = page.after(str) if point is None else page.after(float, str)
    if point is not None and position is not None and not 0 <= position[0] <= HALF_THE_EARTH_KM * 1_000:
        raise BadCursor
    items, following = await handlers.venues.page(
        position, page.limit, city=city, text=text, point=point, metres=metres, theatre=partner_id
    )
    link_next(request, response, following)
    return Page(items=items, next_cursor=following)


@router.get("/venue/{venue_id}", response_model=VenueState)
async def read_venue(request: Request, response: Response, venue_id: str, handlers: Handlers) -> VenueState | Response:
    venue = await handlers.venues.get(venue_id)
    return tagged(request, response, venue.version, venue)


@router.patch("/venue/{venue_id}", response_model=VenueState)
async def change_venue(
    _: Admin,
    *,
    request: Request,
    response: Response,
    venue_id: str,
    patch: MergePatch,
    if_match: IfMatch,
    handlers: Handlers,
) -> VenueState | Response:
    venue = await handlers.venues.change(venue_id, patch, if_match)
    return tagged(request, response, venue.version, venue)


@router.delete("/venue/{venue_id}", status_code=204)
async def delete_venue(_: Admin, venue_id: str, if_match: IfMatch, handlers: Handlers) -> None:
    await handlers.venues.delete(venue_id, if_match)


def _point(text: str) -> tuple[float, float]:
    try:
        lat, lon = map(float, text.split(","))
        if not (math.isfinite(lat) and abs(lat) <= 90 and math.isfinite(lon) and abs(lon) <= 180):
            raise ValueError
    except ValueError as error:
        raise Invalid("`near` must be lat,lon in degrees", faults=[("near", "must be lat,lon")]) from error
    return lat, lon


def _metres(text: str) -> float:
    match = DISTANCE.match(text.strip())
    if match is None:
        raise Invalid("`distance` must be like 10km, 5mi or 800m", faults=[("distance", "no distance")])
    amount, unit = float(match[1]), match[2] or "km"
    km = kilometers(miles=amount) if unit == "mi" else amount / 1_000 if unit == "m" else amount
    return float(min(km, HALF_THE_EARTH_KM)) * 1_000
