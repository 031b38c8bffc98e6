"""Routes of the log of an endpoint."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from service_kit.auth import Admin
from service_kit.etags import etag, tagged
from service_kit.idempotency import IdempotentRoute, resource_id
from service_kit.models import Model, Moment
from service_kit.pages import Page, PageRequest, link_next
from webhooks_service.domain.deliveries import Delivery, State
from webhooks_service.http.common import PLACE, EventType, UseCases
from webhooks_service.store.deliveries import Span

router = APIRouter(prefix=PLACE + "/{endpoint_id}", route_class=IdempotentRoute)


class ReplayRequest(Model):
    """The events from `since` on, before `until` (without one: all), of these types (without them: all)."""

    since: Moment
    until: Moment | None = None
    types: Annotated[list[EventType], Field(min_length=1, max_length=20)] | None = None


class ReplayAnswer(Model):
    replayed: int


class AttemptAnswer(Model):
    """`answer`: the first bytes of it; `error`: why there was none."""

    at: Moment
    duration_ms: int
    status_code: int | None
    answer: str
    error: str


class DeliveryAnswer(Model):
    """`nextTryAt` while it is pending. `error`: why it failed without a try. `tries` counts from the last replay."""

    delivery_id: str
    event_id: str
    type: str
    timestamp: Moment
    state: State
    tries: int
    next_try_at: Moment | None
    error: str
    attempts: list[AttemptAnswer]
    created_at: Moment


class WholeDelivery(DeliveryAnswer):
    """With the `body` as it is sent."""

    body: str


@router.get("/deliveries")
async def list_deliveries(
    _: Admin,
    *,
    request: Request,
    response: Response,
    endpoint_id: str,
    page: PageRequest,
    use: UseCases,
    state: Annotated[State | None, Query()] = None,
) -> Page[DeliveryAnswer]:
    """The log of 30 days, the newest first."""
    items, following = await use.deliveries.page(endpoint_id, page.after(str), page.limit, state)
    link_next(request, response, following)
    return Page(items=[_answer(each) for each in items], next_cursor=following)


@router.get("/deliveries/{delivery_id}", response_model=WholeDelivery)
async def read_delivery(
    _: Admin, request: Request, response: Response, endpoint_id: str, delivery_id: str, use: UseCases
) -> WholeDelivery | Response:
    delivery = await use.deliveries.get(endpoint_id, delivery_id)
    whole = WholeDelivery(**_answer(delivery).model_dump(), body=delivery.message.body)
    return tagged(request, response, delivery.version, whole)


@router.post("/deliveries/{delivery_id}/replay", status_code=202)
async def replay_delivery(
    _: Admin, response: Response, endpoint_id: str, delivery_id: str, use: UseCases
) -> DeliveryAnswer:
    """Send it again, delivered or not, under the same event id."""
    return _accepted(response, await use.deliveries.replay(endpoint_id, delivery_id))


@router.post("/replay", status_code=202)
async def replay_failed(_: Admin, endpoint_id: str, wanted: ReplayRequest, use: UseCases) -> ReplayAnswer:
    """Send all failed ones of a time again."""
    types = None if wanted.types is None or "*" in wanted.types else wanted.types
    span = Span(wanted.since, wanted.until, types)
    return ReplayAnswer(replayed=await use.deliveries.replay_failed(endpoint_id, span))


@router.post("/test", status_code=202)
async def send_test(_: Admin, request: Request, response: Response, endpoint_id: str, use: UseCases) -> DeliveryAnswer:
    """Send an event of type `webhook.test`."""
    return _accepted(response, await use.deliveries.test(endpoint_id, resource_id(request)))


def _accepted(response: Response, delivery: Delivery) -> DeliveryAnswer:
    place = f"{PLACE}/{delivery.endpoint_id}/deliveries/{delivery.id}"
    response.headers["Location"] = place
    response.headers["ETag"] = etag(delivery.version)
    return _answer(delivery)


def _answer(delivery: Delivery) -> DeliveryAnswer:
    message = delivery.message
    return DeliveryAnswer(
        delivery_id=delivery.id,
        event_id=message.event_id,
        type=message.type,
        timestamp=message.occurred_at,
        state=delivery.state,
        tries=delivery.tries,
        next_try_at=delivery.due_at,
        error=delivery.error,
        attempts=[
            AttemptAnswer(
                at=each.at,
                duration_ms=each.duration_ms,
                status_code=each.status_code,
                answer=each.answer,
                error=each.error,
            )
            for each in delivery.attempts
        ],
        created_at=delivery.created_at,
    )
