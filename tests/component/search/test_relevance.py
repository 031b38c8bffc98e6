"""Whether what is meant is found, by the judged queries of the benchmark. The floors are a little under the figures."""

from __future__ import annotations

import pytest

from bench.relevance.judgements import judge, read_queries
from bench.relevance.run import OURS, PLAIN, Results, ask, open_ways, overall
from bench.relevance.world import World
from marquee.engines import EngineUrls
from service_kit.ids import new_id

LEAST_NDCG = 0.92
LEAST_MRR = 0.915
MOST_EMPTY = 0.02


@pytest.fixture(scope="module")
async def results(engine_urls: EngineUrls, namespace: str) -> Results:
    world = World()
    judged = judge(world, read_queries())
    async with open_ways(engine_urls.elasticsearch_url, f"{namespace}{new_id()[-8:]}", world) as ways:
        return await ask(world, judged, {name: ways[name] for name in (OURS, PLAIN)})


async def test_what_is_meant_is_found_and_comes_first(results: Results) -> None:
    reached = overall(results[OURS])
    assert reached.ndcg >= LEAST_NDCG
    assert reached.reciprocal_rank >= LEAST_MRR
    assert reached.empty <= MOST_EMPTY


async def test_a_plain_multi_match_is_no_better_by_any_measure(results: Results) -> None:
    ours, plain = overall(results[OURS]), overall(results[PLAIN])
    assert ours.ndcg >= plain.ndcg
    assert ours.reciprocal_rank >= plain.reciprocal_rank
    assert ours.empty <= plain.empty
