"""Finding every process that a test started, however far it has wandered from its parent."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable

import psutil

_VARIABLE = "MARQUEE_TEST_FAMILY"


def family_env() -> dict[str, str]:
    """A variable to start a process with: its descendants inherit it, daemons included."""
    return {_VARIABLE: secrets.token_hex(8)}


def family(env: dict[str, str]) -> dict[int, str]:
    """Living processes with this variable: pid → command line."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(_VARIABLE) == env[_VARIABLE] and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = " ".join(process.cmdline())
    return found


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Returns when the condition holds; fails the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def wait_until_gone(env: dict[str, str], seconds: float) -> None:
    """Returns when no process of this family is left."""
    deadline = time.monotonic() + seconds
    while left := family(env):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.05)
