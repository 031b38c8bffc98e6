"""How well ours finds what is meant, next to plainer ways: `python -m bench.relevance [--markdown FILE]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import asyncpg

from bench import engines
from bench.relevance.judgements import Judged, judge, read_queries
from bench.relevance.measures import Score
from bench.relevance.run import OURS, Result, Results, ask, by_group, open_ways, overall
from bench.relevance.ways import open_postgres
from bench.relevance.world import World
from bench.table import Cells, TitledTable, machine, tell
from service_kit.ids import new_id


async def _measure(elastic: str, postgres: str | None, world: World, judged: Sequence[Judged]) -> Results:
    async with AsyncExitStack() as stack:
        ways = await stack.enter_async_context(open_ways(elastic, f"relevance{new_id()[-8:]}", world))
        if postgres:
            try:
                ways["PostgreSQL"] = await stack.enter_async_context(open_postgres(postgres, world.rows()))
            except asyncpg.UndefinedFileError as fault:
                print(f"PostgreSQL is left out: {fault}", file=sys.stderr)
        return await ask(world, judged, ways)


def _tables(results: Results) -> Iterator[TitledTable]:
    heads = ["", "queries", *results]
    counts = Counter(one.judged.query.group for one in results[OURS])
    totals = {name: overall(those) for name, those in results.items()}
    rows = {
        "nDCG@10": [f"{one.ndcg:.3f}" for one in totals.values()],
        "MRR": [f"{one.reciprocal_rank:.3f}" for one in totals.values()],
        "no answer": [f"{one.empty:.1%}" for one in totals.values()],
    }
    everything = str(len(results[OURS]))
    yield "Overall", heads, [[name, everything, *cells] for name, cells in rows.items()]
    groups = {name: by_group(those) for name, those in results.items()}
    yield (
        "By group: nDCG@10 / MRR / no answer",
        heads,
        [[group, str(count), *(_cell(groups[name][group]) for name in results)] for group, count in counts.items()],
    )


def _cell(one: Score) -> str:
    return f"{one.ndcg:.2f} / {one.reciprocal_rank:.2f} / {one.empty:.0%}"


def _worst(world: World, results: Sequence[Result], count: int) -> Iterator[Cells]:
    for one in sorted(results, key=lambda one: (one.score.ndcg, one.score.reciprocal_rank))[:count]:
        query = one.judged.query
        meant = ", ".join(f"{name}: {value}" for name, value in query.meant.items() if name != "also")
        shown = [world.billings[key] for key in one.found[:3]]
        got = "; ".join(f"{billing.title.name} ({billing.venue.name}, {billing.venue.city})" for billing in shown)
        yield [query.text, meant, got or "nothing", f"{one.score.ndcg:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.relevance")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file too")
    parser.add_argument("--worst", type=int, default=20, help="how many of our worst queries to show")
    options = parser.parse_args()
    world = World()
    judged = judge(world, read_queries())
    conditions = machine()
    with ExitStack() as stack:
        elastic = stack.enter_context(engines.elasticsearch())
        postgres = stack.enter_context(engines.postgres())
        results = asyncio.run(_measure(elastic.url, postgres.url if postgres else None, world, judged))
    tables = list(_tables(results))
    if "PostgreSQL" not in results:
        conditions.append("PostgreSQL, or what it calls contrib (pg_trgm, unaccent, earthdistance), is not installed")
    if options.worst:
        worst = list(_worst(world, results[OURS], options.worst))
        tables.append(("Our worst", ["typed", "meant", "got", "nDCG@10"], worst))
    tell(tables, conditions, options.markdown)


if __name__ == "__main__":
    main()
