"""The product's HTTP app with routes beside its own that do less or do it otherwise: `python -m bench.shell --fd N`.

They share the server, the request shell, the token check and the models with the product's routes, so what is left is
what the product does in between.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from fastapi import APIRouter, FastAPI, Request, Response

from bench.halls import ROW, seat_ids
from bench.peers import Peer
from bench.peers.mongo_bits import MongoBits
from bench.peers.mongo_map import MongoMap
from bench.peers.postgres import open_postgres
from bench.peers.redis import open_redis
from inventory_service.app import create_app
from inventory_service.config import Settings
from inventory_service.domain.booking import Booking
from inventory_service.domain.layout import LayoutKey
from inventory_service.domain.seat_map import SeatsTaken
from inventory_service.http import ROUTERS, bookings, seat_maps
from inventory_service.http.bookings import BookingAnswer, ReserveSeats, booking_answer
from service_kit.auth import Caller, MaybeCaller
from service_kit.clock import SystemClock
from service_kit.etags import answer_304, etag
from service_kit.idempotency import IdempotentRoute, resource_id
from service_kit.ids import new_id
from service_kit.mongo import open_database
from service_kit.runtime import run_api

HOLD_SECONDS = 600


class BenchSettings(Settings):
    """The product's, and where the peers are."""

    bench_postgres_url: str | None = None
    bench_redis_url: str | None = None


reading = APIRouter(prefix="/bench")
holding = APIRouter(prefix="/bench", route_class=IdempotentRoute)


@reading.get("/empty/showtimes/{showtime_id}/inventory")
async def empty_inventory(showtime_id: str, request: Request, caller: MaybeCaller) -> Response:
    """Nothing has changed, without looking."""
    return answer_304(etag(1), **{"Cache-Control": "private, no-cache", "Vary": "Authorization"})


@holding.post("/empty/showtimes/{showtime_id}/seats/reserve", status_code=201, response_model_exclude_none=True)
async def empty_hold(
    showtime_id: str, body: ReserveSeats, request: Request, response: Response, caller: Caller
) -> BookingAnswer:
    """The same answer to everybody."""
    _tag(response, SOMEBODYS)
    return SOMEBODYS_ANSWER


@holding.post("/{peer}/showtimes/{showtime_id}/seats/reserve", status_code=201, response_model_exclude_none=True)
async def hold_by_peer(
    peer: str, showtime_id: str, body: ReserveSeats, request: Request, *, response: Response, caller: Caller
) -> BookingAnswer:
    """A hold in the peer's way."""
    peers: dict[str, Peer] = request.app.state.peers
    wanted = body.seat_ids or []
    booking = pending(resource_id(request), showtime_id, caller.subject, wanted)
    if not await peers[peer].hold(showtime_id, _position(wanted[0]), booking):
        raise SeatsTaken(seat_ids=wanted)
    _tag(response, booking)
    return booking_answer(booking)


def _tag(response: Response, booking: Booking) -> None:
    response.headers["Location"] = f"/api/v1/bookings/{booking.id}"
    response.headers["ETag"] = etag(booking.version)


def _position(seat_id: str) -> int:
    row, _, number = seat_id.partition("-")
    return int(row) * ROW + int(number)


def pending(booking_id: str, showtime_id: str, user_id: str, wanted: list[str]) -> Booking:
    """A new booking at a price that was not computed: the peers are spared that."""
    now = SystemClock().now()
    return Booking(
        id=booking_id,
        version=1,
        status="pending",
        showtime_id=showtime_id,
        event_id=EVENT_ID,
        venue_id=VENUE_ID,
        user_id=user_id,
        layout=LAYOUT,
        seat_ids=wanted,
        price={"currency": "EUR", "lines": [LINE | {"seat_id": seat} for seat in wanted], "discounts": [], "fee": 200},
        amount=2_200,
        currency="EUR",
        created_at=now,
        updated_at=now,
        held_until=now + timedelta(seconds=HOLD_SECONDS),
    )


EVENT_ID, VENUE_ID = new_id(), new_id()
LAYOUT = LayoutKey("bench", 1)
LINE = {"label": "1", "seat_type": "standard", "section": "main", "amount": 1_000}
SOMEBODYS = pending(new_id(), new_id(), new_id(), seat_ids(0))
SOMEBODYS_ANSWER = booking_answer(SOMEBODYS)


def bench_app(settings: BenchSettings) -> FastAPI:
    """The product's app, the peers opened and closed with it."""
    app = create_app(settings)
    products_own = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with products_own(app), _open_peers(settings) as app.state.peers:
            yield

    app.router.lifespan_context = lifespan
    _put_before(app, seat_maps.router, reading)
    _put_before(app, bookings.router, holding)
    return app


def _put_before(app: FastAPI, known: APIRouter, router: APIRouter) -> None:
    """Where a route stands is part of what it costs: the ones before it are tried first."""
    app.include_router(router)
    routes = app.router.routes
    routes.insert(len(routes) - 1 - len(ROUTERS) + ROUTERS.index(known), routes.pop())


@asynccontextmanager
async def _open_peers(settings: BenchSettings) -> AsyncIterator[dict[str, Peer]]:
    """Those that are installed, by name."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, "inventory"))
        peers: dict[str, Peer] = {"map": MongoMap(database), "bits": MongoBits(database)}
        if settings.bench_postgres_url:
            peers["postgres"] = await stack.enter_async_context(open_postgres(settings.bench_postgres_url))
        if settings.bench_redis_url:
            peers["redis"] = await stack.enter_async_context(open_redis(settings.bench_redis_url))
        yield peers


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.shell")
    parser.add_argument("--fd", type=int, required=True, help="the listening socket, inherited")
    settings = BenchSettings()
    run_api(bench_app(settings), settings, name="inventory", fd=parser.parse_args().fd)


if __name__ == "__main__":
    main()
