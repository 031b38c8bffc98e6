"""Routes and models of holds and bookings."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from inventory_service.domain.booking import Booking
from inventory_service.domain.partner import Partner, PartnerState
from inventory_service.handlers import read
from inventory_service.handlers.access import Access, Knock
from inventory_service.handlers.cancel import fail
from inventory_service.handlers.confirm import confirm
from inventory_service.handlers.hoarding import holder_keys, reserve_within_limits
from inventory_service.handlers.pay import prepare_payment
from inventory_service.handlers.promo_codes import PromoCodes
from inventory_service.handlers.reserve import Reserve, extend
from inventory_service.http.choosing import Best
from inventory_service.http.common import AccessCode, ChannelName, SeatIds, inventory_of
from messaging.events import RefundPolicy
from service_kit.auth import Caller, Principal, ServiceOnly
from service_kit.errors import Forbidden, Invalid
from service_kit.etags import answer_304, etag, not_modified
from service_kit.idempotency import IdempotentRoute, is_retry, resource_id
from service_kit.limits import caller_address
from service_kit.models import Currency, Id, Int, Minor, Model, Moment, rfc3339
from service_kit.pages import BadCursor, Page, PageRequest, Paging, encode_cursor, link_next

router = APIRouter(prefix="/api/v1", route_class=IdempotentRoute)


class ReserveSeats(Model):
    """Either the seats themselves, or `best`: then the server chooses them.

    Through a `channel` one may have the seats that are blocked for it; people need the access code for that.
    `acceptOther`: should the payment come after the hold ran out and the seats be gone, equal ones will do.
    """

    seat_ids: SeatIds | None = None
    best: Best | None = None
    hold_timeout_seconds: Annotated[Int, Field(ge=60, le=1800)] | None = None
    user_id: Id | None = None
    promo_code: Annotated[str, Field(min_length=1, max_length=50)] | None = None
    channel: ChannelName | None = None
    access_code: AccessCode | None = None
    accept_other: Annotated[bool, Field(strict=True)] = False


class NewBooking(ReserveSeats):
    showtime_id: Id


class PriceLine(Model):
    seat_id: str
    label: str
    seat_type: str
    section: str
    amount: int


class DiscountLine(Model, extra="ignore"):
    """Of what is frozen of a discount, what concerns the buyer."""

    kind: str
    description: str
    amount: int


class PriceAnswer(Model):
    """`sum(lines) + sum(discounts) + fee = total`; discounts are negative."""

    currency: str
    lines: list[PriceLine]
    discounts: list[DiscountLine]
    fee: int
    total: int


RefundStatus = Literal["requested", "succeeded"]


class RefundAnswer(Model):
    amount: int
    currency: str
    reason: str
    status: RefundStatus


class PartAnswer(RefundAnswer):
    """Seats that were given back while the booking kept others. `value`: what was paid for them."""

    seat_ids: list[str]
    value: int
    at: Moment


class RuleAnswer(Model):
    hours_before: int
    percent: int


class PolicyAnswer(Model):
    """By the first rule whose time is kept `percent` of the ticket price comes back; without rules all of it."""

    rules: list[RuleAnswer]
    keep_fee: bool


class RescheduledAnswer(Model):
    """The show was moved: keep the booking, or cancel it and get everything back."""

    from_: Annotated[Moment, Field(alias="from")]
    to: Moment


class SeatsChanged(Model):
    from_: Annotated[list[str], Field(alias="from")]
    to: list[str]


class PartnerTicket(Model):
    seat_id: str
    ticket_id: str


class PartnerAnswer(Model):
    """The theatre that must agree to the sale. `deadline`: an `asked` one has until then to answer."""

    partner_id: str
    state: PartnerState
    deadline: Moment | None = None
    tickets: list[PartnerTicket] | None = None
    reason: str | None = None


class BookingAnswer(Model):
    booking_id: str
    status: str
    showtime_id: str
    event_id: str
    venue_id: str
    user_id: str
    seat_ids: list[str]
    channel: str | None = None
    accept_other: bool | None = None
    seats_changed: SeatsChanged | None = None
    final_amount: int
    currency: str
    price: PriceAnswer
    held_until: Moment | None = None
    payment_id: str | None = None
    refund: RefundAnswer | None = None
    refunded_amount: int | None = None
    cancelled_parts: list[PartAnswer] | None = None
    refund_policy: PolicyAnswer
    starts_at: Moment | None = None
    rescheduled: RescheduledAnswer | None = None
    partner: PartnerAnswer | None = None
    created_at: Moment
    updated_at: Moment


def booking_answer(booking: Booking) -> BookingAnswer:
    """`heldUntil` only stands where there is a hold, `refundedAmount` (of all refunds) where money came back.

    `startsAt` is the time of the show that the buyer agreed to. `acceptOther` stands where he agreed to equal seats for
    late money, `seatsChanged` where he got them.
    """
    refund = booking.refund
    return BookingAnswer(
        booking_id=booking.id,
        status=booking.status,
        showtime_id=booking.showtime_id,
        event_id=booking.event_id,
        venue_id=booking.venue_id,
        user_id=booking.user_id,
        seat_ids=booking.seat_ids,
        channel=booking.channel,
        accept_other=booking.accept_other or None,
        seats_changed=SeatsChanged.model_validate(booking.seats_changed) if booking.seats_changed else None,
        final_amount=booking.amount,
        currency=booking.currency,
        price=PriceAnswer.model_validate({**booking.price, "total": booking.amount}),
        held_until=booking.held_until if booking.waiting else None,
        payment_id=booking.payment_id,
        refund=RefundAnswer(
            amount=refund["amount"],
            currency=refund["currency"],
            reason=refund["reason"],
            status="succeeded" if booking.all_back else "requested",
        )
        if refund
        else None,
        refunded_amount=booking.refunded or None,
        cancelled_parts=_parts(booking) or None,
        refund_policy=policy_answer(booking.policy),
        starts_at=booking.starts_at,
        rescheduled=RescheduledAnswer(from_=booking.starts_at, to=booking.moved_to)
        if booking.starts_at and booking.moved_to
        else None,
        partner=_partner_answer(booking, booking.partner) if booking.partner else None,
        created_at=booking.created_at,
        updated_at=booking.updated_at,
    )


def policy_answer(policy: RefundPolicy) -> PolicyAnswer:
    return PolicyAnswer.model_validate(policy.model_dump())


def _parts(booking: Booking) -> list[PartAnswer]:
    """In the order in which they were given back, which is that in which the money is counted."""
    parts, asked = [], 0
    for part in booking.parts:
        asked += part.refund
        parts.append(
            PartAnswer(
                seat_ids=list(part.seat_ids),
                value=part.value,
                amount=part.refund,
                currency=booking.currency,
                reason=part.reason,
                status="succeeded" if booking.refunded >= asked else "requested",
                at=part.at,
            )
        )
    return parts


def _partner_answer(booking: Booking, partner: Partner) -> PartnerAnswer:
    tickets = [
        PartnerTicket(seat_id=seat_id, ticket_id=partner.ticket_ids[seat_id])
        for seat_id in booking.seat_ids
        if seat_id in partner.ticket_ids
    ]
    return PartnerAnswer(
        partner_id=partner.id,
        state=booking.partner_state or partner.state,
        deadline=partner.deadline if partner.state == "asked" else None,
        tickets=tickets or None,
        reason=partner.reason,
    )


@router.post(
    "/showtimes/{showtime_id}/seats/reserve", status_code=201, tags=["bookings"], response_model_exclude_none=True
)
async def reserve_seats(
    showtime_id: str, body: ReserveSeats, request: Request, response: Response, caller: Caller
) -> BookingAnswer:
    """Hold all these seats or none."""
    return await _reserve(showtime_id, body, request, response, caller)


@router.post("/bookings", status_code=201, tags=["bookings"], response_model_exclude_none=True)
async def create_booking(body: NewBooking, request: Request, response: Response, caller: Caller) -> BookingAnswer:
    """The same, with the showtime in the body."""
    return await _reserve(body.showtime_id, body, request, response, caller)


async def _reserve(
    showtime_id: str, body: ReserveSeats, request: Request, response: Response, caller: Principal
) -> BookingAnswer:
    if body.user_id is not None and body.user_id != caller.subject and not caller.privileged:
        raise Forbidden("Only admins and services may book for somebody else")
    if (body.seat_ids is None) == (body.best is None):
        raise Invalid("Give either seatIds or best", faults=[("/seatIds", "give this or best")])
    await _require_access(showtime_id, body, request, caller)
    if body.promo_code is not None:
        codes: PromoCodes = request.app.state.promo_codes
        await codes.require_known(showtime_id, body.promo_code, caller, caller_address(request))
    inventory = inventory_of(request)
    command = Reserve(
        booking_id=resource_id(request),
        user_id=body.user_id or caller.subject,
        showtime_id=showtime_id,
        seat_ids=body.seat_ids or [],
        hold_seconds=body.hold_timeout_seconds or inventory.settings.default_hold_seconds,
        promo_code=body.promo_code,
        retried=is_retry(request),
        party=body.best.party() if body.best else None,
        tidy=not caller.privileged,
        holder_keys=holder_keys(inventory.settings, caller, caller_address(request)),
        channel=body.channel,
        accept_other=body.accept_other,
    )
    booking = await reserve_within_limits(inventory, command)
    response.headers["Location"] = f"/api/v1/bookings/{booking.id}"
    return _tagged(response, booking)


async def _require_access(showtime_id: str, body: ReserveSeats, request: Request, caller: Principal) -> None:
    if body.channel is not None:
        access: Access = request.app.state.access
        await access.require(Knock(showtime_id, body.channel, body.access_code, caller, caller_address(request)))
    elif body.access_code is not None:
        raise Invalid("An access code opens a channel", faults=[("/accessCode", "only with a channel")])


def _tagged(response: Response, booking: Booking) -> BookingAnswer:
    response.headers["ETag"] = etag(booking.version)
    return booking_answer(booking)


@router.get("/bookings", tags=["bookings"], response_model_exclude_none=True)
async def list_bookings(
    request: Request, response: Response, caller: Caller, paging: PageRequest
) -> Page[BookingAnswer]:
    """One's own bookings, newest first."""
    found = await inventory_of(request).bookings.of_user(caller.subject, _position(paging), paging.limit + 1)
    shown = found[: paging.limit]
    more = len(found) > paging.limit
    next_cursor = encode_cursor([rfc3339(shown[-1].created_at), shown[-1].id]) if more else None
    link_next(request, response, next_cursor)
    return Page(items=[booking_answer(booking) for booking in shown], next_cursor=next_cursor)


