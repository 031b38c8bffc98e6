"""What the routes share."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Request

from webhooks_service.domain.payloads import PublicType
from webhooks_service.handlers.deliveries import DeliveryHandlers
from webhooks_service.handlers.endpoints import EndpointHandlers

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


UseCases = Annotated[Handlers, Depends(_handlers)]
