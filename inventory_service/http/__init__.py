"""The HTTP side: one module per kind of route, put together here."""

from fastapi import APIRouter

from inventory_service.http import bookings, choosing, seat_maps, streams, tickets

router = APIRouter(prefix="/api/v1")
for module in (seat_maps, choosing, bookings, tickets, streams):
    router.include_router(module.router)
