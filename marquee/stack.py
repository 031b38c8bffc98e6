"""The local stack: engines, services and the sandboxes under one supervisor, with one home directory."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import httpx2
from prometheus_client.multiprocess import mark_process_dead
from pydantic.alias_generators import to_camel

from marquee.engines import plan_engines
from marquee.engines.home import remembered_ports, remembered_secret, write_private
from marquee.engines.readiness import port_answers
from marquee.faults import StackError
from marquee.services import PARTNER_SANDBOX_MODULE, SANDBOX_MODULE, worker_processes
from marquee.supervisor import ProcessSpec, Supervisor, cancel_on_signals
from service_kit.clock import SystemClock
from service_kit.ids import new_id
from service_kit.metrics import SHARED as SHARED_METRICS
from service_kit.tokens import Role, issue_token, load_or_create_key

HOST = "127.0.0.1"
_LEAST_FREE_BYTES = 1 << 30
_TOKEN_TTL = timedelta(days=30)
_GRACE = 12.0  # more than service_kit.runtime gives requests in flight


@dataclass(frozen=True)
class StackOptions:
    """What `marquee up` was asked for."""

    home: Path
    port: int = 8000
    workers: int = 1
    limits: Literal["on", "off"] = "on"


@dataclass(frozen=True)
class StackInfo:
    """What stack.json tells clients and checks."""

    url: str
    admin_token: str
    service_token: str
    webhook_secret: str
    sandbox_url: str
    partner_url: str
    mongo_url: str
    amqp_url: str
    elasticsearch_url: str
    pids: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> str:
        return json.dumps({to_camel(name): value for name, value in asdict(self).items()}, indent=2) + "\n"


class Home:
    """The stack's directory: data of the engines, keys, logs, stack.json. One running stack at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.stack_file = self.path / "stack.json"
        self.metrics = self.path / "run" / "metrics"

    def token(self, role: Role) -> str:
        """A token signed with this home's own key; its subject is new."""
        key = load_or_create_key(self.signing_key)
        return issue_token(key, subject=new_id(), role=role, ttl=_TOKEN_TTL, clock=SystemClock())

    @property
    def signing_key(self) -> Path:
        return self.path / "keys" / "signing.pem"

    def secret(self, name: str, prefix: str = "") -> str:
        return remembered_secret(self.path / "keys" / name, prefix=prefix)

    def running_stack(self) -> dict[str, Any]:
        """What stack.json says. Raises StackError when no stack runs on this home now."""
        with contextlib.suppress(FileNotFoundError), (self.path / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stack: dict[str, Any] = json.loads(self.stack_file.read_text())
                return stack
        raise StackError(f"No stack is running on {self.path}. Start one by `marquee up`.")

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Holds the home for one stack. Raises StackError when it is in use, unwritable or out of space."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("keys", "logs", "run"):
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
            probe = self.path / "run" / "probe"
            write_private(probe, "x" * 65536)
            probe.unlink()
        except OSError as fault:
            raise StackError(f"Cannot write to the home directory {self.path}: {fault.strerror}.") from fault
        free = shutil.disk_usage(self.path).free
        if free < _LEAST_FREE_BYTES:
            raise StackError(
                f"Only {free >> 20} MiB are free where {self.path} is; the stack needs {_LEAST_FREE_BYTES >> 20} MiB. "
                "Make room or choose another place with --home."
            )
        with self._lock():
            try:
                yield
            finally:
                self.stack_file.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as fault:
                raise StackError(
                    f"A stack is running on {self.path} already. Stop it, or choose another --home."
                ) from fault
            yield


@contextlib.contextmanager
def bound_socket(port: int) -> Iterator[socket.socket]:
    """The API's listening socket. The supervisor owns it, so the address outlives every API process."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as fault:
            raise StackError(
                f"Port {port} on {HOST} is not free ({fault.strerror}). Choose another with --port."
            ) from fault
        listener.listen(2048)
        yield listener


def say(line: str) -> None:
    """Progress, for people: never on stdout, which belongs to the one line `ready …`."""
    print(line, file=sys.stderr, flush=True)


def run_stack(options: StackOptions, when_ready: Callable[[StackInfo], Awaitable[bool]]) -> None:
    """Brings everything up, calls `when_ready`, and stays until a signal comes, or at once ends if it returns False.

    Raises StackError when anything won't start or won't stay. Whatever happens, no process is left.
    """
    home = Home(options.home)
    quietly = contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError)
    with _interruptible(), quietly, home.claimed(), bound_socket(options.port) as listener:
        # Downloads come before the event loop: the signal's exception ends them at once.
        plan = plan_engines(home.path / "engines", say)
        say("engines: " + ", ".join(f"{engine} {origin}" for engine, origin in plan.origins.items()))
        ports = remembered_ports(home.path, "sandbox", "partner-sandbox")
        info = StackInfo(
            url=f"http://{HOST}:{listener.getsockname()[1]}",
            admin_token=home.token("admin"),
            service_token=home.token("service"),
            webhook_secret=home.secret("webhook-secret", "whsec_"),
            sandbox_url=f"http://{HOST}:{ports['sandbox']}",
            partner_url=f"http://{HOST}:{ports['partner-sandbox']}",
            **asdict(plan.urls),
        )
        shutil.rmtree(home.metrics, ignore_errors=True)
        home.metrics.mkdir()
        specs = [*plan.specs, *_service_specs(home, info, options, listener.fileno(), plan.names)]
        asyncio.run(_supervise(home, info, specs, when_ready))


async def _supervise(
    home: Home, info: StackInfo, specs: list[ProcessSpec], when_ready: Callable[[StackInfo], Awaitable[bool]]
) -> None:
    known: set[int] = set()

    def write(pids: dict[str, int]) -> None:
        write_private(home.stack_file, replace(info, pids=pids).as_json())
        for pid in known - set(pids.values()):
            mark_process_dead(pid, str(home.metrics))  # type: ignore[no-untyped-call]
        known.clear()
        known.update(pids.values())

    supervisor = Supervisor(specs, home.logs, say=say, pids_changed=write)
    cancel_on_signals()
    try:
        await supervisor.start()
        if await supervisor.unless_one_fails(when_ready(replace(info, pids=supervisor.pids))):
            await supervisor.unless_one_fails(asyncio.Event().wait())
    finally:
        say("stopping")
        await supervisor.stop()


def _service_specs(
    home: Home, info: StackInfo, options: StackOptions, fd: int, engines: tuple[str, ...]
) -> list[ProcessSpec]:
    """The processes of ours: the sandbox gateway, the sandbox theatre, the API processes on one socket, the worker."""
    env = _service_env(home, info, options)
    root = Path(__file__).parents[1]  # so that packages are found without being installed
    run = home.path / "run"

    def local(name: str, *arguments: str, check: str = "") -> ProcessSpec:
        mark = run / f"{name}.ready"
        argv = [sys.executable, "-m", "marquee.local", *arguments, "--mark", str(mark)]
        ready = partial(_marked_ready, mark, check)
        clear = ["rm", "-f", str(mark)]
        return ProcessSpec(name, argv, ready, env, engines, cwd=root, pass_fds=(fd,), before=clear, stop_timeout=_GRACE)

    def sandbox(name: str, module: str, url: str) -> ProcessSpec:
        port = int(url.rpartition(":")[2])
        argv = [sys.executable, "-m", module, "--port", str(port)]
        return ProcessSpec(name, argv, partial(port_answers, port), env, cwd=root)

    names = [f"api-{number}" for number in range(1, options.workers + 1)]
    return [
        sandbox("sandbox", SANDBOX_MODULE, info.sandbox_url),
        sandbox("partner-sandbox", PARTNER_SANDBOX_MODULE, info.partner_url),
        *(local(name, "api", "--fd", str(fd), check=f"{info.url}/readyz") for name in names),
        *(local(name, "worker", name) for name in worker_processes()),
    ]


def _service_env(home: Home, info: StackInfo, options: StackOptions) -> dict[str, str]:
    return {
        "MARQUEE_MONGO_URL": info.mongo_url,
        "MARQUEE_AMQP_URL": info.amqp_url,
        "MARQUEE_ELASTICSEARCH_URL": info.elasticsearch_url,
        "MARQUEE_PUBLIC_URL": info.url,
        "MARQUEE_JWKS_URL": f"{info.url}/.well-known/jwks.json",
        "MARQUEE_SERVICE_TOKEN": info.service_token,
        "MARQUEE_LIMITS": options.limits,
        "MARQUEE_SIGNING_KEY_FILE": str(home.signing_key),
        "MARQUEE_STRIPE_API_KEY": home.secret("stripe-key", "sk_test_"),
        "MARQUEE_STRIPE_BASE_URL": info.sandbox_url,
        "MARQUEE_WEBHOOK_SECRETS": info.webhook_secret,
        "MARQUEE_SANDBOX_STATE": str(home.path / "sandbox.sqlite"),
        "MARQUEE_TICKET_SECRET": home.secret("ticket-secret"),
        "MARQUEE_HOOKS_SECRET": home.secret("hooks-secret"),
        "MARQUEE_PARTNER_KEY": home.secret("partner-key"),
        "MARQUEE_PARTNER_PRIVATE_HOSTS": private_hosts(info.partner_url),
        "MARQUEE_PARTNER_SANDBOX_URL": info.partner_url,
        "MARQUEE_PARTNER_SANDBOX_SECRET": home.secret("partner-sandbox-secret", "psk_"),
        "MARQUEE_PARTNER_SANDBOX_STATE": str(home.path / "partner-sandbox.sqlite"),
        SHARED_METRICS: str(home.metrics),
    }


def private_hosts(partner_url: str) -> str:
    """The sandbox theatre beside those that the environment allows."""
    given = os.environ.get("MARQUEE_PARTNER_PRIVATE_HOSTS", "")
    return ",".join(filter(None, [partner_url.removeprefix("http://"), given]))


async def _marked_ready(mark: Path, check: str) -> None:
    """The process itself says by a file that it started; API processes share one address, so asking is not enough."""
    if not mark.exists():  # noqa: ASYNC240  # one stat of a local file
        raise RuntimeError("still starting")
    if check:
        async with httpx2.AsyncClient(timeout=5) as client:
            answer = await client.get(check)
        if answer.status_code != 200:
            raise RuntimeError(f"{check} says {answer.text}")


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt, as Ctrl-C does, until the event loop takes both over."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
