"""The speed of the inventory core, all of it in one run: `python -m bench.inventory`, or through `make bench`.

Every way writes as durably as the product does. What is compared with each other runs in turn, several times, and the
run with the median rate counts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack

import uvloop

from bench import called_off, claims, engines, holds, http, initializer
from bench.engines import Engine
from bench.options import parser_of, read_options
from bench.site import Site, open_site
from bench.table import Report, machine
from service_kit.runtime import spare_collector

Peers = Mapping[str, Engine | None]
PARTS: dict[str, Callable[[Site, Peers], Awaitable[None]]] = {
    "holds": lambda site, _: holds.measure(site),
    "claims": lambda site, _: claims.measure(site),
    "initializer": lambda site, _: initializer.measure(site),
    "http": http.measure,
    "called-off": lambda site, _: called_off.measure(site),
}


async def _run(mongo: Engine, peers: Peers, options: argparse.Namespace, report: Report) -> None:
    for part in options.parts:
        print(part, file=sys.stderr, flush=True)
        # Each on a database of its own, so that none works on what the one before has left.
        async with open_site(mongo, options.seconds, options.repeats, report) as site:
            await PARTS[part](site, peers)


def main() -> None:
    parser = parser_of("bench.inventory", PARTS)
    parser.add_argument("--repeats", type=int, default=3, help="how often; the run with the median rate counts")
    options = read_options(parser, PARTS)
    report = Report(conditions=machine())
    spare_collector()  # as the processes of the product do
    with ExitStack() as stack:
        mongo = stack.enter_context(engines.mongo())
        peers: dict[str, Engine | None] = {}
        if "http" in options.parts:
            peers["postgres"] = stack.enter_context(engines.postgres())
            peers["redis"] = stack.enter_context(engines.redis())
        report.conditions += [engine.terms for engine in (mongo, *peers.values()) if engine]
        uvloop.run(_run(mongo, peers, options, report))
    report.tell(options.markdown)


if __name__ == "__main__":
    main()
