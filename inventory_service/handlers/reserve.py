"""Holding seats: all of them or none, in one conditional update that many requests may share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from inventory_service.domain.booking import Booking, ExtensionRefused, HoldExpired
from inventory_service.domain.code_uses import PromoCodeUsedUp, tallies
from inventory_service.domain.layout import Layout, require_valid_selection
from inventory_service.domain.partner import partner_of
from inventory_service.domain.pricing import (
    Price,
    Purchase,
    class_prices,
    codes_in_question,
    quote,
    require_valid_code,
)
from inventory_service.domain.sales import on_sale, presale_until, require_on_sale
from inventory_service.domain.wishes import BestSeats, SingleSeatLeft, TheseSeats, Wish
from inventory_service.handlers.attempts import ATTEMPTS, Contended
from inventory_service.handlers.box_office import Taken, Wanted
from inventory_service.handlers.choose import Party, require_known_party
from inventory_service.handlers.context import Inventory
from messaging.events import RefundPolicy, ShowtimeState
from service_kit.errors import DomainError, Invalid


@dataclass(slots=True)
class Reserve:
    """Either `seat_ids` or a `party`, for whom the best seats are chosen; both may be seats blocked for `channel`.

    `booking_id` is the same again when a request is retried: then the hold it made before is its own. `tidy` has the
    showtime's rule against single seats apply; `holder_keys` name those whose limits the hold counts against.
    `accept_other`: for late money equal seats are welcome.
    """

    booking_id: str
    user_id: str
    showtime_id: str
    seat_ids: Sequence[str]
    hold_seconds: int
    promo_code: str | None = None
    retried: bool = False
    party: Party | None = None
    tidy: bool = True
    holder_keys: Sequence[str] = ()
    channel: str | None = None
    accept_other: bool = False

    @property
    def tickets(self) -> int:
        return self.party.count if self.party else len(self.seat_ids)


async def reserve(inventory: Inventory, command: Reserve) -> Booking:
    """A pending booking with its seats held and its price frozen.

    Raises Invalid, NotFound, SeatsTaken, SingleSeatLeft, NoFreeBlock, NotOnSaleYet, SalesEnded, ShowtimeStarted,
    ShowtimeCancelled, UnknownPromoCode, PromoCodeNotApplicable, PromoCodeUsedUp, Unpriced, TooManyHolds, TooManySeats,
    CoolingDown.
    """
    if command.party is None:
        require_valid_selection(command.seat_ids)
    if command.retried and (made_before := await inventory.bookings.get(command.booking_id)):
        return made_before
    now = inventory.now()
    showtime = await _showtime(inventory, command, now)
    showtime, layout, taken = await _take(inventory, showtime, command, now)
    of_channel_alone = _presale(command, showtime, now)
    try:
        if taken.showtime_version > showtime.version:  # this process had not heard yet that the showtime changed
            showtime = await inventory.showtimes.get(showtime.showtime_id, at_least=taken.showtime_version) or showtime
            require_on_sale(showtime, inventory.now(), through_channel=of_channel_alone)
            require_valid_code(showtime.promotions, command.promo_code, inventory.now(), command.tickets)
        policy = await inventory.policies.of(showtime.venue)
        price = _price(command, showtime, layout, taken)
        booking = _pending(command, showtime, layout, taken, price=price, policy=policy)
        await inventory.turnstile.claim(booking)
        if price.code:
            await _count_use(inventory, command, booking, price.code)
    except DomainError:
        await inventory.seat_maps.release(showtime.showtime_id, layout.key, [taken.hold], inventory.now())
        raise
    return await inventory.bookings.insert(booking)


async def _showtime(inventory: Inventory, command: Reserve, now: datetime) -> ShowtimeState:
    """On sale, as remembered: the map's version will tell after the hold.

    What is refused before the hold is asked for first. Raises NotOnSaleYet, SalesEnded, UnknownPromoCode,
    PromoCodeNotApplicable, PromoCodeUsedUp.
    """
    remembered = await inventory.showtime(command.showtime_id)
    through_channel = command.channel is not None
    if command.promo_code is None and on_sale(remembered, now, through_channel=through_channel):
        return remembered
    current = await inventory.current_showtime(command.showtime_id)
    require_on_sale(current, now, through_channel=through_channel)
    require_valid_code(current.promotions, command.promo_code, now, command.tickets)
    in_question = codes_in_question(current.promotions, command.promo_code, now, command.tickets)
    if len(in_question) == 1 and not command.retried:
        await inventory.tallying.require_room(tallies(in_question[0], command.showtime_id, command.user_id))
    return current


async def _count_use(inventory: Inventory, command: Reserve, booking: Booking, code: dict[str, Any]) -> None:
    """Against the limits of the promo code. Raises PromoCodeUsedUp."""
    counted = tallies(code, command.showtime_id, command.user_id)
    try:
        booking.code_uses = await inventory.tallying.claim(booking, counted, retried=command.retried)
    except PromoCodeUsedUp:
        await inventory.turnstile.give_back(booking)
        raise


def _presale(command: Reserve, showtime: ShowtimeState, now: datetime) -> bool:
    """Whether only the seats of the buyer's channel are on sale."""
    return command.channel is not None and presale_until(showtime, now) is not None


