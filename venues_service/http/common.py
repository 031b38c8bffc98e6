"""What the routes share: the handlers, large bodies, JSON merge patches."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Body, Depends, Query, Request, Response
from pydantic import BaseModel
from pydantic_core import from_json

from service_kit.errors import Malformed
from service_kit.etags import etag
from service_kit.models import Line
from service_kit.pages import BadCursor
from venues_service.handlers.cities import CityHandlers
from venues_service.handlers.events import EventHandlers
from venues_service.handlers.hall_files import HallFileHandlers
from venues_service.handlers.halls import HallHandlers
from venues_service.handlers.imports import ImportHandlers
from venues_service.handlers.showtimes import ShowtimeHandlers
from venues_service.handlers.venues import VenueHandlers

T = TypeVar("T")
LARGEST_BODY = 16 * 1024 * 1024

Words = Annotated[Line | None, Query(max_length=200)]


@dataclass(frozen=True)
class Catalogue:
    """All use cases."""

    venues: VenueHandlers
    halls: HallHandlers
    hall_files: HallFileHandlers
    events: EventHandlers
    showtimes: ShowtimeHandlers
    cities: CityHandlers
    imports: ImportHandlers


def _catalogue(request: Request) -> Catalogue:
    catalogue: Catalogue = request.app.state.handlers
    return catalogue


Handlers = Annotated[Catalogue, Depends(_catalogue)]
# What it may hold is checked once it is merged into what is there.
MergePatch = Annotated[dict[str, Any], Body(description="A JSON merge patch (RFC 7396) of the fields of the POST")]


def created(response: Response, path: str, version: int) -> None:
    response.headers["Location"] = path
    response.headers["ETag"] = etag(version)


def large_body(parse: Callable[[Any], T]) -> Callable[[Request], Coroutine[Any, Any, T]]:
    """A dependency that reads the JSON body and parses it in a thread, so that megabytes don't hold up others."""

    async def read(request: Request) -> T:
        raw = await request.body()
        return await asyncio.to_thread(lambda: parse(_json(raw)))

    return read


def _json(raw: bytes) -> Any:
    try:
        return from_json(raw)
    except ValueError as error:
        raise Malformed("The body is not valid JSON") from error


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI of a body that `large_body` reads, which FastAPI can't see."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": _inline(schema, definitions)}}}
    }


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inline(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inline(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inline(part, definitions) for name, part in schema.items()}


def moment_of(milliseconds: int) -> datetime:
    """The moment in a cursor. Raises BadCursor for one that no calendar has."""
    try:
        return datetime.fromtimestamp(milliseconds / 1_000, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise BadCursor from error
