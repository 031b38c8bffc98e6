"""The routes of payments."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from payment_service.domain.disputes import Dispute, DisputeStatus
from payment_service.domain.payment import Payment, Status
from payment_service.domain.refunds import Mismatch, Refund
from payment_service.domain.reports import RefundStatus
from payment_service.handlers.payments import Order, Payments
from service_kit.auth import AdminOrService, Caller, Principal, ServiceOnly
from service_kit.etags import answer_304, etag, not_modified
from service_kit.idempotency import IdempotentRoute, resource_id
from service_kit.models import Currency, Id, Line, Minor, Model, Moment
from service_kit.pages import Page, PageRequest, cut, link_next


def _kept_by_nobody(response: Response) -> None:
    """Answers have the secret by which an intent is paid in them."""
    response.headers["Cache-Control"] = "private, no-store"


router = APIRouter(
    prefix="/api/v1/payments",
    tags=["payments"],
    route_class=IdempotentRoute,
    dependencies=[Depends(_kept_by_nobody)],
)

Charged = Annotated[Minor, Field(ge=1)]


class PaymentRequest(Model):
    """`retryDeclined`: a declined card leaves the payment pending, for another try. A repeat doesn't change it."""

    booking_id: Id
    user_id: Id
    amount: Charged
    currency: Currency
    description: Annotated[Line, Field(max_length=500)] = ""
    retry_declined: Annotated[bool, Field(strict=True)] = False


class RefundRequest(Model):
    """Without an amount: all that is left."""

    amount: Charged | None = None
    reason: Annotated[Line, Field(max_length=500)] = ""


class RefundAnswer(Model):
    """`waiting`: the buyer's bank has the money while it is disputed. `byDispute`: the bank has given it to him."""

    refund_id: str
    amount: int
    reason: str
    status: RefundStatus
    requested_at: Moment
    by_dispute: bool = False


class DisputeAnswer(Model):
    """`disputeId` is the gateway's; `taken` what of `amount` we can't count on."""

    dispute_id: str
    amount: int
    taken: int
    reason: str
    status: DisputeStatus
    opened_at: Moment
    closed_at: Moment | None


class MismatchAnswer(Model):
    """Money that came and was not what was asked for; `status` is that of its return."""

    amount: int
    currency: str
    status: RefundStatus
    noticed_at: Moment


class PaymentAnswer(Model):
    """`paymentIntent` is the gateway's id; `clientSecret`, for the payer alone, confirms it there.

    `cancelling`: the intent is being cancelled at the gateway. `mismatch`: another sum or currency came than was asked
    for, and goes back. `disputes` are for admins and services.
    """

    payment_id: str
    booking_id: str
    user_id: str
    status: Status
    amount: int
    refunded: int
    currency: str
    description: str
    provider: str
    payment_intent: str | None
    client_secret: str | None
    failure: str | None
    cancelling: bool
    refunds: list[RefundAnswer]
    mismatch: MismatchAnswer | None
    disputes: list[DisputeAnswer] | None
    version: int
    created_at: Moment
    updated_at: Moment


class RefundMade(RefundAnswer):
    """A refund with its payment's state after it."""

    payment_id: str
    booking_id: str
    currency: str
    refunded: int
    payment_status: Status


@router.post("", status_code=201, response_model=PaymentAnswer)
async def open_payment(
    body: PaymentRequest, request: Request, response: Response, caller: ServiceOnly
) -> PaymentAnswer:
    """The payment intent of a booking: made once, and the same again on a repeat (200)."""
    order = Order(body.booking_id, body.user_id, body.amount, body.currency, body.description, body.retry_declined)
    payment, created = await _payments(request).open(order, resource_id(request))
    if not created:
        response.status_code = 200
    response.headers["Location"] = f"/api/v1/payments/{payment.id}"
    response.headers["ETag"] = etag(payment.version)
    return _answer(payment, caller)