async def _take(
    inventory: Inventory, showtime: ShowtimeState, command: Reserve, now: datetime
) -> tuple[ShowtimeState, Layout, Taken]:
    """The hold in place, under the layout that the map has. Raises what stands in the way."""
    key = inventory.box_office.layout_of(showtime.showtime_id)
    until = now + timedelta(seconds=command.hold_seconds)
    for _ in range(ATTEMPTS):
        layout = await inventory.layouts.get(showtime.venue.venue_id, key or inventory.layout_key(showtime))
        try:
            wish = _wish(layout, showtime, command)
        except Invalid:
            key = await inventory.box_office.look_up_layout(showtime.showtime_id)
            if key in {None, layout.key}:
                raise
            continue  # it is this process that did not know the seats yet
        wanted = Wanted(
            command.booking_id,
            until,
            wish,
            command.channel,
            command.retried,
            showtime.version,
            of_channel_alone=_presale(command, showtime, now),
        )
        try:
            outcome = await inventory.box_office.take(command.showtime_id, wanted)
        except SingleSeatLeft:
            current = await inventory.current_showtime(command.showtime_id)
            if current.version == showtime.version:
                raise
            showtime = current  # by which the rule may be off
            continue
        if isinstance(outcome, Taken):
            return showtime, layout, outcome
        key = outcome.layout
    raise Contended


def _wish(layout: Layout, showtime: ShowtimeState, command: Reserve) -> Wish:
    """Raises UnknownSeats; Invalid for a section or type that the hall doesn't have."""
    party = command.party
    if party is None:
        return TheseSeats(layout, layout.mask(command.seat_ids), tidy=command.tidy and showtime.single_seat_rule)
    require_known_party(layout, party)
    prices = class_prices(layout, showtime.pricing)
    return BestSeats(layout, party.count, party.seat_type, party.section, prices, party.max_price)


def _made_at(command: Reserve, taken: Taken) -> tuple[datetime, datetime]:
    """When the hold was made, and when it ends."""
    until = taken.hold.until or datetime.max.replace(tzinfo=UTC)
    return until - timedelta(seconds=command.hold_seconds), until


def _price(command: Reserve, showtime: ShowtimeState, layout: Layout, taken: Taken) -> Price:
    created, _ = _made_at(command, taken)
    return quote(
        layout,
        taken.hold.mask,
        showtime.pricing,
        showtime.promotions,
        Purchase(showtime.starts_at, showtime.venue.timezone, created, command.promo_code),
    )


def _pending(
    command: Reserve, showtime: ShowtimeState, layout: Layout, taken: Taken, *, price: Price, policy: RefundPolicy
) -> Booking:
    created, until = _made_at(command, taken)
    return Booking(
        id=command.booking_id,
        version=1,
        status="pending",
        showtime_id=showtime.showtime_id,
        event_id=showtime.event.event_id,
        venue_id=showtime.venue.venue_id,
        user_id=command.user_id,
        layout=layout.key,
        seat_ids=list(command.seat_ids) or layout.ids(taken.hold.mask),
        price=price.as_document(),
        amount=price.total,
        currency=price.currency,
        created_at=created,
        updated_at=created,
        held_until=until,
        holder_keys=command.holder_keys,
        channel=command.channel,
        policy=policy,
        starts_at=showtime.starts_at,
        accept_other=command.accept_other,
        partner=partner_of(showtime.venue.partner),
    )


async def extend(inventory: Inventory, booking: Booking, minutes: int) -> Booking:
    """A later end for a live hold, within bounds. Raises HoldExpired, NotPending, ExtensionRefused.

    An extension that the booking does not know yet, because it is being made or was cut short, is counted first.
    """
    for _ in range(ATTEMPTS):
        now = inventory.now()
        booking = await inventory.booking(booking.id)
        booking.require_payable(now)
        hold = (await inventory.resting_standing(booking)).entry
        if hold is None or not hold.live(now) or hold.until is None:
            raise HoldExpired
        if hold.until > booking.held_until:
            await inventory.bookings.extended(booking, hold.until, now)
            continue
        until = hold.until + timedelta(minutes=minutes)
        latest = booking.created_at + inventory.settings.longest_hold
        if booking.extensions >= inventory.settings.most_extensions or until > latest:
            raise ExtensionRefused(
                f"At most {inventory.settings.most_extensions} extensions, and not beyond {latest.isoformat()}",
                latest=latest.isoformat(),
            )
        if await inventory.seat_maps.extend(booking.showtime_id, hold, until, now):
            await inventory.turnstile.extend(booking, until)
            extended = await inventory.bookings.extended(booking, until, now)
            return extended or await inventory.booking(booking.id)
    raise Contended
