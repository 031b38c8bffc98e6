"""What every use case works with, and the look-ups they share."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from inventory_service.clients import Payments, Venues
from inventory_service.config import Settings
from inventory_service.domain.booking import TRANSITIONS, Booking
from inventory_service.domain.layout import Layout, LayoutKey
from inventory_service.domain.partner import Partner
from inventory_service.domain.seat_map import Hold, SeatMap, Standing
from inventory_service.handlers.attempts import ATTEMPTS, Contended, NotOpenYet
from inventory_service.handlers.box_office import BoxOffice
from inventory_service.handlers.code_uses import Tallying
from inventory_service.handlers.pauses import outlasting_pauses
from inventory_service.handlers.turnstile import Turnstile
from inventory_service.store.bookings import Bookings
from inventory_service.store.catalogue import Layouts, RefundPolicies, Showtimes
from inventory_service.store.code_uses import CodeUses
from inventory_service.store.holders import Holders
from inventory_service.store.seat_maps import SeatMaps
from messaging.envelope import new_event
from messaging.events import (
    BookingState,
    BookingStatus,
    EventData,
    PartnerRequest,
    RefundRequest,
    SeatsState,
    ShowtimeState,
)
from messaging.outbox import outbox_entry
from service_kit.clock import Clock
from service_kit.errors import NotFound

T = TypeVar("T")
SOURCE = "inventory"
OPENING_SECONDS = 3.0
OPENING_PAUSE = 0.1


@dataclass(frozen=True)
class Inventory:
    """The stores, clients and clock of the service, and the process's box office and turnstile over them."""

    seat_maps: SeatMaps
    bookings: Bookings
    holders: Holders
    code_uses: CodeUses
    showtimes: Showtimes
    layouts: Layouts
    policies: RefundPolicies
    venues: Venues
    payments: Payments
    clock: Clock
    settings: Settings
    box_office: BoxOffice = field(init=False)
    turnstile: Turnstile = field(init=False)
    tallying: Tallying = field(init=False)

    def __post_init__(self) -> None:
        # The dataclass is frozen; this is its own making.
        object.__setattr__(self, "box_office", BoxOffice(self.seat_maps, self.clock, self.expire_bookings))
        object.__setattr__(self, "turnstile", Turnstile(self.holders, self.clock, self.settings))
        object.__setattr__(self, "tallying", Tallying(self.code_uses, self.bookings, self.clock))

    def now(self) -> datetime:
        return self.clock.now()

    async def seat_map(self, showtime_id: str) -> SeatMap:
        """Raises NotFound; NotOpenYet for a showtime so new that its map isn't there yet."""
        return await self._opened(showtime_id, partial(self.seat_maps.get, showtime_id))

    async def resting_map(self, showtime_id: str) -> SeatMap:
        """The same for who is going to change seats: not while they stand still for a move. Raises Contended too."""
        return await outlasting_pauses(partial(self.seat_map, showtime_id), self.clock)

    async def standing(self, booking: Booking) -> Standing:
        """How a booking stands in the map of its showtime. Raises as `seat_map`."""
        return await self._opened(
            booking.showtime_id, partial(self.seat_maps.standing, booking.showtime_id, booking.id)
        )

    async def resting_standing(self, booking: Booking) -> Standing:
        """The same for who is going to change it. Raises as `resting_map`."""
        return await outlasting_pauses(partial(self.standing, booking), self.clock)

    async def _opened(self, showtime_id: str, read: Callable[[], Awaitable[T | None]]) -> T:
        """What `read` finds of a map, once it is open."""
        found = await read()
        if found is None:
            await self.showtime(showtime_id)
            found = await read()
        if found is None:
            raise NotOpenYet
        return found

    async def showtime(self, showtime_id: str) -> ShowtimeState:
        """The showtime; one that was created a moment ago is waited for. Raises NotFound, NotOpenYet."""
        state = await self.showtimes.get(showtime_id)
        if state is not None:
            return state
        if not await self.venues.has_showtime(showtime_id):
            raise NotFound("There is no such showtime")
        for _ in range(int(OPENING_SECONDS / OPENING_PAUSE)):
            state = await self.showtimes.get(showtime_id)
            if state is not None and await self.seat_maps.get(showtime_id) is not None:
                return state
            await asyncio.sleep(OPENING_PAUSE)
        raise NotOpenYet

    async def current_showtime(self, showtime_id: str) -> ShowtimeState:
        """The showtime as its seat map follows it: what a process remembers may be older. Raises NotFound."""
        return await self.showtime_at(await self.seat_map(showtime_id))

    async def showtime_at(self, sight: SeatMap | Standing) -> ShowtimeState:
        """The showtime as this reading of its seat map follows it, or newer. Raises NotFound."""
        state = await self.showtimes.get(sight.showtime_id, at_least=sight.showtime_version)
        if state is None:
            raise NotFound("There is no such showtime")
        return state

    def layout_key(self, showtime: ShowtimeState) -> LayoutKey:
        return LayoutKey(showtime.hall_id, showtime.layout_version)

    async def layout(self, showtime: ShowtimeState) -> Layout:
        """The layout by the catalogue. The seat map's own may be newer: ask for that wherever there is a map."""
        return await self.layouts.get(showtime.venue.venue_id, self.layout_key(showtime))

    async def mask_of(self, booking: Booking, seat_map: SeatMap) -> int:
        """The booking's seats in the layout that the map has now, whatever it had when they were sold."""
        layout = await self.layouts.get(booking.venue_id, seat_map.layout)
        return layout.mask(booking.seat_ids)

    async def booking(self, booking_id: str) -> Booking:
        """Raises NotFound."""
        booking = await self.bookings.get(booking_id)
        if booking is None:
            raise NotFound("There is no such booking")
        return booking

    async def settle(
        self, booking: Booking, status: BookingStatus, event_types: Sequence[str], **values: Any
    ) -> Booking | None:
        """Bring a booking to `status` with its events; None where it is in a state that doesn't lead there.

        A booking that has that status already is given as it is: the step was done before. One that has left the state
        in which the caller saw it is for the caller to look at again: giving up a hold is not what ends a booking that
        was paid meanwhile. Once money was asked back, or a partner theatre's booking is being let go, it can't be
        confirmed any more, or there would be a ticket and a refund.
        """
        current = booking
        for _ in range(ATTEMPTS):
            if current.status == status:
                return current
            if current.status != booking.status or status not in TRANSITIONS[current.status]:
                return None
            if current.at_partner != booking.at_partner:
                return None
            if status == "confirmed" and (current.money_back or current.let_go):
                return None
            payment_id = values.get("paymentId") or current.payment_id
            seat_ids = values.get("seatIds") or current.seat_ids
            after = replace(
                current, status=status, version=current.version + 1, payment_id=payment_id, seat_ids=seat_ids
            )
            events = [self.booking_event(type_, after) for type_ in event_types]
            refund = values.get("refund")
            if refund:
                events.append(self.refund_event(after, refund))
            if current.status == "confirmed":
                await self.tallying.loosen(current)
            moved = await self.bookings.become(current, status, self.now(), events=events, **values)
            if moved:
                if status != "confirmed":
                    await self.tallying.give_back(moved)
                return moved
            current = await self.booking(booking.id)
        raise Contended

    async def expire_bookings(self, holds: Sequence[Hold]) -> None:
        """Tell the bookings of holds that are gone. A hold whose booking was never written has nobody to tell.

        One that changes meanwhile is left to the sweeper, which looks for bookings that lag behind.
        """
        waiting = [one for one in await self.bookings.some([hold.booking_id for hold in holds]) if one.waiting]
        ended = [(one, replace(one, status="expired", version=one.version + 1)) for one in waiting]
        told = [
            (one, [self.booking_event(type_, after) for type_ in ("BookingExpired", "SeatsReleased")])
            for one, after in ended
        ]
        await self.bookings.expire(told, self.now())

    def booking_event(self, type_: str, booking: Booking) -> dict[str, Any]:
        """An event about a booking, which is given as the change will leave it."""
        data: EventData
        if type_ == "SeatsReleased":
            data = SeatsState(
                showtime_id=booking.showtime_id,
                booking_id=booking.id,
                user_id=booking.user_id,
                seat_ids=booking.seat_ids,
            )
        else:
            data = BookingState(
                booking_id=booking.id,
                version=booking.version,
                showtime_id=booking.showtime_id,
                event_id=booking.event_id,
                venue_id=booking.venue_id,
                user_id=booking.user_id,
                seat_ids=booking.seat_ids,
                status=booking.status,
                amount=booking.amount,
                currency=booking.currency,
                held_until=booking.held_until,
                payment_id=booking.payment_id,
                partner=booking.partner.id if booking.partner and booking.partner.state != "unasked" else None,
                starts_at=booking.starts_at,
                moved_to=booking.moved_to,
            )
        return self._outbox_entry(type_, booking, data)

    def refund_event(self, booking: Booking, refund: dict[str, Any]) -> dict[str, Any]:
        """The request for this refund; the booking is given as the change will leave it."""
        data = RefundRequest(booking_id=booking.id, **{key: refund[key] for key in REFUND_FIELDS})
        return self._outbox_entry("RefundRequested", booking, data)

    def asking_event(self, booking: Booking, partner: Partner, showtime: ShowtimeState) -> dict[str, Any]:
        """The request that the partner theatre be asked; the booking is given as the change will leave it."""
        data = PartnerRequest(
            booking_id=booking.id,
            partner=partner.id,
            showtime_id=booking.showtime_id,
            event_id=booking.event_id,
            venue_id=booking.venue_id,
            hall_id=showtime.hall_id,
            event_name=showtime.event.name,
            venue_name=showtime.venue.name,
            hall_name=showtime.hall_name,
            starts_at=showtime.starts_at,
            seat_ids=booking.seat_ids,
            amount=booking.amount,
            currency=booking.currency,
            deadline=partner.deadline or self.now(),
        )
        return self._outbox_entry("PartnerConfirmationRequested", booking, data)

    def _outbox_entry(self, type_: str, booking: Booking, data: EventData) -> dict[str, Any]:
        event = new_event(
            type_, source=SOURCE, subject=booking.id, version=booking.version, data=data, clock=self.clock
        )
        return outbox_entry(event)


REFUND_FIELDS = ("refund_id", "payment_id", "amount", "currency", "reason")


def new_refund(booking: Booking, payment_id: str, amount: int, reason: str, refund_id: str) -> dict[str, Any]:
    """So much of a booking's money. Its id makes repeats of the request harmless; `total` is what will have come back
    in all once this has.
    """
    return {
        "refund_id": refund_id,
        "payment_id": payment_id,
        "amount": amount,
        "currency": booking.currency,
        "reason": reason,
        "total": max(booking.refunded, booking.asked) + amount,
    }
