"""Partners as admins see them."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from partners_service.vault import vault
from tests.component.inventory.stage import problem
from tests.component.partners.desk import Desk

NEW = {"name": "Burg", "url": "https://nobody.example"}


async def test_the_secret_is_shown_once_and_stands_sealed_in_the_database(desk: Desk) -> None:
    partner = await desk.partner()
    secret = partner["secret"]
    for answer in (await desk.call("GET", f"/{partner['partnerId']}"), await desk.call("GET")):
        assert answer.status_code == 200
        assert secret not in answer.text
    for name in await desk.database.list_collection_names():
        async for document in desk.database[name].find({}):
            assert secret not in str(document), name


async def test_a_repeat_with_the_same_key_gives_the_same_partner_and_secret(desk: Desk) -> None:
    body = {"name": "Burg", "url": f"http://{desk.theatre.address}"}
    first, again = [await desk.call("POST", json=body, Idempotency_Key="mine") for _ in range(2)]
    assert (first.status_code, again.json()) == (201, first.json())
    assert first.headers["location"] == f"/api/v1/partners/{first.json()['partnerId']}"
    assert [answer.headers["cache-control"] for answer in (first, again)] == ["no-store"] * 2


async def died_before_its_answer(desk: Desk) -> None:
    """As if the process had ended between the work and the answer."""
    await desk.database["idempotency"].update_many({}, {"$set": {"state": "running"}, "$unset": {"answer": 1}})
    desk.clock.advance(timedelta(minutes=1))


async def test_a_creation_that_died_before_its_answer_is_found_by_its_retry(desk: Desk) -> None:
    body = {"name": "Burg", "url": f"http://{desk.theatre.address}"}
    first = await desk.call("POST", json=body, Idempotency_Key="died")
    await desk.call("POST", f"/{first.json()['partnerId']}/secrets")
    await died_before_its_answer(desk)
    again = await desk.call("POST", json=body, Idempotency_Key="died")
    assert again.status_code == 201, again.text
    assert (again.json()["partnerId"], again.json()["secret"]) == (first.json()["partnerId"], first.json()["secret"])
    assert len((await desk.call("GET")).json()["items"]) == 1
    await desk.call("DELETE", f"/{first.json()['partnerId']}/secrets/{again.json()['secrets'][1]['secretId']}")
    await died_before_its_answer(desk)
    problem(await desk.call("POST", json=body, Idempotency_Key="died"), 409, "partner-changed")


async def test_a_secret_that_died_before_its_answer_is_found_and_pushes_nobody_out(desk: Desk) -> None:
    partner = await desk.partner()
    path = f"/{partner['partnerId']}/secrets"
    first = await desk.call("POST", path, Idempotency_Key="died", If_Match='"1"')
    assert first.headers["cache-control"] == "no-store"
    await died_before_its_answer(desk)
    again = await desk.call("POST", path, Idempotency_Key="died", If_Match='"1"')
    assert again.status_code == 201, again.text
    assert again.json() == first.json()
    problem(await desk.call("POST", path, If_Match='"1"'), 412, "precondition-failed")
    desk.theatre.app.state.secret = partner["secret"]
    booking_id = await desk.ask(partner)
    await desk.work()
    assert (await desk.request(booking_id)).state == "confirmed"


async def test_the_sandbox_is_kept_as_it_is_reached_and_signs_now(desk: Desk) -> None:
    directory = desk.app.state.directory
    for url, secret in (("http://a:1", "psk_1"), ("http://a:1", "psk_2"), ("http://b:1", "psk_2")):
        await directory.keep_sandbox(url, secret)
        sandbox = await directory.get("sandbox")
        assert (sandbox.url, directory.secrets_of(sandbox)) == (url, [secret])
    await directory.keep_sandbox("http://b:1", "psk_2")
    assert await directory.get("sandbox") == sandbox
    other = vault(SecretStr("quite another key")).close("psk_2", "sandbox")
    await desk.database["partners"].update_one({"_id": "sandbox"}, {"$set": {"secrets.0.sealed": other}})
    await directory.keep_sandbox("http://b:1", "psk_2")
    assert directory.secrets_of(await directory.get("sandbox")) == ["psk_2"]


@pytest.mark.parametrize("role", ["user", "guest", "service"])
async def test_partners_are_for_admins(desk: Desk, role: str) -> None:
    partner = await desk.partner()
    for method, path in [
        ("GET", ""),
        ("POST", ""),
        ("PATCH", f"/{partner['partnerId']}"),
        ("DELETE", f"/{partner['partnerId']}"),
        ("POST", f"/{partner['partnerId']}/secrets"),
        ("DELETE", f"/{partner['partnerId']}/secrets/x"),
        ("GET", f"/{partner['partnerId']}/exchanges"),
    ]:
        problem(
            await desk.call(method, path, json=NEW if method in {"POST", "PATCH"} else None, role=role),
            403,
            "forbidden",
        )


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("https://nobody.example", "nobody.example:443 is not on the list of those that may be called"),
        ("http://169.254.169.254/latest", "169.254.169.254:80 is not on the list of those that may be called"),
        ("ftp://127.0.0.1", "Give https://host[:port][/path] and nothing more"),
        ("https://user:pass@nobody.example", "Give https://host[:port][/path] and nothing more"),
        ("https://nobody.example/?a=1", "Give https://host[:port][/path] and nothing more"),
        ("https://[::1", "This is no web address"),
        (
            "https://nobody.example/../a",
            "The path may have letters, digits, usual signs and %XX, and no steps such as ..",
        ),
    ],
)
async def test_a_host_that_is_not_listed_is_refused(desk: Desk, url: str, detail: str) -> None:
    for method, path in (("POST", ""), ("PATCH", f"/{(await desk.partner())['partnerId']}")):
        body = {"name": "Burg", "url": url}
        answer = problem(await desk.call(method, path, json=body), 422, "host-not-allowed")
        assert answer["errors"] == [{"pointer": "/url", "detail": detail}]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Burg"},
        {**NEW, "secret": "mine"},
        {**NEW, "timeoutSeconds": 60},
        {**NEW, "timeoutSeconds": "5"},
        {**NEW, "name": " "},
        {**NEW, "url": "x" * 600},
    ],
    ids=lambda body: ",".join(body) if isinstance(body, dict) else None,
)
async def test_bad_input_is_refused(desk: Desk, body: dict[str, Any]) -> None:
    problem(await desk.call("POST", json=body), 422, "invalid-request")


async def test_a_change_honours_if_match_and_leaves_the_rest_alone(desk: Desk) -> None:
    partner = await desk.partner()
    path = f"/{partner['partnerId']}"
    changed = await desk.call("PATCH", path, json={"name": "Akademie"}, If_Match='"1"')
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json()["name"] == "Akademie"
    assert changed.json()["url"] == partner["url"]
    problem(await desk.call("PATCH", path, json={"name": "X"}, If_Match='"1"'), 412, "precondition-failed")
    problem(await desk.call("PATCH", path, json={"name": None}), 422, "invalid-request")
    problem(await desk.call("DELETE", path, If_Match='"1"'), 412, "precondition-failed")


async def test_what_is_deleted_is_not_found_any_more(desk: Desk) -> None:
    partner = await desk.partner()
    assert (await desk.call("DELETE", f"/{partner['partnerId']}")).status_code == 204
    problem(await desk.call("GET", f"/{partner['partnerId']}"), 404, "partner-not-found")
    problem(await desk.call("GET", f"/{partner['partnerId']}/exchanges"), 404, "partner-not-found")
    assert (await desk.call("GET")).json()["items"] == []


async def test_a_partner_that_venues_name_is_not_deleted(desk: Desk) -> None:
    partner = await desk.partner()
    desk.named_by(partner, "v1", "v2")
    refusal = problem(await desk.call("DELETE", f"/{partner['partnerId']}"), 409, "partner-in-use")
    assert refusal["venueIds"] == ["v1", "v2"]
    desk.catalogue.down = True
    assert (await desk.call("DELETE", f"/{partner['partnerId']}")).status_code == 503
    await desk.look(partner)
    desk.catalogue.down = False
    desk.named_by(partner)
    assert (await desk.call("DELETE", f"/{partner['partnerId']}")).status_code == 204


async def test_other_services_may_ask_whether_a_partner_is_there(desk: Desk) -> None:
    partner = await desk.partner()
    assert (await desk.call("GET", f"/{partner['partnerId']}", role="service")).status_code == 200
    assert (await desk.call("GET", "/nobody", role="service")).status_code == 404
    for role in ("user", "guest"):
        assert (await desk.call("GET", f"/{partner['partnerId']}", role=role)).status_code == 403


async def test_while_a_secret_is_replaced_the_theatre_may_use_either(desk: Desk) -> None:
    partner = await desk.partner()
    path = f"/{partner['partnerId']}/secrets"
    made = await desk.call("POST", path)
    assert made.status_code == 201, made.text
    for secret in (partner["secret"], made.json()["secret"]):
        desk.theatre.app.state.secret = secret
        booking_id = await desk.ask(partner, secret[-4:])
        await desk.work()
        assert (await desk.request(booking_id)).state == "confirmed"
    old = made.json()["secrets"][1]["secretId"]
    left = await desk.call("DELETE", f"{path}/{old}")
    assert [secret["secretId"] for secret in left.json()["secrets"]] == [made.json()["secrets"][0]["secretId"]]
    desk.theatre.app.state.secret = partner["secret"]
    await desk.ask(partner, "B1")
    await desk.work()
    assert (await desk.log(partner))[-1]["detail"] == "it answered 401"
    problem(await desk.call("DELETE", f"{path}/{old}"), 404, "partner-not-found")
    problem(await desk.call("DELETE", f"{path}/{left.json()['secrets'][0]['secretId']}"), 409, "last-secret")


async def test_lists_go_on_where_their_pages_end(desk: Desk) -> None:
    partners = [await desk.partner() for _ in range(3)]
    first = await desk.call("GET", "?limit=2")
    assert 'rel="next"' in first.headers["link"]
    rest = await desk.call("GET", f"?limit=2&cursor={first.json()['nextCursor']}")
    listed = [item["partnerId"] for page in (first, rest) for item in page.json()["items"]]
    assert listed == [partner["partnerId"] for partner in partners]
    bookings = [await desk.ask(partners[-1], f"A{number}") for number in range(3)]
    await desk.work()
    path = f"/{partners[-1]['partnerId']}/exchanges"
    newest = await desk.call("GET", f"{path}?limit=2")
    older = await desk.call("GET", f"{path}?limit=2&cursor={newest.json()['nextCursor']}")
    seen = [item["bookingId"] for page in (newest, older) for item in page.json()["items"]]
    assert sorted(seen) == sorted(bookings)
    assert len(await desk.log(partners[-1], bookings[0])) == 1
    stored = await desk.database["exchanges"].find_one({})
    assert stored is not None
    assert set(stored) == {
        *("_id", "partnerId", "bookingId", "kind", "at", "milliseconds", "outcome", "status", "detail")
    }


async def test_what_is_open_is_counted_without_being_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    partner = await desk.partner()
    confirmed = await desk.ask(partner, "A1")
    await desk.work()
    await desk.asking.withdraw(confirmed, partner["partnerId"])
    for seat in ("B1", "B2"):
        await desk.ask(partner, seat)
    collection = desk.app.state.requests.collection
    monkeypatch.setattr(collection, "find", None)
    assert (await desk.call("GET")).json()["items"][0]["open"] == {"asking": 2, "telling": 1}
