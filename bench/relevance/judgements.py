"""The judged queries: read from `judgements.toml`, and what an answer is worth by its rules."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.relevance.world import Billing, World
from search_index.folding import words
from search_service.domain import DEFAULT_RADIUS_METRES
from service_kit.gazetteer import Place, gazetteer

FILE = Path(__file__).with_name("judgements.toml")
BEST = 3

Meant = Mapping[str, Any]
Check = Callable[[Any, Billing], bool]


def _names(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _named(person: str, one: Billing) -> bool:
    """By the last name."""
    return words(person)[-1] in words(one.title.name)


# What must agree → the field of the query that says what was meant, and whether a billing is that.
RULES: dict[str, tuple[str, Check]] = {
    "title": ("title", lambda meant, one: one.title.name in _names(meant)),
    "also": ("also", lambda meant, one: one.title.name in _names(meant)),
    "category": ("category", lambda meant, one: one.title.category == meant),
    "person": ("person", lambda meant, one: one.title.creator == meant or _named(meant, one)),
    "year": ("year", lambda meant, one: one.title.year == meant),
    "genre": ("genre", lambda meant, one: one.title.genres[:1] == (meant,)),
    "further_genre": ("genre", lambda meant, one: meant in one.title.genres[1:]),
    "either_genre": ("genre", lambda meant, one: meant in one.title.genres),
    "second_genre": ("second_genre", lambda meant, one: meant in one.title.genres),
    "venue": ("venue", lambda meant, one: one.venue.name == meant),
    "district": ("district", lambda meant, one: one.venue.district == meant),
    "city": ("city", lambda meant, one: one.venue.city == meant),
}


OF_HOUSES = {"venue", "district", "city"}


@dataclass(frozen=True)
class Query:
    """What was typed, in `group`; `grades`: what must agree, the best first."""

    text: str
    group: str
    meant: Meant
    grades: Sequence[tuple[int, Sequence[str]]]

    def grade(self, one: Billing) -> int:
        for grade, checks in self._checks:
            if all(agrees(meant, one) for meant, agrees in checks):
                return grade
        return 0

    @cached_property
    def _checks(self) -> list[tuple[int, list[tuple[Any, Check]]]]:
        """Grades whose rules look at something that the query doesn't say can't be had."""
        return [
            (grade, [(self.meant[RULES[rule][0]], RULES[rule][1]) for rule in rules])
            for grade, rules in self.grades
            if all(RULES[rule][0] in self.meant for rule in rules)
        ]

    @cached_property
    def place(self) -> Place | None:
        """What `near` stands for."""
        return gazetteer().lookup(self.meant["near"])[0] if "near" in self.meant else None


@dataclass(frozen=True)
class Judged:
    """A query with what it could find in the world. `ideal`: the best grade of each title, the best first."""

    query: Query
    ideal: Sequence[int]

    def grades(self, world: World, found: Iterable[tuple[str, str]]) -> list[int]:
        """Of the events found, each with the house it is shown with."""
        return [self.query.grade(world.billings[key]) for key in found]


def read_queries(file: Path = FILE) -> list[Query]:
    """Raises KeyError for a rule or field that there is not."""
    queries = []
    for group in tomllib.loads(file.read_text(encoding="utf-8"))["group"]:
        grades = sorted(((int(grade), rules) for grade, rules in group["grades"].items()), reverse=True)
        fields = {RULES[rule][0] for _, rules in grades for rule in rules} | {"near"}
        for meant in group["queries"]:
            text = meant.pop("q")
            if unknown := set(meant) - fields:
                raise KeyError(f"{text}: no rule of its group looks at {', '.join(unknown)}")
            queries.append(Query(text, group["name"], meant, grades))
    return queries


def judge(world: World, queries: Iterable[Query]) -> list[Judged]:
    """Raises ValueError where what was meant is nowhere on: such a query would tell nothing."""
    judged = [Judged(query, _ideal(world, query)) for query in queries]
    if hopeless := [one.query.text for one in judged if not one.ideal or one.ideal[0] < BEST]:
        raise ValueError(f"Nowhere on: {', '.join(hopeless)}")
    return judged


def _ideal(world: World, query: Query) -> list[int]:
    if query.place:
        billings = world.around(query.place.lat, query.place.lon, DEFAULT_RADIUS_METRES)
    else:
        billings = world.all_billings if OF_HOUSES & set(query.meant) else world.one_of_each_title
    best: dict[str, int] = {}
    for one in billings:
        grade = query.grade(one)
        if grade > best.get(one.title.id, 0):
            best[one.title.id] = grade
    return sorted(best.values(), reverse=True)
