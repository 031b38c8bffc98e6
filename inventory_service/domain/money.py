"""A booking as an audit of the money sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from messaging.events import BookingStatus


@dataclass(frozen=True, slots=True)
class BookingMoney:
    """Amounts in minor units. `paid`: what its seats cost when it was paid, those that it gave up since included;
    `worth`: what those cost that are left.

    `waits_until`: a partner theatre is asked, and has so much time to answer.

    `asked`: what was asked back, by the refund's id. `kept`: of what was given back, what the venue's policy keeps.
    """

    id: str
    status: BookingStatus
    paid: int
    worth: int
    currency: str
    payment_id: str | None
    asked: Mapping[str, int]
    refunded: int
    kept: int
    held_until: datetime
    updated_at: datetime
    waits_until: datetime | None = None
