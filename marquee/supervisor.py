"""Starts processes in the order of their needs, keeps them running and leaves none behind.

Every child leads its own session (so Ctrl-C in the terminal reaches only the supervisor) and asks the kernel for a
SIGTERM when the supervisor dies, so that even `kill -9` of the supervisor ends the whole stack.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

from marquee.faults import StackError
from service_kit.tasks import stopped

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LOG_LIMIT = 16 * 1024 * 1024
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.25, 10.0
_STABLE_AFTER = 20.0
_TAIL_LINES = 8
_REAP_EVERY = 5.0

_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")
Ready = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class ProcessSpec:
    """One process to keep running.

    `ready` returns once the process does its work and raises while it does not yet; it may finish set-up that needs
    the process running (a replica set's first election). `needs` names the processes to wait for. `before` runs ahead
    of every start, to clear what a killed predecessor left.
    """

    name: str
    argv: Sequence[str]
    ready: Ready
    env: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    cwd: Path | None = None
    pass_fds: tuple[int, ...] = ()
    before: Sequence[str] = ()
    ready_timeout: float = 120.0
    stop_timeout: float = 10.0
    stop_signal: signal.Signals = signal.SIGTERM


class Supervisor:
    """Runs a set of specs. Use: `await start()`, then `unless_one_fails(…)`, and `await stop()` whatever happened."""

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        log_dir: Path,
        *,
        say: Callable[[str], None] = lambda _: None,
        pids_changed: Callable[[dict[str, int]], None] = lambda _: None,
    ) -> None:
        self._children = {spec.name: _Child(spec, log_dir / f"{spec.name}.log") for spec in specs}
        self._reaper: asyncio.Task[None] | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._log_dir = log_dir
        self._say = say
        self._pids_changed = pids_changed

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of what runs now, by name."""
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    async def start(self) -> None:
        """Starts everything, as much at once as the needs allow. Raises StackError when something won't come up."""
        # Orphans of our children (a daemon they forked) become ours, so that stop() can find and end them.
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._reaper = asyncio.create_task(self._reap_orphans(), name="reap orphans")
        self._log_dir.mkdir(parents=True, exist_ok=True)
        for name, child in self._children.items():
            self._tasks[name] = asyncio.create_task(self._keep(child), name=f"keep {name}")
        await self.unless_one_fails(self._all_ready())

    async def stop(self) -> None:
        """Ends every process, those that need others first, and waits until all are gone."""
        await stopped(*self._tasks.values())
        gone = {name: asyncio.Event() for name in self._children}

        async def end(child: _Child) -> None:
            for name, other in self._children.items():
                if child.spec.name in other.spec.needs:
                    await gone[name].wait()
            await child.stop()
            gone[child.spec.name].set()

        await asyncio.gather(*(end(child) for child in self._children.values()))
        if self._reaper:
            self._reaper.cancel()
        self._bury_orphans(alive_too=True)
        self._pids_changed(self.pids)

    async def _reap_orphans(self) -> None:
        while True:
            await asyncio.sleep(_REAP_EVERY)
            self._bury_orphans()

    def _bury_orphans(self, *, alive_too: bool = False) -> None:
        """Ends or only reaps adopted processes: those in other sessions than ours that we did not start."""
        own, session = set(self.pids.values()), os.getsid(0)
        children = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
        for pid in map(int, itertools.chain(*children)):
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                if pid not in own and os.getsid(pid) != session:
                    if alive_too:
                        os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0 if alive_too else os.WNOHANG)

    async def _all_ready(self) -> None:
        for child in self._children.values():
            await child.ready.wait()

    async def unless_one_fails(self, wanted: Awaitable[T]) -> T:
        """The result of `wanted`. Raises StackError as soon as a process died and does not come back."""
        waiter = asyncio.ensure_future(wanted)
        try:
            await asyncio.wait({waiter, *self._tasks.values()}, return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks.values():
                if task.done():
                    task.result()
            return await waiter
        finally:
            waiter.cancel()
            await asyncio.wait({waiter})

    async def _keep(self, child: _Child) -> None:
        """One process's life: start, wait until ready, wait until it dies, start again with growing pauses."""
        spec = child.spec
        for need in spec.needs:
            await self._children[need].ready.wait()
        down_since, backoff, problem = time.monotonic(), _FIRST_BACKOFF, ""
        while True:
            await child.start()
            self._pids_changed(self.pids)
            started = time.monotonic()
            problem = await child.wait_ready(down_since + spec.ready_timeout)
            if not problem:
                self._say(f"{spec.name} is ready after {time.monotonic() - down_since:.1f} s")
                child.ready.set()
                await child.exited()
                problem = f"ended with {child.exit_text}"
                down_since = time.monotonic()
            child.ready.clear()
            await child.stop()
            self._pids_changed(self.pids)
            if time.monotonic() - started > _STABLE_AFTER:
                backoff = _FIRST_BACKOFF
            if time.monotonic() + backoff > down_since + spec.ready_timeout or (child.never_ran and backoff > 2):
                raise StackError(self._epitaph(child, problem))
            self._say(f"{spec.name} {problem}; starting it again in {backoff:.2g} s")
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _LONGEST_BACKOFF)

    def _epitaph(self, child: _Child, problem: str) -> str:
        tail = "\n".join(f"  | {line}" for line in tail_of(child.log, _TAIL_LINES))
        return f"{child.spec.name} does not come up: {problem}. Its log is {child.log}{':' if tail else '.'}\n{tail}"


