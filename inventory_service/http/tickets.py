"""Routes of tickets: as JSON, calendar entry, QR code and page; and the scan at the door."""

import io
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import segno
from fastapi import APIRouter, Request, Response
from icalendar import Calendar
from icalendar import Event as CalendarEvent
from jinja2 import Environment, PackageLoader, select_autoescape
from pydantic import Field

from inventory_service.domain.tickets import ticket_code
from inventory_service.handlers import read
from inventory_service.handlers.context import Inventory
from inventory_service.http.common import inventory_of
from service_kit.auth import AdminOrService, Caller
from service_kit.models import Model, Moment

router = APIRouter(prefix="/api/v1", tags=["tickets"])
PAGES = Environment(loader=PackageLoader("inventory_service"), autoescape=select_autoescape())


class TicketSeat(Model):
    seat_id: str
    section: str
    row: str
    label: str
    seat_type: str
    partner_ticket_id: str | None = None


class TicketPlace(Model):
    venue_id: str
    name: str
    address: str
    city: str
    hall: str


class TicketAnswer(Model):
    """`startsAt` carries the venue's own offset; `code` is what the QR code shows.

    A seat's `partnerTicketId` is what a partner theatre calls it at its own door.
    """

    booking_id: str
    code: str
    event: str
    event_id: str
    showtime_id: str
    starts_at: str
    ends_at: str
    timezone: str
    venue: TicketPlace
    seats: list[TicketSeat]
    scanned_at: Moment | None = None


class Scan(Model):
    code: Annotated[str, Field(min_length=1, max_length=200)]


@router.get("/bookings/{booking_id}/ticket", response_model_exclude_none=True)
async def get_ticket(booking_id: str, request: Request, caller: Caller) -> TicketAnswer:
    """The ticket of a confirmed booking."""
    return await _ticket(request, booking_id, caller)


@router.get("/bookings/{booking_id}/ticket.ics", response_class=Response)
async def get_ticket_calendar(booking_id: str, request: Request, caller: Caller) -> Response:
    """A calendar entry (RFC 5545)."""
    ticket = await _ticket(request, booking_id, caller)
    entry = CalendarEvent()
    entry.add("uid", f"{ticket.booking_id}@marquee")
    entry.add("summary", ticket.event)
    entry.add("dtstamp", request.app.state.kit.clock.now())
    entry.add("dtstart", _local(ticket.starts_at, ticket.timezone))
    entry.add("dtend", _local(ticket.ends_at, ticket.timezone))
    entry.add("location", ", ".join(filter(None, [ticket.venue.name, ticket.venue.address, ticket.venue.city])))
    entry.add("description", f"{ticket.venue.hall}: {_seat_text(ticket)}\n{ticket.code}")
    calendar = Calendar()
    calendar.add("prodid", "-//Marquee//Tickets//EN")
    calendar.add("version", "2.0")
    calendar.add_component(entry)
    calendar.add_missing_timezones()
    return _download(calendar.to_ical(), "text/calendar; charset=utf-8", f"{booking_id}.ics")


@router.get("/bookings/{booking_id}/ticket.svg", response_class=Response)
async def get_ticket_code(booking_id: str, request: Request, caller: Caller) -> Response:
    """The code as a QR code."""
    ticket = await _ticket(request, booking_id, caller)
    return _download(qr_svg(ticket.code).encode(), "image/svg+xml", f"{booking_id}.svg")


@router.get("/bookings/{booking_id}/ticket.html", response_class=Response)
async def get_ticket_page(booking_id: str, request: Request, caller: Caller) -> Response:
    """A page to print or to show at the door."""
    ticket = await _ticket(request, booking_id, caller)
    starts = datetime.fromisoformat(ticket.starts_at)
    page = PAGES.get_template("ticket.html").render(
        ticket=ticket, starts=f"{starts:%A %d %B %Y, %H:%M}", qr=qr_svg(ticket.code, scale=6)
    )
    return Response(page, media_type="text/html", headers={"Cache-Control": "private, no-store"})


@router.post("/tickets/scan", response_model_exclude_none=True)
async def scan(body: Scan, request: Request, _: AdminOrService) -> TicketAnswer:
    """Let a ticket in: the first scan is accepted, every later one is refused with the time of the first."""
    inventory = inventory_of(request)
    return _answer(inventory, await read.scan_ticket(inventory, body.code))


async def _ticket(request: Request, booking_id: str, caller: Caller) -> TicketAnswer:
    inventory = inventory_of(request)
    booking = await read.own_booking(inventory, booking_id, caller)
    return _answer(inventory, await read.ticket_of(inventory, booking))


def _answer(inventory: Inventory, ticket: read.Ticket) -> TicketAnswer:
    showtime, venue = ticket.showtime, ticket.showtime.venue
    zone = ZoneInfo(venue.timezone)
    seats = [ticket.layout.seats[ticket.layout.position[seat_id]] for seat_id in ticket.booking.seat_ids]
    partner_tickets = ticket.booking.partner.ticket_ids if ticket.booking.partner else {}
    return TicketAnswer(
        booking_id=ticket.booking.id,
        code=ticket_code(ticket.booking.id, inventory.settings.ticket_secret.get_secret_value().encode()),
        event=showtime.event.name,
        event_id=showtime.event.event_id,
        showtime_id=showtime.showtime_id,
        starts_at=showtime.starts_at.astimezone(zone).isoformat(),
        ends_at=showtime.ends_at.astimezone(zone).isoformat(),
        timezone=venue.timezone,
        venue=TicketPlace(
            venue_id=venue.venue_id,
            name=venue.name,
            address=", ".join(filter(None, [venue.address.street, venue.address.postal_code])),
            city=venue.city,
            hall=showtime.hall_name,
        ),
        seats=[
            TicketSeat(
                seat_id=seat.id,
                section=seat.section_name,
                row=seat.row,
                label=seat.label,
                seat_type=seat.seat_type,
                partner_ticket_id=partner_tickets.get(seat.id),
            )
            for seat in seats
        ],
        scanned_at=ticket.booking.scanned_at,
    )


def qr_svg(code: str, scale: int = 4) -> str:
    out = io.BytesIO()
    segno.make(code, error="m", micro=False).save(out, kind="svg", scale=scale, xmldecl=False)
    return out.getvalue().decode()


def _local(moment: str, timezone: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(timezone))


def _seat_text(ticket: TicketAnswer) -> str:
    return "; ".join(f"{seat.section}, row {seat.row}, seat {seat.label}" for seat in ticket.seats)


def _download(body: bytes, media_type: str, name: str) -> Response:
    return Response(
        body,
        media_type=media_type,
        headers={"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "private, no-store"},
    )
