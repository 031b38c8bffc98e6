"""The product's own processes, started for a measurement."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from marquee.supervisor import tie_to_parent

Process = asyncio.subprocess.Process


@asynccontextmanager
async def running_module(
    module: Sequence[str], settings: Mapping[str, str], sockets: Sequence[int] = ()
) -> AsyncIterator[Process]:
    """`python -m module …` under these settings, with these sockets inherited; ended by SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *module,
        env={**os.environ, **{f"MARQUEE_{name.upper()}": value for name, value in settings.items()}},
        pass_fds=tuple(sockets),
        start_new_session=True,
        preexec_fn=tie_to_parent(),
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
