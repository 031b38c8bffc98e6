"""How a showtime is sold: when, whether a single seat may be stranded, and general admission."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from messaging.envelope import decode, encode
from messaging.events import ShowtimeState
from tests.component.venues.catalogue import Catalogue, Stage, layout, pointers


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


async def told(catalogue: Catalogue, showtime_id: str) -> ShowtimeState:
    """The state in the newest event, as a consumer reads it."""
    document = await catalogue.database["showtimes"].find_one({"_id": showtime_id})
    assert document is not None
    state = decode(encode(document["outbox"][-1])).data
    assert isinstance(state, ShowtimeState)
    return state


async def test_sales_end_with_the_start_and_strand_no_seat_unless_it_is_said(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    assert showtime["onSale"] == {"from": None, "until": showtime["startsAt"]}
    assert showtime["singleSeatRule"] is True
    state = await told(catalogue, showtime["showtimeId"])
    assert (state.on_sale.from_, state.on_sale.until, state.single_seat_rule) == (None, None, True)
    assert state.sales_end == state.starts_at


async def test_settings_of_sales_are_kept_answered_and_told(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    now = catalogue.clock.now().replace(microsecond=123_456)
    first, last = now + timedelta(hours=1), now + timedelta(days=1, hours=2)
    window = {"from": first.isoformat(), "until": last.isoformat()}
    showtime = await stage.showtime(now + timedelta(days=1), onSale=window, singleSeatRule=False)
    kept = [one.replace(microsecond=123_000) for one in (first, last)]
    assert [moment(showtime["onSale"][name]) for name in ("from", "until")] == kept
    assert showtime["singleSeatRule"] is False
    path = f"/showtimes/{showtime['showtimeId']}"
    assert (await catalogue.get(path)).json() == showtime
    assert (await catalogue.get(f"/events/{stage.event_id}/showtimes")).json()["items"] == [showtime]
    state = await told(catalogue, showtime["showtimeId"])
    assert [state.on_sale.from_, state.on_sale.until] == kept
    assert (state.sales_end, state.single_seat_rule) == (kept[1], False)


async def test_settings_of_sales_can_be_changed_and_taken_back(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=3))
    path = f"/showtimes/{showtime['showtimeId']}"
    first, last = catalogue.at(days=1), catalogue.at(days=2)
    changed = await catalogue.send("PATCH", path, {"onSale": {"from": first, "until": last}, "singleSeatRule": False})
    assert changed.status_code == 200, changed.text
    assert changed.json()["version"] == 2
    assert (await told(catalogue, showtime["showtimeId"])).single_seat_rule is False
    again = await catalogue.send("PATCH", path, {"onSale": {"from": first}})
    assert again.json() == changed.json()
    # The rest of a window stays; null takes a part, or all of it, away.
    later = (await catalogue.send("PATCH", path, {"onSale": {"from": None}})).json()["onSale"]
    assert later == {"from": None, "until": changed.json()["onSale"]["until"]}
    back = (await catalogue.send("PATCH", path, {"onSale": None, "singleSeatRule": None})).json()
    assert {**back, "version": 1} == showtime


async def test_sales_follow_a_moved_start_unless_an_end_was_set_that_no_longer_fits(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    free = await stage.showtime(catalogue.at(days=3))
    moved = await catalogue.send("PATCH", f"/showtimes/{free['showtimeId']}", {"startsAt": catalogue.at(days=2)})
    assert moved.json()["onSale"]["until"] == moved.json()["startsAt"]
    fixed = await stage.showtime(catalogue.at(days=5), onSale={"until": catalogue.at(days=5)})
    path = f"/showtimes/{fixed['showtimeId']}"
    refused = await catalogue.send("PATCH", path, {"startsAt": catalogue.at(days=4)})
    assert pointers(refused) == {"/onSale/until"}
    both = {"startsAt": catalogue.at(days=4), "onSale": {"until": catalogue.at(days=4)}}
    assert (await catalogue.send("PATCH", path, both)).status_code == 200


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"onSale": {"from": {"hours": 24}}}, "/onSale/from"),
        ({"onSale": {"from": {"hours": 5}, "until": {"hours": 5}}}, "/onSale/from"),
        ({"onSale": {"until": {"hours": 26.1}}}, "/onSale/until"),
        ({"onSale": {"from": "soon"}}, "/onSale/from"),
        ({"onSale": {"to": {"hours": 1}}}, "/onSale/to"),
        ({"onSale": [1]}, "/onSale"),
        ({"singleSeatRule": "yes"}, "/singleSeatRule"),
        ({"singleSeatRule": 1}, "/singleSeatRule"),
    ],
)
async def test_faulty_settings_of_sales_are_named(catalogue: Catalogue, fields: dict[str, Any], at: str) -> None:
    """`{hours}` stands for a moment so far ahead; the show goes from hour 24 to 26."""
    stage = await catalogue.stage()
    if isinstance(window := fields.get("onSale"), dict):
        moments = {key: catalogue.at(**one) if isinstance(one, dict) else one for key, one in window.items()}
        fields = {**fields, "onSale": moments}
    assert pointers(await stage.try_showtime(catalogue.at(hours=24), **fields)) == {at}
    showtime = await stage.showtime(catalogue.at(hours=24))
    assert pointers(await catalogue.send("PATCH", f"/showtimes/{showtime['showtimeId']}", fields)) == {at}


async def test_showtimes_and_events_from_before_there_were_settings_have_the_usual_ones(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    showtimes = catalogue.database["showtimes"]
    await showtimes.update_one({}, {"$unset": {"onSale": 1, "singleSeatRule": 1}})
    assert (await catalogue.get(f"/showtimes/{showtime['showtimeId']}")).json() == showtime
    document = await showtimes.find_one({})
    assert document is not None
    entry = document["outbox"][0]
    for name in ("onSale", "singleSeatRule"):
        del entry["data"][name]
    state = decode(encode(entry)).data
    assert (state.sales_end, state.single_seat_rule) == (state.starts_at, True)


def with_floor(capacity: int = 300, **more: Any) -> dict[str, Any]:
    """A row of seats and a floor."""
    plan = layout(seats=4)
    plan["sections"].append({"id": "fl.oor", "name": "The floor", "capacity": capacity, **more})
    return plan


async def test_general_admission_is_stored_and_answered_as_a_section_without_rows(catalogue: Catalogue) -> None:
    stage = await catalogue.stage(seat_layout=with_floor())
    path = f"/venue/{stage.venue_id}/hall/{stage.hall_id}"
    hall = (await catalogue.get(path)).json()
    assert (hall["seatCount"], hall["seatTypes"]) == (304, {"standard": 4, "standing": 300})
    assert hall["sections"][1] == {"id": "fl.oor", "seatCount": 300, "seatTypes": {"standing": 300}}
    read = (await catalogue.get(f"{path}/layout/1")).json()
    floor = {"id": "fl.oor", "name": "The floor", "seatType": "standing", "capacity": 300}
    assert read["sections"][1] == floor
    same = await catalogue.send("PUT", f"{path}/layout", {"sections": read["sections"]})
    assert same.json()["layoutVersion"] == 1
    larger = await catalogue.send("PUT", f"{path}/layout", with_floor(301, seatType="VIP"))
    assert (larger.json()["layoutVersion"], larger.json()["seatCount"]) == (2, 305)
    assert larger.json()["diff"]["capacities"] == [
        {
            "sectionId": "fl.oor",
            "before": {"capacity": 300, "seatType": "standing"},
            "after": {"capacity": 301, "seatType": "vip"},
        }
    ]


@pytest.mark.parametrize(
    ("section", "at"),
    [
        ({"capacity": 0}, "/capacity"),
        ({"capacity": 100_001}, "/capacity"),
        ({"capacity": "9"}, "/capacity"),
        ({"capacity": 5, "rows": layout()["sections"][0]["rows"]}, "/capacity"),
        ({"capacity": 5, "seatType": "throne"}, "/seatType"),
        ({}, "/rows"),
    ],
)
async def test_faulty_general_admission_is_named(catalogue: Catalogue, section: dict[str, Any], at: str) -> None:
    venue = await catalogue.venue()
    body = {"name": "H", "seatLayout": {"sections": [{"id": "floor", **section}]}}
    answer = await catalogue.send("POST", f"/venue/{venue['venueId']}/hall", body)
    assert pointers(answer) == {f"/seatLayout/sections/0{at}"}


@pytest.mark.parametrize("covering", ["standing", "fl.oor"])
async def test_prices_must_cover_general_admission_by_type_or_section(catalogue: Catalogue, covering: str) -> None:
    stage: Stage = await catalogue.stage(seat_layout=with_floor())
    uncovered = await stage.try_showtime(catalogue.at(days=1))
    assert pointers(uncovered) == {"/pricing/tiers"}
    assert "standing" in uncovered.json()["errors"][0]["detail"]
    pricing = {"currency": "EUR", "tiers": {"standard": 900, covering: 500}, "fee": 0}
    showtime = await stage.showtime(catalogue.at(days=1), pricing=pricing)
    assert (showtime["pricing"], showtime["seatCount"]) == (pricing, 304)
