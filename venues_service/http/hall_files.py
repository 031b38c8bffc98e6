"""Routes of halls in files. The body is the file itself, whatever its content type says."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic_core import to_json

from service_kit.auth import Admin
from service_kit.etags import IfMatch, etag
from service_kit.idempotency import IdempotentRoute, resource_id
from service_kit.models import Model, Name
from venues_service.domain.drafts import Wanted, only
from venues_service.domain.hall_files import FoundHall, HallFile
from venues_service.domain.halls import HallPlan
from venues_service.domain.plans import MEDIA_TYPES, Finding, PlanFormat, Scheme
from venues_service.http.common import Handlers, created
from venues_service.http.halls import HallCreated, LayoutPublished, published_fields, warned

router = APIRouter(prefix="/venue/{venue_id}/hall", tags=["halls"], route_class=IdempotentRoute)

FormatQuery = Annotated[PlanFormat, Query(alias="format")]
Numbering = Annotated[Scheme | None, Query(description="Of a grid's seats, until the file itself says otherwise")]
DryRun = Annotated[bool, Query(alias="dryRun", description="Read and answer only; nothing is stored")]
HallName = Annotated[Name | None, Query(description="Else the plan's own")]
Version = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Else the newest")]


class HallImported(HallCreated):
    findings: list[Finding]


class LayoutImported(LayoutPublished):
    findings: list[Finding]


class PlanRead(Model):
    """The answer of a dry run. Findings of severity `error` would stop the import."""

    seat_layout: dict[str, Any]
    seat_count: int
    findings: list[Finding]


async def _file(request: Request, plan_format: FormatQuery, numbering: Numbering = None) -> HallFile:
    return HallFile(plan_format, await request.body(), numbering)


SentFile = Annotated[HallFile, Depends(_file)]
FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
            for media_type in MEDIA_TYPES.values()
        },
    }
}
OF_A_DRY_RUN: dict[int | str, dict[str, Any]] = {200: {"model": PlanRead, "description": "What a dry run found"}}


@router.post("/import", status_code=201, response_model=HallImported, responses=OF_A_DRY_RUN, openapi_extra=FILE)
async def import_hall(
    _: Admin,
    *,
    request: Request,
    response: Response,
    venue_id: str,
    file: SentFile,
    name: HallName = None,
    dry_run: DryRun = False,
    handlers: Handlers,
) -> HallImported | Response:
    found = await handlers.hall_files.read_new(venue_id, file)
    if dry_run:
        return _shown(found)
    found.check()
    plan = HallPlan(venue_id, found.named(name), found.layout)
    state = only(await handlers.halls.create([Wanted(resource_id(request), plan)]))
    created(response, f"/api/v1/venue/{venue_id}/hall/{state.hall_id}", state.version)
    return HallImported(**state.model_dump(), warnings=warned(found.layout), findings=found.findings)


@router.put("/{hall_id}/layout/import", response_model=LayoutImported | PlanRead, openapi_extra=FILE)
async def import_layout(
    _: Admin,
    *,
    response: Response,
    venue_id: str,
    hall_id: str,
    file: SentFile,
    dry_run: DryRun = False,
    if_match: IfMatch,
    handlers: Handlers,
) -> LayoutImported | Response:
    """The hall's next layout version, from a file."""
    found = await handlers.hall_files.read_next(venue_id, hall_id, file)
    if dry_run:
        return _shown(found)
    found.check()
    published = await handlers.halls.publish(venue_id, hall_id, found.layout, if_match)
    response.headers["ETag"] = etag(published.hall.version)
    return LayoutImported(**published_fields(published, found.layout), findings=found.findings)


@router.get("/{hall_id}/export", response_class=Response)
async def export_hall(
    _: Admin, *, venue_id: str, hall_id: str, plan_format: FormatQuery, version: Version = None, handlers: Handlers
) -> Response:
    """A layout version as a file."""
    file = await handlers.hall_files.export(venue_id, hall_id, plan_format, version)
    disposition = f'attachment; filename="{file.name}"'
    return Response(file.body, media_type=file.media_type, headers={"Content-Disposition": disposition})


def _shown(found: FoundHall) -> Response:
    # The layout's JSON is handed on as it is: no need to make 100,000 models of seats.
    rest = to_json({"seatCount": found.layout.seat_count, "findings": found.findings}, by_alias=True)
    return Response(b'{"seatLayout":' + found.layout.text + b"," + rest[1:], media_type="application/json")
