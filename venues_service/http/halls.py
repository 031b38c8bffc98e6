"""Routes of halls and their layouts."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic_core import to_json

from service_kit.auth import Admin
from service_kit.etags import IfMatch, answer_304, etag, not_modified, tagged
from service_kit.idempotency import IdempotentRoute, resource_id
from service_kit.models import Model
from service_kit.pages import Page, PageRequest, link_next
from venues_service.domain.differences import CapacityChange, Difference
from venues_service.domain.drafts import Wanted, only, parse
from venues_service.domain.halls import Hall, HallDraft, HallPlan, LayoutChange
from venues_service.domain.layouts import Layout, checked
from venues_service.handlers.halls import Published
from venues_service.http.common import Handlers, body_schema, created, large_body

FOR_EVER = "public, max-age=31536000, immutable"
MOST_LISTED = 1_000

router = APIRouter(prefix="/venue/{venue_id}", tags=["halls"], route_class=IdempotentRoute)


class Warned(Model):
    """What is allowed but looks like a slip."""

    pointer: str
    detail: str


class SectionAnswer(Model):
    id: str
    seat_count: int
    seat_types: dict[str, int]


class HallAnswer(Model):
    """Every `seat_count` includes the capacity of general admission."""

    hall_id: str
    venue_id: str
    version: int
    name: str
    layout_version: int
    seat_count: int
    seat_types: dict[str, int]
    sections: list[SectionAnswer]


class HallCreated(Model):
    hall_id: str
    venue_id: str
    version: int
    name: str
    layout_version: int
    seat_count: int
    warnings: list[Warned]


class Diff(Model):
    """Seat ids by what happened to them, at most 1,000 of each; `counts` are exact.

    `capacities` are changes of general admission.
    """

    added: list[str]
    removed: list[str]
    moved: list[str]
    changed: list[str]
    counts: dict[Literal["added", "removed", "moved", "changed"], int]
    capacities: list[CapacityChange]


class LayoutPublished(Model):
    hall_id: str
    layout_version: int
    version: int
    seat_count: int
    diff: Diff
    warnings: list[Warned]


def _hall_plan(data: Any) -> tuple[str, Layout]:
    draft = parse(HallDraft, data)
    return draft.name, checked(draft.seat_layout)


def _new_layout(data: Any) -> Layout:
    """`{sections}`, or `{seatLayout: {sections}}` as a hall is created."""
    if isinstance(data, dict) and "seatLayout" in data:
        return checked(parse(LayoutChange, data).seat_layout)
    wrapped = parse(LayoutChange, {"seatLayout": data}, base="/seatLayout")
    return checked(wrapped.seat_layout, base="")


NewHall = Annotated[tuple[str, Layout], Depends(large_body(_hall_plan))]
NewLayout = Annotated[Layout, Depends(large_body(_new_layout))]


@router.post("/hall", status_code=201, openapi_extra=body_schema(HallDraft))
async def create_hall(
    _: Admin, request: Request, response: Response, venue_id: str, hall: NewHall, handlers: Handlers
) -> HallCreated:
    name, layout = hall
    plan = HallPlan(venue_id, name, layout)
    state = only(await handlers.halls.create([Wanted(resource_id(request), plan)]))
    created(response, f"/api/v1/venue/{venue_id}/hall/{state.hall_id}", state.version)
    return HallCreated(**state.model_dump(), warnings=warned(layout))


@router.get("/halls")
async def list_halls(
    request: Request, response: Response, venue_id: str, page: PageRequest, handlers: Handlers
) -> Page[HallAnswer]:
    items, following = await handlers.halls.page(venue_id, page.after(str), page.limit)
    link_next(request, response, following)
    return Page(items=[_answer(hall) for hall in items], next_cursor=following)


@router.get("/hall/{hall_id}", response_model=HallAnswer)
async def read_hall(
    request: Request, response: Response, venue_id: str, hall_id: str, handlers: Handlers
) -> HallAnswer | Response:
    hall = await handlers.halls.get(venue_id, hall_id)
    return tagged(request, response, hall.state.version, _answer(hall))


@router.delete("/hall/{hall_id}", status_code=204)
async def delete_hall(_: Admin, venue_id: str, hall_id: str, if_match: IfMatch, handlers: Handlers) -> None:
    await handlers.halls.delete(venue_id, hall_id, if_match)


@router.put("/hall/{hall_id}/layout", openapi_extra=body_schema(LayoutChange))
async def publish_layout(
    _: Admin,
    *,
    response: Response,
    venue_id: str,
    hall_id: str,
    layout: NewLayout,
    if_match: IfMatch,
    handlers: Handlers,
) -> LayoutPublished:
    published = await handlers.halls.publish(venue_id, hall_id, layout, if_match)
    response.headers["ETag"] = etag(published.hall.version)
    return LayoutPublished(**published_fields(published, layout))


@router.get("/hall/{hall_id}/layout/{version}")
async def read_layout(request: Request, venue_id: str, hall_id: str, version: str, handlers: Handlers) -> Response:
    """`{hallId, layoutVersion, sections}`. It never changes, so it may be kept for ever."""
    number = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
    text = await handlers.halls.layout(venue_id, hall_id, number)
    tag = etag(f"{hall_id}.{number}")
    if not_modified(request, tag):
        return answer_304(tag, **{"Cache-Control": FOR_EVER})
    # The stored JSON is handed on as it is: no need to read 100,000 seats.
    head = to_json({"hallId": hall_id, "layoutVersion": number})
    return Response(
        head[:-1] + b"," + text[1:],
        media_type="application/json",
        headers={"ETag": tag, "Cache-Control": FOR_EVER},
    )


def _answer(hall: Hall) -> HallAnswer:
    sections = [
        SectionAnswer(id=section_id, seat_count=sum(types.values()), seat_types=types)
        for section_id, types in hall.types_by_section.items()
    ]
    return HallAnswer(**hall.state.model_dump(), seat_types=hall.seat_types, sections=sections)


def published_fields(published: Published, layout: Layout) -> dict[str, Any]:
    state = published.hall.model_dump(include={"hall_id", "layout_version", "version", "seat_count"})
    return {**state, "diff": _diff(published.changes), "warnings": warned(layout)}


def warned(layout: Layout) -> list[Warned]:
    return [Warned(pointer=at, detail=text) for at, text in layout.warnings]


def _diff(changes: Difference) -> Diff:
    return Diff.model_validate(
        {name: ids[:MOST_LISTED] for name, ids in changes.seats.items()}
        | {
            "counts": {name: len(ids) for name, ids in changes.seats.items()},
            "capacities": changes.capacities[:MOST_LISTED],
        }
    )
