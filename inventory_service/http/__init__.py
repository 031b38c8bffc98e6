"""The HTTP side: one module per kind of route."""

from inventory_service.http import blocks, bookings, choosing, moves, returns, seat_maps, staff, streams, tickets

# Included one by one: a router within a router would leave its prefix out of the route's name in the metrics.
ROUTERS = [module.router for module in (seat_maps, choosing, blocks, bookings, returns, staff, tickets, streams, moves)]
