"""The history checker finds each kind of fault in a small history, and none in one that is sound."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import broken_rules
from tests.chaos.history import SECOND, Answer, FinalMap, History, Operation, Stored
from tests.chaos.timeline import Span, Timeline

SHOW, PRICE, HOLD = "show", 1_000, 60


def at(seconds: float) -> int:
    return int(seconds * SECOND)


def seats(*positions: int) -> int:
    return sum(1 << position for position in positions)


class Story:
    """A history of one showtime of ten seats, told request by request. Each takes 0.1 s unless `until` says more."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.stored: dict[str, Stored] = {}
        self.final = FinalMap(SHOW, at(1_000), 0, {})

    def reserve(self, client: str, begun: float, wanted: int, booking: str, **more: Any) -> None:
        """A hold that was answered by 201, and its booking, which will have run out."""
        until = more.pop("held_until", at(begun + HOLD))
        answer = Answer(201, "", booking, "pending", more.pop("given", wanted), PRICE, until)
        self._add(client, "reserve", begun, answer, seats=wanted, seconds=HOLD, **more)
        kept = Stored(booking, client, SHOW, wanted, PRICE, "expired", at(begun), until, until)
        self.stored.setdefault(booking, kept)

    def refuse(self, client: str, begun: float, wanted: int, taken: int, **more: Any) -> None:
        answer = Answer(409, "seats-taken", taken=taken, free=wanted & ~taken, replayed=more.pop("replayed", False))
        self._add(client, "reserve", begun, answer, seats=wanted, seconds=HOLD, **more)

    def lose(self, client: str, kind: str, begun: float, **more: Any) -> None:
        self._add(client, kind, begun, None, **{"seconds": HOLD, **more})

    def tell(self, kind: str, begun: float, booking: str, state: str, **more: Any) -> None:
        """A later request about a booking, answered with its state, which it has in the end too."""
        answer = Answer(200, "", booking, state, held_until=more.pop("held_until", 0))
        self._add("somebody", kind, begun, answer, booking=booking, **more)
        self.stored[booking] = replace(self.stored[booking], state=state)

    def look(self, begun: float, taken: int = 0, free: int = 0, available: int = -1) -> None:
        self._add("somebody", "look", begun, Answer(200, taken=taken, free=free, available=available))

    def keep(self, booking: str, **changes: Any) -> None:
        self.stored[booking] = replace(self.stored[booking], **changes)

    def faults(self) -> list[str]:
        return broken_rules(History(self.operations, {SHOW: 10}, self.stored, [self.final]))

    def _add(self, client: str, kind: Any, begun: float, answer: Answer | None, **more: Any) -> None:
        ended = at(more.pop("until", begun + 0.1))
        self.operations.append(Operation(client, kind, SHOW, at(begun), ended, answer, **more))


def sound() -> Story:
    """Everything that may happen, and nothing that may not: `a` is cancelled, `b` sold, `c` retried, `d` unanswered."""
    story = Story()
    story.reserve("ann", 0, seats(0, 1), "a")
    story.refuse("bob", 1, seats(1, 2), seats(1))
    story.look(2, taken=seats(0, 1), free=seats(2, 3), available=8)
    story.tell("extend", 3, "a", "pending", held_until=at(120), seconds=60)
    story.tell("cancel", 10, "a", "cancelled")
    story.keep("a", held_until=at(120), updated=at(10))
    story.reserve("bob", 10.05, seats(1, 2), "b", until=10.2)
    story.tell("confirm", 11, "b", "confirmed")
    story.lose("carl", "reserve", 20, seats=seats(4), key="k")
    story.refuse("dora", 21, seats(4), seats(4))
    story.reserve("carl", 50, seats(4), "c", key="k", held_until=at(80))
    story.lose("dora", "reserve", 60, seats=seats(5))
    story.stored["d"] = Stored("d", "dora", SHOW, seats(5), PRICE, "expired", at(60.05), at(120.05), at(120.05))
    story.reserve("emma", 81, seats(4), "e")
    story.final = FinalMap(SHOW, at(1_000), seats(1, 2), {})
    return story


def the_fault(story: Story) -> str:
    (fault,) = story.faults()
    return fault


def test_a_sound_history_passes() -> None:
    assert sound().faults() == []


# --- double sales ----------------------------------------------------------------------------------------------------


def test_a_sold_seat_held_by_another_is_found() -> None:
    story = sound()
    story.reserve("zoe", 12, seats(2, 3), "z")
    assert the_fault(story) == "two_owners: seat 2 of show belonged to b and z for 59.895 s"


def test_a_seat_held_by_two_for_half_a_second_is_found() -> None:
    story = sound()
    story.reserve("zoe", 9.4, seats(0), "z")
    story.tell("cancel", 9.95, "z", "cancelled")
    assert the_fault(story) == "two_owners: seat 0 of show belonged to a and z for 0.450 s"


def test_a_seat_sold_anew_while_its_cancellation_is_under_way_is_no_fault() -> None:
    story = sound()
    story.tell("cancel", 200, "b", "cancelled", until=202)
    story.reserve("zoe", 200.5, seats(2), "z")
    story.final = FinalMap(SHOW, at(1_000), 0, {})
    assert story.faults() == []


