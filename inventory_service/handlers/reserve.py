"""Holding seats: all of them or none, in one conditional update that many requests may share."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from inventory_service.domain.booking import Booking, ExtensionRefused, HoldExpired
from inventory_service.domain.layout import Layout, LayoutKey, require_valid_selection
from inventory_service.domain.pricing import Price, quote
from inventory_service.domain.sales import on_sale, require_on_sale
from inventory_service.domain.seat_map import Hold, Mark, SeatsTaken
from inventory_service.handlers.attempts import ATTEMPTS, Contended
from inventory_service.handlers.box_office import Refused
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.expire import expire_bookings
from messaging.events import ShowtimeState
from service_kit.errors import DomainError


@dataclass(frozen=True)
class Reserve:
    """`booking_id` is the same again when a request is retried: then the hold it made before is its own."""

    booking_id: str
    user_id: str
    showtime_id: str
    seat_ids: Sequence[str]
    hold_seconds: int
    promo_code: str | None = None
    retried: bool = False


async def reserve(inventory: Inventory, command: Reserve) -> Booking:
    """A pending booking with its seats held and its price frozen.

    Raises Invalid, NotFound, SeatsTaken, NotOnSaleYet, SalesEnded, ShowtimeStarted, ShowtimeCancelled,
    UnknownPromoCode.
    """
    require_valid_selection(command.seat_ids)
    if command.retried and (made_before := await inventory.bookings.get(command.booking_id)):
        return made_before
    showtime = await _showtime(inventory, command)
    require_on_sale(showtime, inventory.now())
    layout = await inventory.layout(showtime)
    mask = layout.mask(command.seat_ids)
    price = _quote(layout, mask, showtime, command)
    now = inventory.now()
    hold = Hold(command.booking_id, command.user_id, Mark.HOLD, now + timedelta(seconds=command.hold_seconds), mask)
    hold, followed = await _take(inventory, layout, command, hold)
    if followed > showtime.version:  # this process had not heard yet that the showtime changed
        showtime = await inventory.showtimes.get(showtime.showtime_id, at_least=followed) or showtime
        try:
            require_on_sale(showtime, inventory.now())
            price = _quote(layout, mask, showtime, command)
        except DomainError:
            await inventory.seat_maps.release(showtime.showtime_id, [hold], inventory.now())
            raise
    booking = _pending(command, showtime, layout.key, price, hold)
    return await inventory.bookings.insert(booking, [inventory.booking_event("SeatsHeld", booking)])


async def _take(inventory: Inventory, layout: Layout, command: Reserve, hold: Hold) -> tuple[Hold, int]:
    """The hold in place, and the showtime version that the map follows. Raises SeatsTaken."""
    outcome = await inventory.box_office.take(command.showtime_id, hold, retried=command.retried)
    if isinstance(outcome, Refused):
        raise SeatsTaken(seat_ids=layout.ids(outcome.mask))
    await expire_bookings(inventory, outcome.evicted)
    return outcome.hold, outcome.showtime_version


async def _showtime(inventory: Inventory, command: Reserve) -> ShowtimeState:
    """As remembered: the map's version will tell after the hold. What is refused before the hold is asked for first."""
    remembered = await inventory.showtime(command.showtime_id)
    if command.promo_code or not on_sale(remembered, inventory.now()):
        return await inventory.current_showtime(command.showtime_id)
    return remembered


def _quote(layout: Layout, mask: int, showtime: ShowtimeState, command: Reserve) -> Price:
    return quote(
        layout,
        mask,
        showtime.pricing,
        showtime.promotions,
        starts_at=showtime.starts_at,
        timezone=showtime.venue.timezone,
        promo_code=command.promo_code,
    )


def _pending(command: Reserve, showtime: ShowtimeState, layout: LayoutKey, price: Price, hold: Hold) -> Booking:
    until = hold.until or datetime.max.replace(tzinfo=UTC)
    created = until - timedelta(seconds=command.hold_seconds)
    return Booking(
        id=command.booking_id,
        version=1,
        status="pending",
        showtime_id=showtime.showtime_id,
        event_id=showtime.event.event_id,
        venue_id=showtime.venue.venue_id,
        user_id=command.user_id,
        layout=layout,
        seat_ids=list(command.seat_ids),
        price=asdict(price),
        amount=price.total,
        currency=price.currency,
        created_at=created,
        updated_at=created,
        held_until=until,
    )


async def extend(inventory: Inventory, booking: Booking, minutes: int) -> Booking:
    """A later end for a live hold, within bounds. Raises HoldExpired, NotPending, ExtensionRefused."""
    for _ in range(ATTEMPTS):
        now = inventory.now()
        booking = await inventory.booking(booking.id)
        booking.require_payable(now)
        seat_map = await inventory.seat_map(booking.showtime_id)
        hold = seat_map.holds.get(booking.id)
        if hold is None or not hold.live(now) or hold.until is None:
            raise HoldExpired
        until = hold.until + timedelta(minutes=minutes)
        latest = booking.created_at + inventory.settings.longest_hold
        if booking.extensions >= inventory.settings.most_extensions or until > latest:
            raise ExtensionRefused(
                f"At most {inventory.settings.most_extensions} extensions, and not beyond {latest.isoformat()}",
                latest=latest.isoformat(),
            )
        if await inventory.seat_maps.extend(booking.showtime_id, hold, until, now):
            extended = await inventory.bookings.extended(booking, until, now)
            return extended or await inventory.booking(booking.id)
    raise Contended
