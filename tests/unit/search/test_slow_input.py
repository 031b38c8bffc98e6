"""No text that fits into a search costs much: neither time here nor terms in Elasticsearch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from search_service import query, words
from search_service.answer import did_you_mean
from search_service.domain import Point, Search
from search_service.understanding import understand
from service_kit.gazetteer import Gazetteer, gazetteer
from tests.component.search.strings import LONGEST_QUERY, WORST

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MOST_TERMS = 1_024
# A few are wanted; the rest is for a machine that does other work.
TODAY = date(2026, 11, 25)
MOST_SECONDS = 0.05


@pytest.fixture(scope="module")
def cities() -> Gazetteer:
    return gazetteer()


def least_seconds(work: Callable[[], object]) -> float:
    """Of three times: the others are the machine's."""
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


@pytest.mark.parametrize("text", WORST)
def test_no_text_takes_long_to_understand(cities: Gazetteer, text: str) -> None:
    search = Search(text=text[:LONGEST_QUERY].strip(), point=Point(48.85, 2.35))
    assert least_seconds(lambda: understand(search, cities, TODAY)) < MOST_SECONDS
    assert least_seconds(lambda: words.ranked(search.text, "some")) < MOST_SECONDS
    assert least_seconds(lambda: cities.starting_with(search.text, 20, (48.85, 2.35))) < MOST_SECONDS
    assert least_seconds(lambda: cities.lookup(search.text, near=(48.85, 2.35))) < MOST_SECONDS


@pytest.mark.parametrize("name", ["a" * 200, "a " * 100, "ﷺ" * 200, "ab" * 100, "aa " * 66])
@pytest.mark.parametrize("text", WORST)
def test_no_text_takes_long_to_compare_with_a_name(text: str, name: str) -> None:
    view = {"event": {"name": name}, "venue": {"name": f"{name}b", "city": f"{name}c"}}
    text = text[:LONGEST_QUERY]
    assert least_seconds(lambda: did_you_mean(text, [{"_source": {"view": view}}])) < MOST_SECONDS


def test_a_long_name_is_meant_by_a_long_text_that_is_nearly_the_same() -> None:
    title = "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb"
    view = {"event": {"name": title}, "venue": {"name": "Le Champo", "city": "Paris"}}
    assert did_you_mean("dr strangelov or how i lerned to stop", [{"_source": {"view": view}}]) == title
    assert did_you_mean("something else", [{"_source": {"view": view}}]) is None


@pytest.mark.parametrize("text", WORST)
def test_a_query_of_any_text_stays_below_a_thousand_terms(text: str) -> None:
    search = Search(text=text[:LONGEST_QUERY].strip())
    bodies = [
        query.shows_body(search, ["genre"], now=NOW, asked_at=NOW, match="some"),
        query.shows_body(replace(search, sort="soonest"), [], now=NOW, asked_at=NOW, match="some"),
        query.count_body(search, now=NOW, asked_at=NOW),
        query.exists_body(words.in_one_name(search.text), NOW),
    ]
    assert max(sum(terms(body["query"])) for body in bodies) < MOST_TERMS


def terms(clause: Any) -> Iterator[int]:
    """How many terms each clause at the leaves stands for at most."""
    if isinstance(clause, list):
        yield from (count for one in clause for count in terms(one))
        return
    for kind, inner in clause.items():
        match kind:
            case "match" | "match_bool_prefix":
                [wanted] = inner.values()
                yield len(wanted["query"].split()) * wanted.get("max_expansions", 1)
            case "multi_match":
                yield len(inner["query"].split()) * len(inner["fields"])
            case "bool" | "dis_max" | "constant_score" | "filter" | "must" | "should" | "queries":
                yield from terms(inner)
            case "boost" | "minimum_should_match":
                pass
            case _:
                yield 1
