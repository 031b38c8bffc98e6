"""Routes for the staff of a venue: the bookings of a showtime, and how far its refunds are."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from inventory_service.domain.booking import Booking
from inventory_service.handlers.context import Inventory
from inventory_service.http.bookings import BookingAnswer, booking_answer
from inventory_service.http.common import inventory_of
from messaging.events import BookingStatus
from service_kit.auth import AdminOrService
from service_kit.models import Model
from service_kit.pages import Page, PageRequest, encode_cursor, link_next

router = APIRouter(prefix="/api/v1", tags=["bookings"])
ALL: tuple[BookingStatus, ...] = ("pending", "confirmed", "cancelled", "expired", "failed", "refunded")


class RefundsAnswer(Model):
    """Money on its way back to the buyers of a showtime, in minor units.

    `bookings` counts them by status, `refunding` those whose money was asked back and is not all there yet. `done`: the
    showtime is cancelled, no booking waits for that any more, and nothing is on its way.
    """

    showtime_id: str
    status: str
    currency: str
    bookings: dict[str, Annotated[int, Field(ge=0)]]
    asked_amount: int
    refunded_amount: int
    refunding: int
    done: bool


@router.get("/showtimes/{showtime_id}/refunds")
async def get_refunds(showtime_id: str, request: Request, _: AdminOrService) -> RefundsAnswer:
    """How far the refunds of a showtime are: of one that was cancelled, and of all that was given back before."""
    inventory = inventory_of(request)
    showtime = await inventory.current_showtime(showtime_id)
    behind = await inventory.seat_maps.is_behind(showtime_id)
    called_off = (await inventory.seat_map(showtime_id)).status == "cancelled"
    sums = await inventory.bookings.sums(showtime_id)
    refunding = sum(each["owing"] for each in sums.values())
    return RefundsAnswer(
        showtime_id=showtime_id,
        status="cancelled" if called_off else showtime.status,
        currency=showtime.pricing.currency,
        bookings={status: sums[status]["count"] for status in ALL if status in sums},
        asked_amount=sum(each["asked"] for each in sums.values()),
        refunded_amount=sum(each["refunded"] for each in sums.values()),
        refunding=refunding,
        done=called_off and not behind and not refunding,
    )


@router.get("/showtimes/{showtime_id}/bookings", response_model_exclude_none=True)
async def list_showtime_bookings(
    showtime_id: str,
    request: Request,
    response: Response,
    _: AdminOrService,
    paging: PageRequest,
    status: Annotated[list[BookingStatus] | None, Query()] = None,
) -> Page[BookingAnswer]:
    """The bookings of a showtime, oldest first; `status` may be given several times."""
    inventory = inventory_of(request)
    await inventory.showtime(showtime_id)
    found = await _page(inventory, showtime_id, status or list(ALL), paging.after(str), paging.limit + 1)
    shown = found[: paging.limit]
    next_cursor = encode_cursor([shown[-1].id]) if len(found) > paging.limit else None
    link_next(request, response, next_cursor)
    return Page(items=[booking_answer(booking) for booking in shown], next_cursor=next_cursor)


async def _page(
    inventory: Inventory, showtime_id: str, statuses: list[BookingStatus], position: list[str] | None, limit: int
) -> list[Booking]:
    after = position[0] if position else ""
    return await inventory.bookings.of_showtime(showtime_id, statuses, after=after, limit=limit)
