"""`python -m marquee.engines --home DIR`: the engines alone, until SIGTERM.

Prints their URLs as KEY='value' lines, as a shell reads them, then `ready`. For developing one service at a time, and
for the tests, which share one set per session.
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from pathlib import Path

from marquee.engines.plan import plan_engines
from marquee.faults import StackError
from marquee.supervisor import Supervisor, cancel_on_signals


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def _run(home: Path) -> None:
    plan = plan_engines(home, _say)
    supervisor = Supervisor(plan.specs, home / "logs", say=_say)
    cancel_on_signals()
    try:
        await supervisor.start()
        for key, value in plan.urls.as_env().items():
            print(f"{key}={shlex.quote(value)}")
        print("ready", flush=True)
        await supervisor.unless_one_fails(asyncio.Event().wait())
    finally:
        await supervisor.stop()


def main() -> int:
    """Exit code 0 after SIGTERM or Ctrl-C, else the fault's own."""
    parser = argparse.ArgumentParser(prog="python -m marquee.engines")
    parser.add_argument("--home", type=Path, required=True)
    try:
        asyncio.run(_run(parser.parse_args().home.absolute()))
    except asyncio.CancelledError:
        return 0
    except StackError as fault:
        _say(str(fault))
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
