"""Routes and models of seat maps: the whole map, its packed form, and what is free."""

from collections import OrderedDict
from datetime import timedelta
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from inventory_service.handlers import read
from inventory_service.http.common import SeatIds, inventory_of
from messaging.events import Availability
from service_kit.auth import MaybeCaller
from service_kit.etags import answer_304, etag, not_modified
from service_kit.models import Model, Moment

router = APIRouter(prefix="/api/v1")
BODY_KEPT = timedelta(seconds=1)
BODIES_KEPT = 2_000


class LayoutReference(Model):
    hall_id: str
    version: int


class SeatAnswer(Model):
    seat_id: str
    status: Literal["available", "held", "booked", "blocked"]
    price: int
    holder_id: str | None = None
    held_until: Moment | None = None
    booking_id: str | None = None
    block_id: str | None = None
    channel: str | None = None


class SeatMapAnswer(Model):
    seats: list[SeatAnswer]


class InventoryAnswer(Model):
    showtime_id: str
    version: int
    last_updated: Moment
    layout: LayoutReference
    seat_map: SeatMapAnswer
    summary: dict[str, Any]


class CompactAnswer(Model):
    """Sets of seats as base64 bit sets, the first seat of the layout in the lowest bit of the first byte."""

    showtime_id: str
    version: int
    last_updated: Moment
    layout: LayoutReference
    seats: int
    held: str
    booked: str
    blocked: str | None = None
    summary: dict[str, Any]


@router.get("/showtimes/{showtime_id}/inventory", tags=["inventory"], response_model=InventoryAnswer | CompactAnswer)
async def get_inventory(
    showtime_id: str, request: Request, caller: MaybeCaller, view: Literal["full", "compact"] = "full"
) -> Response:
    """The seat map with a status and a price for every seat; `view=compact` packs it into bit sets."""
    inventory = inventory_of(request)
    seen = await read.view_map(inventory, showtime_id)
    tag = etag(seen.seat_map.version)
    headers = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if seen.settled and not_modified(request, tag):
        return answer_304(tag, **headers)
    if view == "compact":
        body = bodies_of(request).compact(seen)
    else:
        seen, seats = await read.view_seats(inventory, showtime_id, caller)
        tag, body = etag(seen.seat_map.version), _encoded(_full(seen, seats))
    return Response(body, media_type="application/json", headers={"ETag": tag, **headers})


class Bodies:
    """Compact answers as they went out, for those who ask for the same version within a second.

    Not for longer, since an answer says as of when it is.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[read.MapView, bytes]] = OrderedDict()

    def compact(self, seen: read.MapView) -> bytes:
        showtime_id = seen.seat_map.showtime_id
        kept = self._kept.get(showtime_id)
        if kept and kept[0].same_as(seen) and seen.now - kept[0].now < BODY_KEPT:
            return kept[1]
        body = _encoded(compact_answer(seen))
        self._kept[showtime_id] = seen, body
        self._kept.move_to_end(showtime_id)
        if len(self._kept) > BODIES_KEPT:
            self._kept.popitem(last=False)
        return body


def bodies_of(request: Request) -> Bodies:
    bodies: Bodies = request.app.state.bodies
    return bodies


def _encoded(content: InventoryAnswer | CompactAnswer) -> bytes:
    return content.model_dump_json(by_alias=True, exclude_none=True).encode()


def _summary(availability: Availability) -> dict[str, Any]:
    return availability.model_dump(mode="json", by_alias=True, exclude={"showtime_id"})


def _full(seen: read.MapView, seats: list[read.SeatView]) -> InventoryAnswer:
    return InventoryAnswer(
        showtime_id=seen.seat_map.showtime_id,
        version=seen.seat_map.version,
        last_updated=seen.seat_map.updated_at,
        layout=LayoutReference(hall_id=seen.layout.key.hall_id, version=seen.layout.key.version),
        seat_map=SeatMapAnswer(seats=[_seat(seat) for seat in seats]),
        summary=_summary(seen.summary()),
    )


def _seat(seat: read.SeatView) -> SeatAnswer:
    own, block = seat.own, seat.block
    # Built here from our own values, 100,000 at a time: checking them again would take most of the answer's time.
    return SeatAnswer.model_construct(
        seat_id=seat.seat_id,
        status=seat.status,
        price=seat.price,
        holder_id=own.holder_id if own else None,
        held_until=own.held_until if own else None,
        booking_id=own.booking_id if own else None,
        block_id=block.id if block else None,
        channel=block.channel if block else None,
    )


def compact_answer(seen: read.MapView) -> CompactAnswer:
    return CompactAnswer(
        showtime_id=seen.seat_map.showtime_id,
        version=seen.seat_map.version,
        last_updated=seen.seat_map.updated_at,
        layout=LayoutReference(hall_id=seen.layout.key.hall_id, version=seen.layout.key.version),
        seats=len(seen.layout.seats),
        held=seen.packed(seen.held),
        booked=seen.packed(seen.seat_map.booked),
        blocked=seen.packed(seen.blocked) if seen.blocked else None,
        summary=_summary(seen.summary()),
    )


class CheckSeats(Model):
    seat_ids: SeatIds


class CheckAnswer(Model):
    """`single_seats`: what the showtime's rule would not let this choice leave single, and `alternative` seats."""

    showtime_id: str
    version: int
    all_available: bool
    available: list[str]
    unavailable: list[str]
    single_seats: list[str]
    alternative: list[str]


@router.post("/showtimes/{showtime_id}/seats/check", tags=["inventory"])
async def check_seats(showtime_id: str, body: CheckSeats, request: Request) -> CheckAnswer:
    """Which of these seats are free now. It promises nothing: only a hold does."""
    seen, taken, left = await read.check_seats(inventory_of(request), showtime_id, body.seat_ids)
    return CheckAnswer(
        showtime_id=showtime_id,
        version=seen.seat_map.version,
        all_available=not taken,
        available=[seat_id for seat_id in body.seat_ids if seat_id not in taken],
        unavailable=taken,
        single_seats=left.extras["seat_ids"] if left else [],
        alternative=left.extras["alternative"] if left else [],
    )
