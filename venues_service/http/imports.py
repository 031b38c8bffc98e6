"""Routes of the bulk import."""

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from service_kit.auth import Admin
from service_kit.idempotency import IdempotentRoute
from service_kit.models import Model
from service_kit.problems import domain_problem
from venues_service.domain.drafts import parse, printable
from venues_service.domain.fields import Ref
from venues_service.domain.imports import MOST_ITEMS, Kind
from venues_service.handlers.imports import Item
from venues_service.http.common import Handlers, body_schema, large_body

router = APIRouter(prefix="/catalogue", tags=["import"])
importing = APIRouter(route_class=IdempotentRoute)


class ImportRequest(Model):
    """Items as in the single calls, with `kind`, a stable `ref` of the client's, and refs in place of ids."""

    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_ITEMS)]


class ItemAnswer(Model):
    ref: str | None
    kind: str | None
    status: Literal["created", "exists", "failed"]
    id: str | None = None
    problem: dict[str, Any] | None = None


class ImportAnswer(Model):
    items: list[ItemAnswer]


class LookupRequest(Model):
    kind: Kind
    refs: Annotated[list[Ref], Field(max_length=MOST_ITEMS)]


class Found(Model):
    ref: str
    id: str


class LookupAnswer(Model):
    items: list[Found]


def _import_request(data: Any) -> ImportRequest:
    return parse(ImportRequest, data)


NewItems = Annotated[ImportRequest, Depends(large_body(_import_request))]


@importing.post(
    "/import",
    response_model=ImportAnswer,
    response_model_exclude_none=True,
    openapi_extra=body_schema(ImportRequest),
)
async def import_items(_: Admin, request: Request, wanted: NewItems, handlers: Handlers) -> ImportAnswer:
    """Creates each item on its own: one that fails says why and leaves the others alone."""
    items = await handlers.imports.run(wanted.items)
    return ImportAnswer(items=[_answer(request, item) for item in items])


@router.post("/lookup")
async def look_up(_: Admin, wanted: LookupRequest, handlers: Handlers) -> LookupAnswer:
    """Which of these refs are in the catalogue, and their ids."""
    found = await handlers.imports.lookup(wanted.kind, wanted.refs)
    return LookupAnswer(items=[Found(ref=ref, id=one) for ref, one in found.items()])


def _answer(request: Request, item: Item) -> ItemAnswer:
    ref, kind = (printable(value) if isinstance(value, str) else None for value in (item.ref, item.kind))
    if item.error is not None:
        problem = json.loads(bytes(domain_problem(request, item.error).body))
        return ItemAnswer(ref=ref, kind=kind, status="failed", problem=problem)
    return ItemAnswer(ref=ref, kind=kind, status="created" if item.is_new else "exists", id=item.id)


router.include_router(importing)
