"""What an engine remembers between runs: its port and its password, in files under the stack's home."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
from pathlib import Path

from marquee.faults import StackError


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def remembered_secret(path: Path, *, prefix: str = "") -> str:
    """The secret in this file, made up at first."""
    if not path.exists():
        write_private(path, prefix + secrets.token_urlsafe(24))
    return path.read_text().strip()


def remembered_ports(home: Path, *names: str) -> dict[str, int]:
    """A loopback port for each name: the last one if it is still free, else a new one, remembered.

    All sockets are held open until the last is chosen, so that no port is given out twice.
    """
    path = home / "ports.json"
    known: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    with contextlib.ExitStack() as held:
        for name in names:
            known[name] = _bind(held, known.get(name, 0)) or _bind(held, 0)
    write_private(path, json.dumps(known, indent=2))
    return {name: known[name] for name in names}


def _bind(held: contextlib.ExitStack, port: int) -> int:
    listener = held.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as fault:
        if port == 0:
            raise StackError(f"no free port on 127.0.0.1: {fault}") from fault
        return 0
    bound: int = listener.getsockname()[1]
    return bound
