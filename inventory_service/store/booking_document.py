"""A booking as it is kept in MongoDB."""

from inventory_service.domain.booking import NO_POLICY, Booking
from inventory_service.domain.layout import LayoutKey
from inventory_service.domain.money import BookingMoney
from inventory_service.domain.partner import Partner
from inventory_service.domain.refunds import Leaving, Part
from messaging.events import RefundPolicy
from service_kit.mongo import Document

# What an audit of the money reads.
MONEY = [
    *("status", "amount", "parts", "currency", "paymentId", "refund", "refunded", "kept"),
    *("partner", "heldUntil", "updatedAt"),
]


def booking_document(booking: Booking) -> Document:
    """A new booking as it is kept; its outbox is made with its first event."""
    document: Document = {
        "_id": booking.id,
        "version": booking.version,
        "status": booking.status,
        "showtimeId": booking.showtime_id,
        "eventId": booking.event_id,
        "venueId": booking.venue_id,
        "userId": booking.user_id,
        "layout": {"hallId": booking.layout.hall_id, "version": booking.layout.version},
        "seatIds": booking.seat_ids,
        "price": booking.price,
        "amount": booking.amount,
        "currency": booking.currency,
        "createdAt": booking.created_at,
        "updatedAt": booking.updated_at,
        "heldUntil": booking.held_until,
        "extensions": booking.extensions,
    }
    if booking.channel:
        document["channel"] = booking.channel
    if booking.holder_keys:
        document["holderKeys"] = list(booking.holder_keys)
    if booking.partner:
        document["partner"] = partner_document(booking.partner)
    if booking.starts_at:
        document["startsAt"] = booking.starts_at
    if booking.policy.rules or booking.policy.keep_fee:
        document["policy"] = booking.policy.model_dump()
    if booking.code_uses:
        document["codeUses"] = list(booking.code_uses)
    if booking.accept_other:
        document["acceptOther"] = True
    return document


def booking_from(document: Document) -> Booking:
    return Booking(
        id=document["_id"],
        version=document["version"],
        status=document["status"],
        showtime_id=document["showtimeId"],
        event_id=document["eventId"],
        venue_id=document["venueId"],
        user_id=document["userId"],
        layout=LayoutKey(document["layout"]["hallId"], document["layout"]["version"]),
        seat_ids=document["seatIds"],
        price=document["price"],
        amount=document["amount"],
        currency=document["currency"],
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
        held_until=document["heldUntil"],
        extensions=document["extensions"],
        payment_id=document.get("paymentId"),
        refund=document.get("refund"),
        refunded=document.get("refunded", 0),
        kept=document.get("kept"),
        unpaid=document.get("unpaid", False),
        leaving=Leaving(**document["leaving"]) if "leaving" in document else None,
        parts=[Part(**part) for part in document.get("parts", ())],
        scanned_at=document.get("scannedAt"),
        channel=document.get("channel"),
        holder_keys=document.get("holderKeys", ()),
        policy=RefundPolicy(**document["policy"]) if "policy" in document else NO_POLICY,
        starts_at=document.get("startsAt"),
        moved_to=document.get("movedTo"),
        code_uses=document.get("codeUses", ()),
        accept_other=document.get("acceptOther", False),
        seats_changed=document.get("seatsChanged"),
        partner=_partner_from(document.get("partner")),
    )


def partner_document(partner: Partner) -> Document:
    """Tickets as a list: a seat's id may have dots, which the name of a field should not."""
    return {
        "id": partner.id,
        "state": partner.state,
        "deadline": partner.deadline,
        "tickets": [{"seatId": seat_id, "ticketId": ticket} for seat_id, ticket in partner.ticket_ids.items()],
        "reason": partner.reason,
        "ending": partner.ending,
    }


def _partner_from(document: Document | None) -> Partner | None:
    if document is None:
        return None
    tickets = {ticket["seatId"]: ticket["ticketId"] for ticket in document["tickets"]}
    return Partner(
        document["id"], document["state"], document["deadline"], tickets, document["reason"], document["ending"]
    )


def money_from(document: Document) -> BookingMoney:
    refund, parts, partner = document.get("refund"), document.get("parts", ()), document.get("partner")
    asked = {part["refund_id"]: part["refund"] for part in parts if part["refund"]}
    if refund:
        asked[refund["refund_id"]] = refund["amount"]
    return BookingMoney(
        id=document["_id"],
        status=document["status"],
        paid=document["amount"] + sum(part["value"] for part in parts),
        worth=document["amount"],
        currency=document["currency"],
        payment_id=document.get("paymentId"),
        asked=asked,
        refunded=document.get("refunded", 0),
        # Once it has ended, that is all: of the parts that it gave up before, too.
        kept=document["kept"] if "kept" in document else sum(part["value"] - part["refund"] for part in parts),
        held_until=document["heldUntil"],
        updated_at=document["updatedAt"],
        waits_until=partner["deadline"] if partner and partner["state"] == "asked" else None,
    )
