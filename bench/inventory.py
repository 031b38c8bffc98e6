"""The speed of the inventory core, all of it in one run: `python -m bench.inventory`, or through `make bench`.

Every way writes as durably as the product does. What is compared with each other runs in turn, several times, and the
run with the median rate counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from rich.console import Console

from bench import engines, holds, initializer
from bench.engines import Engine
from bench.site import Site, open_site
from bench.table import Report, machine

PARTS: dict[str, Callable[[Site], Awaitable[None]]] = {
    "holds": holds.measure,
    "initializer": initializer.measure,
}


async def _run(engine: Engine, options: argparse.Namespace, report: Report) -> None:
    async with open_site(engine, options.seconds, options.repeats, report) as site:
        for part in options.parts or PARTS:
            print(part, flush=True)
            await PARTS[part](site)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.inventory")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all of them unless some are named")
    parser.add_argument("--seconds", type=float, default=5, help="how long each way is measured")
    parser.add_argument("--repeats", type=int, default=3, help="how often; the median counts")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file too")
    options = parser.parse_args()
    report = Report(conditions=machine())
    with engines.mongo() as mongo:
        uvloop.run(_run(mongo, options, report))
    report.show(Console(width=180))
    if options.markdown:
        report.write_markdown(options.markdown)


if __name__ == "__main__":
    main()
