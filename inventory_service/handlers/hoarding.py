"""Holding seats within the limits against hoarding."""

import hmac
from datetime import timedelta

from inventory_service.config import Settings
from inventory_service.domain.booking import Booking
from inventory_service.domain.hoarding import Claim
from inventory_service.domain.layout import require_valid_selection
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.reserve import Reserve, reserve
from service_kit.auth import Principal


def holder_keys(settings: Settings, caller: Principal, address: str) -> list[str]:
    """In whose name a hold counts: the caller's and his address's. Admins and services are not limited.

    The key of an address stays in bookings, so it is worth nothing to whoever doesn't have the service's secret.
    """
    if caller.privileged or not settings.limited:
        return []
    secret = settings.ticket_secret.get_secret_value().encode()
    hidden = hmac.digest(secret, f"address:{address}".encode(), "sha256")[:16].hex()
    return [f"{caller.role}:{caller.subject}", f"address:{hidden}"]


async def reserve_within_limits(inventory: Inventory, command: Reserve) -> Booking:
    """What `reserve` gives, unless its holders have too much already.

    Raises TooManyHolds, TooManySeats, CoolingDown, and what `reserve` raises.
    """
    if not command.holder_keys:
        return await reserve(inventory, command)
    if command.retried and (made_before := await inventory.bookings.get(command.booking_id)):
        return made_before  # it may be paid by now, and counts no more
    if command.party is None:
        require_valid_selection(command.seat_ids)
    seats = command.party.count if command.party else len(command.seat_ids)
    until = inventory.now() + timedelta(seconds=command.hold_seconds)
    claim = Claim(command.booking_id, command.showtime_id, seats, until)
    async with inventory.turnstile.admitted(command.holder_keys, claim):
        return await reserve(inventory, command)
