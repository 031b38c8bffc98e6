"""Webhooks over HTTP: the gateway's own route, and what admins see of events that came to nothing."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from payment_service.domain.errors import BadWebhook
from payment_service.handlers.webhooks import WebhookInbox
from payment_service.store.events import EventState, LeftState, StoredEvent
from service_kit.auth import Admin
from service_kit.idempotency import IdempotentRoute
from service_kit.models import Line, Model, Moment
from service_kit.pages import BadCursor, Page, PageRequest, Paging, cut, link_next

# Without idempotency keys: anybody may call it, and an event has its own id.
router = APIRouter(prefix="/api/v1/payments", tags=["payments"])
admin_router = APIRouter(prefix="/api/v1/payments/webhooks", tags=["payments"], route_class=IdempotentRoute)


class Received(Model):
    received: bool = True


class Dismiss(Model):
    """`reason`: why nothing is to be done about it, for whoever asks later."""

    reason: Annotated[Line, Field(min_length=1, max_length=500)]


class DismissalAnswer(Model):
    by: str
    reason: str
    at: Moment


class WebhookAnswer(Model):
    """`eventId` is the gateway's, which shows the event's content; `error` says why it failed."""

    event_id: str
    type: str
    state: EventState
    tries: int
    error: str
    received_at: Moment
    finished_at: Moment | None
    dismissal: DismissalAnswer | None


@router.post("/webhook", response_model=Received)
async def receive_webhook(request: Request) -> Received:
    """The gateway's events: `Stripe-Signature` over the raw body; 200 only once the event is stored."""
    signatures = request.headers.getlist("stripe-signature")
    if len(signatures) > 1:
        raise BadWebhook("There is more than one Stripe-Signature")
    await _inbox(request).receive(await request.body(), signatures[0] if signatures else None)
    return Received()


@admin_router.get("", response_model=Page[WebhookAnswer])
async def list_webhooks(
    request: Request,
    response: Response,
    _: Admin,
    paging: PageRequest,
    state: Annotated[LeftState, Query()] = "failed",
) -> Page[WebhookAnswer]:
    """Events that could not be applied (`failed`) or were about no payment of ours (`unmatched`), the latest first; or
    such of which an admin said that nothing is to be done about them (`dismissed`).
    """
    rows = await _inbox(request).left(state, _position(paging), paging.limit + 1)
    page, next_cursor = cut(rows, paging.limit, lambda event: [_milliseconds(event.finished_at), event.id])
    link_next(request, response, next_cursor)
    return Page(items=[_answer(event) for event in page], next_cursor=next_cursor)


@admin_router.post("/{event_id}/replay", status_code=202, response_model=WebhookAnswer)
async def replay_webhook(event_id: str, request: Request, _: Admin) -> WebhookAnswer:
    """Have such an event applied again, within seconds. Repeats are harmless."""
    return _answer(await _inbox(request).replay(event_id))


@admin_router.post("/{event_id}/dismiss", response_model=WebhookAnswer)
async def dismiss_webhook(event_id: str, body: Dismiss, request: Request, admin: Admin) -> WebhookAnswer:
    """Nothing is to be done about such an event: the audit tells of it no more. A replay takes that back."""
    return _answer(await _inbox(request).dismiss(event_id, admin.subject, body.reason))


def _inbox(request: Request) -> WebhookInbox:
    inbox: WebhookInbox = request.app.state.webhooks
    return inbox


def _position(paging: Paging) -> tuple[datetime, str] | None:
    position = paging.after(int, str)
    if position is None:
        return None
    try:
        return datetime.fromtimestamp(position[0] / 1000, UTC), position[1]
    except (ValueError, OverflowError, OSError) as error:
        raise BadCursor from error


def _milliseconds(at: datetime | None) -> int:
    return round(at.timestamp() * 1000) if at else 0


def _answer(event: StoredEvent) -> WebhookAnswer:
    return WebhookAnswer(
        event_id=event.id,
        type=event.type,
        state=event.state,
        tries=event.tries,
        error=event.error,
        received_at=event.received_at,
        finished_at=event.finished_at,
        dismissal=DismissalAnswer(**asdict(event.dismissal)) if event.dismissal else None,
    )
