"""What a history of the inventory service must not show. Each rule gives a sentence for each time it is broken."""

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.history import CLOCK_SLACK, DEAD, OVER, SECOND, Answer, FinalMap, History, Life, Operation, Stored
from tests.chaos.timeline import Timeline, positions


def broken_rules(history: History) -> list[str]:
    """Every sentence of every rule; nothing where the history is sound."""
    rules = (
        two_owners,
        lost_bookings,
        broken_promises,
        unfounded_answers,
        doubled_bookings,
        wrong_final_maps,
        internal_errors,
    )
    return [f"{rule.__name__}: {sentence}" for rule in rules for sentence in rule(history)]


def two_owners(history: History) -> Iterator[str]:
    """No seat certainly belonged to two bookings at the same moment."""
    for showtime in history.halls:
        by_seat: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
        for booking, span in history.certain(showtime):
            for seat in positions(span.seats):
                by_seat[seat].append((span.start, span.end, booking))
        for seat, spans in by_seat.items():
            spans.sort()
            end, owner = -1, ""
            for start, until, booking in spans:
                if start < end and booking != owner:
                    together = (min(end, until) - start) / SECOND
                    yield f"seat {seat} of {showtime} belonged to {owner} and {booking} for {together:.3f} s"
                if until > end:
                    end, owner = until, booking


def lost_bookings(history: History) -> Iterator[str]:
    """Every booking that was answered is there in the end: the same seats, price and owner, in a state it may be in."""
    for life in history.lives.values():
        stored = history.stored.get(life.booking)
        if stored is None:
            yield f"booking {life.booking} was answered and is not in the database"
            continue
        made = life.made
        told = (life.showtime, made.seats, made.amount, life.request.first.client)
        kept = (stored.showtime, stored.seats, stored.amount, stored.user)
        if told != kept:
            yield f"booking {life.booking} was answered as {told} and is stored as {kept}"
        asked = life.request.first
        if made.seats != asked.seats and (asked.seats or made.seats.bit_count() != asked.count):
            yield f"booking {life.booking} has {seat_list(made.seats)}, not those asked for"
        if stored.state not in _final_states(life):
            yield f"booking {life.booking} is {stored.state} in the end, which nothing in its history led to"
        if stored.held_until < life.held_until - CLOCK_SLACK:
            yield f"booking {life.booking} was promised a hold that is longer than the one stored"
        elif stored.state == "expired" and stored.updated < min(life.held_until, life.given_up) - CLOCK_SLACK:
            yield f"booking {life.booking} expired {(life.held_until - stored.updated) / SECOND:.3f} s before its time"


def _final_states(life: Life) -> set[str]:
    shown = {answer.state for _, answer in life.answered}
    asked = {one.kind for one in life.later if one.may_have_worked}
    if shown & OVER:
        return set(OVER)
    ended = {"cancelled"} if "cancel" in asked else set()
    if "confirmed" in shown:
        return {"confirmed"} | ended
    paid = {"confirmed"} if "confirm" in asked or ("prepare" in asked and life.made.amount == 0) else set()
    if shown & DEAD:
        return (shown & DEAD) | paid | ended
    failed = {"failed"} if "fail" in asked else set()
    return {"pending", "expired"} | paid | ended | failed


def broken_promises(history: History) -> Iterator[str]:
    """A booking can be found always; while it has its seats it can be paid and cancelled, and its hold extended."""
    for life in history.lives.values():
        certain = life.certain()
        for one in life.later:
            if one.answer is None or one.answer.status >= 500:
                continue
            if one.answer.status == 404:
                yield f"booking {life.booking} was not found when asked to {one.kind}"
            if any(span.start <= one.invoked and one.ended <= span.end for span in certain):
                if one.kind == "confirm" and one.answer.state != "confirmed":
                    yield f"booking {life.booking} was paid in time and became {_outcome(one.answer)}"
                if one.kind == "extend" and one.answer.problem == "hold-expired":
                    yield f"booking {life.booking} was told that its hold ran out while it ran"
            if one.answer.problem == "booking-not-cancellable" and _cancellable(life, one):
                yield f"booking {life.booking} could not be cancelled while it had its seats"


def _cancellable(life: Life, cancel: Operation) -> bool:
    """Whether it had its seats all the while, but for this request."""
    others = [one for one in life.later if one.kind in {"cancel", "fail"} and one is not cancel]
    if any(one.invoked <= cancel.ended for one in others):
        return False
    sold = any(answer.state == "confirmed" and one.ended <= cancel.invoked for one, answer in life.answered)
    return sold or life.held_until - CLOCK_SLACK > cancel.ended