# --- lost bookings ---------------------------------------------------------------------------------------------------


def test_a_booking_that_is_gone_is_found() -> None:
    story = sound()
    del story.stored["e"]
    assert the_fault(story) == "lost_bookings: booking e was answered and is not in the database"


@pytest.mark.parametrize(
    "change", [{"seats": seats(6)}, {"amount": PRICE + 1}, {"user": "mallory"}], ids=["seats", "price", "owner"]
)
def test_a_booking_that_was_changed_is_found(change: dict[str, Any]) -> None:
    story = sound()
    story.keep("e", **change)
    assert the_fault(story).startswith("lost_bookings: booking e was answered as")


def test_a_booking_of_other_seats_than_asked_for_is_found() -> None:
    story = sound()
    story.reserve("zoe", 300, seats(7), "z", given=seats(8))
    story.keep("z", seats=seats(8))
    assert the_fault(story) == "lost_bookings: booking z has seats 8, not those asked for"


def test_a_ticket_that_is_no_ticket_in_the_end_is_found() -> None:
    story = sound()
    story.keep("b", state="expired")
    story.final = FinalMap(SHOW, at(1_000), 0, {})
    assert the_fault(story) == "lost_bookings: booking b is expired in the end, which nothing in its history led to"


def test_a_booking_cancelled_by_nobody_is_found() -> None:
    story = sound()
    story.keep("e", state="cancelled")
    assert the_fault(story) == "lost_bookings: booking e is cancelled in the end, which nothing in its history led to"


def test_a_cancelled_booking_that_is_sold_in_the_end_is_found() -> None:
    story = sound()
    story.keep("a", state="confirmed")
    story.final = FinalMap(SHOW, at(1_000), seats(0, 1, 2), {})
    assert the_fault(story) == "lost_bookings: booking a is confirmed in the end, which nothing in its history led to"


def test_a_hold_ended_before_its_time_is_found() -> None:
    story = sound()
    story.keep("e", updated=at(100))
    assert the_fault(story) == "lost_bookings: booking e expired 41.000 s before its time"


def test_an_extension_that_was_forgotten_is_found() -> None:
    story = sound()
    story.tell("extend", 90, "e", "pending", held_until=at(201))
    story.keep("e", state="expired", updated=at(202))
    assert the_fault(story) == "lost_bookings: booking e was promised a hold that is longer than the one stored"


def test_a_payment_in_time_that_gives_no_ticket_is_found() -> None:
    story = sound()
    story.tell("confirm", 90, "e", "expired")
    story.keep("e", updated=at(141))
    assert the_fault(story) == "broken_promises: booking e was paid in time and became expired"


@pytest.mark.parametrize("booking", ["b", "e"], ids=["sold", "held"])
def test_a_cancellation_refused_while_the_seats_are_there_is_found(booking: str) -> None:
    story = sound()
    refused = Answer(409, "booking-not-cancellable")
    story.operations.append(Operation("somebody", "cancel", SHOW, at(90), at(91), refused, booking=booking))
    assert the_fault(story) == f"broken_promises: booking {booking} could not be cancelled while it had its seats"


def test_a_cancellation_refused_after_the_hold_ran_out_is_no_fault() -> None:
    story = sound()
    refused = Answer(409, "booking-not-cancellable")
    story.operations.append(Operation("emma", "cancel", SHOW, at(140.9), at(141.1), refused, booking="e"))
    assert story.faults() == []


def test_a_booking_that_its_owner_cannot_find_is_found() -> None:
    story = sound()
    unknown = Answer(404, "not-found")
    story.operations.append(Operation("emma", "cancel", SHOW, at(90), at(91), unknown, booking="e"))
    assert the_fault(story) == "broken_promises: booking e was not found when asked to cancel"


# --- unfounded answers -----------------------------------------------------------------------------------------------


def test_a_refusal_for_a_seat_nobody_ever_had_is_found() -> None:
    story = sound()
    story.refuse("zoe", 5, seats(8, 9), seats(8))
    assert "zoe asked of show at 5000000000 (reserve) and was told that seats 8 are taken" in the_fault(story)


@pytest.mark.parametrize("begun", [10.11, 141.01], ids=["cancelled", "expired"])
def test_a_refusal_for_a_seat_given_back_before_the_question_is_found(begun: float) -> None:
    story = sound()
    seat = seats(0) if begun < 100 else seats(4)
    story.refuse("zoe", begun, seat, seat)
    assert the_fault(story).startswith("unfounded_answers: zoe asked of show")


@pytest.mark.parametrize("begun", [10.09, 140.99], ids=["cancelled", "expired"])
def test_a_refusal_for_a_seat_that_may_not_have_been_given_back_yet_is_no_fault(begun: float) -> None:
    story = sound()
    seat = seats(0) if begun < 100 else seats(4)
    story.refuse("zoe", begun, seat, seat)
    assert story.faults() == []


