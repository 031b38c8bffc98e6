"""What must be true of a soak in the end. No I/O."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from inventory_service.domain.booking import TRANSITIONS
from messaging.events import BookingStatus
from tests.soak.buyers import Purchase

Json = dict[str, Any]
FINAL = {"confirmed", "refunded", "cancelled", "expired", "failed"}


@dataclass
class Books:
    """The gateway's own: what it took and gave back, in minor units, by booking."""

    taken: Counter[str] = field(default_factory=Counter)
    refunded: Counter[str] = field(default_factory=Counter)
    events: int = 0

    @classmethod
    def of(cls, charges: Iterable[Json], refunds: Iterable[Json], events: int) -> "Books":
        books = cls(events=events)
        booking_of = {}
        for charge in charges:
            booking = charge["metadata"]["bookingId"]
            booking_of[charge["payment_intent"]] = booking
            books.taken[booking] += charge["amount_captured"]
        for refund in refunds:
            if refund["status"] == "succeeded":
                books.refunded[booking_of[refund["payment_intent"]]] += refund["amount"]
        return books


def faults(purchases: Sequence[Purchase], finals: Mapping[str, Json], books: Books) -> list[str]:
    """A sentence for each rule that is broken."""
    told = [*seats_twice(finals.values()), *sums_differ(finals, books)]
    for purchase in purchases:
        told += untrue(purchase, finals[purchase.booking], books)
    return told


def seats_twice(finals: Iterable[Json]) -> Iterator[str]:
    owners: dict[tuple[str, str], list[str]] = defaultdict(list)
    for final in finals:
        if final["status"] == "confirmed":
            for seat in final["seatIds"]:
                owners[final["showtimeId"], seat].append(final["bookingId"])
    for (showtime, seat), found in owners.items():
        if len(found) > 1:
            yield f"seat {seat} of {showtime} is sold to {' and '.join(found)}"


def sums_differ(finals: Mapping[str, Json], books: Books) -> Iterator[str]:
    """Money in is tickets and refunds, to the cent."""
    tickets = sum(final["finalAmount"] for final in finals.values() if final["status"] == "confirmed")
    taken, refunded = books.taken.total(), books.refunded.total()
    if taken != tickets + refunded:
        yield f"the gateway took {taken}, but tickets are worth {tickets} and {refunded} came back"
    for booking in books.taken.keys() - finals.keys():
        yield f"the gateway took {books.taken[booking]} for {booking}, which nobody knows"


def untrue(purchase: Purchase, final: Json, books: Books) -> Iterator[str]:
    """What this buyer was told that was not so, and money or a ticket that he has wrongly."""
    id_, status = purchase.booking, final["status"]
    taken, refunded = books.taken[id_], books.refunded[id_]
    about = f"booking {id_} ({', '.join(sorted(purchase.ways))}; heard {' > '.join(purchase.heard)})"
    if status not in FINAL:
        yield f"{about} is {status} in the end"
    due = final["finalAmount"] if status == "confirmed" else 0
    if taken - refunded != due:
        yield f"{about} is {status}: {taken} were taken and {refunded} came back"
    if "paid" in purchase.ways and not taken:
        yield f"{about}: the gateway said that he paid, and took nothing"
    if refunded != final.get("refundedAmount", 0):
        yield f"{about} says that {final.get('refundedAmount', 0)} came back, the gateway says {refunded}"
    if final["finalAmount"] != purchase.amount:
        yield f"{about} costs {final['finalAmount']}, not the {purchase.amount} it was held at"
    for before, after in zip(purchase.heard, [*purchase.heard[1:], status], strict=True):
        if after != before and after not in reachable(before):
            yield f"{about}: he was told {before}, then {after}"
    wanted = "gave back" in purchase.ways or purchase.hall.off
    if "confirmed" in purchase.heard and status != "confirmed" and not wanted:
        yield f"{about} was confirmed and is {status}, though nobody gave it back"


@cache
def reachable(status: BookingStatus) -> frozenset[str]:
    """All states that may follow, by whatever way."""
    found: set[BookingStatus] = set()
    ahead = set(TRANSITIONS[status])
    while ahead:
        found.add(one := ahead.pop())
        ahead |= TRANSITIONS[one] - found
    return frozenset(found)
