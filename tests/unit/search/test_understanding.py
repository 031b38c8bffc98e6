"""What people type into one box, and what it is taken for."""

from datetime import UTC, date, datetime

import pytest

from search_service.domain import NamedDay, Point, Search, parse_bound
from search_service.near_misses import relaxed
from search_service.understanding import understand
from service_kit.gazetteer import Gazetteer, gazetteer

TODAY = date(2026, 11, 25)


@pytest.fixture(scope="module")
def cities() -> Gazetteer:
    return gazetteer()


@pytest.mark.parametrize(
    ("text", "left", "parts"),
    [
        ("dune leeds tonight", "dune", {"place": "Leeds", "time": "tonight"}),
        (
            "2 together under 15 € within 10 km of paris this week",
            "",
            {"party": 2, "price": 1500, "distance": "10km", "place": "Paris", "time": "this week"},
        ),
        ("films in london on saturday", "", {"category": "movie", "place": "London", "time": "saturday"}),
        ("cheap tickets london", "", {"place": "London"}),
        ("for 2 in paris tonight", "", {"party": 2, "place": "Paris", "time": "tonight"}),
        ("shows in paris for 4 people", "", {"party": 4, "place": "Paris"}),
        ("war films paris", "war", {"category": "movie", "place": "Paris"}),
        ("opera paris", "", {"category": "opera", "place": "Paris"}),
        ("opera", "opera", {}),
        ("films", "films", {}),
        ("15 € max paris", "", {"price": 1500, "place": "Paris"}),
        ("tokyo under 2000 yen", "", {"place": "Tokyo", "price": 2000}),
        ("heute abend berlin", "", {"time": "tonight", "place": "Berlin"}),
        ("dune ce soir paris", "dune", {"time": "tonight", "place": "Paris"}),
        ("dune mañana madrid", "dune", {"time": "tomorrow", "place": "Madrid"}),
        ("saturday night leeds", "", {"time": "saturday night", "place": "Leeds"}),
        ("tomorrow evening leeds", "", {"time": "tomorrow night", "place": "Leeds"}),
        ("dune paris on 28 november", "dune", {"place": "Paris", "time": "2026-11-28"}),
        ("dune 3rd of january", "dune 3rd of january", {}),
        ("dune january 3rd", "dune", {"time": "2027-01-03"}),
        ("dune 2026-12-24", "dune", {"time": "2026-12-24"}),
        ("dune 30. Februar", "dune 30. Februar", {}),
        ("dune near me", "dune", {"place": "here"}),
        ("parsi", "parsi", {}),
        ("2001 a space odyssey", "2001 a space odyssey", {}),
    ],
)
def test_one_box_is_taken_for_what_it_says(cities: Gazetteer, text: str, left: str, parts: dict[str, object]) -> None:
    reading = understand(Search(text=text), cities, TODAY)
    assert reading.search.text == left
    assert {part.kind: part.value for part in reading.parts if part.kind != "words"} == parts


def test_a_parameter_wins_over_the_words_which_are_taken_out_all_the_same(cities: Gazetteer) -> None:
    start, end = parse_bound("2026-12-01", end=False), parse_bound("2026-12-01", end=True)
    asked = Search(text="dune tonight 4 together under 15 €", start=start, end=end, seats_together=2, max_price=900)
    understood = understand(asked, cities, TODAY).search
    assert (understood.text, understood.start, understood.end) == ("dune", start, end)
    assert (understood.seats_together, understood.max_price) == (2, 900)


def test_a_day_may_be_left_to_be_words(cities: Gazetteer) -> None:
    reading = understand(Search(text="dune leeds tonight", as_typed=("time",)), cities, TODAY)
    assert reading.search.start is None
    assert reading.search.text == "dune leeds tonight"


def test_near_misses_say_a_day_of_the_words_as_it_was_said(cities: Gazetteer) -> None:
    reading = understand(Search(text="dune leeds 28 november"), cities, TODAY)
    wider = next(relaxed(reading, datetime.now(UTC)))
    assert isinstance(reading.search.point, Point)
    assert not isinstance(reading.search.start, NamedDay)
    assert (wider.parameters["startDate"], wider.parameters["query"]) == ("2026-11-28", "dune")
