"""Every query asked in every way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

from bench.elastic import drop_indices
from bench.relevance.judgements import Judged
from bench.relevance.measures import Score, mean, score
from bench.relevance.ways import DEPTH, Found, Plain, Way, fill, open_product
from bench.relevance.world import World

OURS, PLAIN, FUZZY = "ours", "multi_match", "multi_match, fuzzy"


@dataclass(frozen=True)
class Result:
    judged: Judged
    found: Found
    score: Score


Results = Mapping[str, Sequence[Result]]


async def ask(world: World, judged: Sequence[Judged], ways: Mapping[str, Way]) -> Results:
    """All queries in each way, one after another."""
    return {name: [await _result(world, one, way) for one in judged] for name, way in ways.items()}


async def _result(world: World, judged: Judged, way: Way) -> Result:
    found = await way.find(judged.query)
    return Result(judged, found, score(judged.grades(world, found), judged.ideal, DEPTH))


def overall(results: Sequence[Result]) -> Score:
    return mean([one.score for one in results])


def by_group(results: Sequence[Result]) -> dict[str, Score]:
    groups = dict.fromkeys(one.judged.query.group for one in results)
    return {group: overall([one for one in results if one.judged.query.group == group]) for group in groups}


@asynccontextmanager
async def open_ways(url: str, namespace: str, world: World) -> AsyncIterator[dict[str, Way]]:
    """Ours and the plain ways on Elasticsearch, on indices of this namespace, which go afterwards."""
    async with httpx2.AsyncClient(base_url=url, timeout=60) as elastic:
        plain = f"{namespace}-plain"
        try:
            await fill(elastic, namespace, plain, world.rows())
            async with open_product(url, namespace) as ours:
                fuzzy = Plain(elastic, plain, fuzziness="AUTO")
                yield {OURS: ours, PLAIN: Plain(elastic, plain), FUZZY: fuzzy}
        finally:
            await drop_indices(elastic, namespace)
