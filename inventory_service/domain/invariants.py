"""What must be true of a seat map and the bookings of its showtime, whenever no step is under way between them.

- taken = booked and held seats, and nothing else; no seat has two owners.
- booked = the seats of confirmed bookings, where a mark says that the booking has yet to follow: of the mark.
- no seat is in two blocks, and none beyond the end of the hall.
- a pending booking has its hold; what has run out is swept within `GRACE`.
- one that its partner theatre is asked for has booked seats instead, and is answered within `GRACE` of the deadline;
  once confirmed it has the theatre's tickets.
- the price adds up; nobody has both a ticket and a refund.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from inventory_service.domain.booking import Booking
from inventory_service.domain.layout import Layout
from inventory_service.domain.pricing import total_of
from inventory_service.domain.seat_map import Hold, Mark, SeatMap

# The sweeper comes by every second and the marks of a crash are looked at after fifteen.
GRACE = timedelta(seconds=60)


def broken_invariants(
    seat_map: SeatMap, layout: Layout, bookings: Mapping[str, Booking], now: datetime
) -> Iterator[str]:
    """A sentence for each rule that is broken. `bookings`: the pending and confirmed ones, and those of marks."""
    seats: dict[str, int] = {}
    for booking in bookings.values():
        unknown = [seat_id for seat_id in _ought_to_have(booking, seat_map, now) if seat_id not in layout.position]
        if unknown:
            yield f"Booking {booking.id} has seats that the hall has not: {', '.join(unknown)}"
        seats[booking.id] = layout.known(booking.seat_ids)
        yield from _booking_faults(booking)
    yield from _ownership(seat_map, layout, bookings, seats)
    yield from _block_faults(seat_map, layout)
    yield from _holds_and_bookings(seat_map, layout, bookings, seats, now)


def _ought_to_have(booking: Booking, seat_map: SeatMap, now: datetime) -> Sequence[str]:
    """The seats that it ought to have. Those that nobody has may be left out of the next layout."""
    if booking.status == "pending":
        seated = (booking.at_partner and not booking.let_go) or (booking.waiting and booking.held_until > now)
        return booking.seat_ids if seated else ()
    if booking.status != "confirmed":
        return ()
    entry = seat_map.holds.get(booking.id)
    if booking.leaving and entry and entry.mark is Mark.RELEASED:
        return [seat_id for seat_id in booking.seat_ids if seat_id not in booking.leaving.seat_ids]
    return booking.seat_ids


def _ownership(
    seat_map: SeatMap, layout: Layout, bookings: Mapping[str, Booking], seats: Mapping[str, int]
) -> Iterator[str]:
    bookers = [(hold.booking_id, hold.mask) for hold in seat_map.holds.values() if hold.mark is Mark.BOOKED]
    for id_, one in bookings.items():
        entry = seat_map.holds.get(id_)
        if one.status == "confirmed" and (entry is None or entry.mark is Mark.RELEASED):
            bookers.append((id_, seats[id_] & ~(entry.mask if entry else 0)))
    holders = [(hold.booking_id, hold.mask) for hold in seat_map.holds.values() if hold.mark is Mark.HOLD]
    sold, held = _union(bookers), _union(holders)
    yield from _seats_twice(layout, "Bookings", bookers + holders)
    where = f"of showtime {seat_map.showtime_id}"
    for mask, fault in (
        (seat_map.booked & ~sold, "booked without a confirmed booking"),
        (sold & ~seat_map.booked, "sold by a confirmed booking but not booked"),
        (seat_map.booked & ~seat_map.taken, "booked but not taken"),
        (held & ~seat_map.taken, "held but not taken"),
        (seat_map.taken & ~seat_map.booked & ~held, "taken by nobody"),
        ((seat_map.taken | seat_map.booked) & ~layout.everything, "beyond the end of the hall"),
    ):
        if mask:
            yield f"{mask.bit_count()} seat(s) {where} are {fault}: {_names(layout, mask)}"


def _seats_twice(layout: Layout, whose: str, owners: Iterable[tuple[str, int]]) -> Iterator[str]:
    seen: list[tuple[str, int]] = []
    everything = 0
    for owner, mask in owners:
        for other, others_mask in seen if mask & everything else ():
            if mask & others_mask:
                yield f"{whose} {other} and {owner} both have {_names(layout, mask & others_mask)}"
        seen.append((owner, mask))
        everything |= mask


def _block_faults(seat_map: SeatMap, layout: Layout) -> Iterator[str]:
    yield from _seats_twice(layout, "Blocks", [(block.id, block.mask) for block in seat_map.blocks])
    for block in seat_map.blocks:
        beyond = block.mask & ~layout.everything
        if beyond:
            yield f"Block {block.id} has {beyond.bit_count()} seat(s) beyond the end of the hall"


def _holds_and_bookings(
    seat_map: SeatMap, layout: Layout, bookings: Mapping[str, Booking], seats: Mapping[str, int], now: datetime
) -> Iterator[str]:
    for hold in seat_map.holds.values():
        if hold.expired(now - GRACE):
            yield f"The hold of booking {hold.booking_id} ran out at {hold.until} and is still kept"
        booking = bookings.get(hold.booking_id)
        if booking is None:
            # A hold alone is what a crash before the booking was written leaves; it runs out by itself.
            if hold.mark is not Mark.HOLD:
                yield f"The {hold.mark} mark of booking {hold.booking_id} has no booking"
        elif hold.mask != seats[hold.booking_id] and not (_gave_up(booking, hold, layout) or _moves(booking, hold)):
            yield f"The seat map and booking {hold.booking_id} name different seats"
    for booking in bookings.values():
        if booking.at_partner:
            yield from _partner_faults(booking, seat_map, now)
        if not booking.waiting:
            continue
        if booking.held_until <= now - GRACE:
            yield f"Booking {booking.id} is still pending although its hold ran out at {booking.held_until}"
        elif booking.held_until > now and booking.id not in seat_map.holds:
            yield f"Booking {booking.id} waits for payment but holds no seats"


def _partner_faults(booking: Booking, seat_map: SeatMap, now: datetime) -> Iterator[str]:
    deadline = booking.partner and booking.partner.deadline
    if deadline and deadline <= now - GRACE:
        yield f"Booking {booking.id} still waits for its partner theatre, which had until {deadline}"
    entry = seat_map.holds.get(booking.id)
    if not booking.let_go and (entry is None or entry.mark is not Mark.BOOKED):
        yield f"Booking {booking.id} waits for its partner theatre but its seats are not booked"


def _gave_up(booking: Booking, mark: Hold, layout: Layout) -> bool:
    """Whether the mark is of seats that the booking is giving up, or gave up last, while it keeps others."""
    last = booking.leaving or (booking.parts[-1] if booking.parts else None)
    return mark.mark is Mark.RELEASED and last is not None and mark.mask == layout.known(last.seat_ids)


def _moves(booking: Booking, mark: Hold) -> bool:
    """Whether the mark may be of other seats, bought by late money, which the booking has yet to follow."""
    return mark.mark is Mark.BOOKED and booking.status != "confirmed"


def _booking_faults(booking: Booking) -> Iterator[str]:
    total = total_of(booking.price)
    if total != booking.amount or booking.amount < 0:
        yield f"The price of booking {booking.id} adds up to {total}, but {booking.amount} is asked"
    partner = booking.partner
    if partner and booking.status == "confirmed" and not set(booking.seat_ids) <= set(partner.ticket_ids):
        yield f"Booking {booking.id} is confirmed without its partner theatre's tickets"
    if booking.status == "confirmed" and booking.money_back and not booking.leaving:
        yield f"Booking {booking.id} has a ticket and its money back"


def _union(owners: Iterable[tuple[str, int]]) -> int:
    union = 0
    for _, mask in owners:
        union |= mask
    return union


def _names(layout: Layout, mask: int) -> str:
    names = layout.ids(mask & layout.everything)
    return ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
