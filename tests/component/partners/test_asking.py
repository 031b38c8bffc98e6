"""Asking a theatre: what it answers, what goes wrong on the way, and what is made of silence."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from partners_service.domain.protocol import Confirmed
from partners_service.domain.requests import LEASE, SILENT, UNKNOWN
from partners_service.handlers.asking import Asking
from partners_service.handlers.partners import Directory
from partners_service.hosts import HostNotAllowed, Hosts
from partners_service.store.requests import Requests
from partners_service.theatre import Line, Theatres, Unheard, open_theatres
from partners_service.vault import vault
from service_kit.ids import new_id
from service_kit.resolving import system_resolver
from service_kit.sealing import Unsealable
from tests.component.inventory.crashes import Killed, mortal_collection
from tests.component.partners.conftest import serving
from tests.component.partners.desk import SEATS, TWO_MINUTES, Desk, wanted
from tests.support import eventually


async def test_the_theatre_confirms_and_its_tickets_are_told_by_seat(desk: Desk) -> None:
    booking_id = await desk.ask(partner := await desk.partner())
    await desk.work()
    (event,) = await desk.events(booking_id)
    tickets = {ticket["seatId"]: ticket["ticketId"] for ticket in (await desk.theatre.booking(booking_id))["tickets"]}
    assert (event["type"], event["ticketIds"]) == ("PartnerConfirmed", tickets)
    assert set(tickets) == set(SEATS)
    (exchange,) = await desk.log(partner)
    assert (exchange["kind"], exchange["outcome"], exchange["status"]) == ("confirm", "confirmed", 200)
    assert await desk.work() == 0


async def test_the_theatre_refuses_and_its_reason_is_told(desk: Desk) -> None:
    booking_id = await desk.ask(await desk.partner())
    await desk.theatre.faults(refuse=True)
    await desk.work_for(TWO_MINUTES * 2)
    assert await desk.events(booking_id) == [
        {
            "type": "PartnerRefused",
            "bookingId": booking_id,
            "partner": (await desk.request(booking_id)).partner_id,
            "reason": "The theatre refuses on purpose",
        }
    ]
    assert (await desk.request(booking_id)).cancelling == "no"


async def test_a_request_that_comes_again_is_asked_once(desk: Desk) -> None:
    partner = await desk.partner()
    request = wanted(partner["partnerId"], desk.clock.now())
    for _ in range(2):
        await desk.asking.begin(request)
        await desk.work()
    assert len(await desk.log(partner)) == 1


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"answerLost": 2}, "it answered 500"),
        ({"fail": 2}, "it answered 500"),
        ({"hang": 2}, "it did not answer within 0.5 s"),
        ({"badSignature": 2}, "its answer is not to be trusted: its signature is wrong"),
        ({"garbage": 2}, "its answer can't be read"),
        ({"redirect": 2}, "it redirects, which is not followed"),
    ],
    ids=str,
)
async def test_what_fails_twice_is_asked_a_third_time_and_leads_to_one_set_of_tickets(
    desk: Desk, faults: dict[str, Any], said: str
) -> None:
    booking_id = await desk.ask(partner := await desk.partner())
    await desk.theatre.faults(**faults)
    await desk.work_for(timedelta(seconds=10), timedelta(seconds=2))
    log = await desk.log(partner)
    assert [exchange["outcome"] for exchange in log] == ["failed", "failed", "confirmed"]
    assert log[0]["detail"].startswith(said)
    assert (await desk.look(partner))["lastError"]["message"].startswith(said)
    (event,) = await desk.events(booking_id)
    tickets = (await desk.theatre.booking(booking_id))["tickets"]
    assert event["ticketIds"] == {ticket["seatId"]: ticket["ticketId"] for ticket in tickets}


async def test_a_theatre_that_does_not_know_our_secret_is_no_refusal(desk: Desk) -> None:
    booking_id = await desk.ask(partner := await desk.partner())
    desk.theatre.app.state.secret = "another"
    await desk.work()
    assert (await desk.request(booking_id)).state == "asking"
    assert (await desk.log(partner))[0]["detail"] == "it answered 401"


async def test_silence_until_the_deadline_is_a_refusal_and_has_the_booking_cancelled_there(desk: Desk) -> None:
    booking_id = await desk.ask(await desk.partner())
    await desk.theatre.faults(answerLost=True)
    await desk.work_for(TWO_MINUTES - timedelta(seconds=5))
    assert (await desk.request(booking_id)).state == "asking"
    assert await desk.theatre.status(booking_id) == "confirmed"  # unheard
    await desk.work_for(timedelta(seconds=10))
    (event,) = await desk.events(booking_id)
    assert (event["type"], event["reason"]) == ("PartnerRefused", SILENT)
    await desk.theatre.faults()
    await desk.work_for(timedelta(minutes=20), timedelta(minutes=1))
    assert (await desk.request(booking_id)).cancelling == "told"
    assert await desk.theatre.status(booking_id) == "cancelled"


async def test_a_cancellation_is_repeated_until_it_is_heard(desk: Desk) -> None:
    booking_id = await desk.ask(partner := await desk.partner())
    await desk.work()
    await desk.theatre.faults(fail=3)
    await desk.asking.withdraw(booking_id, partner["partnerId"])
    await desk.work_for(timedelta(minutes=5), timedelta(seconds=20))
    outcomes = [exchange["outcome"] for exchange in await desk.log(partner, booking_id)]
    assert outcomes == ["confirmed", "failed", "failed", "failed", "cancelled"]
    assert await desk.theatre.status(booking_id) == "cancelled"
    assert [event["type"] for event in await desk.events(booking_id)] == ["PartnerConfirmed"]


async def test_a_theatre_is_told_which_seats_are_left_until_it_has_heard_it(desk: Desk) -> None:
    booking_id = await desk.ask(partner := await desk.partner(), "A1", "A2", "A3")
    await desk.work()
    await desk.theatre.faults(fail=2)
    await desk.asking.reduce(booking_id, ["A1", "A3"])
    await desk.work()
    await desk.asking.reduce(booking_id, ["A3"])
    await desk.asking.reduce(booking_id, ["A1", "A3"])  # came again
    await desk.work_for(timedelta(minutes=2), timedelta(seconds=20))
    kinds = [(exchange["kind"], exchange["outcome"]) for exchange in await desk.log(partner, booking_id)]
    assert kinds == [("confirm", "confirmed"), ("reduce", "failed"), ("reduce", "failed"), ("reduce", "reduced")]
    left = (await desk.theatre.booking(booking_id))["tickets"]
    assert [ticket["seatId"] for ticket in left] == ["A3"]
    assert (await desk.look(partner))["open"] == {"asking": 0, "telling": 0}


async def test_a_booking_that_is_over_is_cancelled_whatever_was_still_to_be_told_of_it(desk: Desk) -> None:
    booking_id = await desk.ask(partner := await desk.partner())
    await desk.work()
    await desk.asking.reduce(booking_id, ["A1"])
    await desk.asking.withdraw(booking_id, partner["partnerId"])
    await desk.asking.reduce(booking_id, [])
    await desk.work()
    assert [exchange["kind"] for exchange in await desk.log(partner)] == ["confirm", "cancel"]
    assert (await desk.request(booking_id)).due_at is None


async def test_a_booking_cancelled_before_we_asked_is_never_asked_for(desk: Desk) -> None:
    partner = await desk.partner()
    early, late = wanted(partner["partnerId"], desk.clock.now()), await desk.ask(partner)
    await desk.asking.withdraw(early.booking_id, partner["partnerId"])
    await desk.asking.withdraw(late, partner["partnerId"])
    await desk.asking.begin(early)
    assert await desk.work() == 0
    assert await desk.log(partner) == []


async def test_a_booking_cancelled_while_the_theatre_answers_is_cancelled_there_too(desk: Desk) -> None:
    booking_id = await desk.ask(partner := await desk.partner())
    await desk.theatre.faults(delayMs=200)
    request = await desk.asking.requests.claim(desk.clock.now())
    assert request is not None
    asking = asyncio.create_task(desk.asking.attend(request))
    await eventually(lambda: desk.request(booking_id), until=lambda it: it.tries == 1)
    await desk.asking.withdraw(booking_id, partner["partnerId"])
    await asking
    await desk.work_for(timedelta(seconds=20))
    assert (await desk.request(booking_id)).cancelling == "told"
    assert await desk.theatre.status(booking_id) == "cancelled"
    assert await desk.events(booking_id) == []


async def test_a_confirmation_that_comes_after_the_cancellation_was_heard_is_taken_back(desk: Desk) -> None:
    booking_id = await desk.ask(partner := await desk.partner())
    slow = await desk.asking.requests.claim(desk.clock.now())
    assert slow is not None
    # The slow one is on its way, as far as the theatre and we know; it gets there when all is over.
    sent = await desk.asking.requests.save(slow.sending(desk.clock.now()), None)
    assert sent is not None
    await desk.asking.withdraw(booking_id, partner["partnerId"])
    await desk.work()
    assert (await desk.request(booking_id)).cancelling == "told"
    await desk.asking._change(sent, lambda it: it.answered(Confirmed({"A1": "T"}), desk.clock.now()))
    assert (await desk.request(booking_id)).cancelling == "due"
    await desk.work()
    assert (await desk.request(booking_id)).cancelling == "told"


async def test_nobody_is_asked_for_a_partner_that_is_unknown_or_gone(desk: Desk) -> None:
    unknown = await desk.ask({"partnerId": new_id()})
    partner = await desk.partner()
    sold = await desk.ask(partner)
    await desk.work()
    assert (await desk.call("DELETE", f"/{partner['partnerId']}")).status_code == 204
    gone = await desk.ask(partner, "B1")
    await desk.work()
    for booking_id in (unknown, gone):
        (event,) = await desk.events(booking_id)
        assert (event["type"], event["reason"]) == ("PartnerRefused", UNKNOWN)
    await desk.asking.withdraw(sold, partner["partnerId"])
    await desk.work()
    assert await desk.theatre.status(sold) == "cancelled"


async def test_the_breaker_opens_lets_one_probe_through_and_closes(desk: Desk) -> None:
    partner = await desk.partner()
    bookings = [await desk.ask(partner, f"A{number}") for number in range(8)]
    await desk.theatre.faults(fail=True)
    await desk.work()
    assert len(await desk.log(partner)) == 5
    seen = await desk.look(partner)
    assert (seen["breaker"]["state"], seen["breaker"]["failures"], seen["open"]["asking"]) == ("open", 5, 8)
    desk.clock.advance(timedelta(seconds=4))
    await desk.work()
    assert len(await desk.log(partner)) == 5
    desk.clock.advance(timedelta(seconds=2))
    assert (await desk.look(partner))["breaker"]["state"] == "half-open"
    await desk.work()
    assert len(await desk.log(partner)) == 6, "one probe, and it failed"
    assert (await desk.look(partner))["breaker"]["state"] == "open"
    await desk.theatre.faults()
    await desk.work_for(timedelta(seconds=40), timedelta(seconds=2))
    assert (await desk.look(partner))["breaker"] == {"state": "closed", "failures": 0}
    for booking_id in bookings:
        assert (await desk.request(booking_id)).state == "confirmed"


async def test_a_booking_whose_deadline_comes_while_the_breaker_is_open_needs_no_cancelling(desk: Desk) -> None:
    partner = await desk.partner()
    await desk.theatre.faults(fail=True)
    for number in range(5):
        await desk.ask(partner, f"A{number}")
    await desk.work()
    booking_id = await desk.ask(partner, "B1")
    await desk.work()
    desk.clock.advance(TWO_MINUTES)
    await desk.database["partners"].update_one({}, {"$set": {"breaker.until": desk.clock.now() + TWO_MINUTES}})
    await desk.work()
    request = await desk.request(booking_id)
    assert (request.state, request.cancelling, request.tries) == ("refused", "no", 0)


async def test_a_failing_theatre_does_not_open_another_s_breaker(desk: Desk) -> None:
    bad = await desk.partner()
    await desk.theatre.faults(fail=5)
    for number in range(5):
        await desk.ask(bad, f"A{number}")
    await desk.work()
    booking_id = await desk.ask(await desk.partner(), "B1")
    await desk.work()
    assert (await desk.request(booking_id)).state == "confirmed"
    assert (await desk.look(bad))["breaker"]["state"] == "open"


# --- secrets that can't be opened -------------------------------------------------------------------------------------


async def test_a_secret_that_can_not_be_opened_any_more_has_the_theatre_unheard_until_there_is_another(
    desk: Desk,
) -> None:
    partner = await desk.partner()
    told = await desk.ask(partner)
    await desk.work()
    await with_another_key(desk, partner)
    booking_id = await desk.ask(partner, "B1")
    await desk.asking.withdraw(told, partner["partnerId"])
    await desk.work()
    request = await desk.request(booking_id)
    assert (request.state, request.tries) == ("asking", 0)  # nothing was sent, so nothing needs taking back
    assert (await desk.request(told)).cancelling == "due"
    (exchange,) = await desk.log(partner, booking_id)
    assert (exchange["outcome"], exchange["detail"]) == ("failed", Unsealable.title)
    assert (await desk.look(partner))["lastError"]["message"] == Unsealable.title
    made = (await desk.call("POST", f"/{partner['partnerId']}/secrets")).json()
    assert len(made["secrets"]) == 1
    desk.theatre.app.state.secret = made["secret"]
    await desk.work_for(timedelta(seconds=30))
    assert (await desk.request(booking_id)).state == "confirmed"
    assert await desk.theatre.status(told) == "cancelled"


async def test_after_a_change_of_the_key_secrets_are_sealed_anew_and_the_old_one_can_go(desk: Desk) -> None:
    partner = await desk.partner()
    present, past = SecretStr("quite another key"), SecretStr("a key for tests only")
    directory: Directory = desk.app.state.directory
    await replace(directory, vault=vault(present, past)).seal_anew()
    (found,) = await directory.partners.all()
    assert replace(directory, vault=vault(present)).secrets_of(found) == [partner["secret"]]


async def with_another_key(desk: Desk, partner: dict[str, Any]) -> None:
    """The partner as it stands in the database once the key was changed."""
    sealed = vault(SecretStr("quite another key")).close(partner["secret"], partner["partnerId"])
    await desk.database["partners"].update_one({"_id": partner["partnerId"]}, {"$set": {"secrets.0.sealed": sealed}})


# --- whom we call ----------------------------------------------------------------------------------------------------


async def test_a_host_that_was_taken_off_the_list_is_not_called(desk: Desk) -> None:
    booking_id = await desk.ask(partner := await desk.partner())
    async with open_theatres(Hosts((), ()), desk.clock) as theatres:
        state = desk.app.state
        await desk.work(Asking(state.requests, state.exchanges, state.directory, theatres, desk.clock))
    assert "is not on the list" in (await desk.log(partner))[0]["detail"]
    assert await desk.theatre.status(booking_id) is None


async def test_a_listed_name_that_leads_to_a_private_address_is_not_called() -> None:
    hosts = Hosts(["localhost", "127.0.0.1"], ["127.0.0.1:8080"])
    async with system_resolver() as resolve:
        for url in ("https://localhost", "https://127.0.0.1"):
            with pytest.raises(HostNotAllowed, match="not a public address"):
                await hosts.find(url, "/bookings/1", resolve)
        place = await hosts.find("http://127.0.0.1:8080/api/", "/bookings/1", resolve)
    assert place.url == "http://127.0.0.1:8080/api/bookings/1"


async def test_names_are_looked_up_in_threads_that_nothing_else_waits_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    def look_up(host: str, *_: Any, **__: Any) -> Any:
        threads.append(threading.current_thread().name)
        raise OSError("no such name")

    booking_id = await desk.ask(partner := await desk.partner())
    hosts = Hosts((), ("burg.example:80",))
    await desk.database["partners"].update_one({}, {"$set": {"url": "http://burg.example"}})
    claimed = await desk.asking.requests.claim(desk.clock.now())
    assert claimed is not None
    assert claimed.id == booking_id
    line = Line("http://burg.example", [partner["secret"]], 5, new_id())
    async with open_theatres(hosts, desk.clock) as theatres:
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        with pytest.raises(Unheard, match="can't be reached"):
            await theatres.ask(line, claimed)
    (thread,) = threads
    assert thread.startswith("resolve")


async def test_another_address_of_a_theatre_is_called_where_one_is_dead(desk: Desk) -> None:
    async def both(_: str) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    partner = await desk.partner()
    port = desk.theatre.address.rpartition(":")[2]
    booking_id = await desk.ask(partner)
    claimed = await desk.asking.requests.claim(desk.clock.now())
    assert claimed is not None
    hosts = Hosts((), (f"burg.example:{port}",))
    theatres = Theatres(ssl.create_default_context(), hosts, both, desk.clock)
    line = Line(f"http://burg.example:{port}", [partner["secret"]], 5, new_id())
    status, answer = await theatres.ask(line, claimed)
    assert (status, type(answer)) == (200, Confirmed)
    assert await desk.theatre.status(booking_id) == "confirmed"


async def test_a_cookie_of_one_theatre_is_sent_to_none(desk: Desk) -> None:
    cookies: list[str | None] = []

    async def answer(request: Request) -> Response:
        cookies.append(request.headers.get("cookie"))
        return Response(status_code=500, headers={"Set-Cookie": "session=mine; Path=/"})

    async with serving(Starlette(routes=[Route("/{path:path}", answer, methods=["PUT"])])) as host:
        await desk.ask(await desk.partner())
        claimed = await desk.asking.requests.claim(desk.clock.now())
        assert claimed is not None
        async with open_theatres(Hosts((), (host,)), desk.clock) as theatres:
            for _ in range(2):
                with pytest.raises(Unheard, match="it answered 500"):
                    await theatres.ask(Line(f"http://{host}", ["psk_mine"], 5, new_id()), claimed)
    assert cookies == [None, None]


async def test_an_answer_without_end_is_cut_off(desk: Desk) -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    async with server:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        partner = await desk.partner()
        await desk.database["partners"].update_one({}, {"$set": {"url": f"http://{host}", "timeoutSeconds": 10.0}})
        booking_id = await desk.ask(partner)
        async with open_theatres(Hosts((), (host,)), desk.clock) as theatres:
            state = desk.app.state
            await desk.work(Asking(state.requests, state.exchanges, state.directory, theatres, desk.clock))
    assert (await desk.log(partner))[0]["detail"] == "its answer is larger than 65536 bytes"
    assert (await desk.request(booking_id)).state == "asking"


# --- crashes and workers beside each other ---------------------------------------------------------------------------


def dying(desk: Desk, writes: int) -> Asking:
    """The use cases in a process that dies after so many writes to requests."""
    requests = Requests(desk.database)
    requests.collection = mortal_collection(requests.collection, writes)
    state = desk.app.state
    return Asking(requests, state.exchanges, state.directory, desk.theatres, desk.clock)


async def asked(desk: Desk, partner: dict[str, Any]) -> str:
    return await desk.ask(partner)


async def sold_and_cancelled(desk: Desk, partner: dict[str, Any]) -> str:
    booking_id = await desk.ask(partner)
    await desk.work()
    await desk.asking.withdraw(booking_id, partner["partnerId"])
    return booking_id


async def reduced(desk: Desk, partner: dict[str, Any]) -> str:
    booking_id = await desk.ask(partner)
    await desk.work()
    await desk.asking.reduce(booking_id, ["A2"])
    return booking_id


async def moved(desk: Desk, partner: dict[str, Any]) -> str:
    booking_id = await desk.ask(partner)
    await desk.work()
    await desk.asking.move(booking_id, (await desk.request(booking_id)).starts_at + TWO_MINUTES, 3)
    return booking_id


async def never_answered(desk: Desk, partner: dict[str, Any]) -> str:
    booking_id = await desk.ask(partner)
    await desk.theatre.faults(answerLost=1)
    await desk.work()
    desk.clock.advance(TWO_MINUTES)
    return booking_id


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (asked, "confirmed"),
        (sold_and_cancelled, "cancelled"),
        (reduced, "confirmed"),
        (moved, "confirmed"),
        (never_answered, "cancelled"),
    ],
)
async def test_a_worker_killed_after_any_write_is_followed_by_another(
    desk: Desk, begin: Callable[..., Any], end: str
) -> None:
    partner = await desk.partner()
    for writes in range(1, 12):
        booking_id = await begin(desk, partner)
        died = False
        try:
            await desk.work(dying(desk, writes))
        except Killed:
            died = True
        await desk.work()
        desk.clock.advance(LEASE)
        await desk.work_for(timedelta(seconds=5))
        request = await desk.request(booking_id)
        assert request.due_at is None, request
        assert await desk.theatre.status(booking_id) == end
        assert len(await desk.events(booking_id)) == 1
        assert (request.state == "confirmed") == (end == "confirmed")
        if not died:
            return
        # Time goes on in this test and the theatre's clock does not: begin each time at the same moment.
        desk.clock.advance(-LEASE - timedelta(seconds=5))
        if begin is never_answered:
            desk.clock.advance(-TWO_MINUTES)
    raise AssertionError("the work never came to its end")


async def test_two_workers_ask_for_each_booking_once(desk: Desk) -> None:
    partner = await desk.partner()
    bookings = [await desk.ask(partner, f"A{number}") for number in range(20)]
    await asyncio.gather(*(desk.work() for _ in range(4)))
    log = await desk.log(partner)
    assert sorted(exchange["bookingId"] for exchange in log) == sorted(bookings)
    for booking_id in bookings:
        assert [event["type"] for event in await desk.events(booking_id)] == ["PartnerConfirmed"]


async def test_a_worker_thought_dead_that_hears_the_answer_late_changes_nothing(desk: Desk) -> None:
    booking_id = await desk.ask(partner := await desk.partner())
    await desk.theatre.faults(delayMs=300)
    first = await desk.asking.requests.claim(desk.clock.now())
    assert first is not None
    slow = asyncio.create_task(desk.asking.attend(first))
    await eventually(lambda: desk.request(booking_id), until=lambda it: it.tries == 1)
    desk.clock.advance(LEASE)
    await desk.work()
    await slow
    assert [event["type"] for event in await desk.events(booking_id)] == ["PartnerConfirmed"]
    assert [exchange["outcome"] for exchange in await desk.log(partner)] == ["confirmed", "confirmed"]
    assert await desk.work() == 0
