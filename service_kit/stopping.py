"""Answers that never end by themselves, and how a server that stops gets rid of them.

A server that stops waits for its answers to end, and only then ends the lifespan: too late for an endless one. So it
tells them first, through the state that the server shares with every request.
"""

from collections.abc import Callable
from typing import Any

from starlette.types import Scope

STOPPING = "stopping"
ENDLESS = "endless"


class Stopping:
    """Calls everything that was given to it when the server begins to stop; each once."""

    def __init__(self) -> None:
        self._calls: set[Callable[[], None]] = set()

    def call(self, end: Callable[[], None]) -> None:
        self._calls.add(end)

    def begin(self) -> None:
        for end in self._calls:
            end()


def begin_endless(scope: Scope, end: Callable[[], None]) -> None:
    """Mark this request's answer as endless; `end` is called when the server begins to stop."""
    state: dict[str, Any] = scope.setdefault("state", {})
    state[ENDLESS] = True
    stopping: Stopping | None = state.get(STOPPING)
    if stopping is not None:
        stopping.call(end)


def is_endless(scope: Scope) -> bool:
    return ENDLESS in scope.get("state", {})