def _position(paging: Paging) -> tuple[datetime, str] | None:
    """Raises BadCursor."""
    after = paging.after(str, str)
    if after is None:
        return None
    try:
        return datetime.fromisoformat(after[0]).astimezone(UTC), after[1]
    except (ValueError, OverflowError) as error:
        raise BadCursor from error


@router.get("/bookings/{booking_id}", tags=["bookings"], response_model=BookingAnswer, response_model_exclude_none=True)
async def get_booking(
    booking_id: str, request: Request, response: Response, caller: Caller
) -> BookingAnswer | Response:
    booking = await read.own_booking(inventory_of(request), booking_id, caller)
    tag = etag(booking.version)
    if not_modified(request, tag):
        return answer_304(tag)
    response.headers["ETag"] = tag
    return booking_answer(booking)


class Extend(Model):
    additional_minutes: Annotated[Int, Field(ge=1, le=30)]


@router.post("/bookings/{booking_id}/extend", tags=["bookings"], response_model_exclude_none=True)
async def extend_hold(
    booking_id: str, body: Extend, request: Request, response: Response, caller: Caller
) -> BookingAnswer:
    """A later end for a live hold, within bounds."""
    inventory = inventory_of(request)
    booking = await read.own_booking(inventory, booking_id, caller)
    return _tagged(response, await extend(inventory, booking, body.additional_minutes))