def test_a_refusal_given_again_is_judged_by_when_it_was_first_asked_for() -> None:
    story = sound()
    story.lose("zoe", "reserve", 5, seats=seats(1), key="again")
    story.refuse("zoe", 300, seats(1), seats(1), key="again", replayed=True)
    assert story.faults() == []
    story = sound()
    story.lose("zoe", "reserve", 160, seats=seats(4), key="again")
    story.refuse("zoe", 300, seats(4), seats(4), key="again")
    assert the_fault(story).startswith("unfounded_answers: zoe")


def test_a_payment_without_an_answer_may_have_taken_the_seats_again() -> None:
    story = sound()
    story.lose("payments", "confirm", 150, booking="e")
    story.refuse("zoe", 151, seats(4), seats(4))
    assert story.faults() == []
    story.tell("confirm", 152, "e", "expired")
    story.refuse("zoe", 153, seats(4), seats(4))
    assert the_fault(story).startswith("unfounded_answers: zoe asked of show at 153")


def test_a_payment_under_way_may_take_seats_again_until_it_finds_the_booking_cancelled() -> None:
    story = sound()
    story.tell("confirm", 9, "a", "cancelled", until=12)
    story.refuse("zoe", 11, seats(0), seats(0))
    assert story.faults() == []
    story.refuse("zoe", 13, seats(0), seats(0))
    assert the_fault(story).startswith("unfounded_answers: zoe asked of show at 13")


def test_a_seat_map_that_shows_a_sold_seat_as_free_is_found() -> None:
    story = sound()
    story.look(500, taken=seats(1), free=seats(2, 3))
    assert "was told that seats 2 are free, which somebody had" in the_fault(story)


def test_a_wrong_number_of_free_seats_is_found() -> None:
    story = sound()
    story.look(500, available=9)
    assert "was told of 9 free seats, where 8 to 8 were" in the_fault(story)


# --- repeated requests -----------------------------------------------------------------------------------------------


def test_two_bookings_answered_to_one_key_are_found() -> None:
    story = sound()
    story.reserve("zoe", 200, seats(6), "y", key="mine")
    story.reserve("zoe", 201, seats(6), "z", key="mine", held_until=at(260))
    assert "doubled_bookings: zoe repeated mine and got y and z" in story.faults()


def test_a_second_booking_that_was_never_answered_is_found() -> None:
    story = sound()
    story.lose("zoe", "reserve", 200, seats=seats(6), key="mine")
    story.reserve("zoe", 230, seats(6), "z", key="mine", held_until=at(260))
    twin = Stored("twin", "zoe", SHOW, seats(6), PRICE, "expired", at(200.05), at(260), at(260))
    story.stored["twin"] = twin
    assert the_fault(story).startswith("doubled_bookings: booking twin of zoe was made by no request")


def test_one_request_without_answer_explains_one_booking_only() -> None:
    story = sound()
    story.stored["twin"] = replace(story.stored["d"], booking="twin")
    assert the_fault(story).startswith("doubled_bookings: booking twin of dora")


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_seat_booked_in_the_end_by_no_booking_is_found() -> None:
    story = sound()
    story.final = FinalMap(SHOW, at(1_000), seats(1, 2, 9), {})
    assert the_fault(story) == "wrong_final_maps: show shows seats 9 otherwise than its confirmed bookings do"


def test_a_live_hold_that_the_seat_map_lacks_is_found() -> None:
    story = sound()
    story.keep("e", state="pending")
    story.final = FinalMap(SHOW, at(130), seats(1, 2), {})
    assert the_fault(story) == "wrong_final_maps: show shows no seats held by e, whose live hold is of seats 4"


def test_only_a_request_without_answer_explains_a_hold_without_booking() -> None:
    story = sound()
    story.lose("zoe", "reserve", 990, seats=seats(7))
    story.final = FinalMap(SHOW, at(1_000), seats(1, 2), {"z": seats(7)})
    assert story.faults() == []
    story.final = FinalMap(SHOW, at(1_000), seats(1, 2), {"z": seats(8)})
    assert the_fault(story) == "wrong_final_maps: show shows seats 8 held by z, whose live hold is of no seats"


def test_an_internal_error_is_found() -> None:
    story = sound()
    story.operations.append(Operation("zoe", "look", SHOW, at(1), at(2), Answer(500)))
    assert the_fault(story).startswith("internal_errors: zoe was answered 500")


# --- the parts -------------------------------------------------------------------------------------------------------


def test_an_operation_survives_being_written_and_read() -> None:
    for operation in sound().operations:
        assert Operation.of(operation.row()) == operation


def test_a_timeline_knows_what_is_covered_ever_and_always() -> None:
    timeline = Timeline([Span(10, 20, seats(0, 1)), Span(15, 30, seats(1, 2)), Span(40, 50, seats(0))])
    assert timeline.ever(0, 9) == 0
    assert timeline.ever(20, 20) == seats(0, 1, 2)
    assert timeline.ever(21, 40) == seats(0, 1, 2)
    assert timeline.ever(31, 39) == 0
    assert timeline.always(10, 30) == seats(1)
    assert timeline.always(15, 20) == seats(0, 1, 2)
    assert timeline.always(45, 99) == 0
