"""A supervisor over processes described in JSON, in a process of its own so that tests may kill it.

`python -m tests.servers.supervised DIR < specs.json`: prints `pids {…}` at each change, `ready` once all are, and
`failed …` when one won't run. A process is ready when the file DIR/NAME.ready is there.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from pathlib import Path

from marquee.faults import StackError
from marquee.supervisor import ProcessSpec, Supervisor, cancel_on_signals


async def _marked(mark: Path) -> None:
    if not mark.exists():
        raise RuntimeError(f"no {mark.name}")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _run(folder: Path, described: list[dict[str, object]]) -> int:
    specs = [
        ProcessSpec(
            name := str(spec["name"]),
            [str(word) for word in spec["argv"]],  # type: ignore[attr-defined]  # described by the test itself
            ready=partial(_marked, folder / f"{name}.ready"),
            needs=tuple(spec.get("needs", ())),  # type: ignore[arg-type]  # as above
            before=("rm", "-f", str(folder / f"{name}.ready")),
            ready_timeout=20,
            stop_timeout=1,
        )
        for spec in described
    ]
    supervisor = Supervisor(specs, folder / "logs", pids_changed=lambda pids: _print(f"pids {json.dumps(pids)}"))
    cancel_on_signals()
    try:
        await supervisor.start()
        _print("ready")
        await supervisor.unless_one_fails(asyncio.Event().wait())
    except StackError as fault:
        _print(f"failed {json.dumps(str(fault))}")
        return 1
    finally:
        await supervisor.stop()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(_run(Path(sys.argv[1]), json.load(sys.stdin))))
    except asyncio.CancelledError:
        sys.exit(0)
