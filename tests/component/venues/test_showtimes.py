"""Showtimes over HTTP: their rules, races and what a crash leaves."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service_kit.ids import new_id
from tests.component.venues.catalogue import Catalogue, layout, pointers


async def test_a_promotion_keeps_when_it_holds_and_from_how_many_tickets_on(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    start = catalogue.clock.now() + timedelta(days=3)
    window = {"from": "2026-11-01T10:00:00+01:00", "until": "2026-12-01T00:00:00Z", "minTickets": 4}
    answer = await stage.try_showtime(start.isoformat(), promotions=[{"code": "FOUR", "percent": 25, **window}])
    assert answer.status_code == 201, answer.text
    [kept] = (await catalogue.send("GET", f"/showtimes/{answer.json()['showtimeId']}")).json()["promotions"]
    assert kept == {"kind": "code", "code": "FOUR", "percent": 25, **window, "from": "2026-11-01T09:00:00Z"}


async def test_a_code_keeps_its_limits(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    code = {"kind": "code", "code": "SPRING", "percent": 10}
    limits = {"limit": 100_000, "limitPerPerson": 2, "campaign": "spring-26", "minAmount": 2_000}
    answer = await stage.try_showtime(catalogue.at(days=3), promotions=[code | limits])
    assert answer.status_code == 201, answer.text
    assert answer.json()["promotions"] == [code | limits]


async def test_only_admins_and_services_get_to_see_codes(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=3), promotions=[{"kind": "matinee"}, {"code": "X", "percent": 9}])
    one, lists = f"/showtimes/{showtime['showtimeId']}", ("/showtimes", f"/events/{stage.event_id}/showtimes")
    readers: list[tuple[Any, int]] = [(None, 1), ("guest", 1), ("user", 1), ("service", 2), ("admin", 2)]
    for role, shown in readers:
        headers = catalogue.mint.headers(role) if role else {}
        answer = await catalogue.client.get(f"/api/v1{one}", headers=headers)
        assert (len(answer.json()["promotions"]), answer.headers["vary"]) == (shown, "Authorization"), role
        for path in lists:
            (item,) = (await catalogue.client.get(f"/api/v1{path}", headers=headers)).json()["items"]
            assert len(item["promotions"]) == shown, (role, path)


async def test_a_showtime_ends_when_its_event_does(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    start = (catalogue.clock.now() + timedelta(days=1)).replace(microsecond=0)
    answer = await stage.try_showtime(start.isoformat(), promotions=[{"kind": "matinee"}, {"code": "X", "percent": 10}])
    assert answer.status_code == 201, answer.text
    showtime = answer.json()
    assert datetime.fromisoformat(showtime["startsAt"]) == start
    assert datetime.fromisoformat(showtime["endsAt"]) == start + timedelta(hours=2)
    assert showtime["promotions"] == [{"kind": "matinee"}, {"kind": "code", "code": "X", "percent": 10}]
    assert showtime["pricing"] == {"currency": "EUR", "tiers": {"standard": 1_200}, "fee": 0}
    assert (showtime["status"], showtime["layoutVersion"], showtime["seatCount"]) == ("scheduled", 1, 6)
    path = f"/showtimes/{showtime['showtimeId']}"
    assert answer.headers["location"] == f"/api/v1{path}"
    assert (await catalogue.send("GET", path)).json() == showtime
    assert (await catalogue.get(path, if_none_match='"1"')).status_code == 304


async def test_the_start_may_be_called_timestamp(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    body = stage.body(catalogue.at(days=1))
    body["timestamp"] = body.pop("startsAt")
    path = f"/events/{stage.event_id}/showtimes"
    assert (await catalogue.send("POST", path, body)).status_code == 201
    both = stage.body(catalogue.at(days=2), timestamp=catalogue.at(days=2))
    assert (await catalogue.send("POST", path, both)).status_code == 422
    del both["startsAt"], both["timestamp"]
    assert (await catalogue.send("POST", path, both)).status_code == 422


@pytest.mark.parametrize("known", ["event", "venue", "hall"])
async def test_an_unknown_event_venue_or_hall_is_404(catalogue: Catalogue, known: str) -> None:
    stage = await catalogue.stage()
    setattr(stage, f"{known}_id", new_id())
    assert (await stage.try_showtime(catalogue.at(days=1))).status_code == 404
    halls = await catalogue.database["halls"].find({}).to_list()
    assert [hall["slots"] for hall in halls] == [[]]


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"startsAt": "2020-01-01T20:00:00Z"}, "/startsAt"),
        ({"startsAt": "2090-01-01T20:00:00Z"}, "/startsAt"),
        ({"startsAt": "2030-01-01T20:00:00"}, "/startsAt"),
        ({"startsAt": 1_900_000_000}, "/startsAt"),
        ({"startsAt": "0001-01-01T00:00:00+14:00"}, "/startsAt"),
        ({"venueId": {"$ne": ""}}, "/venueId"),
        ({"pricing": {"currency": "EUR", "tiers": {}}}, "/pricing/tiers"),
        ({"pricing": {"currency": "XYZ", "tiers": {"standard": 1}}}, "/pricing/currency"),
        ({"pricing": {"currency": "eur", "tiers": {"standard": 1}}}, "/pricing/currency"),
        ({"pricing": {"currency": "EUR", "tiers": {"standard": -1}}}, "/pricing/tiers/standard"),
        ({"pricing": {"currency": "EUR", "tiers": {"standard": 9.5}}}, "/pricing/tiers/standard"),
        ({"pricing": {"currency": "EUR", "tiers": {"standard": 1, "throne": 2}}}, "/pricing/tiers/throne"),
        ({"pricing": {"currency": "EUR", "tiers": {"standard": 1, "$gt": 2}}}, "/pricing/tiers/$gt"),
        ({"pricing": {"currency": "EUR", "tiers": {"standard": 1, "STANDARD": 2}}}, "/pricing/tiers/STANDARD"),
        ({"pricing": {"currency": "EUR", "tiers": {"vip": 1}}}, "/pricing/tiers"),
        ({"pricing": {"currency": "EUR", "tiers": {"standard": 1}, "fee": -1}}, "/pricing/fee"),
        ({"promotions": [{"kind": "gift"}]}, "/promotions/0/kind"),
        ({"promotions": [{"kind": "matinee", "percent": 101}]}, "/promotions/0/percent"),
        ({"promotions": [{"kind": "matinee", "before": "25:00"}]}, "/promotions/0/before"),
        ({"promotions": [{"kind": "code"}]}, "/promotions/0"),
        ({"promotions": [{"kind": "matinee", "minTickets": 0}]}, "/promotions/0/minTickets"),
        ({"promotions": [{"kind": "matinee", "from": "soon"}]}, "/promotions/0/from"),
        ({"promotions": [{"kind": "matinee", "minAmount": -1}]}, "/promotions/0/minAmount"),
        ({"promotions": [{"kind": "matinee", "limit": 5}]}, "/promotions/0"),
        ({"promotions": [{"kind": "third-ticket", "limitPerPerson": 5}]}, "/promotions/0"),
        ({"promotions": [{"code": "X", "percent": 5, "limit": 0}]}, "/promotions/0/limit"),
        ({"promotions": [{"code": "X", "percent": 5, "limit": 1_000_001}]}, "/promotions/0/limit"),
        ({"promotions": [{"code": "X", "percent": 5, "limit": 1.5}]}, "/promotions/0/limit"),
        ({"promotions": [{"code": "X", "percent": 5, "limitPerPerson": -1}]}, "/promotions/0/limitPerPerson"),
        ({"promotions": [{"code": "X", "percent": 5, "limit": 5, "campaign": "a/b"}]}, "/promotions/0/campaign"),
        ({"promotions": [{"code": "X", "percent": 5, "campaign": "spring"}]}, "/promotions/0"),
        (
            {"promotions": [{"kind": "matinee", "from": "2027-01-02T00:00:00Z", "until": "2027-01-02T00:00:00Z"}]},
            "/promotions/0",
        ),
        ({"extra": 1}, "/extra"),
    ],
)
async def test_a_faulty_field_is_named(catalogue: Catalogue, fields: dict[str, Any], at: str) -> None:
    stage = await catalogue.stage()
    body = stage.body(catalogue.at(days=1)) | fields
    assert at in pointers(await catalogue.send("POST", f"/events/{stage.event_id}/showtimes", body))
    assert await catalogue.database["showtimes"].count_documents({}) == 0


async def test_a_price_for_the_section_covers_its_seats_even_with_a_dot_in_its_id(catalogue: Catalogue) -> None:
    stage = await catalogue.stage(seat_layout=layout(section="st.alls", seat_type="sofa"))
    pricing = {"currency": "JPY", "tiers": {"st.alls": 0}, "fee": 50}
    showtime = await stage.showtime(catalogue.at(days=1), pricing=pricing)
    assert showtime["pricing"] == pricing
    uncovered = await stage.try_showtime(catalogue.at(days=2))
    assert "sofa" in uncovered.json()["errors"][0]["detail"]


async def test_a_hall_in_use_is_409_until_it_is_cleaned(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    start = catalogue.clock.now() + timedelta(days=1)
    first = await stage.showtime(start)
    for minutes in (-134, 0, 60, 134):
        refused = await stage.try_showtime(start + timedelta(minutes=minutes))
        assert refused.status_code == 409, minutes
        assert refused.json()["type"].endswith("/hall-busy")
        assert refused.json()["showtimeId"] == first["showtimeId"]
    for minutes in (-135, 135):
        await stage.showtime(start + timedelta(minutes=minutes))


async def test_of_20_who_want_one_hour_one_gets_it(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    start = catalogue.clock.now() + timedelta(days=1)
    answers = await asyncio.gather(*(stage.try_showtime(start + timedelta(minutes=n)) for n in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    (hall,) = await catalogue.database["halls"].find({}).to_list()
    (showtime,) = await catalogue.database["showtimes"].find({}).to_list()
    assert [(slot["showtimeId"], slot["claim"]) for slot in hall["slots"]] == [(showtime["_id"], showtime["claim"])]


async def test_the_same_idempotency_key_gives_the_same_showtime(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    path, body = f"/events/{stage.event_id}/showtimes", stage.body(catalogue.at(days=1))
    first = await catalogue.send("POST", path, body, idempotency_key="k")
    again = await catalogue.send("POST", path, body, idempotency_key="k")
    assert first.status_code == 201
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_retry_after_a_crash_finds_the_showtime_that_was_stored(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    path, body = f"/events/{stage.event_id}/showtimes", stage.body(catalogue.at(days=1))
    first = await catalogue.send("POST", path, body, idempotency_key="k")
    # As if the process had died before it could keep its answer.
    abandoned = {"state": "running", "startedAt": catalogue.clock.now() - timedelta(minutes=1)}
    await catalogue.database["idempotency"].update_one({}, {"$set": abandoned, "$unset": {"answer": 1}})
    again = await catalogue.send("POST", path, body, idempotency_key="k")
    assert again.status_code == 201
    assert again.json() == first.json()
    (hall,) = await catalogue.database["halls"].find({}).to_list()
    assert len(hall["slots"]) == 1


async def _claim_without_a_showtime(catalogue: Catalogue, start: datetime) -> str:
    """What a process leaves that dies between its two writes."""
    showtime_id = new_id()
    slot = {
        "claim": new_id(),
        "showtimeId": showtime_id,
        "eventId": new_id(),
        "starts": start,
        "ends": start + timedelta(hours=2),
        "until": start + timedelta(hours=2, minutes=15),
        "at": catalogue.clock.now(),
    }
    await catalogue.database["halls"].update_one({}, {"$push": {"slots": slot}})
    return showtime_id


async def test_a_slot_left_by_a_crash_is_taken_over_after_half_a_minute(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    start = catalogue.clock.now() + timedelta(days=1)
    dead = await _claim_without_a_showtime(catalogue, start)
    assert (await stage.try_showtime(start)).status_code == 409
    catalogue.clock.advance(timedelta(seconds=31))
    showtime = await stage.showtime(start)
    (hall,) = await catalogue.database["halls"].find({}).to_list()
    assert [slot["showtimeId"] for slot in hall["slots"]] == [showtime["showtimeId"]]
    # He who was thought dead can't store his showtime any more, and nobody takes the mark for one.
    assert await catalogue.database["showtimes"].count_documents({"_id": dead}) == 1
    assert (await catalogue.get(f"/showtimes/{dead}")).status_code == 404
    assert len((await catalogue.get("/showtimes")).json()["items"]) == 1


async def test_a_slot_left_by_a_move_that_crashed_is_taken_over_and_the_showtime_keeps_its_own(
    catalogue: Catalogue,
) -> None:
    stage = await catalogue.stage()
    start = catalogue.clock.now() + timedelta(days=1)
    showtime = await stage.showtime(start)
    dead = await _claim_without_a_showtime(catalogue, start + timedelta(hours=5))
    moved = {"$set": {"slots.$[one].showtimeId": showtime["showtimeId"]}}
    await catalogue.database["halls"].update_one({}, moved, array_filters=[{"one.showtimeId": dead}])
    assert (await stage.try_showtime(start + timedelta(hours=5))).status_code == 409
    catalogue.clock.advance(timedelta(seconds=31))
    await stage.showtime(start + timedelta(hours=5))
    assert (await stage.try_showtime(start)).status_code == 409
    # The process that was thought dead can't finish its move: it has read an older fence.
    stored = await catalogue.database["showtimes"].find_one({"_id": showtime["showtimeId"]})
    assert stored is not None
    assert stored["fence"] == 1
    assert (await catalogue.get(f"/showtimes/{showtime['showtimeId']}")).json() == showtime


async def test_a_slot_left_by_a_crash_holds_up_no_deletion(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    await _claim_without_a_showtime(catalogue, catalogue.clock.now() + timedelta(days=1))
    path = f"/venue/{stage.venue_id}"
    assert (await catalogue.send("DELETE", path)).status_code == 409
    catalogue.clock.advance(timedelta(seconds=31))
    assert (await catalogue.send("DELETE", path)).status_code == 204


@pytest.mark.parametrize("kind", ["venue", "event"])
async def test_a_deletion_left_by_a_crash_holds_up_nothing_for_long(catalogue: Catalogue, kind: str) -> None:
    stage = await catalogue.stage()
    mark = {"deleting": {"token": "t", "at": catalogue.clock.now()}}
    await catalogue.database[f"{kind}s"].update_one({}, {"$set": mark})
    assert (await stage.try_showtime(catalogue.at(days=1))).status_code == 404
    (hall,) = await catalogue.database["halls"].find({}).to_list()
    assert hall["slots"] == []
    catalogue.clock.advance(timedelta(seconds=31))
    await stage.showtime(catalogue.at(days=1))
    assert "deleting" not in (await catalogue.database[f"{kind}s"].find({}).to_list())[0]


@pytest.mark.parametrize("kind", ["venue", "event", "hall"])
async def test_deleting_and_planning_at_once_never_leaves_a_showtime_without_its_parents(
    catalogue: Catalogue, kind: str
) -> None:
    for _ in range(10):
        stage = await catalogue.stage()
        path = {
            "venue": f"/venue/{stage.venue_id}",
            "event": f"/events/{stage.event_id}",
            "hall": f"/venue/{stage.venue_id}/hall/{stage.hall_id}",
        }[kind]
        planned, deleted = await asyncio.gather(
            stage.try_showtime(catalogue.at(days=1)), catalogue.send("DELETE", path)
        )
        assert planned.status_code in {201, 404, 409}
        assert deleted.status_code in {204, 409}
        assert not (planned.status_code == 201 and deleted.status_code == 204)


async def test_a_showtime_is_moved_and_repriced(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    start = (catalogue.clock.now() + timedelta(days=1)).replace(microsecond=0)
    showtime = await stage.showtime(start)
    path = f"/showtimes/{showtime['showtimeId']}"
    later = start + timedelta(hours=1)
    patch = {"startsAt": later.isoformat(), "pricing": {"tiers": {"vip": 9}}, "promotions": [{"kind": "third-ticket"}]}
    moved = await catalogue.send("PATCH", path, patch, if_match='"1"')
    assert moved.status_code == 200, moved.text
    assert datetime.fromisoformat(moved.json()["endsAt"]) == later + timedelta(hours=2)
    assert moved.json()["pricing"]["tiers"] == {"standard": 1_200, "vip": 9}
    assert moved.json()["version"] == 2
    assert (await catalogue.get(path)).json() == moved.json()
    # The old hour is free again, the new one is not.
    await stage.showtime(start - timedelta(minutes=76))
    assert (await stage.try_showtime(later + timedelta(minutes=120))).status_code == 409
    (hall,) = await catalogue.database["halls"].find({}).to_list()
    assert len(hall["slots"]) == 2


async def test_a_showtime_cannot_be_moved_onto_another_or_into_the_past(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    start = catalogue.clock.now() + timedelta(days=1)
    first, second = await stage.showtime(start), await stage.showtime(start + timedelta(hours=3))
    path = f"/showtimes/{second['showtimeId']}"
    clash = await catalogue.send("PATCH", path, {"startsAt": start.isoformat()})
    assert clash.status_code == 409
    assert clash.json()["showtimeId"] == first["showtimeId"]
    assert pointers(await catalogue.send("PATCH", path, {"startsAt": catalogue.at(hours=-1)})) == {"/startsAt"}
    assert pointers(await catalogue.send("PATCH", path, {"timestamp": catalogue.at(hours=-1)})) == {"/timestamp"}
    assert pointers(await catalogue.send("PATCH", path, {"hallId": new_id()})) == {"/hallId"}
    assert pointers(await catalogue.send("PATCH", path, {"eventId": new_id()})) == {"/eventId"}
    assert pointers(await catalogue.send("PATCH", path, {"pricing": {"tiers": {"standard": None}}})) == {
        "/pricing/tiers"
    }
    assert (await catalogue.get(path)).json() == second
    same = {"venueId": stage.venue_id, "hallId": stage.hall_id, "eventId": stage.event_id}
    assert (await catalogue.send("PATCH", path, same)).json() == second


async def test_a_move_is_priced_by_the_layout_that_was_sold(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    hall_path = f"/venue/{stage.venue_id}/hall/{stage.hall_id}"
    await catalogue.send("PUT", f"{hall_path}/layout", layout(seat_type="sofa"))
    path = f"/showtimes/{showtime['showtimeId']}"
    changed = await catalogue.send("PATCH", path, {"pricing": {"tiers": {"standard": 5}}})
    assert changed.json()["pricing"]["tiers"] == {"standard": 5}
    assert changed.json()["layoutVersion"] == 1
    assert pointers(await stage.try_showtime(catalogue.at(days=2))) == {"/pricing/tiers"}


async def test_of_two_moves_to_one_hour_one_gets_it(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    start = catalogue.clock.now() + timedelta(days=1)
    paths = [f"/showtimes/{(await stage.showtime(start + timedelta(hours=h)))['showtimeId']}" for h in (0, 3, 6, 9)]
    target = {"startsAt": (start + timedelta(hours=20)).isoformat()}
    answers = await asyncio.gather(*(catalogue.send("PATCH", path, target) for path in paths))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    (hall,) = await catalogue.database["halls"].find({}).to_list()
    claims = {document["claim"] async for document in catalogue.database["showtimes"].find({})}
    assert {slot["claim"] for slot in hall["slots"]} == claims


async def test_deleting_cancels_frees_the_hall_and_can_still_be_read(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    start = catalogue.clock.now() + timedelta(days=1)
    showtime = await stage.showtime(start)
    path = f"/showtimes/{showtime['showtimeId']}"
    assert (await catalogue.send("DELETE", path, if_match='"4"')).status_code == 412
    cancelled = await catalogue.send("DELETE", path, if_match='"1"')
    assert cancelled.status_code == 200
    assert cancelled.json() == {**showtime, "status": "cancelled", "version": 2}
    assert (await catalogue.send("DELETE", path)).json() == cancelled.json()
    assert (await catalogue.get(path)).json() == cancelled.json()
    assert (await catalogue.get("/showtimes")).json()["items"] == []
    assert (await catalogue.send("PATCH", path, {"startsAt": catalogue.at(days=3)})).status_code == 409
    await stage.showtime(start)


async def test_a_showtime_that_is_over_can_be_neither_moved_nor_cancelled(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    catalogue.clock.advance(timedelta(days=2))
    path = f"/showtimes/{showtime['showtimeId']}"
    assert (await catalogue.send("PATCH", path, {"startsAt": catalogue.at(days=1)})).status_code == 409
    assert (await catalogue.send("DELETE", path)).status_code == 409
    assert (await catalogue.get(path)).json()["status"] == "scheduled"


async def test_lists_by_event_venue_hall_and_city_in_order_of_time(catalogue: Catalogue) -> None:
    stage, other = await catalogue.stage(), await catalogue.stage()
    late, soon = await stage.showtime(catalogue.at(days=2)), await stage.showtime(catalogue.at(days=1))
    foreign = await other.showtime(catalogue.at(days=3))

    async def ids(path: str) -> list[str]:
        answer = await catalogue.get(path)
        assert answer.status_code == 200, answer.text
        return [showtime["showtimeId"] for showtime in answer.json()["items"]]

    mine = [soon["showtimeId"], late["showtimeId"]]
    assert await ids(f"/events/{stage.event_id}/showtimes") == mine
    assert await ids(f"/showtimes?eventId={stage.event_id}") == mine
    assert await ids(f"/showtimes?venueId={stage.venue_id}") == mine
    assert await ids(f"/showtimes?hallId={other.hall_id}") == [foreign["showtimeId"]]
    assert await ids("/showtimes?city=PARIS") == [*mine, foreign["showtimeId"]]
    assert await ids("/showtimes?city=Rome") == []
    assert await ids(f"/events/{stage.event_id}/showtimes?venueId={other.venue_id}") == []
    first = (await catalogue.get("/showtimes?limit=1")).json()
    assert await ids(f"/showtimes?limit=1&cursor={first['nextCursor']}") == [late["showtimeId"]]
    assert (await catalogue.get(f"/events/{new_id()}/showtimes")).status_code == 404


async def test_days_are_those_of_the_venues_own_calendar(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    tokyo = await catalogue.venue(city="Tokyo", address={"country": "JP"})
    hall = await catalogue.hall(tokyo["venueId"])
    day = (catalogue.clock.now() + timedelta(days=10)).date()
    # 16:00 UTC is this day in Paris and the next one in Tokyo.
    start = datetime(day.year, day.month, day.day, 16, tzinfo=UTC)
    paris = await stage.showtime(start)
    stage.venue_id, stage.hall_id = tokyo["venueId"], hall["hallId"]
    japan = await stage.showtime(start)

    async def ids(query: str) -> set[str]:
        answer = await catalogue.get(f"/events/{stage.event_id}/showtimes?{query}")
        return {showtime["showtimeId"] for showtime in answer.json()["items"]}

    following = day + timedelta(days=1)
    assert await ids(f"date={day}") == {paris["showtimeId"]}
    assert await ids(f"date={following}") == {japan["showtimeId"]}
    assert await ids(f"from={day}&to={following}") == {paris["showtimeId"], japan["showtimeId"]}
    assert await ids(f"from={following}") == {japan["showtimeId"]}
    assert await ids(f"to={day}") == {paris["showtimeId"]}


@pytest.mark.parametrize(
    "query",
    [
        "date=tomorrow",
        "date=0001-01-01",
        "from=9999-12-31",
        "date=2026-01-01&to=2026-01-02",
        "cursor=WzEwMDAwMDAwMDAwMDAwMDAwMDAwMCwgImEiXQ",
    ],
)
async def test_a_faulty_query_is_422(catalogue: Catalogue, query: str) -> None:
    assert (await catalogue.get(f"/showtimes?{query}")).status_code == 422
