"""Routes and models of giving tickets back: what would come back, doing it, and the choice when a show was moved."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from inventory_service.handlers import read
from inventory_service.handlers.give_back import Quote, Wish, cancel_by_owner, keep, quote_return
from inventory_service.http.bookings import BookingAnswer, PolicyAnswer, booking_answer, policy_answer
from inventory_service.http.common import SeatId, SeatIds, inventory_of
from service_kit.auth import Caller
from service_kit.errors import Forbidden
from service_kit.etags import IfMatch, etag
from service_kit.models import Minor, Model, Moment

router = APIRouter(prefix="/api/v1", tags=["bookings"])


class Cancel(Model):
    """Without `seatIds`: all of them. With `refundAmount`: only if just that comes back.

    `waivePolicy`, for staff: everything that was paid for these seats comes back, whatever the policy.
    """

    seat_ids: SeatIds | None = None
    refund_amount: Minor | None = None
    waive_policy: Annotated[bool, Field(strict=True)] = False


class ReturnAnswer(Model):
    """What giving these seats back now would bring: `refundAmount` of the `paidAmount` that they are worth.

    `percent` is the share of the ticket price, which may fall at `until`; without it, it holds up to the start of the
    show. `rescheduled`: the show was moved, so all of it comes back.
    """

    booking_id: str
    seat_ids: list[str]
    paid_amount: int
    refund_amount: int
    kept_amount: int
    currency: str
    percent: int
    until: Moment | None = None
    rescheduled: bool
    refund_policy: PolicyAnswer


class Keep(Model):
    starts_at: Moment


@router.get("/bookings/{booking_id}/cancellation", response_model_exclude_none=True)
async def get_cancellation(
    booking_id: str,
    request: Request,
    caller: Caller,
    seat_id: Annotated[list[SeatId] | None, Query(alias="seatId")] = None,
) -> ReturnAnswer:
    """What would come back if the booking, or these seats of it, were cancelled now."""
    inventory = inventory_of(request)
    booking = await read.own_booking(inventory, booking_id, caller)
    quote = await quote_return(inventory, booking, Wish(seat_id))
    return ReturnAnswer(
        booking_id=booking.id,
        seat_ids=list(quote.seat_ids),
        paid_amount=quote.paid,
        refund_amount=quote.refund,
        kept_amount=_kept(quote),
        currency=booking.currency,
        percent=quote.share.percent,
        until=quote.share.until,
        rescheduled=quote.rescheduled,
        refund_policy=policy_answer(booking.policy),
    )


def _kept(quote: Quote) -> int:
    return max(0, quote.paid - quote.refund)


@router.put("/bookings/{booking_id}/cancel", response_model_exclude_none=True)
async def cancel_booking(
    booking_id: str,
    request: Request,
    response: Response,
    *,
    caller: Caller,
    if_match: IfMatch,
    body: Cancel | None = None,
) -> BookingAnswer:
    """Release a hold, or cancel a confirmed booking or some of its seats: money goes back by the refund policy."""
    inventory = inventory_of(request)
    booking = await read.own_booking(inventory, booking_id, caller)
    asked = body or Cancel()
    if asked.waive_policy and not caller.privileged:
        raise Forbidden("Only admins and services may waive the refund policy")
    if_match(booking.version)
    by_staff = not booking.owned_by(caller.subject)
    wish = Wish(asked.seat_ids, asked.refund_amount, in_full=asked.waive_policy, by_staff=by_staff)
    cancelled = await cancel_by_owner(inventory, booking, wish)
    response.headers["ETag"] = etag(cancelled.version)
    return booking_answer(cancelled)


@router.put("/bookings/{booking_id}/keep", response_model_exclude_none=True)
async def keep_booking(
    booking_id: str, body: Keep, request: Request, response: Response, *, caller: Caller, if_match: IfMatch
) -> BookingAnswer:
    """Agree to the new time of a show that was moved. Who doesn't may cancel and gets everything back."""
    inventory = inventory_of(request)
    booking = await read.own_booking(inventory, booking_id, caller)
    if_match(booking.version)
    kept = await keep(inventory, booking, body.starts_at)
    response.headers["ETag"] = etag(kept.version)
    return booking_answer(kept)