class PreparePayment(Model):
    """`retryDeclined`: should a card be declined, the seats stay held as long as they were, for another try."""

    final_amount: Minor
    currency: Currency
    retry_declined: Annotated[bool, Field(strict=True)] = False


class PreparedAnswer(Model):
    booking_id: str
    status: str
    payment_id: str | None
    payment_intent: str | None
    client_secret: str | None
    provider: str


@router.post("/bookings/{booking_id}/preparePayment", tags=["bookings"])
async def prepare(
    booking_id: str, body: PreparePayment, request: Request, response: Response, caller: Caller
) -> PreparedAnswer:
    """The payment intent of a held booking; the same one on a repeat."""
    response.headers["Cache-Control"] = "private, no-store"
    inventory = inventory_of(request)
    booking = await read.own_booking(inventory, booking_id, caller)
    prepared = await prepare_payment(
        inventory, booking, body.final_amount, body.currency, retry_declined=body.retry_declined
    )
    return PreparedAnswer(
        booking_id=booking_id,
        status=prepared.booking.status,
        payment_id=prepared.payment_id,
        payment_intent=prepared.payment_intent,
        client_secret=prepared.client_secret,
        provider=prepared.provider,
    )


class Confirm(Model):
    payment_status: Literal["succeeded", "failed"]
    payment_id: Id


@router.put("/bookings/{booking_id}/confirm", tags=["bookings"], response_model_exclude_none=True)
async def confirm_booking(
    booking_id: str, body: Confirm, request: Request, response: Response, _: ServiceOnly
) -> BookingAnswer:
    """The outcome of the payment, told by a service. Repeats are harmless."""
    inventory = inventory_of(request)
    if body.payment_status == "succeeded":
        return _tagged(response, await confirm(inventory, booking_id, body.payment_id))
    return _tagged(response, await fail(inventory, booking_id, body.payment_id))
