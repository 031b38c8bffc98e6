"""The speed of the inventory core, all of it in one run: `python -m bench.inventory`, or through `make bench`.

Every way writes as durably as the product does. What is compared with each other runs in turn, several times, and the
run with the median rate counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import uvloop
from rich.console import Console

from bench import engines, holds, http, initializer
from bench.engines import Engine
from bench.site import Site, open_site
from bench.table import Report, machine

Peers = Mapping[str, Engine | None]
PARTS: dict[str, Callable[[Site, Peers], Awaitable[None]]] = {
    "holds": lambda site, _: holds.measure(site),
    "initializer": lambda site, _: initializer.measure(site),
    "http": http.measure,
}


async def _run(mongo: Engine, peers: Peers, options: argparse.Namespace, report: Report) -> None:
    for part in options.parts or PARTS:
        print(part, flush=True)
        # Each on a database of its own, so that none works on what the one before has left.
        async with open_site(mongo, options.seconds, options.repeats, report) as site:
            await PARTS[part](site, peers)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.inventory")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these; all of them unless some are named")
    parser.add_argument("--seconds", type=float, default=5, help="how long each way is measured")
    parser.add_argument("--repeats", type=int, default=3, help="how often; the run with the median rate counts")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file too")
    options = parser.parse_args()
    report = Report(conditions=machine())
    with ExitStack() as stack:
        mongo = stack.enter_context(engines.mongo())
        peers = {
            "postgres": stack.enter_context(engines.postgres()),
            "redis": stack.enter_context(engines.redis()),
        }
        uvloop.run(_run(mongo, peers, options, report))
    report.show(Console(width=200))
    if options.markdown:
        report.write_markdown(options.markdown)


if __name__ == "__main__":
    main()
