"""Live seat maps and bookings: their routes, and how their events are written (Server-Sent Events)."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from inventory_service.domain.bits import positions
from inventory_service.domain.booking import Booking
from inventory_service.handlers.channel import THE_END, Change, Closed, Resync
from inventory_service.handlers.listener import Listener
from inventory_service.handlers.live import Live
from inventory_service.handlers.read import MapView, own_booking
from inventory_service.handlers.waiting import Waiting
from inventory_service.http.bookings import booking_answer
from inventory_service.http.common import inventory_of
from inventory_service.http.seat_maps import compact_answer
from service_kit.auth import Caller, MaybeCaller
from service_kit.limits import caller_address
from service_kit.stopping import begin_endless

router = APIRouter(prefix="/api/v1")

HEARTBEAT = b":\n\n"
# Browsers come back after so many milliseconds; not all of them at once.
RETRY_MILLISECONDS = (1_000, 4_000)
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def encode(told: MapView | Change | Resync | Closed) -> bytes:
    """An event as it goes over the wire. Seats are positions in the layout, as in the bit sets of the snapshot."""
    match told:
        case MapView():
            snapshot = compact_answer(told).model_dump_json(by_alias=True, exclude_none=True)
            return _event("snapshot", snapshot.encode(), str(told.seat_map.version))
        case Change():
            sets = {name: list(positions(getattr(told, name))) for name in ("held", "booked", "freed", "blocked")}
            return _event("change", to_json({"version": told.version, **sets}), str(told.version))
        case Closed():
            return _event("closed", to_json({"version": told.version, "reason": told.reason}), THE_END)
        case Resync():
            return _event("resync", to_json({"reason": told.reason}))


def _event(name: str, data: bytes, id_: str | None = None) -> bytes:
    number = f"id: {id_}\n" if id_ else ""
    return f"{number}event: {name}\ndata: ".encode() + data + b"\n\n"


def encode_booking(booking: Booking, last: bool) -> bytes:
    """A booking as its buyer gets it; after the `last` one nothing comes."""
    status = _event(
        "status",
        booking_answer(booking).model_dump_json(by_alias=True, exclude_none=True).encode(),
        str(booking.version),
    )
    return status + _event("closed", to_json({"status": booking.status}), THE_END) if last else status


class EventStream(Response):
    """Sends what a stream gives, until the stream ends or the client goes away."""

    media_type = "text/event-stream"

    def __init__(
        self, stop: Callable[[], None], watching: AbstractAsyncContextManager[Listener | None], heartbeat: float
    ) -> None:
        super().__init__()
        self._stop = stop
        self._watching = watching
        self._heartbeat = heartbeat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Entered here and not by the route, so that whoever got a place gives it back whatever happens.
        async with self._watching as stream:
            if stream is None:
                await Response(status_code=204)(scope, receive, send)
                return
            begin_endless(scope, self._stop)
            answer = StreamingResponse(self._events(stream), headers=HEADERS, media_type=self.media_type)
            await answer(scope, receive, send)

    async def _events(self, stream: Listener) -> AsyncIterator[bytes]:
        yield b"retry: %d\n\n" % random.randint(*RETRY_MILLISECONDS)
        while not stream.ended:
            yield await stream.next(self._heartbeat) or HEARTBEAT


@router.get(
    "/showtimes/{showtime_id}/inventory/stream",
    tags=["inventory"],
    response_class=EventStream,
    status_code=200,  # FastAPI cannot read it off the class, whose answer is known only when it runs
    responses={204: {"description": "You have seen the end: Last-Event-ID is that of the `closed` event"}},
)
async def stream_inventory(
    showtime_id: str, request: Request, _: MaybeCaller, last_event_id: Annotated[str | None, Header()] = None
) -> Response:
    """The seat map as it changes, as Server-Sent Events.

    `snapshot` (the compact seat map), then `change` (`version`, and the positions of seats that were `held`, `booked`,
    `freed` and `blocked`); `resync` where changes are missing and a snapshot follows; `closed` at the end.
    """
    inventory = inventory_of(request)
    live: Live = request.app.state.live
    watching = live.watching(showtime_id, caller_address(request), last_event_id)
    return EventStream(live.stop, watching, inventory.settings.stream_heartbeat_seconds)


@router.get(
    "/bookings/{booking_id}/status/stream",
    tags=["bookings"],
    response_class=EventStream,
    status_code=200,
    responses={204: {"description": "You have seen the end: Last-Event-ID is that of the `closed` event"}},
)
async def stream_booking(
    booking_id: str, request: Request, caller: Caller, last_event_id: Annotated[str | None, Header()] = None
) -> Response:
    """One's own booking as it changes, as Server-Sent Events.

    `status` (the booking) now and whenever it changes; `closed` when nothing more is to be waited for: it is confirmed,
    or will not be.
    """
    inventory = inventory_of(request)
    booking = await own_booking(inventory, booking_id, caller)
    waiting: Waiting = request.app.state.waiting
    watching = waiting.watching(booking, caller_address(request), last_event_id)
    return EventStream(waiting.stop, watching, inventory.settings.stream_heartbeat_seconds)
