"""The part of a query that deals with words. What people type is only ever a value of `match` and `term`."""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from search_index.folding import name_keys, spellings, stems, words
from search_service import boosts

Clause = dict[str, Any]
# How strictly words match: all of them (the last may be a beginning), all but for typos, some of them.
Match = Literal["all", "similar", "some"]
MATCHES: tuple[Match, ...] = ("all", "similar", "some")
NAMES = ("title", "venue")
SAYINGS = ("words.title", "words.venue", "words.people", "words.keywords")
NOTHING: Clause = {"match_none": {}}


def phrasings(text: str) -> list[str]:
    """The spellings to look for, cut to a sane number of words."""
    ways = spellings(text)[: boosts.MOST_SPELLINGS]
    return list(dict.fromkeys(" ".join(way[: boosts.MOST_WORDS]) for way in ways))


def otherwise(form: str) -> list[str]:
    """Other ways to say it, less sure than its spellings: by synonyms, and with two of its words written as one."""
    return [*_synonymous(form), *_joined(form)]


def _joined(form: str) -> list[str]:
    """`ghost busters` → `ghostbusters`."""
    said = form.split()[: boosts.MOST_JOINED + 1]
    return [" ".join([*said[:at], said[at] + said[at + 1], *said[at + 2 :]]) for at in range(len(said) - 1)]


def _synonymous(form: str) -> list[str]:
    """The same with other words for what it speaks of, as `synonyms.toml` has them."""
    found: dict[str, None] = {}
    padded = f" {form} "
    for said, others in _synonyms().items():
        if f" {said} " in padded:
            found.update((padded.replace(f" {said} ", f" {other} ", 1).strip(), None) for other in others)
    found.pop(form, None)
    return list(found)[: boosts.MOST_SYNONYMS]


@cache
def _synonyms() -> dict[str, tuple[str, ...]]:
    """Folded phrase → the others of its line, longer phrases first."""
    lines = tomllib.loads(files("search_service").joinpath("synonyms.toml").read_text("utf-8"))["same"]
    folded = [[" ".join(words(phrase)) for phrase in line] for line in lines]
    found = {said: tuple(other for other in line if other != said) for line in folded for said in line}
    return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))


def ranked(text: str, match: Match) -> tuple[Clause, list[Clause]]:
    """What must match so strictly or more, its score the tier of the match; and what scores within the tier.

    Some words are only asked for where no similar ones are: then those, which cost the most, aren't asked for again.
    """
    forms = phrasings(text)
    if not forms:
        return NOTHING, []
    tiers = [
        _constant(_called(text, "title"), boosts.EXACT_TITLE),
        _constant(_called(text, "venue"), boosts.EXACT_VENUE),
    ]
    for form in forms:
        tiers += [
            _constant(_all_words("words.title", form), boosts.ALL_IN_TITLE),
            _constant(_all_words("words.all", form), boosts.ALL_WORDS),
            _constant(_last_word_begun("words.all", form), boosts.LAST_WORD_BEGUN),
        ]
        if match == "similar":
            tiers.append(_constant(_similar("words.all", form), boosts.SIMILAR_WORDS))
        if match == "some":
            tiers.append(_constant(_some("words.all", form), boosts.SOME_WORDS))
    tiers += [
        _constant(_all_words("words.stems", stemmed), boosts.SAME_STEMS)
        for stemmed in dict.fromkeys(stems(form) for form in forms)
    ]
    tiers += [
        _constant(_all_words("words.all", other), boosts.ALL_WORDS + boosts.SYNONYM) for other in otherwise(forms[0])
    ]
    return {"dis_max": {"queries": tiers}}, [_where_found(forms[0])]


def matching(text: str, match: Match) -> Clause:
    """Unscored: the showtimes whose words match so strictly or more."""
    clauses = [clause for form in phrasings(text) for clause in _matching(form, match)]
    clauses += [_called(text, of) for of in NAMES]
    clauses += [_all_words("words.all", other) for form in phrasings(text)[:1] for other in otherwise(form)]
    return _any(clauses)


def _matching(form: str, match: Match) -> Iterator[Clause]:
    yield _all_words("words.all", form)
    yield _last_word_begun("words.all", form)
    yield _all_words("words.stems", stems(form))
    if match != "all":
        yield _similar("words.all", form)
    if match == "some":
        yield _some("words.all", form)


def named(text: str) -> Clause:
    """Unscored: shows whose title or venue is called exactly so."""
    return _any([_called(text, of) for of in NAMES])


def in_one_name(text: str) -> Clause:
    """Unscored: shows of which one name or saying has all of these words, the last maybe only begun."""
    return _any([_last_word_begun(field, form) for form in phrasings(text) for field in SAYINGS])


def said_whole(text: str) -> Clause:
    """Unscored: shows of which one name or saying has all of these words."""
    return _any([_all_words(field, form) for form in phrasings(text) for field in SAYINGS])


def in_name(text: str) -> Clause:
    """Entries whose name has all of these words."""
    return _constant(_any([_all_words("words.title", form) for form in phrasings(text)]), boosts.ALL_IN_TITLE)


def beginning(text: str) -> Clause:
    """As-you-type on the names of entries: exact before begun before similar."""
    forms = phrasings(text)
    if not forms:
        return NOTHING
    tiers = [_constant(_called(text, "title"), boosts.EXACT_TITLE)]
    for form in forms:
        tiers += [
            _constant({"prefix": {"keys.title": {"value": form}}}, boosts.ALL_IN_TITLE),
            _constant(_last_word_begun("words.title", form), boosts.LAST_WORD_BEGUN),
            _constant(_all_words("words.stems", stems(form)), boosts.SAME_STEMS),
            _constant(_similar("words.title", form), boosts.SIMILAR_WORDS),
        ]
    return {"dis_max": {"queries": tiers}}


def _called(text: str, of: str) -> Clause:
    """Exactly so in one of the spellings, or but for blanks."""
    return {"terms": {f"keys.{of}": list(dict.fromkeys([*phrasings(text), *name_keys(text)[-1:]]))}}


def _any(clauses: list[Clause]) -> Clause:
    return {"bool": {"should": clauses, "minimum_should_match": 1}} if clauses else NOTHING


def _constant(query: Clause, boost: float) -> Clause:
    return {"constant_score": {"filter": query, "boost": boost}}


def _all_words(field: str, form: str) -> Clause:
    return {"match": {field: {"query": form, "operator": "and"}}}


def _last_word_begun(field: str, form: str) -> Clause:
    return {"match_bool_prefix": {field: {"query": form, "operator": "and"}}}


def _similar(field: str, form: str) -> Clause:
    expansions = min(boosts.FUZZY_EXPANSIONS, boosts.MOST_SIMILAR // len(form.split()))
    return {
        "match": {
            field: {
                "query": form,
                "operator": "and",
                "fuzziness": boosts.FUZZINESS,
                "prefix_length": boosts.FUZZY_PREFIX,
                "max_expansions": expansions,
            }
        }
    }


def _some(field: str, form: str) -> Clause:
    """By words that say something: `la boheme` is not found by what has a `la`."""
    telling = " ".join(word for word in form.split() if len(word) >= boosts.TELLING and word not in boosts.FILLERS)
    return {"match": {field: {"query": telling, "minimum_should_match": boosts.SOME}}} if telling else NOTHING


def _where_found(form: str) -> Clause:
    fields = [f"{name}^{boost}" for name, boost in boosts.FIELDS.items()]
    return {"multi_match": {"query": form, "fields": fields, "tie_breaker": boosts.OTHER_FIELDS}}
