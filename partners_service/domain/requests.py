"""What a theatre is asked about one booking, and how far that has come.

asking ─▶ confirmed ──(booking cancelled)──▶ withdrawn
  ├─────▶ refused    by the theatre, or by its silence until the deadline
  └─────▶ withdrawn  the booking was cancelled first

Whatever the theatre may have confirmed without our having a ticket of it, it is told to cancel until it has heard that:
after its silence, after a withdrawal, after a confirmation that comes too late. Where only some seats of a confirmed
booking were given back it is told, just so, which are left.

Each step gives the request as it is afterwards, the same one where nothing changes.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from messaging.events import EventData, PartnerConfirmation, PartnerRefusal
from partners_service.domain.protocol import Answer, Confirmed

State = Literal["asking", "confirmed", "refused", "withdrawn"]
Telling = Literal["no", "due", "told"]
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.5), timedelta(seconds=15)
# What is over has time: it is told for as long as it takes.
LONGEST_TELLING_PAUSE = timedelta(minutes=10)
# While one worker is at a request no other is; longer than an exchange takes.
LEASE = timedelta(seconds=15)
SILENT = "The theatre did not answer in time"
UNKNOWN = "The theatre is not one of our partners"


@dataclass(frozen=True, slots=True)
class Request:
    """One per booking. `asked` is what the theatre is asked; `tries` and `telling_tries` count what was sent.

    `due_at`: when it is to be looked at again, None once nothing is left to do. `kept`: the seats that are left, once
    some were given back.
    """

    id: str
    version: int
    partner_id: str
    asked: Mapping[str, Any]
    state: State
    deadline: datetime
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None
    cancelling: Telling = "no"
    reducing: Telling = "no"
    kept: Sequence[str] | None = None
    tries: int = 0
    telling_tries: int = 0
    tickets: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None

    def sending(self, now: datetime) -> "Request":
        """Noted before anything is sent: what may have been said must be taken back if it comes to nothing."""
        counts = {"tries": self.tries + 1} if self.state == "asking" else {"telling_tries": self.telling_tries + 1}
        return self._changed(now, due_at=now + LEASE, **counts)

    def postponed(self, until: datetime, now: datetime) -> "Request":
        """Nothing may be sent before then. A deadline is kept all the same."""
        return self._changed(now, due_at=min(until, self.deadline) if self.state == "asking" else until)

    def answered(self, answer: Answer, now: datetime) -> "Request":
        """The theatre's word: it counts while it is waited for. A confirmation that comes too late is taken back."""
        if isinstance(answer, Confirmed):
            if self.state == "asking":
                return self._changed(now, state="confirmed", tickets=answer.tickets, due_at=None)
            return self if self.state == "confirmed" else self._taken_back(now)
        if self.state != "asking":
            return self
        return self._changed(now, state="refused", reason=answer.reason, due_at=None)

    def unheard(self, now: datetime) -> "Request":
        """Nothing that could be used came back: again after a while."""
        if self.state == "asking":
            return self.postponed(now + pause(self.tries, LONGEST_PAUSE), now)
        if "due" in {self.cancelling, self.reducing}:
            return self.postponed(now + pause(self.telling_tries, LONGEST_TELLING_PAUSE), now)
        return self

    def given_up(self, reason: str, now: datetime) -> "Request":
        """Refused by us: the deadline is over, or there is nobody to ask."""
        if self.state != "asking":
            return self
        return self._changed(now, state="refused", reason=reason)._let_go(now)

    def withdrawn(self, now: datetime) -> "Request":
        """The booking was cancelled."""
        if self.state not in {"asking", "confirmed"}:
            return self
        return self._changed(now, state="withdrawn")._let_go(now)

    def reduced(self, seat_ids: Sequence[str], now: datetime) -> "Request":
        """Only these seats of the booking are left. Seats never come back, whatever order the news arrive in."""
        before = self.asked["seatIds"] if self.kept is None else self.kept
        left = [seat_id for seat_id in before if seat_id in set(seat_ids)]
        if self.state != "confirmed" or left == list(before):
            return self
        return self._changed(now, kept=left, reducing="due", telling_tries=0, due_at=now)

    def told(self, sent: "Request", now: datetime) -> "Request":
        """The theatre has heard what `sent` had to say. What has come up since is said next."""
        if sent.cancelling == "due":
            return self._changed(now, cancelling="told", due_at=None) if self.cancelling == "due" else self
        if self.cancelling == "due" or self.reducing != "due":
            return self
        if list(self.kept or ()) != list(sent.kept or ()):
            return self._changed(now, due_at=now)
        return self._changed(now, reducing="told", due_at=None)

    def announcement(self) -> tuple[str, EventData] | None:
        """The event that tells of the state it has come to, if that is for others to know."""
        if self.state == "confirmed":
            tickets = dict(self.tickets)
            return "PartnerConfirmed", PartnerConfirmation(
                booking_id=self.id, partner=self.partner_id, ticket_ids=tickets
            )
        if self.state == "refused":
            reason = self.reason or SILENT
            return "PartnerRefused", PartnerRefusal(booking_id=self.id, partner=self.partner_id, reason=reason)
        return None

    def _let_go(self, now: datetime) -> "Request":
        """What was never sent needs no taking back."""
        return self._taken_back(now) if self.tries else replace(self, due_at=None)

    def _taken_back(self, now: datetime) -> "Request":
        return self._changed(now, cancelling="due", telling_tries=0, due_at=now)

    def _changed(self, now: datetime, **values: Any) -> "Request":
        return replace(self, **{"updated_at": now, **values})


def pause(tries: int, longest: timedelta) -> timedelta:
    """How long to wait after so many tries: twice as long each time, give or take a fifth."""
    doubled: timedelta = FIRST_PAUSE * 2 ** min(max(tries - 1, 0), 20)
    return min(doubled, longest) * random.uniform(0.8, 1.2)
