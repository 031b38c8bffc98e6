"""The breaker, back-off, what counts as an answer, and what becomes of a request."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from yarl import URL

from partners_service.domain.partners import MOST_FAILURES, Breaker
from partners_service.domain.protocol import (
    NO_REASON,
    Confirmed,
    Refused,
    Unusable,
    changed_body,
    read_answer,
    read_cancellation,
    read_change,
)
from partners_service.domain.requests import LONGEST_PAUSE, Request, pause
from partners_service.hosts import HostNotAllowed, Hosts

NOW = datetime(2026, 11, 25, 18, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BOOKING = "0199b2f0-1f6e-7cc3-98c4-dc0c0c07398f"


def failing(times: int, breaker: Breaker | None = None) -> Breaker:
    breaker = breaker or Breaker()
    for _ in range(times):
        breaker = breaker.failed(NOW)
    return breaker


def test_the_breaker_stays_closed_until_five_failures_in_a_row() -> None:
    assert failing(MOST_FAILURES - 1).state(NOW) == "closed"
    assert failing(MOST_FAILURES - 1).succeeded().failed(NOW).state(NOW) == "closed"
    breaker = failing(MOST_FAILURES)
    assert breaker.state(NOW) == "open"
    assert breaker.wait_until(NOW) == NOW + 5 * SECOND


def test_what_was_on_its_way_when_it_opened_keeps_it_open_no_longer() -> None:
    assert failing(MOST_FAILURES + 30).wait_until(NOW) == NOW + 5 * SECOND


def test_a_failed_probe_opens_it_for_twice_as_long_up_to_a_minute() -> None:
    breaker, pauses, now = failing(MOST_FAILURES), [], NOW
    for _ in range(6):
        assert breaker.until is not None
        pauses.append((breaker.until - now).total_seconds())
        now = breaker.until
        assert breaker.state(now) == "half-open"
        probing = breaker.probed(now)
        assert (probing.state(now), probing.wait_until(now)) == ("half-open", now + 15 * SECOND)
        breaker = probing.failed(now)
    assert pauses == [5, 10, 20, 40, 60, 60]
    assert breaker.succeeded() == Breaker()


def test_pauses_double_with_some_play_up_to_the_longest() -> None:
    for tries, seconds in ((0, 0.5), (1, 0.5), (2, 1), (4, 4), (6, 15), (5_000, 15)):
        drawn = [pause(tries, LONGEST_PAUSE).total_seconds() for _ in range(50)]
        assert min(drawn) >= 0.8 * seconds
        assert max(drawn) <= 1.2 * seconds
        assert len(set(drawn)) > 1


def said(**changes: Any) -> bytes:
    tickets = [{"seatId": "A1", "ticketId": "T-1"}, {"seatId": "A2", "ticketId": "T-2", "gate": "north"}]
    return json.dumps({"status": "confirmed", "bookingId": BOOKING, "tickets": tickets, **changes}).encode()


def test_tickets_are_read_by_seat_and_a_theatre_may_say_more() -> None:
    assert read_answer(200, said(more=1), BOOKING, ["A2", "A1"]) == Confirmed({"A1": "T-1", "A2": "T-2"})


def test_a_refusal_without_a_reason_is_one() -> None:
    body = json.dumps({"status": "refused", "bookingId": BOOKING}).encode()
    assert read_answer(409, body, BOOKING, ["A1"]) == Refused(NO_REASON)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, said(bookingId="another")),
        (200, said(status="ok")),
        (200, said(tickets=[{"seatId": "A1", "ticketId": "T-1"}])),
        (200, said(tickets=[{"seatId": "A1", "ticketId": "T-1"}, {"seatId": "A1", "ticketId": "T-2"}])),
        (200, said(tickets=[{"seatId": "A1", "ticketId": "T"}, {"seatId": "A2", "ticketId": "T"}])),
        (200, said(tickets=[{"seatId": "A1", "ticketId": ""}, {"seatId": "A2", "ticketId": "T"}])),
        (200, said(tickets=[{"seatId": "A1", "ticketId": "x" * 101}, {"seatId": "A2", "ticketId": "T"}])),
        (200, said(tickets=[{"seatId": "A1", "ticketId": "a\u202eb"}, {"seatId": "A2", "ticketId": "T"}])),
        (200, b"null"),
        (200, b"\xff\xfe"),
        (200, b"[" * 50_000),
        (409, said()),
        (409, json.dumps({"status": "refused", "bookingId": BOOKING, "reason": "x" * 301}).encode()),
        (202, said()),
    ],
)
def test_what_is_not_quite_an_answer_is_none(status: int, body: bytes) -> None:
    with pytest.raises(Unusable):
        read_answer(status, body, BOOKING, ["A1", "A2"])


def test_a_cancellation_is_heard_by_its_own_word_alone() -> None:
    read_cancellation(200, json.dumps({"status": "cancelled", "bookingId": BOOKING}).encode(), BOOKING)
    for status, body in ((404, b"{}"), (200, said()), (200, b"")):
        with pytest.raises(Unusable):
            read_cancellation(status, body, BOOKING)


@pytest.mark.parametrize("word", ["changed", "reduced"])
def test_a_change_is_heard_by_its_own_word_and_by_that_of_before(word: str) -> None:
    read_change(200, json.dumps({"status": word, "bookingId": BOOKING}).encode(), BOOKING)


def test_a_change_is_not_heard_by_the_word_for_another_thing() -> None:
    for status, body in (
        (404, b"{}"),
        (200, said()),
        (200, b'{"status": "cancelled", "bookingId": "%s"}' % BOOKING.encode()),
    ):
        with pytest.raises(Unusable):
            read_change(status, body, BOOKING)


def test_a_change_says_all_of_how_the_booking_stands() -> None:
    said_now = json.loads(changed_body(BOOKING, ["A2"], NOW))
    assert said_now == {"bookingId": BOOKING, "seatIds": ["A2"], "startsAt": "2026-11-25T18:00:00Z"}


def request(**values: Any) -> Request:
    base = Request(BOOKING, 1, "burg", {"seatIds": ["A1"]}, "asking", NOW + 120 * SECOND, NOW, NOW, due_at=NOW)
    return replace(base, **values)


YES, NO = Confirmed({"A1": "T"}), Refused("no")


def test_only_what_is_waited_for_leads_to_an_answer() -> None:
    assert request().answered(YES, NOW).state == "confirmed"
    assert request().answered(NO, NOW).state == "refused"
    for state in ("confirmed", "refused", "withdrawn"):
        settled = request(state=state, due_at=None)
        assert settled.answered(NO, NOW) is settled
    assert (again := request(state="confirmed")).answered(YES, NOW) is again


@pytest.mark.parametrize("state", ["refused", "withdrawn"])
@pytest.mark.parametrize("cancelling", ["no", "due", "told"])
def test_a_confirmation_that_comes_too_late_is_taken_back(state: str, cancelling: str) -> None:
    late = request(state=state, cancelling=cancelling, due_at=None).answered(YES, NOW)
    assert (late.state, late.cancelling, late.due_at) == (state, "due", NOW)


def test_what_was_never_sent_is_given_up_without_a_word() -> None:
    assert (request().given_up("why", NOW).cancelling, request().given_up("why", NOW).due_at) == ("no", None)
    assert request().withdrawn(NOW).due_at is None
    sent = request().sending(NOW)
    assert (sent.tries, sent.telling_tries) == (1, 0)
    assert (sent.given_up("why", NOW).cancelling, sent.withdrawn(NOW).cancelling) == ("due", "due")


def test_what_was_told_is_told_anew_where_more_seats_left_meanwhile() -> None:
    confirmed = request(state="confirmed", tries=1, due_at=None, asked={"seatIds": ["A1", "A2", "A3"]})
    first = confirmed.reduced(["A1", "A2"], NOW)
    second = first.reduced(["A2"], NOW)
    assert (first.kept, second.kept) == (["A1", "A2"], ["A2"])
    assert (second.told(first, NOW).reducing, second.told(first, NOW).due_at) == ("due", NOW)
    assert (second.told(second, NOW).reducing, second.told(second, NOW).due_at) == ("told", None)
    assert second.reduced(["A1", "A2"], NOW) is second
    over = second.withdrawn(NOW)
    assert over.told(second, NOW) is over
    for state in ("asking", "refused", "withdrawn"):
        assert (other := request(state=state)).reduced([], NOW) is other


def test_a_pause_never_goes_beyond_the_deadline() -> None:
    assert request(tries=9, deadline=NOW + SECOND).unheard(NOW).due_at == NOW + SECOND
    assert request().postponed(NOW + timedelta(hours=1), NOW).due_at == NOW + 120 * SECOND


@pytest.mark.parametrize(
    ("url", "listed"),
    [
        ("https://burg.example", True),
        ("https://BURG.example:443/api", True),
        ("https://burg.example:8443", False),
        ("http://burg.example", False),
        ("https://burg.example.evil.example", False),
        ("https://evil.example#burg.example", False),
        ("https://burg.example@evil.example", False),
        ("https://burg.example\\@evil.example", False),
        ("https://akademie.example:8443", True),
        ("http://theatre:8000/x", True),
        ("http://theatre", False),
        ("file:///etc/passwd", False),
        ("//burg.example", False),
        ("", False),
    ],
)
def test_only_listed_hosts_and_ports_are_called(url: str, listed: bool) -> None:
    hosts = Hosts(["burg.example", "akademie.example:8443"], ["theatre:8000"])
    if listed:
        hosts.require(url)
    else:
        with pytest.raises(HostNotAllowed):
            hosts.require(url)


@pytest.mark.parametrize(
    ("path", "good"),
    [
        ("/api/v1", True),
        ("/a%20b/%C3%BC", True),
        ("/a!$&'()*+,;=:@b~._-", True),
        ("/...", True),
        ("/ü", False),
        ("/a b", False),
        ("/a\x7f", False),
        ("/{a}", False),
        ('/"a"', False),
        ("/a`b", False),
        ("/a%zz", False),
        ("/../a", False),
        ("/a/./b", False),
        ("/a/%2e%2E/b", False),
        ("/a/..", False),
    ],
)
async def test_a_path_is_sent_as_it_is_signed_or_refused(path: str, good: bool) -> None:
    async def resolve(host: str) -> Sequence[str]:
        return ["93.184.216.34"]

    hosts = Hosts(["burg.example"], ())
    if not good:
        with pytest.raises(HostNotAllowed, match="path"):
            hosts.require("https://burg.example" + path)
        return
    place = await hosts.find("https://burg.example" + path, "/bookings/1", resolve)
    assert place.path == path + "/bookings/1"
    assert URL(place.url, encoded=True).raw_path == place.path


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        ("::1", "https://[::1]"),
        ("[::1]", "https://[::1]"),
        ("[::1]:8443", "https://[::1]:8443"),
        ("fd00::8443", "https://[fd00::8443]"),
        ("burg.example:8443", "https://burg.example:8443"),
    ],
)
def test_an_ipv6_address_is_listed_with_and_without_brackets(listed: str, url: str) -> None:
    Hosts([listed], ()).require(url)