class _Child:
    """One process as it is now."""

    def __init__(self, spec: ProcessSpec, log: Path) -> None:
        self.spec = spec
        self.log = log
        self.ready = asyncio.Event()
        self.never_ran = True
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def exit_text(self) -> str:
        code = self._process.returncode if self._process else None
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    async def start(self) -> None:
        if self.spec.before:
            cleaner = await asyncio.create_subprocess_exec(
                *self.spec.before, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
            )
            await cleaner.wait()
        with _open_log(self.log) as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                env={**os.environ, **self.spec.env},
                cwd=self.spec.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self.spec.pass_fds,
                preexec_fn=tie_to_parent(),
            )

    async def wait_ready(self, deadline: float) -> str:
        """Empty once ready, else what went wrong (it died, or the deadline passed)."""
        exited = asyncio.ensure_future(self.exited())
        last = "it never answered"
        try:
            while not exited.done():
                left = deadline - time.monotonic()
                if left <= 0:
                    return f"not ready in {self.spec.ready_timeout:.0f} s ({last})"
                try:
                    # Not by `asyncio.wait_for`: in Python 3.11 it may swallow a cancellation that meets an answer.
                    async with asyncio.timeout(min(left, 10)):
                        await self.spec.ready()
                except Exception as fault:  # any failure of a check only means: not yet
                    last = str(fault) or type(fault).__name__
                else:
                    self.never_ran = False
                    return ""
                await asyncio.wait({exited}, timeout=0.1)
        finally:
            exited.cancel()
        return f"ended with {self.exit_text}"

    async def exited(self) -> None:
        if self._process:
            await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM, patience, then SIGKILL for the whole group; returns when nothing of it is left."""
        if self._process is None:
            return
        group = self._process.pid
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self.spec.stop_signal)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), self.spec.stop_timeout)
        while _group_alive(group):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
            await asyncio.sleep(0.02)
        await self._process.wait()
        self._process = None


def _group_alive(group: int) -> bool:
    """Whether the process group has members; members that died as our adopted children are reaped on the way."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def tie_to_parent() -> Callable[[], None]:
    """For a child to call between fork and exec: it gets SIGTERM when the process that called this dies."""
    parent = os.getpid()

    def tie() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return tie


def cancel_on_signals() -> None:
    """Makes the first Ctrl-C or SIGTERM cancel the current task; its `finally` then ends everything, undisturbed."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()

    def cancel() -> None:
        for number in numbers:
            loop.add_signal_handler(number, lambda: None)
        if task:
            task.cancel()

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, cancel)


def _open_log(path: Path) -> IO[bytes]:
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def tail_of(path: Path, lines: int) -> list[str]:
    """The last lines of a log."""
    try:
        return path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return []
