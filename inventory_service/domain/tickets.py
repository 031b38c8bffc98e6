"""Ticket codes: short, signed, checked without a look-up. What a scanner reads from the QR code."""

import base64
import hashlib
import hmac
import uuid

from service_kit.errors import Conflict, Invalid

PREFIX = "MQ1"


class ForgedTicket(Invalid):
    slug, title = "forged-ticket", "This is not a ticket of ours"

    def __init__(self) -> None:
        super().__init__(faults=[("/code", "not a ticket of ours")])


class AlreadyScanned(Conflict):
    slug, title = "ticket-already-scanned", "This ticket was used already"


class TicketVoid(Conflict):
    slug, title = "ticket-void", "This ticket is no longer valid"


def ticket_code(booking_id: str, secret: bytes) -> str:
    """`MQ1.<booking id>.<HMAC-SHA-256, first 120 bits>` in base 32, upper-case: the compact alphanumeric mode of QR."""
    body = base64.b32encode(uuid.UUID(booking_id).bytes).rstrip(b"=").decode()
    return f"{PREFIX}.{body}.{_signature(body, secret)}"


def read_ticket_code(code: str, secret: bytes) -> str:
    """The booking id of a genuine code. Raises ForgedTicket."""
    parts = code.strip().upper().split(".")
    if len(parts) != 3 or parts[0] != PREFIX or not code.isascii():
        raise ForgedTicket
    _, body, signature = parts
    if not hmac.compare_digest(signature, _signature(body, secret)):
        raise ForgedTicket
    return str(uuid.UUID(bytes=base64.b32decode(body + "=" * (-len(body) % 8))))


def _signature(body: str, secret: bytes) -> str:
    digest = hmac.new(secret, f"{PREFIX}.{body}".encode(), hashlib.sha256).digest()
    return base64.b32encode(digest[:15]).decode()
