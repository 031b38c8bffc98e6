"""What must be true once all has come to rest: seats by the bookings, money by the gateway's own books."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inventory_service.handlers.audit import audit
from tests.saga.house import House

Json = dict[str, Any]


@dataclass(frozen=True)
class Account:
    """What the gateway took for one booking, and gave back, in minor units."""

    intents: int = 0
    taken: int = 0
    returned: int = 0
    returning: int = 0


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
        taken = sum(charge["amount_captured"] for charge in charges)
        found[booking_id] = Account(1, taken, given["succeeded"], given["pending"])
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


async def findings(house: House, showtime_id: str, causes: Causes) -> list[str]:
    """A sentence for each thing that is not as it must be."""
    bookings = [each async for each in house.seats["bookings"].find({"showtimeId": showtime_id})]
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
    found += _sum(bookings, books)
    found += [f"{each} has something to tell" for each in await _untold(house, ids)]
    if found:
        return found
    return [*await strange_intents(house, showtime_id), *await audit(house.inventory)]


def _of_booking(booking: Json, payment: Json | None, books: Account) -> Iterator[str]:
    status, amount, id_ = booking["status"], booking["amount"], booking["_id"]
    kept = books.taken - books.returned
    said = f"Booking {id_} is {status}, the gateway took {books.taken} and gave back {books.returned} of {amount}"
    if books.taken not in {0, amount} or books.returning:
        yield said
    match status:
        case "pending":
            yield f"Booking {id_} still waits"
        case "confirmed":
            if books.taken != amount or (amount and not kept):
                yield said
        case "refunded":
            if kept or not books.taken:
                yield said
        case _:
            # What was taken has come back in full: then the booking says so too.
            if books.taken:
                yield said
    if booking.get("cancelling"):
        yield f"Booking {id_} is half cancelled"
    if booking.get("refunded", 0) != books.returned:
        yield f"Booking {id_} knows of {booking.get('refunded', 0)} given back, the gateway of {books.returned}"
    if payment:
        yield from _of_payment(payment, books)


def _of_payment(payment: Json, books: Account) -> Iterator[str]:
    returned = sum(refund["amount"] for refund in payment["refunds"] if refund["status"] == "succeeded")
    said = f"Payment {payment['_id']} is {payment['status']} with {returned} given back, by the gateway {books}"
    if returned != books.returned:
        yield said
    if books.taken:
        right = {"refunded"} if books.returned == books.taken else {"completed"}
    else:
        right = {"pending", "failed", "cancelled"}
    if payment["status"] not in right:
        yield said


def _without_cause(bookings: list[Json], books: Mapping[str, Account], causes: Causes) -> Iterator[str]:
    """Who paid in full, gave nothing back and was in nobody's way must have the seats."""
    for booking in bookings:
        id_ = booking["_id"]
        rivals = [
            other for other in bookings if other["_id"] != id_ and set(other["seatIds"]) & set(booking["seatIds"])
        ]
        excused = id_ in causes.given_up | causes.given_back or causes.called_off or rivals
        if id_ in books and books[id_].taken and booking["status"] != "confirmed" and not excused:
            yield f"Booking {id_} was paid for and nobody else wanted its seats, but it is {booking['status']}"


def _sum(bookings: list[Json], books: Mapping[str, Account]) -> Iterator[str]:
    taken = sum(each.taken for each in books.values())
    returned = sum(each.returned for each in books.values())
    given = sum(books[each["_id"]].returned for each in bookings if each["_id"] in books and _sold(each))
    worth = sum(each["amount"] for each in bookings if _sold(each)) - given
    if taken != worth + returned:
        yield f"{taken} came in; tickets are worth {worth}, and {returned} went back"


def _sold(booking: Json) -> bool:
    return bool(booking["status"] == "confirmed")


async def _untold(house: House, booking_ids: list[str]) -> list[str]:
    untold = {"outbox.0": {"$exists": True}}
    bookings = house.seats["bookings"].find({"_id": {"$in": booking_ids}, **untold}, {"_id": 1})
    payments = house.money["payments"].find({"bookingId": {"$in": booking_ids}, **untold}, {"_id": 1})
    events = house.money["webhook_events"].find({"state": {"$in": ["received", "failed"]}}, {"_id": 1, "state": 1})
    return [
        *[f"booking {each['_id']}" async for each in bookings],
        *[f"payment {each['_id']}" async for each in payments],
        *[f"webhook event {each['_id']} ({each['state']})" async for each in events],
    ]
