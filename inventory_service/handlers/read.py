"""Reading: the seat map as somebody may see it, what is free, bookings, tickets."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from inventory_service.domain.availability import summarize
from inventory_service.domain.bits import positions
from inventory_service.domain.booking import Booking, NotConfirmed
from inventory_service.domain.choosing.runs import flags
from inventory_service.domain.layout import Layout, require_valid_selection
from inventory_service.domain.pricing import seat_prices
from inventory_service.domain.seat_map import Block, Mark, SeatMap
from inventory_service.domain.tickets import AlreadyScanned, TicketVoid, read_ticket_code
from inventory_service.domain.wishes import SingleSeatLeft, TheseSeats
from inventory_service.handlers.context import Inventory
from messaging.events import Availability, ShowtimeState
from service_kit.auth import Principal
from service_kit.errors import NotFound

SeatStatus = Literal["available", "held", "booked", "blocked"]


@dataclass(frozen=True)
class OwnSeat:
    """Who holds or booked a seat: shown to himself, to admins and to services."""

    holder_id: str
    booking_id: str
    held_until: datetime | None


@dataclass(frozen=True)
class SeatView:
    seat_id: str
    status: SeatStatus
    price: int
    own: OwnSeat | None
    block: Block | None


@dataclass(frozen=True)
class MapView:
    """A seat map with its layout and showtime, as of one moment."""

    seat_map: SeatMap
    layout: Layout
    showtime: ShowtimeState
    now: datetime

    @property
    def settled(self) -> bool:
        """Whether the version alone says what this shows: no hold has run out that is not swept yet."""
        return not self.seat_map.expired_holds(self.now)

    def same_as(self, other: "MapView") -> bool:
        """Whether both are of the same reading and the same showtime, so that only time can tell them apart."""
        return self.seat_map is other.seat_map and self.showtime is other.showtime

    @property
    def held(self) -> int:
        return self.seat_map.occupied(self.now) & ~self.seat_map.booked

    @property
    def blocked(self) -> int:
        """Seats that nobody has and that are kept from public sale."""
        return self.seat_map.closed() & ~self.seat_map.occupied(self.now)

    @property
    def free(self) -> int:
        """Seats that everybody may have now."""
        return self.layout.everything & ~self.seat_map.occupied(self.now) & ~self.seat_map.closed()

    def summary(self) -> Availability:
        return summarize(self.seat_map, self.layout, self.showtime.pricing, self.now)

    def packed(self, mask: int) -> str:
        """A set of seats as base64 of its bytes, the first seat in the lowest bit of the first byte."""
        return base64.b64encode(mask.to_bytes(-(-len(self.layout.seats) // 8), "little")).decode()


async def view_map(inventory: Inventory, showtime_id: str) -> MapView:
    """How the map is now, without saying who holds what. Raises NotFound, NotOpenYet."""
    seat_map = await inventory.seat_maps.outline(showtime_id)
    if seat_map is None or seat_map.may_have_expired(inventory.now()):
        seat_map = await inventory.seat_map(showtime_id)
    return await view_of(inventory, seat_map)


async def view_of(inventory: Inventory, seat_map: SeatMap) -> MapView:
    """This reading of a seat map, with its layout and showtime. Raises NotFound."""
    showtime = await inventory.showtimes.get(seat_map.showtime_id, at_least=seat_map.showtime_version)
    if showtime is None:
        raise NotFound("There is no such showtime")
    layout = await inventory.layouts.get(showtime.venue.venue_id, seat_map.layout)
    return MapView(seat_map, layout, showtime, inventory.now())


async def view_seats(
    inventory: Inventory, showtime_id: str, caller: Principal | None
) -> tuple[MapView, list[SeatView]]:
    """The view, and every seat with its status and price, and with its owner and block where the caller may know."""
    view = await (view_map(inventory, showtime_id) if caller is None else _whole_view(inventory, showtime_id))
    blocks = _blocks(view, caller)
    own = await _owners(inventory, view, caller)
    prices = seat_prices(view.layout, view.showtime.pricing)
    booked, held, blocked = (
        flags(mask, len(view.layout.seats)) for mask in (view.seat_map.booked, view.held, view.blocked)
    )
    seats = []
    for position, seat in enumerate(view.layout.seats):
        status: SeatStatus = "available"
        if booked[position]:
            status = "booked"
        elif held[position]:
            status = "held"
        elif blocked[position]:
            status = "blocked"
        seats.append(SeatView(seat.id, status, prices[position], own.get(position), blocks.get(position)))
    return view, seats


async def _whole_view(inventory: Inventory, showtime_id: str) -> MapView:
    return await view_of(inventory, await inventory.seat_map(showtime_id))


async def _owners(inventory: Inventory, view: MapView, caller: Principal | None) -> dict[int, OwnSeat]:
    if caller is None:
        return {}
    subject = None if caller.privileged else caller.subject
    owners: dict[int, OwnSeat] = {}
    concerned = await inventory.bookings.of_showtime(
        view.seat_map.showtime_id, ["pending", "confirmed"], user_id=subject
    )
    for booking in concerned:
        hold = view.seat_map.holds.get(booking.id)
        if hold and (hold.live(view.now) or hold.mark is Mark.BOOKED):
            mask, until = hold.mask, hold.until
        elif booking.status == "confirmed":
            # The map may have been moved since it was read, and the booking be of a seat that it has not in this view.
            mask, until = view.layout.known(booking.seat_ids) & ~(hold.mask if hold else 0), None
        else:
            continue
        for position in positions(mask):
            owners[position] = OwnSeat(booking.user_id, booking.id, until)
    return owners


def _blocks(view: MapView, caller: Principal | None) -> dict[int, Block]:
    """The block of each seat that has one, for those who may know."""
    if caller is None or not caller.privileged:
        return {}
    return {position: block for block in view.seat_map.blocks for position in positions(block.mask)}


async def check_seats(
    inventory: Inventory, showtime_id: str, seat_ids: Sequence[str]
) -> tuple[MapView, list[str], SingleSeatLeft | None]:
    """The view, which of these seats can't be had now, and the single seats that stand in the way of the others.

    Raises Invalid, UnknownSeats.
    """
    require_valid_selection(seat_ids)
    view = await view_map(inventory, showtime_id)
    mask = view.layout.mask(seat_ids)
    free = view.free if view.seat_map.bookable(view.now) else 0
    wish = TheseSeats(view.layout, mask, tidy=view.showtime.single_seat_rule)
    refusal = wish.refusal(view.layout.everything & ~free)
    return view, view.layout.ids(mask & ~free), refusal if isinstance(refusal, SingleSeatLeft) else None


async def own_booking(inventory: Inventory, booking_id: str, caller: Principal) -> Booking:
    """Raises NotFound for a booking that is not the caller's, unless he is privileged."""
    booking = await inventory.booking(booking_id)
    if not caller.privileged and not booking.owned_by(caller.subject):
        raise NotFound("There is no such booking")
    return booking


@dataclass(frozen=True)
class Ticket:
    booking: Booking
    showtime: ShowtimeState
    layout: Layout


async def ticket_of(inventory: Inventory, booking: Booking) -> Ticket:
    """Raises NotConfirmed."""
    if booking.status != "confirmed":
        raise NotConfirmed(f"The booking is {booking.status}")
    layout = await inventory.layouts.get(booking.venue_id, booking.layout)
    return Ticket(booking, await inventory.current_showtime(booking.showtime_id), layout)


async def scan_ticket(inventory: Inventory, code: str) -> Ticket:
    """Let a ticket in, once. Raises ForgedTicket, AlreadyScanned, TicketVoid."""
    secret = inventory.settings.ticket_secret.get_secret_value().encode()
    booking = await inventory.booking(read_ticket_code(code, secret))
    scanned = await inventory.bookings.scan(booking, inventory.now())
    if scanned is None:
        booking = await inventory.booking(booking.id)
        if booking.status == "confirmed" and booking.scanned_at:
            raise AlreadyScanned(scanned_at=booking.scanned_at.isoformat(), booking_id=booking.id)
        raise TicketVoid(f"The booking is {booking.status}")
    return await ticket_of(inventory, scanned)
