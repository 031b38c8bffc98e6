"""Money has come in: seats first, then the booking, then the mark is tidied.

With a live hold (or one that ran out unclaimed) the held bits become booked. Where the hold is gone the same seats are
taken again if they are free, else equal ones where the buyer agreed to that. Where there are none, or the buyer or the
venue had cancelled, the money goes back.

Where a partner theatre has the last word the booking does not follow yet: the theatre is asked first, and the mark
stays until it has answered (`handlers/partner.py`).
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from inventory_service.domain.booking import Booking, OtherPayment
from inventory_service.domain.layout import UnknownSeats
from inventory_service.domain.partner import Partner
from inventory_service.domain.seat_map import Hold, Mark, SeatMap, Standing
from inventory_service.handlers.attempts import ATTEMPTS, Contended
from inventory_service.handlers.cancel import cancel, in_full, nothing
from inventory_service.handlers.context import Inventory, new_refund
from inventory_service.handlers.other_seats import as_marked, find_other
from inventory_service.store.booking_document import partner_document
from service_kit.ids import new_id
from service_kit.logs import get_logger

log = get_logger(__name__)


async def confirm(inventory: Inventory, booking_id: str, payment_id: str | None) -> Booking:
    """The booking after its payment succeeded. Repeats are harmless. Raises NotFound, OtherPayment."""
    for _ in range(ATTEMPTS):
        booking = await _confirm_once(inventory, booking_id, payment_id)
        if booking is not None:
            await inventory.turnstile.buy(booking)
            return booking
    raise Contended


async def _confirm_once(inventory: Inventory, booking_id: str, payment_id: str | None) -> Booking | None:
    """One try; None when something changed in between."""
    booking = await inventory.booking(booking_id)
    standing = await inventory.resting_standing(booking)
    booking = await inventory.booking(booking_id)  # after the map: what is tidied there is settled here
    if payment_id and booking.payment_id and booking.payment_id != payment_id:
        raise OtherPayment(payment_id=booking.payment_id)
    entry = standing.entry
    if booking.status == "confirmed":
        await inventory.tallying.follow(booking)
        await inventory.seat_maps.tidy(booking.showtime_id, booking_id, Mark.BOOKED) if entry else None
    if booking.status == "confirmed" or booking.at_partner:
        return booking
    called_off = standing.status != "open" and (entry is None or entry.mark is Mark.HOLD)
    if booking.status == "pending" and (called_off or booking.money_back):  # news of a refund may come first
        due = nothing if booking.money_back else in_full
        await cancel(inventory, booking, reason="showtime-cancelled", due=due)
        return None
    if booking.status in {"cancelled", "refunded"} or booking.money_back or booking.turned_down:
        return await _give_back(inventory, standing, booking, payment_id)
    if entry is None:
        return await _without_hold(inventory, booking, payment_id)
    book = inventory.seat_maps.book
    if entry.mark is Mark.HOLD and not await book(standing, entry, payment_id, inventory.now()):
        return None
    return await _settle(inventory, standing, booking, entry, payment_id)


async def _without_hold(inventory: Inventory, booking: Booking, payment_id: str | None) -> Booking | None:
    """Paid after the hold ran out, or while it is being given up."""
    if booking.waiting and booking.held_until > inventory.now():
        # It did not run out: whoever gives it up is about to say so in the booking.
        await inventory.settle(booking, "cancelled", ["BookingCancelled", "SeatsReleased"])
        return None
    seat_map = await inventory.resting_map(booking.showtime_id)
    # After the map: whoever takes seats for it at the same time has left his mark, or the booking says so.
    if booking.id in seat_map.holds or (await inventory.booking(booking.id)).version != booking.version:
        return None
    mask = await _to_be_had(inventory, seat_map, booking, inventory.now())
    if mask is None:
        mask = await find_other(inventory, seat_map, booking)
    if mask is not None:
        return await _take(inventory, seat_map, booking, mask, payment_id)
    if booking.status == "pending" and not await inventory.settle(
        booking, "expired", ["BookingExpired", "SeatsReleased"]
    ):
        return None
    log.warning("paid_without_seats", booking_id=booking.id, payment_id=payment_id)
    return await _refund(inventory, booking.id, payment_id, "seats-gone")


async def _settle(
    inventory: Inventory, sight: Standing | SeatMap, booking: Booking, mark: Hold, payment_id: str | None
) -> Booking | None:
    """The booked mark is in place: the booking follows, and the mark is tidied."""
    values = await as_marked(inventory, sight.layout, booking, mark)
    if payment_id:
        values["paymentId"] = payment_id
    if booking.partner:
        return await _ask(inventory, sight, booking, booking.partner, values)
    confirmed = await inventory.settle(booking, "confirmed", ["BookingConfirmed"], **values)
    if confirmed:
        await inventory.tallying.follow(confirmed)  # before the mark goes, by which a crash is noticed
        await inventory.seat_maps.tidy(booking.showtime_id, booking.id, Mark.BOOKED)
        if sight.status != "open":  # called off between the mark and the booking
            return await cancel(inventory, confirmed, reason="showtime-cancelled")
    return confirmed


async def _ask(
    inventory: Inventory, sight: Standing | SeatMap, booking: Booking, partner: Partner, values: dict[str, Any]
) -> Booking | None:
    """Have the partner theatre asked; from this very reading, in which nobody has given the booking up.

    `values`: what the mark changes of the booking, and its payment.
    """
    now = inventory.now()
    asked = replace(partner, state="asked", deadline=now + inventory.settings.partner_answer)
    seat_ids = values.get("seatIds") or booking.seat_ids
    after = replace(booking, status="pending", version=booking.version + 1, seat_ids=seat_ids)
    event = inventory.asking_event(after, asked, await inventory.showtime_at(sight))
    values |= {"partner": partner_document(asked)}
    waiting = await inventory.bookings.become(booking, "pending", now, events=[event], **values)
    if waiting and sight.status != "open":  # called off between the mark and the booking
        return await cancel(inventory, waiting, reason="showtime-cancelled")
    return waiting


async def _take(
    inventory: Inventory, seat_map: SeatMap, booking: Booking, mask: int, payment_id: str | None
) -> Booking | None:
    """Book free seats for a booking without a hold; None where the map has changed since this reading."""
    now = inventory.now()
    booked = Hold(booking.id, Mark.BOOKED, None, mask, payment_id)
    if not await inventory.seat_maps.retake(seat_map, booked, seat_map.in_the_way(mask, now), now):
        return None
    settled = await _settle(inventory, seat_map, booking, booked, payment_id)
    if settled and booking.rescheduled(seat_map.starts_at):  # it had no seats when the others were told
        await inventory.seat_maps.fall_behind(booking.showtime_id, now)
    return settled


async def _to_be_had(inventory: Inventory, seat_map: SeatMap, booking: Booking, now: datetime) -> int | None:
    """The seats of a booking that has lost them, where they are all free."""
    try:
        mask = await inventory.mask_of(booking, seat_map)
    except UnknownSeats:  # the map was moved to a layout that does without them
        return None
    unavailable = seat_map.occupied(now) | seat_map.closed(booking.channel)
    return mask if seat_map.bookable(now) and not unavailable & mask else None


async def _give_back(
    inventory: Inventory, standing: Standing, booking: Booking, payment_id: str | None
) -> Booking | None:
    """Paid for a booking that is over: free what a step cut short may have booked, and return the money."""
    entry = standing.entry
    if entry and entry.mark is Mark.BOOKED:
        released = Hold(booking.id, Mark.RELEASED, None, entry.mask)
        await inventory.seat_maps.unbook(standing, released, inventory.now())
        return None
    if entry and entry.mark is Mark.RELEASED:
        await inventory.seat_maps.tidy(booking.showtime_id, booking.id, Mark.RELEASED, entry.mask)
    return await _refund(inventory, booking.id, payment_id, "booking-over")


async def _refund(inventory: Inventory, booking_id: str, payment_id: str | None, reason: str) -> Booking | None:
    booking = await inventory.booking(booking_id)
    if booking.status in {"confirmed", "pending"}:
        return None
    settled_before = booking.kept is not None  # it was confirmed and given back, and this is told again
    if booking.money_back or settled_before or payment_id is None or booking.amount == 0:
        return booking
    refund = new_refund(booking, payment_id, booking.left, reason, new_id())
    event = inventory.refund_event(replace(booking, version=booking.version + 1), refund)
    return await inventory.bookings.request_refund(booking, refund, event, inventory.now())
