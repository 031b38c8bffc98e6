"""A recorded history of requests to the inventory service, and what it says about who owned which seats when.

All times are nanoseconds of CLOCK_MONOTONIC, which every process of one machine shares; what servers tell by the wall
clock is converted by whoever records it. Sets of seats are integers with a bit for each position.

A request tells two things about ownership. What is *certain*: from the answer that promised seats until the earliest
moment at which they may have been given up. What is *possible*: from the invocation of the request that may have taken
them until the answer of whatever ended it. A request without an answer may have worked or not.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from tests.chaos.timeline import Span

SECOND = 1_000_000_000
FOREVER = 1 << 62
# Wall and monotonic clock are read one after the other, and servers keep milliseconds.
CLOCK_SLACK = SECOND // 200
# A request whose connection the client cut is still served: so much later at most.
SETTLING = 10 * SECOND

Kind = Literal["reserve", "extend", "prepare", "confirm", "fail", "cancel", "look"]
DEAD = frozenset({"cancelled", "failed", "expired", "refunded"})
OVER = frozenset({"cancelled", "refunded"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Of `state` on about the booking; from `taken` on about other people's seats.

    `held_until` is 0 where the answer names no hold; `available`, the number of free seats told, is -1 where none is.
    """

    status: int
    problem: str = ""
    booking: str = ""
    state: str = ""
    seats: int = 0
    amount: int = 0
    held_until: int = 0
    taken: int = 0
    free: int = 0
    available: int = -1
    replayed: bool = False

    @property
    def in_progress(self) -> bool:
        return self.problem == "request-in-progress"


@dataclass(frozen=True, slots=True)
class Operation:
    """One HTTP request: `answer` is None where the connection was lost, `ended` when that or the answer came.

    `seats` are those asked for (none where the server was to choose `count`), `booking` the one the request is about,
    `seconds` how long seats are to be held, or longer held. `key` is the Idempotency-Key; a repeat has the same one.
    """

    client: str
    kind: Kind
    showtime: str
    invoked: int
    ended: int
    answer: Answer | None = None
    seats: int = 0
    count: int = 0
    key: str = ""
    booking: str = ""
    seconds: int = 0

    @property
    def unknown(self) -> bool:
        """Whether it may have worked without saying so."""
        return self.answer is None or self.answer.status >= 500

    @property
    def may_have_worked(self) -> bool:
        return self.answer is None or not 400 <= self.answer.status < 500

    @property
    def state(self) -> str:
        return self.answer.state if self.answer else ""

    def row(self) -> list[Any]:
        """As it is written to a file: values in the order of the fields."""
        answer = self.answer and [getattr(self.answer, name) for name in ANSWER_FIELDS]
        return [answer if name == "answer" else getattr(self, name) for name in OPERATION_FIELDS]

    @classmethod
    def of(cls, row: list[Any]) -> "Operation":
        values = dict(zip(OPERATION_FIELDS, row, strict=True))
        values["answer"] = Answer(*values["answer"]) if values["answer"] else None
        return cls(**values)


