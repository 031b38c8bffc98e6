"""The routes of partners, for admins."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from partners_service.domain.partners import BreakerState, Partner
from partners_service.handlers.partners import Directory
from partners_service.store.exchanges import Exchange, Exchanges, Kind, Outcome
from partners_service.store.requests import Requests
from service_kit.auth import Admin, AdminOrService
from service_kit.errors import Invalid
from service_kit.etags import etag, require_match
from service_kit.idempotency import IdempotentRoute, resource_id
from service_kit.models import Id, Line, Model, Moment, Name, Number
from service_kit.pages import Page, PageRequest, cut, link_next

router = APIRouter(prefix="/api/v1/partners", tags=["partners"], route_class=IdempotentRoute)

# Of answers with a secret.
PRIVATE = {"Cache-Control": "no-store"}
Url = Annotated[Line, Field(min_length=1, max_length=500)]
# More than that and a claim would lapse while it is used; less than a second, and nobody answers.
Timeout = Annotated[Number, Field(ge=0.5, le=10)]


class NewPartner(Model):
    name: Name
    url: Url
    timeout_seconds: Timeout = 5.0


class PartnerChange(Model):
    name: Name | None = None
    url: Url | None = None
    timeout_seconds: Timeout | None = None


class SecretAnswer(Model):
    secret_id: str
    created_at: Moment


class BreakerAnswer(Model):
    """`open`: nothing is sent before `openUntil`; `half-open`: one request goes to see."""

    state: BreakerState
    failures: int
    open_until: Moment | None = None


class ErrorAnswer(Model):
    at: Moment
    message: str


class OpenAnswer(Model):
    """Bookings that the theatre is being asked for, and those of whose end, in whole or in part, it has yet to hear."""

    asking: int
    telling: int


class PartnerAnswer(Model):
    """`secrets`: which are valid; they themselves are shown once, when they are made."""

    partner_id: str
    name: str
    url: str
    timeout_seconds: float
    secrets: list[SecretAnswer]
    breaker: BreakerAnswer
    last_error: ErrorAnswer | None = None
    open: OpenAnswer
    version: int
    created_at: Moment
    updated_at: Moment


class PartnerMade(PartnerAnswer):
    """`secret` is what both sides sign by. It is not shown again."""

    secret: str


class ExchangeAnswer(Model):
    """`exchangeId` is the `Marquee-Request-Id` that the theatre saw."""

    exchange_id: str
    booking_id: str
    kind: Kind
    at: Moment
    milliseconds: int
    outcome: Outcome
    status: int | None = None
    detail: str = ""


@router.post("", status_code=201, response_model_exclude_none=True)
async def create_partner(_: Admin, body: NewPartner, request: Request, response: Response) -> PartnerMade:
    """A theatre that confirms what is sold for it. Its secret is shown in this answer alone."""
    directory = _directory(request)
    partner, secret = await directory.add(resource_id(request), body.name, body.url, body.timeout_seconds)
    response.headers.update(PRIVATE)
    response.headers["Location"] = f"/api/v1/partners/{partner.id}"
    return PartnerMade(**await _fields(request, response, partner), secret=secret)


@router.get("", response_model_exclude_none=True)
async def list_partners(_: Admin, request: Request, response: Response, paging: PageRequest) -> Page[PartnerAnswer]:
    after = paging.after(str) or [""]
    rows = await _directory(request).partners.page(after[0], paging.limit + 1)
    shown, following = cut(rows, paging.limit, lambda partner: [partner.id])
    link_next(request, response, following)
    return Page(items=[await _answer(request, Response(), partner) for partner in shown], next_cursor=following)


@router.get("/{partner_id}", response_model_exclude_none=True)
async def get_partner(_: AdminOrService, partner_id: str, request: Request, response: Response) -> PartnerAnswer:
    """With the state of its breaker and the last error. The ETag is that of what admins change."""
    return await _answer(request, response, await _directory(request).get(partner_id))


@router.patch("/{partner_id}", response_model_exclude_none=True)
async def change_partner(
    _: Admin, partner_id: str, body: PartnerChange, request: Request, response: Response
) -> PartnerAnswer:
    partner = await _matching(request, partner_id)
    values: dict[str, Any] = body.model_dump(exclude_unset=True)
    empty = [(f"/{name}", "must not be null") for name, value in values.items() if value is None]
    if empty:
        raise Invalid(faults=empty)
    return await _answer(request, response, await _directory(request).change(partner, values))


@router.delete("/{partner_id}", status_code=204)
async def delete_partner(_: Admin, partner_id: str, request: Request) -> None:
    """It is asked for nothing more, and told of cancellations still. 409 `partner-in-use` while venues name it."""
    await _directory(request).delete(await _matching(request, partner_id), request.app.state.venues)


@router.post("/{partner_id}/secrets", status_code=201, response_model_exclude_none=True)
async def add_secret(_: Admin, partner_id: str, request: Request, response: Response) -> PartnerMade:
    """A new secret, shown in this answer alone. The newest of the others stays valid beside it."""
    directory, secret_id = _directory(request), resource_id(request)
    partner = await directory.get(partner_id)
    secret = directory.secret_of(partner, secret_id)
    if secret is None:  # a retry finds what it made, and so another version than it was meant for
        require_match(request, etag(partner.version))
        partner, secret = await directory.new_secret(partner, secret_id)
    response.headers.update(PRIVATE)
    return PartnerMade(**await _fields(request, response, partner), secret=secret)


@router.delete("/{partner_id}/secrets/{secret_id}", response_model_exclude_none=True)
async def retire_secret(
    _: Admin, partner_id: str, secret_id: str, request: Request, response: Response
) -> PartnerAnswer:
    """It is valid no longer. The last one stays (409)."""
    partner = await _matching(request, partner_id)
    return await _answer(request, response, await _directory(request).retire_secret(partner, secret_id))


@router.get("/{partner_id}/exchanges", response_model_exclude_none=True)
async def list_exchanges(
    _: Admin,
    partner_id: str,
    request: Request,
    response: Response,
    paging: PageRequest,
    booking_id: Annotated[Id | None, Query(alias="bookingId")] = None,
) -> Page[ExchangeAnswer]:
    """What was asked and answered in the last 30 days, newest first; of one booking, if that is given."""
    await _directory(request).get(partner_id)
    exchanges: Exchanges = request.app.state.exchanges
    before = paging.after(str) or [None]
    rows = list(await exchanges.page(partner_id, booking_id, before[0], paging.limit + 1))
    shown, following = cut(rows, paging.limit, lambda exchange: [exchange.id])
    link_next(request, response, following)
    return Page(items=[_exchange(exchange) for exchange in shown], next_cursor=following)


def _directory(request: Request) -> Directory:
    directory: Directory = request.app.state.directory
    return directory


async def _matching(request: Request, partner_id: str) -> Partner:
    """Raises PartnerNotFound, PreconditionFailed."""
    partner = await _directory(request).get(partner_id)
    require_match(request, etag(partner.version))
    return partner


async def _answer(request: Request, response: Response, partner: Partner) -> PartnerAnswer:
    return PartnerAnswer(**await _fields(request, response, partner))


async def _fields(request: Request, response: Response, partner: Partner) -> dict[str, Any]:
    response.headers["ETag"] = etag(partner.version)
    requests: Requests = request.app.state.requests
    breaker, now = partner.breaker, request.app.state.kit.clock.now()
    state = breaker.state(now)
    error = partner.last_error
    return {
        "partner_id": partner.id,
        "name": partner.name,
        "url": partner.url,
        "timeout_seconds": partner.timeout_seconds,
        "secrets": [SecretAnswer(secret_id=secret.id, created_at=secret.created_at) for secret in partner.secrets],
        "breaker": BreakerAnswer(
            state=state, failures=breaker.failures, open_until=breaker.until if state == "open" else None
        ),
        "last_error": ErrorAnswer(at=error.at, message=error.message) if error else None,
        "open": OpenAnswer(**await requests.open_of(partner.id)),
        "version": partner.version,
        "created_at": partner.created_at,
        "updated_at": partner.updated_at,
    }


def _exchange(exchange: Exchange) -> ExchangeAnswer:
    return ExchangeAnswer(
        exchange_id=exchange.id,
        booking_id=exchange.booking_id,
        kind=exchange.kind,
        at=exchange.at,
        milliseconds=exchange.milliseconds,
        outcome=exchange.outcome,
        status=exchange.status,
        detail=exchange.detail,
    )
