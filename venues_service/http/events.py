"""Routes of events."""

from fastapi import APIRouter, Request, Response

from messaging.events import EventState
from service_kit.auth import Admin
from service_kit.etags import IfMatch, tagged
from service_kit.idempotency import IdempotentRoute, resource_id
from service_kit.pages import Page, PageRequest, link_next
from venues_service.domain.drafts import Wanted, only
from venues_service.domain.events import EventDraft
from venues_service.http.common import Handlers, MergePatch, Words, created

router = APIRouter(prefix="/events", tags=["events"], route_class=IdempotentRoute)


@router.post("", status_code=201)
async def create_event(
    _: Admin, request: Request, response: Response, draft: EventDraft, handlers: Handlers
) -> EventState:
    event = only(await handlers.events.create([Wanted(resource_id(request), draft)]))
    created(response, f"/api/v1/events/{event.event_id}", event.version)
    return event


@router.get("")
async def list_events(
    request: Request,
    response: Response,
    page: PageRequest,
    handlers: Handlers,
    *,
    category: Words = None,
    text: Words = None,
) -> Page[EventState]:
    items, following = await handlers.events.page(page.after(str), page.limit, category=category, text=text)
    link_next(request, response, following)
    return Page(items=items, next_cursor=following)


@router.get("/{event_id}", response_model=EventState)
async def read_event(request: Request, response: Response, event_id: str, handlers: Handlers) -> EventState | Response:
    event = await handlers.events.get(event_id)
    return tagged(request, response, event.version, event)


@router.patch("/{event_id}", response_model=EventState)
async def change_event(
    _: Admin,
    *,
    request: Request,
    response: Response,
    event_id: str,
    patch: MergePatch,
    if_match: IfMatch,
    handlers: Handlers,
) -> EventState | Response:
    event = await handlers.events.change(event_id, patch, if_match)
    return tagged(request, response, event.version, event)


@router.delete("/{event_id}", status_code=204)
async def delete_event(_: Admin, event_id: str, if_match: IfMatch, handlers: Handlers) -> None:
    await handlers.events.delete(event_id, if_match)