OPERATION_FIELDS = tuple(Operation.__dataclass_fields__)
ANSWER_FIELDS = tuple(Answer.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Stored:
    """A booking as the database has it at the end."""

    booking: str
    user: str
    showtime: str
    seats: int
    amount: int
    state: str
    created: int
    updated: int
    held_until: int


@dataclass(frozen=True, slots=True)
class FinalMap:
    """A seat map as it is served at the end: the seats booked, and those that each booking holds."""

    showtime: str
    at: int
    booked: int
    held: dict[str, int]


@dataclass
class Request:
    """All tries of one reservation: those with the same key, or the only one."""

    tries: list[Operation]

    @property
    def first(self) -> Operation:
        return self.tries[0]

    @property
    def bookings(self) -> list[str]:
        """The bookings it was answered with; more than one is a fault."""
        return sorted({one.answer.booking for one in self.tries if one.answer and one.answer.status == 201})

    @property
    def lost(self) -> list[Operation]:
        return [one for one in self.tries if one.unknown]

    def unknown_span(self, hall: int) -> Span | None:
        """When its tries without an answer may have held seats that no booking tells of.

        Seats the server was to choose may be any of the hall.
        """
        if not self.lost:
            return None
        end = max(one.ended + one.seconds * SECOND for one in self.lost) + SETTLING
        return Span(self.first.invoked, end, self.first.seats or (1 << hall) - 1)


@dataclass
class Life:
    """What is known of one booking: the request that made it, and every later operation about it."""

    booking: str
    request: Request
    later: list[Operation] = field(default_factory=list)

    @cached_property
    def made(self) -> Answer:
        """The answer by which it was first told of."""
        return next(one.answer for one in self.request.tries if one.answer and one.answer.booking == self.booking)

    @property
    def showtime(self) -> str:
        return self.request.first.showtime

    @property
    def seats(self) -> int:
        return self.made.seats

    @cached_property
    def answered(self) -> list[tuple[Operation, Answer]]:
        """Operations whose answer shows the booking, with it."""
        shown = [one for one in (*self.request.tries, *self.later) if one.state]
        return [(one, one.answer) for one in shown if one.answer]

    @cached_property
    def held_until(self) -> int:
        """The latest end of its hold that was promised; 0 where none was."""
        return max((answer.held_until for _, answer in self.answered), default=0)

    @cached_property
    def given_up(self) -> int:
        """The earliest moment at which its seats may have been given back on request, whatever was answered to that."""
        return min((one.invoked for one in self.later if one.kind in {"cancel", "fail"}), default=FOREVER)

    def story(self, begun: int) -> str:
        """What was asked and answered about it, in seconds since `begun`: for people."""
        lines = [f"booking {self.booking}, {self.seats:#x} of {self.showtime}"]
        for one in sorted((*self.request.tries, *self.later), key=lambda one: one.invoked):
            answer = one.answer
            told = f"{answer.status} {answer.problem}{answer.state}" if answer else "lost"
            if answer and answer.held_until:
                told += f" until {(answer.held_until - begun) / SECOND:.3f}"
            when = f"{(one.invoked - begun) / SECOND:.3f} to {(one.ended - begun) / SECOND:.3f}"
            lines.append(f"  {when} {one.client} {one.kind} {one.key}: {told}")
        return "\n".join(lines)

    def certain(self) -> list[Span]:
        """When its seats were its own for sure."""
        spans = []
        held = [one.ended for one, answer in self.answered if answer.state == "pending" and answer.held_until]
        if held:
            spans.append(Span(min(held), min(self.held_until - CLOCK_SLACK, self.given_up), self.seats))
        booked = [one.ended for one, answer in self.answered if answer.state == "confirmed"]
        if booked:
            spans.append(Span(min(booked), self.given_up, self.seats))
        return [span for span in spans if span.start < span.end]

    def possible(self) -> list[Span]:
        """When its seats may have been its own: by its hold, and by each payment that may have taken them (again)."""
        hold = Span(self.request.first.invoked, min(self._hold_may_end(), self._first(DEAD)), self.seats)
        paid = [Span(one.invoked, self._payment_may_end(one), self.seats) for one in self.later if self._pays(one)]
        return [hold, *paid]

    def _hold_may_end(self) -> int:
        if not self.held_until:  # it had run out before it was first told of
            unknown = self.request.unknown_span(0)
            return unknown.end if unknown else self.request.tries[-1].ended
        extensions = sum(one.seconds for one in self.later if one.kind == "extend" and one.unknown)
        return self.held_until + extensions * SECOND + CLOCK_SLACK

    def _pays(self, one: Operation) -> bool:
        return one.kind == "confirm" or (one.kind == "prepare" and self.made.amount == 0)

    def _payment_may_end(self, one: Operation) -> int:
        """A sale ends by being cancelled; a payment without an answer, by any later word of the booking's end.

        One that sold nothing may have taken the seats while it was under way, and given them back.
        """
        if one.unknown:
            return self._first(DEAD, since=one.ended)
        return max(one.ended, self._first(OVER)) if one.state == "confirmed" else one.ended

    def _first(self, states: frozenset[str], since: int = 0) -> int:
        """When the booking was first shown in one of these states by a request made since then."""
        shown = [one.ended for one, answer in self.answered if answer.state in states and one.invoked >= since]
        return min(shown, default=FOREVER)


@dataclass
class History:
    """Everything that was recorded, and what was found when all was over. `halls`: seats of each showtime."""

    operations: Sequence[Operation]
    halls: dict[str, int]
    stored: dict[str, Stored] = field(default_factory=dict)
    maps: Sequence[FinalMap] = ()

    @cached_property
    def begun(self) -> int:
        return min(one.invoked for one in self.operations)

    @cached_property
    def requests(self) -> list[Request]:
        """Reservations, each with all its tries in order."""
        grouped: dict[object, list[Operation]] = defaultdict(list)
        for one in sorted(self.operations, key=lambda one: one.invoked):
            if one.kind == "reserve":
                grouped[(one.client, one.key) if one.key else id(one)].append(one)
        return [Request(tries) for tries in grouped.values()]

    @cached_property
    def lives(self) -> dict[str, Life]:
        """Every booking that somebody was told of."""
        lives = {id_: Life(id_, request) for request in self.requests for id_ in request.bookings}
        for one in self.operations:
            if one.booking in lives and one.kind != "reserve":
                lives[one.booking].later.append(one)
        return lives

    def certain(self, showtime: str) -> Iterable[tuple[str, Span]]:
        """What certainly belonged to whom: (booking, when and which seats)."""
        return ((life.booking, span) for life in self._by_showtime[showtime] for span in life.certain())

    def possible(self, showtime: str) -> Iterable[Span]:
        """What may have belonged to somebody."""
        for life in self._by_showtime[showtime]:
            yield from life.possible()
        for request in self._unexplained[showtime]:
            span = request.unknown_span(self.halls[showtime])
            if span:
                yield span

    @cached_property
    def _by_showtime(self) -> dict[str, list[Life]]:
        grouped: dict[str, list[Life]] = {showtime: [] for showtime in self.halls}
        for life in self.lives.values():
            grouped[life.showtime].append(life)
        return grouped

    @cached_property
    def _unexplained(self) -> dict[str, list[Request]]:
        """Requests with lost tries whose seats are not those of the booking that came of it in the end.

        Where that booking was told of before a hold of a lost try could run out, it is that hold.
        """
        grouped: dict[str, list[Request]] = {showtime: [] for showtime in self.halls}
        for request in self.requests:
            if request.lost and not self._explained(request):
                grouped[request.first.showtime].append(request)
        return grouped

    def _explained(self, request: Request) -> bool:
        if not request.bookings:
            return False
        told = min(one.ended for one in request.tries if one.answer and one.answer.status == 201)
        return told < request.first.invoked + request.first.seconds * SECOND
