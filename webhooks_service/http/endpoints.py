"""Routes of endpoints."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, Field

from service_kit.auth import Admin
from service_kit.etags import IfMatch, etag, tagged
from service_kit.idempotency import IdempotentRoute, resource_id
from service_kit.models import Id, Line, Model, Moment
from service_kit.pages import Page, PageRequest, link_next
from webhooks_service.domain.endpoints import DisabledReason, Endpoint
from webhooks_service.domain.targets import LONGEST_URL
from webhooks_service.handlers.endpoints import Draft
from webhooks_service.http.common import PLACE, PRIVATE, EventType, UseCases

router = APIRouter(prefix=PLACE, route_class=IdempotentRoute)


def _each_once(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


Url = Annotated[str, Field(min_length=1, max_length=LONGEST_URL, examples=["https://example.com/hooks"])]
EventTypes = Annotated[list[EventType], Field(min_length=1, max_length=20), AfterValidator(_each_once)]
VenueIds = Annotated[list[Id], Field(min_length=1, max_length=100), AfterValidator(_each_once)] | None
Description = Annotated[Line, Field(max_length=500)]
Active = Annotated[bool, Field(strict=True)]


class EndpointDraft(Model):
    """`eventTypes` `["*"]`: all, also those to come. Without `venueIds` events of every venue."""

    url: Url
    event_types: EventTypes
    venue_ids: VenueIds = None
    description: Description = ""
    active: Active = True


class EndpointChanges(Model):
    """Fields left out stay as they are; `venueIds` of null lifts that limit. `active` true forgets past failures."""

    url: Url = ""
    event_types: EventTypes = Field(default_factory=list)
    venue_ids: VenueIds = None
    description: Description = ""
    active: Active = True


class DisabledAnswer(Model):
    reason: DisabledReason
    detail: str
    at: Moment


class EndpointAnswer(Model):
    """`disabled`: why we stopped sending. `failingSince`: the first of the failures that no success followed."""

    endpoint_id: str
    version: int
    url: str
    event_types: list[str]
    venue_ids: list[str] | None
    description: str
    active: bool
    disabled: DisabledAnswer | None
    failing_since: Moment | None
    created_at: Moment
    updated_at: Moment


class NewEndpoint(EndpointAnswer):
    """The only answer with the `secret`."""

    secret: str


class RotationAnswer(Model):
    """The only answer with the new `secret`; until then the old one signs too."""

    endpoint_id: str
    secret: str
    old_secret_valid_until: Moment


@router.post("", status_code=201)
async def create_endpoint(
    _: Admin, request: Request, response: Response, draft: EndpointDraft, use: UseCases
) -> NewEndpoint:
    wanted = Draft(
        draft.url,
        tuple(draft.event_types),
        None if draft.venue_ids is None else tuple(draft.venue_ids),
        draft.description,
        draft.active,
    )
    endpoint = await use.endpoints.create(resource_id(request), wanted)
    response.headers.update(PRIVATE)
    response.headers["Location"] = f"{PLACE}/{endpoint.id}"
    response.headers["ETag"] = etag(endpoint.version)
    return NewEndpoint(**_answer(endpoint).model_dump(), secret=use.endpoints.newest_secret(endpoint))


@router.get("")
async def list_endpoints(
    _: Admin, request: Request, response: Response, page: PageRequest, use: UseCases
) -> Page[EndpointAnswer]:
    items, following = await use.endpoints.page(page.after(str), page.limit)
    link_next(request, response, following)
    return Page(items=[_answer(each) for each in items], next_cursor=following)


@router.get("/{endpoint_id}", response_model=EndpointAnswer)
async def read_endpoint(
    _: Admin, request: Request, response: Response, endpoint_id: str, use: UseCases
) -> EndpointAnswer | Response:
    endpoint = await use.endpoints.get(endpoint_id)
    return tagged(request, response, endpoint.version, _answer(endpoint))


@router.patch("/{endpoint_id}", response_model=EndpointAnswer)
async def change_endpoint(
    _: Admin,
    *,
    request: Request,
    response: Response,
    endpoint_id: str,
    changes: EndpointChanges,
    if_match: IfMatch,
    use: UseCases,
) -> EndpointAnswer | Response:
    given = changes.model_dump(exclude_unset=True)
    listed = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    endpoint = await use.endpoints.change(endpoint_id, listed, if_match)
    return tagged(request, response, endpoint.version, _answer(endpoint))


@router.delete("/{endpoint_id}", status_code=204)
async def delete_endpoint(_: Admin, endpoint_id: str, if_match: IfMatch, use: UseCases) -> None:
    """With its log. What is under way just now may still arrive."""
    await use.endpoints.delete(endpoint_id, if_match)


@router.post("/{endpoint_id}/rotate-secret")
async def rotate_secret(
    _: Admin, request: Request, response: Response, endpoint_id: str, use: UseCases
) -> RotationAnswer:
    """A new secret; for 24 hours the old one signs as well."""
    endpoint = await use.endpoints.rotate(endpoint_id, resource_id(request))
    response.headers.update(PRIVATE)
    _newest, outgoing, *_older = endpoint.secrets
    assert outgoing.expires_at is not None  # noqa: S101 - only the newest has no end
    secret = use.endpoints.newest_secret(endpoint)
    return RotationAnswer(endpoint_id=endpoint.id, secret=secret, old_secret_valid_until=outgoing.expires_at)


def _answer(endpoint: Endpoint) -> EndpointAnswer:
    disabled = endpoint.disabled
    return EndpointAnswer(
        endpoint_id=endpoint.id,
        version=endpoint.version,
        url=endpoint.url,
        event_types=list(endpoint.event_types),
        venue_ids=None if endpoint.venue_ids is None else list(endpoint.venue_ids),
        description=endpoint.description,
        active=endpoint.active,
        disabled=DisabledAnswer(reason=disabled.reason, detail=disabled.detail, at=disabled.at) if disabled else None,
        failing_since=endpoint.failing_since,
        created_at=endpoint.created_at,
        updated_at=endpoint.updated_at,
    )