@router.get("", response_model=Page[PaymentAnswer])
async def list_payments(
    request: Request,
    response: Response,
    caller: AdminOrService,
    paging: PageRequest,
    booking_id: Annotated[Id | None, Query(alias="bookingId")] = None,
) -> Page[PaymentAnswer]:
    """Payments, newest first; that of one booking, where it is given."""
    position = paging.after(str)
    rows = await _payments(request).newest(booking_id, position[0] if position else None, paging.limit + 1)
    page, next_cursor = cut(rows, paging.limit, lambda payment: [payment.id])
    link_next(request, response, next_cursor)
    return Page(items=[_answer(payment, caller) for payment in page], next_cursor=next_cursor)


@router.get("/{payment_id}", response_model=PaymentAnswer)
async def get_payment(
    payment_id: str, request: Request, response: Response, caller: Caller
) -> PaymentAnswer | Response:
    """A payment, for who pays it, admins and services."""
    payment = await _payments(request).get(payment_id, caller)
    tag = etag(payment.version)
    if not_modified(request, tag):
        return answer_304(tag)
    response.headers["ETag"] = tag
    return _answer(payment, caller)


@router.post("/{payment_id}/cancel", response_model=PaymentAnswer)
async def cancel_payment(
    payment_id: str, request: Request, response: Response, caller: AdminOrService
) -> PaymentAnswer:
    """Take no money any more; 202 while the gateway has not cancelled the intent yet. Repeats are harmless."""
    payment = await _payments(request).cancel(payment_id)
    response.status_code = 202 if payment.status == "pending" else 200
    response.headers["ETag"] = etag(payment.version)
    return _answer(payment, caller)


@router.post("/{payment_id}/refund", status_code=201, response_model=RefundMade)
async def refund_payment(
    payment_id: str, request: Request, _: AdminOrService, body: RefundRequest | None = None
) -> RefundMade:
    """Give money back, in whole or in part; `pending` until the gateway has done it."""
    asked = body or RefundRequest()
    payment, refund = await _payments(request).refund(payment_id, resource_id(request), asked.amount, asked.reason)
    return RefundMade(
        **_refund(refund).model_dump(),
        payment_id=payment.id,
        booking_id=payment.booking_id,
        currency=payment.currency,
        refunded=payment.refunded,
        payment_status=payment.status,
    )


def _payments(request: Request) -> Payments:
    payments: Payments = request.app.state.payments
    return payments


def _answer(payment: Payment, reader: Principal) -> PaymentAnswer:
    may_pay = reader.role == "service" or reader.subject == payment.user_id
    return PaymentAnswer(
        payment_id=payment.id,
        booking_id=payment.booking_id,
        user_id=payment.user_id,
        status=payment.status,
        amount=payment.amount,
        refunded=payment.refunded,
        currency=payment.currency,
        description=payment.description,
        provider=payment.provider,
        payment_intent=payment.reference,
        client_secret=payment.client_secret if may_pay else None,
        failure=payment.failure,
        cancelling=payment.cancel_intent,
        refunds=[_refund(refund) for refund in payment.refunds],
        mismatch=_mismatch(payment.mismatch) if payment.mismatch else None,
        disputes=[_dispute(dispute) for dispute in payment.disputes] if reader.privileged else None,
        version=payment.version,
        created_at=payment.created_at,
        updated_at=payment.updated_at,
    )


def _refund(refund: Refund) -> RefundAnswer:
    return RefundAnswer(
        refund_id=refund.id,
        amount=refund.amount,
        reason=refund.reason,
        status=refund.status,
        requested_at=refund.requested_at,
        by_dispute=refund.by_dispute,
    )


def _mismatch(mismatch: Mismatch) -> MismatchAnswer:
    return MismatchAnswer(
        amount=mismatch.amount,
        currency=mismatch.currency,
        status=mismatch.status,
        noticed_at=mismatch.noticed_at,
    )


def _dispute(dispute: Dispute) -> DisputeAnswer:
    return DisputeAnswer(
        dispute_id=dispute.reference,
        amount=dispute.amount,
        taken=dispute.taken,
        reason=dispute.reason,
        status=dispute.status,
        opened_at=dispute.opened_at,
        closed_at=dispute.closed_at,
    )
