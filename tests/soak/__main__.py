"""The soak: `python -m tests.soak` (or `make soak`). See docs/soak.md."""

import argparse
import asyncio
import logging
import os
import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from marquee.engines.plan import VARIABLES
from tests.servers.stack import running_stack
from tests.soak.plan import Plan, Shares
from tests.soak.soak import Verdict, soak

# Of all bookings, 0 to 1.
SHARES = {
    "keeping": "at a venue that keeps a part of what is given back",
    "partner": "at a partner theatre's venue",
    "codes": "by a promo code",
    "disputes": "whose buyer's bank objects",
    "parts": "of which a part is given back",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--bookings", type=int, default=5_000)
    parser.add_argument("--at-once", type=int, default=30, help="buyers who are busy at the same time")
    parser.add_argument("--kill-every", type=float, default=5.0, help="seconds between two kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--home", type=Path, help="the stack's directory, kept afterwards; default: a temporary one")
    for name, what in SHARES.items():
        parser.add_argument(f"--{name}", type=float, default=getattr(Shares, name), metavar="SHARE", help=what)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for name in ("httpx2", "stripe"):
        logging.getLogger(name).setLevel(logging.WARNING)
    plan = Plan(
        seed=options.seed or random.randrange(1, 1 << 32),
        bookings=options.bookings,
        most_seconds=7_200,
        at_once=options.at_once,
        halls=max(8, options.bookings // 120),
        rows=20,
        late_hold=20,
        answer_seconds=25,
        kill_every=options.kill_every,
        engines=not any(os.environ.get(variable) for variable in VARIABLES.values()),
        quiet_seconds=300,
        shares=Shares(**{name: getattr(options, name) for name in SHARES}),
    )
    with ExitStack() as stack:
        home = options.home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marquee-soak-")))
        home.mkdir(parents=True, exist_ok=True)
        running = stack.enter_context(running_stack(home, plan.settings, "--workers", "2", "--limits", "off"))
        verdict = asyncio.run(soak(running, plan, plan.settings))
    tell(verdict)
    return 1 if verdict.faults else 0


def tell(verdict: Verdict) -> None:
    table = Table("what", "number", title="The soak")
    for kind, numbers in (
        ("", verdict.figures),
        ("booking: ", verdict.outcomes),
        ("buyer: ", verdict.ways),
        ("killed: ", verdict.kills),
        ("answer: ", verdict.statuses),
    ):
        for name, number in sorted(numbers.items()):
            table.add_row(f"{kind}{name}", str(number))
        table.add_section()
    console = Console(width=160)
    console.print(table)
    for fault in verdict.faults[:50]:
        console.print(f"[red]fault[/]: {fault}", markup=True, highlight=False)
    console.print(f"{len(verdict.faults)} faults")


if __name__ == "__main__":
    sys.exit(main())
