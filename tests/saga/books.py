"""What must be true once all is at rest: seats by the bookings and the theatre's books, money by the gateway's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inventory_service.handlers.audit import audit
from marquee.audit import MoneyAudit
from messaging.events import ShowtimeState
from payment_service.audit import open_books
from tests.saga.house import House

Json = dict[str, Any]
OPEN_DISPUTES = {"warning_needs_response", "warning_under_review", "needs_response", "under_review"}


@dataclass(frozen=True)
class Account:
    """What the gateway took for one booking, and gave back, in minor units; `lost`: what banks took back for good."""

    taken: int = 0
    returned: int = 0
    returning: int = 0
    lost: int = 0
    disputing: int = 0


async def accounts(house: House, references: Mapping[str, str]) -> dict[str, Account]:
    """By booking; `references`: booking → intent."""
    found = {}
    for booking_id, reference in references.items():
        charges = await _all(house, "charges", reference)
        refunds = await _all(house, "refunds", reference)
        given = {
            status: sum(refund["amount"] for refund in refunds if refund["status"] == status)
            for status in ("succeeded", "pending")
        }
        disputes = await _all(house, "disputes", reference)
        lost = sum(dispute["amount"] for dispute in disputes if dispute["status"] == "lost")
        open_ = sum(dispute["amount"] for dispute in disputes if dispute["status"] in OPEN_DISPUTES)
        taken = sum(charge["amount_captured"] for charge in charges)
        found[booking_id] = Account(taken, given["succeeded"], given["pending"], lost, open_)
    return found


async def _all(house: House, kind: str, intent: str) -> list[Json]:
    answer = await house.sandbox.get(f"/v1/{kind}", params={"payment_intent": intent, "limit": 100})
    assert answer.status_code == 200, answer.text
    items: list[Json] = answer.json()["data"]
    return items


async def strange_intents(house: House, showtime_id: str) -> list[str]:
    """A sentence for each booking that has more than one intent, which its buyer could pay twice."""
    ids = {booking["_id"] async for booking in house.seats["bookings"].find({"showtimeId": showtime_id}, {"_id": 1})}
    answer = await house.sandbox.get("/v1/payment_intents", params={"limit": 100})
    made = [intent["metadata"].get("bookingId") for intent in answer.json()["data"]]
    return [f"Booking {id_} has {made.count(id_)} intents" for id_ in ids if made.count(id_) > 1]


@dataclass(frozen=True)
class Causes:
    """Why a booking that was paid for may have no seats: by its id."""

    given_up: frozenset[str]
    given_back: frozenset[str]
    called_off: bool


async def findings(house: House, showtime: ShowtimeState, causes: Causes) -> list[str]:
    """A sentence for each thing that is not as it must be."""
    bookings = [each async for each in house.seats["bookings"].find({"showtimeId": showtime.showtime_id})]
    ids = [booking["_id"] for booking in bookings]
    payments = {each["bookingId"]: each async for each in house.money["payments"].find({"bookingId": {"$in": ids}})}
    references = {id_: payment["reference"] for id_, payment in payments.items() if payment["reference"]}
    books = await accounts(house, references)
    found = [
        sentence
        for booking in bookings
        for sentence in _of_booking(booking, payments.get(booking["_id"]), books.get(booking["_id"], Account()))
    ]
    found += _without_cause(bookings, books, causes)
    found += _sum(bookings, payments, books)
    found += [f"{each} has something to tell" for each in await _untold(house, ids)]
    if showtime.venue.partner:
        found += [sentence for booking in bookings for sentence in await _at_theatre(house, booking, showtime)]
    if found:
        return found
    found = [*await strange_intents(house, showtime.showtime_id), *await audit(house.inventory)]
    async with open_books(house.settings, house.clock) as money:
        verdict = await MoneyAudit(house.inventory.bookings, money, house.clock).run(gateway=True)
    return found + verdict.findings


def _of_booking(booking: Json, payment: Json | None, books: Account) -> Iterator[str]:
    status, amount, id_ = booking["status"], _paid(booking), booking["_id"]
    back = books.returned + _by_banks(payment)
    kept = books.taken - back
    said = f"Booking {id_} is {status}, {amount} was asked for it, {back} came back, and the gateway says {books}"
    if books.taken not in {0, amount} or books.returning or books.disputing:
        yield said
    match status:
        case "pending":
            yield f"Booking {id_} still waits"
        case "confirmed":
            if books.taken != amount or (booking["amount"] and not kept):
                yield said
        case "refunded":
            if kept or not books.taken:
                yield said
        case _:
            # What was taken has come back in full: then the booking says so too, unless its last seats cost nothing.
            if kept or (books.taken and booking["amount"]):
                yield said
    if booking.get("leaving"):
        yield f"Seats are leaving booking {id_}"
    if booking.get("refunded", 0) != back:
        yield f"Booking {id_} knows of {booking.get('refunded', 0)} given back, and it is {back}"
    if payment:
        yield from _of_payment(payment, books)
        yield from _of_parts(booking, payment, books)


def _of_parts(booking: Json, payment: Json, books: Account) -> Iterator[str]:
    """The venue has no refund policy: what seats cost that were given up has come back, and no more for them."""
    parts = booking.get("parts", ())
    worth, ids = sum(part["value"] for part in parts), {part["refund_id"] for part in parts}
    made = [refund for refund in payment["refunds"] if refund["status"] == "succeeded"]
    back = sum(refund["amount"] for refund in made)
    for_parts = sum(refund["amount"] for refund in made if refund["id"].removesuffix("-disputed") in ids)
    if for_parts > worth or back < min(books.taken, worth):
        yield f"Booking {booking['_id']} gave up seats for {worth}: {for_parts} came back for them, {back} in all"


def _of_payment(payment: Json, books: Account) -> Iterator[str]:
    by_banks = _by_banks(payment)
    back = sum(refund["amount"] for refund in payment["refunds"] if refund["status"] == "succeeded")
    said = f"Payment {payment['_id']} is {payment['status']} with {back} given back ({by_banks} by banks), and {books}"
    if back - by_banks != books.returned or by_banks > books.lost:
        yield said
    if books.returned + books.lost > books.taken:
        yield f"{said}: the buyer has more than he paid"
    if books.taken:
        right = {"refunded"} if back == books.taken else {"completed"}
    else:
        right = {"pending", "failed", "cancelled"}
    if payment["status"] not in right:
        yield said


def _paid(booking: Json) -> int:
    """What its seats cost when they were paid, those that it gave up since too."""
    paid: int = booking["amount"] + sum(part["value"] for part in booking.get("parts", ()))
    return paid


def _by_banks(payment: Json | None) -> int:
    """What buyers have got by disputes instead of refunds."""
    refunds = payment["refunds"] if payment else []
    return sum(each["amount"] for each in refunds if each["byDispute"] and each["status"] == "succeeded")


def _all_seats(booking: Json) -> set[str]:
    """Those that it has, gave up or lost."""
    parts = [seat for part in booking.get("parts", ()) for seat in part["seat_ids"]]
    return {*booking["seatIds"], *parts, *(booking.get("seatsChanged") or {}).get("from", ())}


async def _at_theatre(house: House, booking: Json, showtime: ShowtimeState) -> list[str]:
    """Of a booking at a theatre's venue: it has just what is sold, at the time that the show has now."""
    answer = await house.theatre.get(f"/sandbox/bookings/{booking['_id']}")
    known: Json = answer.json() if answer.status_code == 200 else {"status": "unknown"}
    said = f"Booking {booking['_id']} is {booking['status']} with {booking['seatIds']}, the theatre says {known}"
    if booking["status"] != "confirmed":
        return [said] if known["status"] == "confirmed" else []
    theirs = {ticket["seatId"]: ticket["ticketId"] for ticket in known.get("tickets", ())}
    ours = {ticket["seatId"]: ticket["ticketId"] for ticket in booking["partner"]["tickets"]}
    same = theirs == {seat: ours.get(seat) for seat in booking["seatIds"]}
    if known["status"] != "confirmed" or not same:
        return [said]
    if datetime.fromisoformat(known["startsAt"]) != showtime.starts_at:
        return [f"{said}, and the show begins at {showtime.starts_at}"]
    return []


