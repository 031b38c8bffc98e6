"""The speed of the inventory core, all of it in one run: `python -m bench.inventory`, or through `make bench`.

Every way writes as durably as the product does. What is compared with each other runs in turn, several times, and the
run with the median rate counts.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import uvloop
from rich.console import Console

from bench import engines, holds, http, initializer
from bench.engines import Engine
from bench.site import Site, open_site
from bench.table import Report, machine
from service_kit.runtime import spare_collector

Peers = Mapping[str, Engine | None]
PARTS: dict[str, Callable[[Site, Peers], Awaitable[None]]] = {
    "holds": lambda site, _: holds.measure(site),
    "initializer": lambda site, _: initializer.measure(site),
    "http": http.measure,
}


async def _run(mongo: Engine, peers: Peers, options: argparse.Namespace, report: Report) -> None:
    for part in options.parts:
        print(part, file=sys.stderr, flush=True)
        # Each on a database of its own, so that none works on what the one before has left.
        async with open_site(mongo, options.seconds, options.repeats, report) as site:
            await PARTS[part](site, peers)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.inventory")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all of them unless some are named")
    parser.add_argument("--seconds", type=float, default=5, help="how long each way is measured")
    parser.add_argument("--repeats", type=int, default=3, help="how often; the run with the median rate counts")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file too")
    options = parser.parse_args()
    options.parts = options.parts or list(PARTS)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends as after Ctrl-C, leaving nothing behind
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
    report.show(Console(width=200))
    if options.markdown:
        report.write_markdown(options.markdown)


if __name__ == "__main__":
    main()
