"""The part of a query that deals with words. What people type is only ever a value of `match` and `term`."""

from typing import Any, Literal

from search_index.folding import spellings
from search_service import boosts

Clause = dict[str, Any]
# How strictly words match: all of them (the last may be a beginning), all but for typos, some of them.
Match = Literal["all", "similar", "some"]
MATCHES: tuple[Match, ...] = ("all", "similar", "some")
NOTHING: Clause = {"match_none": {}}


def phrasings(text: str) -> list[str]:
    """The spellings to look for, cut to a sane number of words."""
    return list(dict.fromkeys(" ".join(way[: boosts.MOST_WORDS]) for way in spellings(text)))


def ranked(text: str) -> tuple[Clause, list[Clause]]:
    """What must match, its score the tier of the match; and what scores within the tier."""
    forms = phrasings(text)
    if not forms:
        return NOTHING, []
    tiers = [
        _constant({"terms": {"keys.title": forms}}, boosts.EXACT_TITLE),
        _constant({"terms": {"keys.venue": forms}}, boosts.EXACT_VENUE),
    ]
    for form in forms:
        tiers += [
            _constant(_all_words("words.title", form), boosts.ALL_IN_TITLE),
            _constant(_all_words("words.all", form), boosts.ALL_WORDS),
            _constant(_last_word_begun("words.all", form), boosts.LAST_WORD_BEGUN),
            _constant(_similar("words.all", form), boosts.SIMILAR_WORDS),
            _constant(_some("words.all", form), boosts.SOME_WORDS),
        ]
    return {"dis_max": {"queries": tiers}}, [_where_found(forms[0])]


def matching(text: str, match: Match) -> Clause:
    """Unscored: the showtimes whose words match so strictly or more."""
    forms = phrasings(text)
    if not forms:
        return NOTHING
    clauses: list[Clause] = []
    for form in forms:
        clauses.append(_last_word_begun("words.all", form))
        if match == "all":
            clauses.append(_all_words("words.all", form))
        elif match == "similar":
            clauses.append(_similar("words.all", form))
        else:
            clauses.append(_some("words.all", form))
    return {"bool": {"should": clauses, "minimum_should_match": 1}}


def beginning(text: str, *, field: str, key: str) -> Clause:
    """As-you-type on one field: exact before begun before similar."""
    forms = phrasings(text)
    if not forms:
        return NOTHING
    tiers = [_constant({"terms": {key: forms}}, boosts.EXACT_TITLE)]
    for form in forms:
        tiers += [
            _constant({"prefix": {key: {"value": form}}}, boosts.ALL_IN_TITLE),
            _constant(_last_word_begun(field, form), boosts.LAST_WORD_BEGUN),
            _constant(_similar(field, form), boosts.SIMILAR_WORDS),
        ]
    return {"dis_max": {"queries": tiers}}


def match_of(score: float) -> Match:
    """Which kind of match a score of `ranked` stands for."""
    if score >= boosts.LAST_WORD_BEGUN:
        return "all"
    return "similar" if score >= boosts.SIMILAR_WORDS else "some"


def _constant(query: Clause, boost: float) -> Clause:
    return {"constant_score": {"filter": query, "boost": boost}}


def _all_words(field: str, form: str) -> Clause:
    return {"match": {field: {"query": form, "operator": "and"}}}


def _last_word_begun(field: str, form: str) -> Clause:
    return {"match_bool_prefix": {field: {"query": form, "operator": "and"}}}


def _similar(field: str, form: str) -> Clause:
    return {
        "match": {
            field: {
                "query": form,
                "operator": "and",
                "fuzziness": boosts.FUZZINESS,
                "prefix_length": boosts.FUZZY_PREFIX,
                "max_expansions": boosts.FUZZY_EXPANSIONS,
            }
        }
    }


def _some(field: str, form: str) -> Clause:
    return {"match": {field: {"query": form, "minimum_should_match": boosts.SOME}}}


def _where_found(form: str) -> Clause:
    fields = [f"{name}^{boost}" for name, boost in boosts.FIELDS.items()]
    return {"multi_match": {"query": form, "fields": fields, "tie_breaker": boosts.OTHER_FIELDS}}
