"""What the routes share."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from fastapi import Depends, Request, Response

from service_kit.etags import answer_304, etag, not_modified, require_match
from webhooks_service.domain.payloads import PublicType
from webhooks_service.handlers.deliveries import DeliveryHandlers
from webhooks_service.handlers.endpoints import EndpointHandlers, Precondition

T = TypeVar("T")
PLACE = "/api/v1/webhook-endpoints"
EventType = Literal["*", PublicType]
# Of whatever holds a secret.
PRIVATE = {"Cache-Control": "no-store"}


@dataclass(frozen=True)
class Handlers:
    """All use cases."""

    endpoints: EndpointHandlers
    deliveries: DeliveryHandlers


def _handlers(request: Request) -> Handlers:
    handlers: Handlers = request.app.state.handlers
    return handlers


def _precondition(request: Request) -> Precondition:
    return lambda version: require_match(request, etag(version))


UseCases = Annotated[Handlers, Depends(_handlers)]
IfMatch = Annotated[Precondition, Depends(_precondition)]


def tagged(request: Request, response: Response, version: int, state: T) -> T | Response:
    """`state` with its ETag, or 304 for a reader who has it."""
    tag = etag(version)
    if request.method == "GET" and not_modified(request, tag):
        return answer_304(tag)
    response.headers["ETag"] = tag
    return state
