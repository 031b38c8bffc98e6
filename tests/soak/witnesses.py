"""What others than buyer and gateway say in the end: the promo code, the partner theatre, the organiser. No I/O."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tests.soak.buyers import Purchase
from tests.soak.judge import Books
from tests.soak.returns import COMES

Json = dict[str, Any]


def code_overused(
    purchases: Sequence[Purchase], finals: Mapping[str, Json], late: Collection[str], most: int, most_each: int
) -> Iterator[str]:
    """More uses than there may be, in all and by one person. Those are excused that were confirmed by `late` money."""
    by_person: Counter[str] = Counter()
    for purchase in purchases:
        final = finals[purchase.booking]
        if "by code" in purchase.ways and final["status"] == "confirmed" and purchase.booking not in late:
            by_person[final["userId"]] += 1
    if by_person.total() > most:
        yield f"the code was used {by_person.total()} times, not {most}"
    for person, uses in by_person.items():
        if uses > most_each:
            yield f"{person} used the code {uses} times, not {most_each}"


def theatre_differs(purchase: Purchase, final: Json, theirs: Json | None) -> Iterator[str]:
    """Where the partner theatre's books don't say the same of a booking at its venue."""
    about = f"booking {purchase.booking} is {final['status']}"
    if final["status"] != "confirmed":
        if theirs and theirs["status"] == "confirmed":
            yield f"{about}, but confirmed at the theatre"
        return
    here = {ticket["seatId"]: ticket["ticketId"] for ticket in final["partner"].get("tickets", [])}
    if here.keys() != set(final["seatIds"]):
        yield f"{about} with theatre tickets for {sorted(here)} of {final['seatIds']}"
    if theirs is None or theirs["status"] != "confirmed":
        yield f"{about}, but not at the theatre: {theirs}"
    elif here != {ticket["seatId"]: ticket["ticketId"] for ticket in theirs["tickets"]}:
        yield f"{about} with other tickets than at the theatre: {theirs}"


TOLD_OF: Mapping[str, str] = {
    "confirmed": "booking.confirmed",
    "cancelled": "booking.cancelled",
    "expired": "booking.expired",
    "failed": "booking.failed",
}


def untold(purchase: Purchase, final: Json, books: Books, told: Collection[str]) -> Iterator[str]:
    """Of what became of a booking, what never reached the organiser."""
    due = {TOLD_OF[status] for status in {*purchase.heard, final["status"]} & TOLD_OF.keys()}
    if books.refunded[purchase.booking]:
        due.add("payment.refunded")
    if final.get("cancelledParts"):
        due.add("booking.reduced")
    if purchase.booking in purchase.hall.told and final["status"] == "confirmed" and COMES not in purchase.ways:
        due.add("booking.rescheduled")
    for type_ in sorted(due - set(told)):
        yield f"the organiser never heard {type_} of booking {purchase.booking}, which is {final['status']}"
