"""The HTTP side: one module per kind of route."""

from inventory_service.http import blocks, bookings, choosing, moves, seat_maps, streams, tickets

# Included one by one: a router within a router would leave its prefix out of the route's name in the metrics.
ROUTERS = [module.router for module in (seat_maps, choosing, blocks, bookings, tickets, streams, moves)]
