"""What must be true of a soak in the end. No I/O."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from inventory_service.domain.booking import TRANSITIONS
from messaging.events import BookingStatus
from tests.soak.banks import taken_by_banks
from tests.soak.buyers import Purchase
from tests.soak.returns import GAVE_BACK, GAVE_SOME

Json = dict[str, Any]
FINAL = {"confirmed", "refunded", "cancelled", "expired", "failed"}


@dataclass
class Books:
    """The gateway's own: what it took and gave back, and what banks took for buyers, in minor units, by booking."""

    taken: Counter[str] = field(default_factory=Counter)
    refunded: Counter[str] = field(default_factory=Counter)
    banked: Counter[str] = field(default_factory=Counter)
    events: int = 0

    @classmethod
    def of(
        cls, charges: Iterable[Json], refunds: Iterable[Json], disputes: Iterable[Json] = (), events: int = 0
    ) -> "Books":
        books = cls(events=events)
        booking_of = {}
        for charge in charges:
            booking = charge["metadata"]["bookingId"]
            booking_of[charge["payment_intent"]] = booking
            books.taken[booking] += charge["amount_captured"]
        for refund in refunds:
            if refund["status"] == "succeeded":
                books.refunded[booking_of[refund["payment_intent"]]] += refund["amount"]
        for intent, amount in taken_by_banks(disputes).items():
            books.banked[booking_of[intent]] += amount
        return books


@dataclass(frozen=True)
class Money:
    """Where the money of a booking is, by what its buyer reads in it and by what his bank took. Minor units."""

    tickets: int
    returned: int
    kept: int

    @classmethod
    def of(cls, final: Json) -> "Money":
        parts = final.get("cancelledParts", [])
        kept = sum(part["value"] - part["amount"] for part in parts)
        returned = final.get("refundedAmount", 0)
        match final["status"]:
            case "confirmed":
                return cls(final["finalAmount"], returned, kept)
            case "refunded":
                return cls(0, returned, final["finalAmount"] + sum(part["value"] for part in parts) - returned)
        return cls(0, returned, 0)


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


@dataclass(frozen=True)
class Sums:
    """Of what was taken: `tickets` that are paid for, `refunded` by the house, `disputed` by banks, and `kept`."""

    tickets: int
    refunded: int
    disputed: int
    kept: int

    @classmethod
    def of(cls, finals: Mapping[str, Json], books: Books) -> "Sums":
        tickets = kept = 0
        for final in finals.values():
            id_, money = final["bookingId"], Money.of(final)
            # What a bank took beyond what was to come back anyway, was to pay for a ticket, or to be kept.
            lost = books.banked[id_] - (money.returned - books.refunded[id_])
            tickets += max(0, money.tickets - lost)
            kept += money.kept - max(0, lost - money.tickets)
        return cls(tickets, books.refunded.total(), books.banked.total(), kept)

    @property
    def total(self) -> int:
        return self.tickets + self.refunded + self.disputed + self.kept


def sums_differ(finals: Mapping[str, Json], books: Books) -> Iterator[str]:
    """Money in is tickets, refunds, what banks took and what venues keep, to the cent."""
    sums, taken = Sums.of(finals, books), books.taken.total()
    if taken != sums.total:
        yield (
            f"the gateway took {taken}, but tickets are worth {sums.tickets}, {sums.refunded} came back, "
            f"{sums.disputed} are disputed and {sums.kept} kept"
        )
    for booking in books.taken.keys() - finals.keys():
        yield f"the gateway took {books.taken[booking]} for {booking}, which nobody knows"


def untrue(purchase: Purchase, final: Json, books: Books) -> Iterator[str]:
    """What this buyer was told that was not so, and money or a ticket that he has wrongly."""
    id_, status = purchase.booking, final["status"]
    about = f"booking {id_} ({', '.join(sorted(purchase.ways))}; heard {' > '.join(purchase.heard)})"
    if status not in FINAL:
        yield f"{about} is {status} in the end"
    if "paid" in purchase.ways and not books.taken[id_]:
        yield f"{about}: the gateway said that he paid, and took nothing"
    cost = final["finalAmount"] + sum(part["value"] for part in final.get("cancelledParts", []))
    if cost != purchase.amount:
        yield f"{about} costs {cost}, not the {purchase.amount} it was held at"
    for before, after in zip(purchase.heard, [*purchase.heard[1:], status], strict=True):
        if after != before and after not in reachable(before):
            yield f"{about}: he was told {before}, then {after}"
    wanted = GAVE_BACK in purchase.ways or purchase.hall.off
    if "confirmed" in purchase.heard and status != "confirmed" and not wanted:
        yield f"{about} was confirmed and is {status}, though nobody gave it back"
    for fault in _wrong_money(purchase, final, books):
        yield f"{about} is {status}: {fault}"


def _wrong_money(purchase: Purchase, final: Json, books: Books) -> Iterator[str]:
    id_, money = purchase.booking, Money.of(final)
    taken, refunded, banked = books.taken[id_], books.refunded[id_], books.banked[id_]
    if taken != money.tickets + money.returned + money.kept:
        yield f"{taken} were taken and {refunded} came back"
    if refunded + banked > taken:
        yield f"{taken} were taken, {refunded} came back and his bank took {banked}"
    # What a bank took while the house was asked for it counts as having come back.
    if not refunded <= money.returned <= refunded + banked:
        yield f"it says that {money.returned} came back, the gateway says {refunded}"
    if money.kept < 0 or money.kept > _most_kept(purchase, final):
        yield f"{money.kept} are kept of {taken}, more than the policy says"
    settled = purchase.kept is not None and not purchase.hall.off and not purchase.hall.moved
    if settled and money.kept != purchase.kept:
        yield f"{money.kept} are kept, but he was told {purchase.kept}"


def _most_kept(purchase: Purchase, final: Json) -> int:
    """What the venue may keep, at the most, of what the buyer gave back himself. Each part may be rounded."""
    rules = final["refundPolicy"]["rules"]
    if not rules or not purchase.ways & {GAVE_BACK, GAVE_SOME}:
        return 0
    if purchase.kept is not None and purchase.hall.off:
        return purchase.kept
    worst = min(int(rule["percent"]) for rule in rules)
    fee = int(final["price"]["fee"])
    all_ = GAVE_BACK in purchase.ways
    given = purchase.amount - (fee if all_ else int(final["finalAmount"]))
    return (fee if all_ else 0) + given - given * worst // 100 + len(final.get("cancelledParts", []))


@cache
def reachable(status: BookingStatus) -> frozenset[str]:
    """All states that may follow, by whatever way."""
    found: set[BookingStatus] = set()
    ahead = set(TRANSITIONS[status])
    while ahead:
        found.add(one := ahead.pop())
        ahead |= TRANSITIONS[one] - found
    return frozenset(found)
