"""The engines of the product, and PostgreSQL and Redis, where they are installed, to compare with.

All keep their data on one disk, and those that are compared by their writes wait for it at each. Each is ended by its
process id, and its data goes too.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from marquee.engines import native
from marquee.engines.home import remembered_ports
from marquee.engines.plan import VARIABLES
from marquee.supervisor import ProcessSpec, Ready, tie_to_parent

STARTING_SECONDS = 120.0
MONGO_TERMS = "MongoDB: a replica set of one, writes wait for majority and journal"
ELASTIC_TERMS = "Elasticsearch: one node, a heap of 1 GiB unless it was started otherwise"
RABBIT_TERMS = "RabbitMQ: one node, quorum queues"


@dataclass(frozen=True)
class Engine:
    """`pid` is 0 for one given by its URL: what it uses can't be told. `terms` say how safely it keeps things."""

    url: str
    pid: int
    terms: str


@contextmanager
def mongo() -> Iterator[Engine]:
    """The one of MARQUEE_MONGO_URL, else a native one of our own."""
    if given := os.environ.get(VARIABLES["mongo"]):
        yield Engine(given, 0, MONGO_TERMS)
        return
    with _home() as home:
        url, (spec,) = native.mongo(home)
        with _running(spec.argv, home / "log", spec.ready) as pid:
            yield Engine(url, pid, MONGO_TERMS)


@contextmanager
def elasticsearch() -> Iterator[Engine]:
    """The one of MARQUEE_ELASTICSEARCH_URL, else a native one of our own, with the product's settings."""
    if given := os.environ.get(VARIABLES["elasticsearch"]):
        yield Engine(given, 0, ELASTIC_TERMS)
        return
    with _home() as home:
        url, (spec,) = native.elasticsearch(home)
        with _spec_running(spec, home) as pid:
            yield Engine(url, pid, ELASTIC_TERMS)


@contextmanager
def rabbitmq() -> Iterator[Engine]:
    """The one of MARQUEE_AMQP_URL, else a native one of our own."""
    if given := os.environ.get(VARIABLES["amqp"]):
        yield Engine(given, 0, RABBIT_TERMS)
        return
    with _home() as home:
        url, (epmd, broker) = native.amqp(home)
        with _spec_running(epmd, home), _spec_running(broker, home) as pid:
            yield Engine(url, pid, RABBIT_TERMS)


@contextmanager
def postgres() -> Iterator[Engine | None]:
    """None where it is not installed. It refuses to run as root, so there it runs as its own user."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not programs:
        yield None
        return
    user = _user("postgres", "nobody") if os.geteuid() == 0 else ""
    with _home(user) as home:
        data, port = home / "data", remembered_ports(home, "postgres")["postgres"]
        initdb = [str(programs[-1] / "initdb"), f"--pgdata={data}", "--username=bench", "--auth=trust", "--no-sync"]
        subprocess.run([*_as(user), *initdb], check=True, capture_output=True, cwd=home)
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": home,
            "fsync": "on",
            "synchronous_commit": "on",
            "shared_buffers": "512MB",
            "max_wal_size": "4GB",  # no checkpoint in the middle of a measurement
            "max_connections": 200,
        }
        argv = [str(programs[-1] / "postgres"), "-D", str(data)]
        argv += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        ready = _port_answers(port)
        with _running([*_as(user), *argv], home / "log", ready, stop=signal.SIGINT) as pid:
            terms = f"PostgreSQL {programs[-1].parent.name}: fsync on, synchronous_commit on"
            yield Engine(f"postgresql://bench@127.0.0.1:{port}/postgres", pid, terms)


@contextmanager
def redis() -> Iterator[Engine | None]:
    """None where it is not installed and can't be. Every command waits for the append-only file on disk."""
    program = shutil.which("redis-server") or _install("redis-server")
    if program is None:
        yield None
        return
    with _home() as home:
        port = remembered_ports(home, "redis")["redis"]
        argv = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(home), "--save", ""]
        argv += ["--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no"]
        with _running(argv, home / "log", _port_answers(port)) as pid:
            yield Engine(f"redis://127.0.0.1:{port}", pid, "Redis: appendonly yes, appendfsync always")


@contextmanager
def _home(owner: str = "") -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="marquee-bench-"))
    if owner:
        shutil.chown(home, owner)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _spec_running(spec: ProcessSpec, home: Path) -> Iterator[int]:
    with _running(spec.argv, home / f"{spec.name}.log", spec.ready, env=spec.env) as pid:
        yield pid


@contextmanager
def _running(
    argv: Sequence[str],
    log: Path,
    ready: Ready,
    *,
    stop: signal.Signals = signal.SIGTERM,
    env: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """The process id of a program that answers by then. Raises RuntimeError where it does not come up."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env={**os.environ, **(env or {})},
            start_new_session=True,
            preexec_fn=tie_to_parent(),  # noqa: PLW1509  # engines are started before there are threads
        )
    try:
        asyncio.run(_answering(process, ready, log))
        yield process.pid
    finally:
        process.send_signal(stop)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _answering(process: subprocess.Popen[bytes], ready: Ready, log: Path) -> None:
    deadline = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            return await ready()
        except Exception as fault:  # whatever it is, it only means: not yet
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{process.args!r} does not come up:\n{_text(log)}") from fault
        await asyncio.sleep(0.1)


def _text(log: Path) -> str:
    return log.read_text(errors="replace")


def _port_answers(port: int) -> Ready:
    async def ready() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()

    return ready


def _user(*names: str) -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in names if name in known)


def _as(user: str) -> list[str]:
    """The kernel drops the tie to this process where the user changes, so it is asked for anew."""
    if not user:
        return []
    group = str(pwd.getpwnam(user).pw_gid)
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--pdeathsig=INT"]


def _install(package: str) -> str | None:
    """The program of a Debian package, installed where that needs nobody's password."""
    as_root: list[str] = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") is None or (as_root and shutil.which("sudo") is None):
        return None
    print(f"installing Debian package: {package}", file=sys.stderr, flush=True)
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
        argv = [*as_root, "apt-get", *words]
        if subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
            return None
    return shutil.which(package)
