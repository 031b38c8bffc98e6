"""What a theatre is asked about one booking, and how far that has come.

asking ─▶ confirmed ──(booking cancelled)──▶ withdrawn
  ├─────▶ refused    by the theatre, or by its silence until the deadline
  └─────▶ withdrawn  the booking was cancelled first

Whatever the theatre may have confirmed without our having a ticket of it, it is told to cancel until it has heard that:
after its silence, after a withdrawal, after a confirmation that comes too late. Where only some seats of a confirmed
booking were given back, or its show was moved, it is told, just so, which are left and when it begins.

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
    some were given back. `moved_to`: when the show begins, once it was moved, as the booking had it in `moved_version`.
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
    moving: Telling = "no"
    moved_to: datetime | None = None
    moved_version: int = 0
    tries: int = 0
    telling_tries: int = 0
    tickets: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None

    @property
    def seat_ids(self) -> Sequence[str]:
        """The seats that it has now."""
        asked: Sequence[str] = self.asked["seatIds"]
        return asked if self.kept is None else self.kept

    @property
    def starts_at(self) -> datetime:
        """When the show begins now."""
        return self.moved_to or _asked_time(self.asked)

    @property
    def telling(self) -> bool:
        """Whether there is something that the theatre has yet to hear."""
        return "due" in {self.cancelling, self.reducing, self.moving}

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
                confirmed = self._changed(now, state="confirmed", tickets=answer.tickets, due_at=None)
                # Moved while it was asked: it has confirmed another time.
                moved = self.moved_to is not None and self.moved_to != _asked_time(self.asked)
                return replace(confirmed, moving="due", due_at=now) if moved else confirmed
            return self if self.state == "confirmed" else self._taken_back(now)
        if self.state != "asking":
            return self
        return self._changed(now, state="refused", reason=answer.reason, due_at=None)

    def unheard(self, now: datetime) -> "Request":
        """Nothing that could be used came back: again after a while."""
        if self.state == "asking":
            return self.postponed(now + pause(self.tries, LONGEST_PAUSE), now)
        if self.telling:
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
        if self.state != "confirmed":
            return self
        left = [seat_id for seat_id in self.seat_ids if seat_id in set(seat_ids)]
        if left == list(self.seat_ids):
            return self
        return self._changed(now, kept=left, reducing="due", telling_tries=0, due_at=now)

    def moved(self, starts_at: datetime, version: int, now: datetime) -> "Request":
        """The show begins at another time, as that version of the booking has it; older news count for nothing."""
        if self.state not in {"asking", "confirmed"} or version <= self.moved_version:
            return self
        moved = self._changed(now, moved_to=starts_at, moved_version=version)
        if self.state == "asking" or starts_at == self.starts_at:
            return moved
        return replace(moved, moving="due", telling_tries=0, due_at=now)

    def told(self, sent: "Request", now: datetime) -> "Request":
        """The theatre has heard what `sent` had to say. What has come up since is said next."""
        if sent.cancelling == "due":
            return self._changed(now, cancelling="told", due_at=None) if self.cancelling == "due" else self
        if self.cancelling == "due" or not self.telling:
            return self
        heard: dict[str, Telling] = {}
        if self.reducing == "due" and list(self.seat_ids) == list(sent.seat_ids):
            heard["reducing"] = "told"
        if self.moving == "due" and self.starts_at == sent.starts_at:
            heard["moving"] = "told"
        after = self._changed(now, due_at=None, **heard)
        return replace(after, due_at=now) if after.telling else after

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
        """What else there was to tell of it is of no consequence then."""
        return self._changed(now, cancelling="due", reducing="no", moving="no", telling_tries=0, due_at=now)

    def _changed(self, now: datetime, **values: Any) -> "Request":
        return replace(self, **{"updated_at": now, **values})


def pause(tries: int, longest: timedelta) -> timedelta:
    """How long to wait after so many tries: twice as long each time, give or take a fifth."""
    doubled: timedelta = FIRST_PAUSE * 2 ** min(max(tries - 1, 0), 20)
    return min(doubled, longest) * random.uniform(0.8, 1.2)


def _asked_time(asked: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(asked["startsAt"])
