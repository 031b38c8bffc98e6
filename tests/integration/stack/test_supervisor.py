"""The supervisor over small processes of all temperaments."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.servers.processes import family, family_env, wait_until, wait_until_gone

# A process that says it is ready and then waits for ever.
GOOD = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + GOOD.replace("pause()", "sigwait([10])")
# One that leaves a daemon behind, in a session of its own.
PARENT_OF_A_DAEMON = "import subprocess, sys; subprocess.Popen(['setsid', '--fork', 'sleep', '1000']); " + GOOD


class Supervised:
    """A running `tests.servers.supervised`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = family_env()
        self.lines: queue.Queue[str] = queue.Queue()
        self.pids: dict[str, int] = {}
        self.process: subprocess.Popen[str] | None = None
        self.reader = threading.Thread(target=self._read, daemon=True)

    def start(self, *specs: dict[str, Any]) -> None:
        argv = [sys.executable, "-m", "tests.servers.supervised", str(self.folder)]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **self.env}
        )
        assert self.process.stdin is not None
        with self.process.stdin as stdin:
            json.dump(specs, stdin)
        self.reader.start()

    def python(self, name: str, code: str, **extras: Any) -> dict[str, Any]:
        return {"name": name, "argv": [sys.executable, "-c", code, str(self.folder / f"{name}.ready")], **extras}

    def expect(self, word: str, seconds: float = 20) -> Any:
        """The next line that begins with this word, its JSON read; lines before it are taken in."""
        while True:
            line = self.lines.get(timeout=seconds)
            kind, _, rest = line.partition(" ")
            if kind == "pids":
                self.pids = json.loads(rest)
            if kind == word:
                return json.loads(rest) if rest else None

    def expect_pid(self, name: str, *, other_than: int) -> int:
        """The pid of the process once it is started anew."""
        while self.pids.get(name, other_than) == other_than:
            self.expect("pids")
        return self.pids[name]

    def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.strip())

    def end(self) -> None:
        if self.process is None:
            return
        self.process.kill()
        for pid in family(self.env):
            with suppress(ProcessLookupError):  # it may end by itself meanwhile
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    running = Supervised(tmp_path)
    yield running
    running.end()


def test_a_killed_process_is_started_again_and_the_others_are_left_alone(supervised: Supervised) -> None:
    supervised.start(supervised.python("one", GOOD), supervised.python("two", GOOD))
    supervised.expect("ready")
    one, two = supervised.pids["one"], supervised.pids["two"]
    os.kill(one, signal.SIGKILL)
    again = supervised.expect_pid("one", other_than=one)
    wait_until((supervised.folder / "one.ready").exists, 10, "the new process is ready")
    assert again in family(supervised.env)
    assert supervised.pids["two"] == two


def test_a_process_starts_only_when_those_it_needs_are_ready(supervised: Supervised) -> None:
    late = "import time; time.sleep(1); " + GOOD
    supervised.start(
        supervised.python("needy", GOOD, needs=["slow"]),
        supervised.python("slow", late),
    )
    supervised.expect("pids")
    assert set(supervised.pids) == {"slow"}
    assert not (supervised.folder / "slow.ready").exists()
    supervised.expect("ready")
    assert set(supervised.pids) == {"slow", "needy"}


def test_sigterm_stops_all_even_who_ignores_it_or_left_a_daemon_and_exits_0(supervised: Supervised) -> None:
    supervised.start(
        supervised.python("good", GOOD),
        supervised.python("stubborn", STUBBORN),
        supervised.python("father", PARENT_OF_A_DAEMON),
    )
    supervised.expect("ready")
    wait_until(lambda: any("sleep 1000" in line for line in family(supervised.env).values()), 10, "the daemon runs")
    assert supervised.process is not None
    supervised.process.terminate()
    assert supervised.process.wait(20) == 0
    assert family(supervised.env) == {}


def test_those_who_need_others_are_stopped_before_them(supervised: Supervised) -> None:
    supervised.start(supervised.python("engine", GOOD), supervised.python("service", GOOD, needs=["engine"]))
    supervised.expect("ready")
    # A stopped (SIGSTOP) service does not react to SIGTERM, which holds the engine's end up for the patience's second.
    service = psutil.Process(supervised.pids["service"])
    os.kill(service.pid, signal.SIGSTOP)
    # Of two signals that are pending together the kernel delivers SIGTERM first.
    wait_until(lambda: service.status() == psutil.STATUS_STOPPED, 10, "the service has stopped")
    engine = supervised.pids["engine"]
    assert supervised.process is not None
    supervised.process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        supervised.process.wait(0.5)
    assert engine in family(supervised.env)
    assert supervised.process.wait(20) == 0
    assert family(supervised.env) == {}


def test_sigterm_while_starting_up_leaves_nothing(supervised: Supervised) -> None:
    supervised.start(supervised.python("never", GOOD.replace("pathlib.Path(sys.argv[1]).touch(); ", "")))
    supervised.expect("pids")
    assert supervised.process is not None
    supervised.process.terminate()
    assert supervised.process.wait(20) == 0
    assert family(supervised.env) == {}


def test_kill_9_of_the_supervisor_ends_its_processes(supervised: Supervised) -> None:
    supervised.start(supervised.python("one", GOOD), supervised.python("two", GOOD))
    supervised.expect("ready")
    assert supervised.process is not None
    supervised.process.kill()
    wait_until_gone(supervised.env, 10)


def test_a_process_that_never_runs_is_given_up_with_its_last_words(supervised: Supervised) -> None:
    supervised.start(
        supervised.python("good", GOOD), supervised.python("broken", "raise SystemExit('the disk is upside down')")
    )
    message = supervised.expect("failed")
    assert "broken does not come up: ended with exit code 1" in message
    assert str(supervised.folder / "logs" / "broken.log") in message
    assert "the disk is upside down" in message
    assert supervised.process is not None
    assert supervised.process.wait(20) == 1
    assert family(supervised.env) == {}
