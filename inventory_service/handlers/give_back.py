"""A buyer who gives tickets back, all or some: what comes back by the policy that he bought under, and doing it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inventory_service.domain.booking import Booking, NotCancellable, NotConfirmed, RefundDiffers, TimeDiffers
from inventory_service.domain.pricing import price_of_rest, total_of
from inventory_service.domain.refunds import IN_FULL, Leaving, Share, share_at
from inventory_service.handlers.attempts import ATTEMPTS, Contended
from inventory_service.handlers.cancel import cancel
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.leave import leave
from service_kit.errors import Invalid
from service_kit.ids import new_id


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to give back: these seats, or all; `refund` is what he was told would come back for them.

    `in_full`: whatever the policy says, as staff may grant.
    """

    seat_ids: Sequence[str] | None = None
    refund: int | None = None
    in_full: bool = False
    by_staff: bool = False


@dataclass(frozen=True, slots=True)
class Quote:
    """What giving these seats back would bring now. `paid` is what they are worth in the booking."""

    seat_ids: Sequence[str]
    share: Share
    paid: int
    refund: int
    rescheduled: bool


async def quote_return(inventory: Inventory, booking: Booking, wish: Wish) -> Quote:
    """Raises NotCancellable, Invalid."""
    if booking.at_partner:  # paid for, and whoever goes before the theatre has confirmed gets everything back
        return Quote(booking.seat_ids, IN_FULL, booking.amount, booking.left, False)
    if booking.status == "pending":
        return Quote(booking.seat_ids, IN_FULL, 0, 0, False)
    if booking.status != "confirmed":
        raise NotCancellable(f"The booking is {booking.status}")
    showtime = await inventory.current_showtime(booking.showtime_id)
    now = inventory.now()
    if showtime.starts_at <= now:
        raise NotCancellable("The show has begun")
    if booking.scanned_at:
        raise NotCancellable("The ticket was used already")
    rescheduled = booking.rescheduled(showtime.starts_at)
    free = wish.in_full or rescheduled or showtime.status == "cancelled"
    share = IN_FULL if free else share_at(booking.policy, showtime.starts_at, now)
    seat_ids = _chosen(booking, wish)
    if len(seat_ids) == len(booking.seat_ids):
        return Quote(seat_ids, share, booking.amount, booking.due(share), rescheduled)
    value, due, _ = _worth(booking, seat_ids, share)
    return Quote(seat_ids, share, value, due, rescheduled)


async def cancel_by_owner(inventory: Inventory, booking: Booking, wish: Wish | None = None) -> Booking:
    """The booking once the seats are given back: not after the show has begun or the ticket was used.

    A hold that he gives up counts as abandoned, unless it is staff who cancel it for him.
    Raises NotCancellable, RefundDiffers, Invalid.
    """
    wish = wish or Wish()
    if wish.seat_ids is not None and _gave_up(booking, wish.seat_ids):
        return booking
    if booking.status in {"cancelled", "refunded"} and _asks_for_more(booking, wish):
        raise NotCancellable(f"The booking is {booking.status} already, and {booking.asked} was asked back")
    share = IN_FULL
    if booking.status == "confirmed":
        quote = await quote_return(inventory, booking, wish)
        if wish.refund is not None and wish.refund != quote.refund:
            raise RefundDiffers(refund_amount=quote.refund, currency=booking.currency)
        if len(quote.seat_ids) < len(booking.seat_ids):
            return await _give_back_some(inventory, booking, quote)
        share = quote.share
    elif wish.seat_ids is not None and set(wish.seat_ids) != set(booking.seat_ids):
        raise NotCancellable("Only a confirmed booking can be cancelled in part")
    done = await cancel(inventory, booking, due=lambda latest: latest.due(share), unless_scanned=True)
    if done.status not in {"cancelled", "refunded"}:
        raise NotCancellable(f"The booking is {done.status}")
    await (inventory.turnstile.give_back(done) if wish.by_staff else inventory.turnstile.abandon(done))
    return done


async def keep(inventory: Inventory, booking: Booking, starts_at: datetime) -> Booking:
    """The booking, whose buyer agrees to this time of a show that was moved. Repeats are harmless.

    Raises NotConfirmed for a booking that is over, TimeDiffers.
    """
    for _ in range(ATTEMPTS):
        booking = await inventory.booking(booking.id)
        if booking.status not in {"pending", "confirmed"}:
            raise NotConfirmed(f"The booking is {booking.status}")
        showtime = await inventory.current_showtime(booking.showtime_id)
        if starts_at != showtime.starts_at:
            raise TimeDiffers(starts_at=showtime.starts_at.isoformat())
        if booking.starts_at == starts_at and booking.moved_to is None:
            return booking
        if agreed := await inventory.bookings.agree(booking, starts_at, inventory.now()):
            return agreed
    raise Contended


async def _give_back_some(inventory: Inventory, booking: Booking, quote: Quote) -> Booking:
    refund_id = new_id()
    for _ in range(ATTEMPTS):
        standing = await inventory.resting_standing(booking)
        booking = await inventory.booking(booking.id)
        if _gave_up(booking, quote.seat_ids):
            return booking
        if booking.status != "confirmed" or not set(quote.seat_ids) < set(booking.seat_ids):
            raise NotCancellable("The booking has changed meanwhile")
        _, due, rest = _worth(booking, quote.seat_ids, quote.share)
        leaving = Leaving(list(quote.seat_ids), due, refund_id, "cancelled", rest)
        await leave(inventory, standing, booking, leaving, unless_scanned=True)
    raise Contended


def _chosen(booking: Booking, wish: Wish) -> Sequence[str]:
    """In the booking's own order. Raises Invalid."""
    if wish.seat_ids is None:
        return booking.seat_ids
    own = set(booking.seat_ids)
    faults = [
        (f"/seatIds/{at}", "not a seat of this booking") for at, id_ in enumerate(wish.seat_ids) if id_ not in own
    ]
    if len(set(wish.seat_ids)) < len(wish.seat_ids):
        faults = [("/seatIds", "names a seat twice")]
    if not wish.seat_ids:
        faults = [("/seatIds", "name the seats, or leave it out for all")]
    if faults:
        raise Invalid(faults=faults)
    return [seat_id for seat_id in booking.seat_ids if seat_id in set(wish.seat_ids)]


def _asks_for_more(booking: Booking, wish: Wish) -> bool:
    """Whether this is no repeat of how the booking was cancelled."""
    last = booking.refund["amount"] if booking.refund else 0
    return (wish.in_full and bool(booking.kept)) or wish.refund not in {None, last}


def _gave_up(booking: Booking, seat_ids: Sequence[str]) -> bool:
    """Whether just these seats left the booking before, all at once: then this is a repeat."""
    return any(set(part.seat_ids) == set(seat_ids) for part in booking.parts)


def _worth(booking: Booking, leaving: Sequence[str], share: Share) -> tuple[int, int, dict[str, Any]]:
    """What these seats are worth in the booking, what comes back for them, and the price of the others."""
    rest = price_of_rest(booking.price, [seat_id for seat_id in booking.seat_ids if seat_id not in set(leaving)])
    value = booking.amount - total_of(rest)
    return value, min(share.of(value, 0), booking.left), rest
