"""What a move to another layout does to a seat map, and whom it concerns."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_service.domain.booking import Booking
from inventory_service.domain.layout import Layout, LayoutKey
from inventory_service.domain.moving import MovePlan, Transition, carried, draw, obstacles
from inventory_service.domain.seat_map import Block, Hold, Mark, SeatMap
from messaging.events import BookingStatus, Pricing

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PRICING = Pricing(currency="EUR", tiers={"standard": 1_000, "vip": 2_500, "balcony": 800})
# Across the border of two words.
POOL = [f"S{number}" for number in range(40)]


def row(seat_ids: Sequence[str], version: int, **changes: dict[str, Any]) -> Layout:
    """One row of the stalls with these seats in this order; `changes` by seat id."""
    seats = [
        {"id": id_, "label": id_, "seatType": "standard", "coordinates": {"x": POOL.index(id_), "y": 0}}
        | changes.get(id_, {})
        for id_ in seat_ids
    ]
    rows = [{"label": "A", "seats": seats}]
    return Layout.from_json(
        LayoutKey("hall", version), {"sections": [{"id": "stalls", "name": "Stalls", "rows": rows}]}
    )


def seat_map(layout: Layout, *holds: Hold, booked: Sequence[str] = (), **values: Any) -> SeatMap:
    """Taken is what the entries and `booked` say."""
    sold = layout.mask(booked)
    for hold in holds:
        sold |= hold.mask if hold.mark is Mark.BOOKED else 0
    taken = sold
    for hold in holds:
        taken |= hold.mask if hold.mark is Mark.HOLD else 0
    fields: dict[str, Any] = {
        "showtime_id": "show",
        "version": 7,
        "status": "open",
        "starts_at": NOW + timedelta(hours=7),
        "updated_at": NOW,
        "layout": layout.key,
        "showtime_version": 1,
        "taken": taken,
        "booked": sold,
        "holds": {hold.booking_id: hold for hold in holds},
        "turns": {},
    }
    return SeatMap(**{**fields, **values})


def live(layout: Layout, booking_id: str, *seat_ids: str) -> Hold:
    return Hold(booking_id, Mark.HOLD, NOW + MINUTE, layout.mask(seat_ids))


def booking(booking_id: str, *seat_ids: str, status: BookingStatus = "confirmed") -> Booking:
    return Booking(
        id=booking_id,
        version=1,
        status=status,
        showtime_id="show",
        event_id="event",
        venue_id="venue",
        user_id=f"user of {booking_id}",
        layout=LayoutKey("hall", 1),
        seat_ids=list(seat_ids),
        price={},
        amount=1,
        currency="EUR",
        created_at=NOW,
        updated_at=NOW,
        held_until=NOW,
    )


def plan(before: SeatMap, old: Layout, new: Layout, *bookings: Booking) -> MovePlan:
    return draw(before, Transition.between(old, new, PRICING), bookings, NOW)


# --- what stays true -------------------------------------------------------------------------------------------------


@st.composite
def scenes(draw_: st.DrawFn) -> tuple[Layout, Layout, SeatMap]:
    """Two layouts that share some seats in any order, and a map of the first with owners of every kind."""
    old = draw_(st.lists(st.sampled_from(POOL), min_size=1, unique=True))
    new = draw_(st.one_of(st.permutations(POOL), st.lists(st.sampled_from(POOL), min_size=1, unique=True)))
    before, after = row(old, 1), row(new, 2)
    kinds = draw_(st.lists(st.sampled_from(["free", "live", "over", "mark", "sold"]), min_size=len(old)))
    blocked = draw_(st.sets(st.sampled_from(old), max_size=3))
    holds = []
    for number, (seat_id, kind) in enumerate(zip(old, kinds, strict=False)):
        mask = before.mask([seat_id])
        match kind:
            case "live":
                holds.append(Hold(f"b{number}", Mark.HOLD, NOW + MINUTE, mask))
            case "over":
                holds.append(Hold(f"b{number}", Mark.HOLD, NOW, mask))
            case "mark":
                holds.append(Hold(f"b{number}", Mark.BOOKED, None, mask, "payment"))
    sold = [seat_id for seat_id, kind in zip(old, kinds, strict=False) if kind == "sold"]
    blocks = (Block("block", before.mask(blocked), NOW, "club"),) if blocked else ()
    return before, after, seat_map(before, *holds, booked=sold, blocks=blocks)


@given(scenes())
def test_a_move_is_refused_exactly_where_a_seat_that_somebody_has_or_that_is_blocked_would_be_gone(
    scene: tuple[Layout, Layout, SeatMap],
) -> None:
    before, after, present = scene
    wanted = set(before.ids(present.occupied(NOW) | present.closed()))
    gone = wanted - set(after.position)
    transition = Transition.between(before, after, PRICING)
    assert obstacles(present, transition, NOW) == (["seats-in-the-way"] if gone else [])
    assert set(draw(present, transition, [], NOW).in_the_way) == gone


@given(scenes())
def test_every_seat_stays_with_whoever_has_it(scene: tuple[Layout, Layout, SeatMap]) -> None:
    before, after, present = scene
    transition = Transition.between(before, after, PRICING)
    if obstacles(present, transition, NOW):
        return
    moved, evicted = carried(present, transition, NOW)
    assert (moved.layout, moved.version) == (after.key, present.version + 1)
    for booking_id, entry in moved.holds.items():
        assert set(after.ids(entry.mask)) == set(before.ids(present.holds[booking_id].mask))
        assert replace(entry, mask=present.holds[booking_id].mask) == present.holds[booking_id]
    assert set(after.ids(moved.booked)) == set(before.ids(present.booked))
    assert set(after.ids(moved.closed())) == set(before.ids(present.closed()))
    assert present.holds.keys() - moved.holds.keys() == {hold.booking_id for hold in evicted}
    assert all(hold.expired(NOW) for hold in evicted)
    held = 0
    for entry in moved.holds.values():
        held |= entry.mask
    assert moved.taken == held | moved.booked
    assert not moved.taken & ~after.everything


@given(scenes())
def test_there_and_back_again_changes_nothing_but_versions(scene: tuple[Layout, Layout, SeatMap]) -> None:
    before, after, present = scene
    there, back = Transition.between(before, after, PRICING), Transition.between(after, before, PRICING)
    if obstacles(present, there, NOW):
        return
    ended = {hold.booking_id for hold in present.expired_holds(NOW)}
    swept = replace(
        present,
        taken=present.occupied(NOW),
        holds={id_: entry for id_, entry in present.holds.items() if id_ not in ended},
    )
    moved, _ = carried(present, there, NOW)
    assert not obstacles(moved, back, NOW)
    returned, _ = carried(moved, back, NOW)
    assert replace(returned, version=present.version) == swept


@given(scenes())
def test_whoever_loses_a_seat_is_listed_and_nobody_else_is(scene: tuple[Layout, Layout, SeatMap]) -> None:
    before, after, present = scene
    sold = [booking(f"sold {id_}", id_) for id_ in before.ids(present.booked)]
    marked = {id_ for entry in present.holds.values() if entry.mark is Mark.BOOKED for id_ in before.ids(entry.mask)}
    found = plan(present, before, after, *(one for one in sold if one.seat_ids[0] not in marked))
    assert all(one.blocking and one.reasons == ["removed"] for one in found.bookings)
    lost = [seat_id for one in found.bookings for seat_id in one.seat_ids]
    taken = set(before.ids(present.occupied(NOW)))
    assert sorted(lost) == sorted(taken - set(after.position))


def test_seats_added_and_removed_are_told_apart_from_those_that_stay() -> None:
    transition = Transition.between(row(["S1", "S2", "S3"], 1), row(["S3", "S4", "S2"], 2), PRICING)
    assert transition.before.ids(transition.removed) == ["S1"]
    assert transition.after.ids(transition.added) == ["S4"]
    assert transition.changes == {}


# --- whom it concerns ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"label": "1a"}, ["label"]),
        ({"seatType": "vip"}, ["price", "seatType"]),
        ({"coordinates": {"x": 4, "y": 4}}, ["coordinates"]),
    ],
    ids=["label", "type", "place"],
)
def test_a_booking_whose_seat_is_another_one_now_is_listed_with_the_reason_and_does_not_block(
    change: dict[str, Any], reasons: list[str]
) -> None:
    old, new = row(["S1", "S2", "S3"], 1), row(["S3", "S2", "S1"], 2, S2=change)
    present = seat_map(old, live(old, "held", "S1"), booked=["S2", "S3"])
    found = plan(present, old, new, booking("sold", "S2", "S3"))
    (affected,) = found.bookings
    assert (affected.booking_id, affected.status, affected.user_id) == ("sold", "confirmed", "user of sold")
    assert (affected.seat_ids, affected.reasons, affected.blocking) == (["S2"], reasons, False)
    assert found.obstacles == []


def test_a_seat_in_another_section_with_a_tier_of_its_own_is_told_with_both() -> None:
    def hall(section: str, version: int) -> Layout:
        seats = [{"id": "S1", "label": "1", "seatType": "standard", "coordinates": {"x": 1, "y": 1}}]
        part = {"id": section, "name": section.title(), "rows": [{"label": "A", "seats": seats}]}
        return Layout.from_json(LayoutKey("hall", version), {"sections": [part]})

    old, new = hall("stalls", 1), hall("balcony", 2)
    found = plan(seat_map(old, live(old, "held", "S1")), old, new, booking("held", "S1", status="pending"))
    assert found.bookings[0].reasons == ["price", "section"]


def test_a_hold_whose_booking_is_not_written_yet_is_listed_all_the_same() -> None:
    old, new = row(["S1", "S2"], 1), row(["S2"], 2)
    found = plan(seat_map(old, live(old, "just now", "S1", "S2")), old, new)
    (affected,) = found.bookings
    assert (affected.booking_id, affected.status, affected.user_id) == ("just now", None, None)
    assert (affected.seat_ids, affected.blocking) == (["S1"], True)
    assert found.obstacles == ["seats-in-the-way"]


def test_a_cancelled_booking_whose_mark_is_still_there_has_no_seats_to_lose() -> None:
    old, new = row(["S1", "S2"], 1), row(["S2"], 2)
    released = Hold("cancelled", Mark.RELEASED, None, old.mask(["S1"]))
    present = seat_map(old, released)
    found = plan(present, old, new, booking("cancelled", "S1"))
    assert (found.bookings, found.obstacles) == ([], [])
    moved, _ = carried(present, found.transition, NOW)
    assert moved.holds["cancelled"].mask == 0


def test_blocked_seats_are_listed_by_block() -> None:
    old, new = row(["S1", "S2", "S3"], 1), row(["S2", "S3"], 2, S3={"label": "x"})
    blocks = (
        Block("gone", old.mask(["S1", "S2"]), NOW),
        Block("renamed", old.mask(["S3"]), NOW, "club"),
        Block("same", old.mask(["S2"]), NOW),
    )
    found = plan(seat_map(old, blocks=blocks), old, new)
    told = [(one.block_id, one.channel, one.seat_ids, one.reasons, one.blocking) for one in found.blocks]
    assert told == [("gone", None, ["S1"], ["removed"], True), ("renamed", "club", ["S3"], ["label"], False)]
    assert (found.in_the_way, found.obstacles) == (["S1"], ["seats-in-the-way"])


def test_seats_without_a_price_refuse_the_move() -> None:
    old, new = row(["S1"], 1), row(["S1", "S2"], 2, S2={"seatType": "recliner"})
    found = plan(seat_map(old), old, new)
    assert found.transition.unpriced == [("stalls", "recliner")]
    assert found.obstacles == ["unpriced"]


@pytest.mark.parametrize(
    ("values", "obstacle"), [({"starts_at": NOW}, "started"), ({"status": "cancelled"}, "cancelled")]
)
def test_a_showtime_that_is_over_stays_where_it_is(values: dict[str, Any], obstacle: str) -> None:
    old, new = row(["S1"], 1), row(["S1"], 2)
    assert plan(seat_map(old, **values), old, new).obstacles == [obstacle]


def test_where_the_layout_is_the_same_there_is_nothing_to_do_and_no_obstacle() -> None:
    old = row(["S1"], 1)
    found = plan(seat_map(old, status="cancelled"), old, old)
    assert (found.nothing_to_do, found.obstacles) == (True, [])


def test_places_that_are_told_apart_by_number_are_drawn_nowhere() -> None:
    floor = {"id": "floor", "name": "Floor", "capacity": 3, "seatType": "standard"}
    seats = [{"id": "S1", "label": "1", "seatType": "vip", "coordinates": {"x": 1, "y": 1}}]
    stalls = {"id": "stalls", "name": "Stalls", "rows": [{"label": "A", "seats": seats}]}
    old = Layout.from_json(LayoutKey("hall", 1), {"sections": [floor]})
    new = Layout.from_json(LayoutKey("hall", 2), {"sections": [stalls, {**floor, "capacity": 2}]})
    transition = Transition.between(old, new, PRICING)
    assert transition.changes == {}
    assert old.ids(transition.removed) == ["floor:3"]
