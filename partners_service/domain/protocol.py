"""What is said between us and a theatre.

`PUT <url>/bookings/<booking id>` asks for the seats of a booking, `DELETE` of the same cancels it, and `PATCH` says
what has become of it: which seats are left, and when the show begins now.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import to_jsonable_python

from service_kit.models import Line, Name

LARGEST_ANSWER = 64 * 1024
NO_REASON = "The theatre gave no reason"


class Unusable(Exception):
    """The theatre said something, but not what it may say; it is asked again."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """`tickets`: the theatre's own ticket ids, by seat."""

    tickets: dict[str, str]


@dataclass(frozen=True, slots=True)
class Refused:
    reason: str


Answer = Confirmed | Refused
SaidT = TypeVar("SaidT", bound="_Said")


class _Said(BaseModel):
    # A theatre may say more than we know of.
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")

    booking_id: str


class _Ticket(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")

    seat_id: str
    ticket_id: Annotated[Name, Field(max_length=100)]


class _Confirmation(_Said):
    status: Literal["confirmed"]
    tickets: Annotated[list[_Ticket], Field(max_length=100)]


class _Refusal(_Said):
    status: Literal["refused"]
    reason: Annotated[Line, Field(max_length=300)] = ""


class _Cancellation(_Said):
    status: Literal["cancelled"]


class _Change(_Said):
    # `reduced` is what theatres say that were built when only seats could change.
    status: Literal["changed", "reduced"]


def asked_body(asked: dict[str, Any]) -> bytes:
    """The body of the PUT: the same bytes each time."""
    return json.dumps(asked, sort_keys=True, ensure_ascii=False).encode()


def read_answer(status: int, body: bytes, booking_id: str, seat_ids: Sequence[str]) -> Answer:
    """What a theatre answered to being asked: 200 and tickets, or 409 and a reason. Raises Unusable."""
    if status == 409:
        refusal = _read(_Refusal, body, booking_id)
        return Refused(refusal.reason or NO_REASON)
    if status != 200:
        raise Unusable(f"it answered {status}")
    confirmation = _read(_Confirmation, body, booking_id)
    tickets = {ticket.seat_id: ticket.ticket_id for ticket in confirmation.tickets}
    if len(confirmation.tickets) != len(seat_ids) or set(tickets) != set(seat_ids):
        raise Unusable("its tickets are not for the seats that were asked for")
    if len(set(tickets.values())) != len(tickets):
        raise Unusable("it gave one ticket id to two seats")
    return Confirmed(tickets)


def changed_body(booking_id: str, seat_ids: Sequence[str], starts_at: datetime) -> bytes:
    """The body of the PATCH: always all of it, so that one that comes again or late does no harm."""
    said = {"bookingId": booking_id, "seatIds": list(seat_ids), "startsAt": to_jsonable_python(starts_at)}
    return json.dumps(said, ensure_ascii=False).encode()


def read_cancellation(status: int, body: bytes, booking_id: str) -> None:
    """What it answered to a cancellation: 200, also where it knows of no such booking. Raises Unusable."""
    _heard(_Cancellation, status, body, booking_id)


def read_change(status: int, body: bytes, booking_id: str) -> None:
    """The same of a change."""
    _heard(_Change, status, body, booking_id)


def _heard(kind: type[_Said], status: int, body: bytes, booking_id: str) -> None:
    if status != 200:
        raise Unusable(f"it answered {status}")
    _read(kind, body, booking_id)


def _read(kind: type[SaidT], body: bytes, booking_id: str) -> SaidT:
    try:
        said = kind.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the body"
        raise Unusable(f"its answer can't be read: {place}: {fault['msg']}") from error
    if said.booking_id != booking_id:
        raise Unusable("its answer is about another booking")
    return said