def _without_cause(bookings: list[Json], books: Mapping[str, Account], causes: Causes) -> Iterator[str]:
    """Who paid in full, gave nothing back and was in nobody's way must have the seats."""
    for booking in bookings:
        id_ = booking["_id"]
        rivals = [other for other in bookings if other["_id"] != id_ and _all_seats(other) & _all_seats(booking)]
        refused = (booking.get("partner") or {}).get("state") == "refused"
        excused = id_ in causes.given_up | causes.given_back or causes.called_off or rivals or refused
        if id_ in books and books[id_].taken and booking["status"] != "confirmed" and not excused:
            yield f"Booking {id_} was paid for and nobody else wanted its seats, but it is {booking['status']}"


def _sum(bookings: list[Json], payments: Mapping[str, Json], books: Mapping[str, Account]) -> Iterator[str]:
    taken = sum(each.taken for each in books.values())
    back = {id_: each.returned + _by_banks(payments.get(id_)) for id_, each in books.items()}
    worth = sum(_paid(each) - back.get(each["_id"], 0) for each in bookings if _sold(each))
    if taken != worth + sum(back.values()):
        yield f"{taken} came in; tickets are worth {worth}, and {sum(back.values())} went back"


def _sold(booking: Json) -> bool:
    return bool(booking["status"] == "confirmed")


async def _untold(house: House, booking_ids: list[str]) -> list[str]:
    untold = {"outbox.0": {"$exists": True}}
    bookings = house.seats["bookings"].find({"_id": {"$in": booking_ids}, **untold}, {"_id": 1})
    payments = house.money["payments"].find({"bookingId": {"$in": booking_ids}, **untold}, {"_id": 1})
    events = house.money["webhook_events"].find({"state": {"$in": ["received", "failed"]}}, {"_id": 1, "state": 1})
    asked = house.desk["requests"].find({"_id": {"$in": booking_ids}, "$or": [untold, {"dueAt": {"$ne": None}}]})
    return [
        *[f"partner request {each['_id']} ({each['state']})" async for each in asked],
        *[f"booking {each['_id']}" async for each in bookings],
        *[f"payment {each['_id']}" async for each in payments],
        *[f"webhook event {each['_id']} ({each['state']})" async for each in events],
    ]
