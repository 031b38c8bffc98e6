"""The sandbox theatre keeps to the protocol that it is there to show."""

import json
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from partners_service.domain.signing import REQUEST_ID, SIGNATURE, answer_text, request_text, sign, verify
from partners_service.sandbox.app import create_app
from partners_service.sandbox.config import Settings
from service_kit.ids import new_id
from tests.component.partners.conftest import serving
from tests.component.partners.desk import Desk, Theatre

SECRET = "psk_of_the_sandbox"
ASKED = {"showtimeId": "s1", "seatIds": ["A1"]}


async def say(
    theatre: Theatre, method: str, booking_id: str, asked: Any = None, secret: str | None = None
) -> httpx2.Response:
    """A call as the partners service makes it; the signature of the answer is checked."""
    body = json.dumps(asked).encode() if asked else b""
    path, request_id = f"/bookings/{booking_id}", new_id()
    secret = secret or theatre.app.state.secret
    headers = {
        REQUEST_ID: request_id,
        SIGNATURE: sign([secret], int(time.time()), request_text(method, path, request_id, body)),
    }
    answer = await theatre.client.request(method, path, content=body, headers=headers)
    if answer.status_code in {200, 409}:
        text = answer_text(answer.status_code, path, request_id, answer.content)
        verify(answer.headers[SIGNATURE], [secret], int(time.time()), text)
    return answer


async def test_a_seat_is_given_once_a_showtime_and_again_when_it_was_cancelled(theatre: Theatre) -> None:
    ann, bob, show = new_id(), new_id(), {**ASKED, "showtimeId": new_id()}
    first = await say(theatre, "PUT", ann, show)
    assert (await say(theatre, "PUT", ann, show)).json() == first.json()
    refused = await say(theatre, "PUT", bob, show)
    assert (refused.status_code, refused.json()["reason"]) == (409, "Sold at the door: A1")
    assert (await say(theatre, "PUT", new_id(), {**show, "showtimeId": new_id()})).status_code == 200
    for _ in range(2):
        assert (await say(theatre, "DELETE", ann)).json() == {"bookingId": ann, "status": "cancelled"}
    assert (await say(theatre, "PUT", new_id(), show)).status_code == 200


async def test_a_booking_cancelled_before_it_was_asked_for_is_refused(theatre: Theatre) -> None:
    booking_id = new_id()
    await say(theatre, "DELETE", booking_id)
    assert (await say(theatre, "PUT", booking_id, ASKED)).json()["reason"] == "This booking was cancelled"


async def test_what_is_not_signed_by_the_secret_is_refused(theatre: Theatre) -> None:
    booking_id = new_id()
    assert (await say(theatre, "PUT", booking_id, ASKED, secret="another")).status_code == 401
    assert (await theatre.client.put(f"/bookings/{booking_id}", json=ASKED)).status_code == 401
    assert await theatre.status(booking_id) is None


@pytest.mark.parametrize("faults", [{"surprise": 1}, {"refuse": 1.5}, {"hang": -1}, {"delayMs": "5"}])
async def test_the_dial_refuses_what_it_does_not_know(theatre: Theatre, faults: dict[str, Any]) -> None:
    assert (await theatre.client.post("/sandbox/faults", json=faults)).status_code == 400
    assert (await theatre.client.get("/sandbox/faults")).json()["refuse"] is False


async def test_its_books_outlive_it(tmp_path: Path) -> None:
    booking_id, tickets = new_id(), []
    for _ in range(2):
        app = create_app(
            Settings.model_validate(
                {"partner_sandbox_secret": SECRET, "partner_sandbox_state": tmp_path / "books.sqlite"}
            )
        )
        async with serving(app) as address, httpx2.AsyncClient(base_url=f"http://{address}") as client:
            tickets.append((await say(Theatre(address, app, client), "PUT", booking_id, ASKED)).json()["tickets"])
    assert tickets[0] == tickets[1]


async def test_the_ready_made_partner_follows_where_the_sandbox_is(desk: Desk) -> None:
    directory = desk.app.state.directory
    for url in ("http://127.0.0.1:1", "http://127.0.0.1:2"):
        await directory.keep_sandbox(url, SECRET)
        partner = await directory.get("sandbox")
        assert (partner.url, directory.secrets_of(partner)) == (url, [SECRET])