def unfounded_answers(history: History) -> Iterator[str]:
    """Nobody is told of a seat that is taken or free what was not true at any moment between question and answer."""
    possible = {showtime: Timeline(history.possible(showtime)) for showtime in history.halls}
    certain = {showtime: Timeline(span for _, span in history.certain(showtime)) for showtime in history.halls}
    first_asked = {id(one): request.first.invoked for request in history.requests for one in request.tries}
    for one in history.operations:
        answer = one.answer
        if answer is None or not (answer.taken or answer.free or answer.available >= 0):
            continue
        # The first answer given again was true when it was first given.
        since = first_asked.get(id(one), one.invoked) if answer.replayed else one.invoked
        maybe = possible[one.showtime].ever(since, one.ended)
        surely = certain[one.showtime].always(since, one.ended)
        where = f"{one.client} asked of {one.showtime} at {since} ({one.kind})"
        if wrong := answer.taken & ~maybe:
            yield f"{where} and was told that {seat_list(wrong)} are taken, which nobody can have had"
        if wrong := answer.free & surely:
            yield f"{where} and was told that {seat_list(wrong)} are free, which somebody had"
        hall = history.halls[one.showtime]
        least, most = hall - maybe.bit_count(), hall - surely.bit_count()
        if answer.available >= 0 and not least <= answer.available <= most:
            yield f"{where} and was told of {answer.available} free seats, where {least} to {most} were"


def doubled_bookings(history: History) -> Iterator[str]:
    """Tries with one key make one booking, and no booking is made that nobody asked for."""
    for request in history.requests:
        if len(request.bookings) > 1:
            yield f"{request.first.client} repeated {request.first.key} and got {' and '.join(request.bookings)}"
        told = {(one.answer.seats, one.answer.amount) for one in request.tries if one.answer and one.answer.booking}
        if len(told) > 1 and len(request.bookings) == 1:
            yield f"{request.first.client} repeated {request.first.key} and was told of other seats or another price"
    silent = defaultdict(list)
    for request in history.requests:
        if request.lost and not request.bookings:
            silent[request.first.client].append(request)
    for stored in history.stored.values():
        if stored.booking in history.lives:
            continue
        makers = [one for one in silent[stored.user] if _may_have_made(one.first, one.lost[-1].ended, stored)]
        if makers:
            silent[stored.user].remove(makers[0])
        else:
            yield f"booking {stored.booking} of {stored.user} was made by no request, or as the second one of a request"


def _may_have_made(asked: Operation, lost: int, stored: Stored) -> bool:
    seats = stored.seats == asked.seats or (not asked.seats and stored.seats.bit_count() == asked.count)
    in_time = asked.invoked - CLOCK_SLACK <= stored.created <= lost + 10 * SECOND
    return asked.showtime == stored.showtime and seats and in_time


def wrong_final_maps(history: History) -> Iterator[str]:
    """In the end taken are the seats of confirmed bookings and of live holds, and no others."""
    for final in history.maps:
        mine = [one for one in history.stored.values() if one.showtime == final.showtime]
        sold = 0
        for one in mine:
            sold |= one.seats if one.state == "confirmed" else 0
        if final.booked != sold:
            yield f"{final.showtime} shows {seat_list(final.booked ^ sold)} otherwise than its confirmed bookings do"
        live = {one.booking: one.seats for one in mine if one.state == "pending" and one.held_until > final.at}
        for booking in sorted(live.keys() | final.held.keys()):
            if live.get(booking) != final.held.get(booking) and not _left_behind(history, final, booking):
                shown, kept = seat_list(final.held.get(booking, 0)), seat_list(live.get(booking, 0))
                yield f"{final.showtime} shows {shown} held by {booking}, whose live hold is of {kept}"


def _left_behind(history: History, final: FinalMap, booking: str) -> bool:
    """Whether this may be the hold of a process that died before it wrote the booking."""
    if booking in history.stored:
        return False
    possible = Timeline(history.possible(final.showtime)).ever(final.at, final.at)
    return final.held[booking] & ~possible == 0


def internal_errors(history: History) -> Iterator[str]:
    """No request, whoever died, is answered by 500."""
    for one in history.operations:
        if one.answer and one.answer.status == 500:
            yield f"{one.client} was answered 500 at {one.invoked} ({one.kind} of {one.showtime or one.booking})"


def _outcome(answer: Answer) -> str:
    return answer.state or f"{answer.status} {answer.problem}"


def seat_list(seats: int) -> str:
    """`seats 3, 4, 5`; not more than ten of them."""
    numbers = list(positions(seats))
    return "seats " + ", ".join(map(str, numbers[:10])) + (" …" if len(numbers) > 10 else "") if numbers else "no seats"
