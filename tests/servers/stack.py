"""A stack as a user starts it: `marquee up` in a process of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from marquee.supervisor import tie_to_parent

READY_SECONDS = 180


class Stack:
    """A running stack: `info` is its stack.json, read anew each time since process ids change."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "stack.json").read_text())
        return found

    @property
    def url(self) -> str:
        return str(self.info["url"])

    @property
    def admin(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.info['adminToken']}"}

    @property
    def service(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.info['serviceToken']}"}


@contextmanager
def running_stack(home: Path, env: Mapping[str, str], *options: str) -> Iterator[Stack]:
    """`marquee up` on a free port while the block is entered; it must stop cleanly then."""
    log = (home / "up.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "marquee", "up", "--port", "0", "--home", str(home), *options],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        preexec_fn=tie_to_parent(),  # noqa: PLW1509  # called in the main, and only, thread
    )
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], READY_SECONDS)
        line = process.stdout.readline() if ready else ""
        assert line.startswith("ready http://"), f"the stack did not start:\n{(home / 'up.log').read_text()}"
        yield Stack(home)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
        process.communicate()
        log.close()
    assert code == 0, f"the stack did not stop cleanly:\n{(home / 'up.log').read_text()}"
