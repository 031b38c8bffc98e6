"""From a row of the read model to what is indexed."""

from datetime import UTC, datetime, timedelta
from typing import Any

from indexer.domain import availability_change, event_part, showtime_change, venue_part
from messaging.events import EventMetadata
from search_index.document import is_listed, local_start, to_document
from search_index.entries import Shows, to_entry
from search_index.mapping import MAPPINGS
from tests.integration.indexer.programme import cinema, film, seats, showtime

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def row(**changes: Any) -> dict[str, Any]:
    change = showtime_change(showtime(film(), cinema(), starts_at=NOW + timedelta(days=1)))
    made = {"_id": "s1", "facts": change.facts, "event": change.event.state, "venue": change.venue.state}
    return {**made, **changes}


def test_a_show_leaves_the_moment_it_starts_or_is_cancelled_or_its_event_is_deleted() -> None:
    listed = row()
    starts_at = listed["facts"]["startsAt"]
    assert is_listed(listed, starts_at - timedelta(milliseconds=1))
    assert not is_listed(listed, starts_at)
    assert not is_listed(row(facts={**listed["facts"], "status": "cancelled"}), NOW)
    assert not is_listed(row(event=event_part(film(), deleted=True).state), NOW)
    assert not is_listed({"_id": "s1", "availability": {}}, NOW)


def test_local_start_is_the_clock_on_the_wall_of_the_venue() -> None:
    assert local_start(datetime(2026, 11, 21, 23, 30, tzinfo=UTC), "Asia/Tokyo") == "2026-11-22T08:30:00"
    assert local_start(datetime(2026, 11, 21, 23, 30, tzinfo=UTC), "America/New_York") == "2026-11-21T18:30:00"


def test_genres_in_one_text_are_several_genres() -> None:
    assert to_document(row())["facets"]["genre"] == ["Comedy", "Romance"]


def test_without_a_seat_map_nothing_is_promised_about_seats() -> None:
    document = to_document(row())
    assert "available" not in document
    assert document["view"]["availability"] is None
    assert document["view"]["price"] == {"from": 1200, "currency": "EUR"}


def test_a_closed_showtime_has_no_bookable_seats_but_shows_its_counts() -> None:
    closed = availability_change(seats("s1", 5, status="closed")).state
    document = to_document(row(availability=closed))
    assert (document["available"], document["largestBlock"], document["seatTypes"]) == (0, 0, [])
    assert document["view"]["availability"]["available"] == 115


def test_the_price_of_a_sold_out_show_is_the_one_it_had() -> None:
    sold_out = availability_change(seats("s1", 9, available=0, largest_block=0, min_price=None, by_seat_type={})).state
    assert to_document(row(availability=sold_out))["view"]["price"]["from"] == 1200


def test_every_field_of_a_document_is_in_the_mapping() -> None:
    sale = {"from": NOW, "until": NOW + timedelta(hours=1)}
    on_sale = {**row()["facts"], "onSale": sale}
    document = to_document(row(facts=on_sale, availability=availability_change(seats("s1")).state))
    fields = MAPPINGS["shows"]["properties"]
    assert set(document) == set(fields)
    for group in ("facets", "keys", "words"):
        assert set(document[group]) == set(fields[group]["properties"])


def test_every_field_of_an_entry_is_in_the_mapping() -> None:
    shows = Shows(count=3, next_start=NOW, booked=7, locations=[{"lat": 1.0, "lon": 2.0}])
    for kind, state in (("event", event_part(film()).state), ("venue", venue_part(cinema()).state)):
        entry = to_entry(kind, state, shows)  # type: ignore[arg-type]
        fields = MAPPINGS["entries"]["properties"]
        assert set(entry) == set(fields)
        assert set(entry["words"]) == set(fields["words"]["properties"])


def test_a_title_is_found_by_each_of_its_names() -> None:
    state = film(
        "千と千尋の神隠し", metadata=EventMetadata(alternate_names=["Spirited Away"], people=["Hayao Miyazaki"])
    )
    document = to_document(row(event=event_part(state).state))
    assert "spirited away" in document["keys"]["title"]
    assert "miyazaki" in document["words"]["all"].split()


def test_what_so_many_together_cost_is_there_for_each_number_of_seats() -> None:
    state = availability_change(seats("s1", together=[900, 900, 1200])).state
    assert to_document(row(availability=state))["together"] == {"1": 900, "2": 900, "3": 1200}
