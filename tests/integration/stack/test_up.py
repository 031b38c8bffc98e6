"""`marquee up` as its user meets it: the whole stack of ours, on the session's engines."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from marquee.engines import EngineUrls
from tests.servers.engines import remove_namespace
from tests.servers.processes import family, family_env, wait_until, wait_until_gone

PATIENCE = 60.0


class Stack:
    """A running `marquee up` on a port of its own choosing."""

    def __init__(self, home: Path, urls: EngineUrls, namespace: str) -> None:
        self.home = home
        self.family = family_env()
        self.env = {**os.environ, **urls.as_env(), "MARQUEE_NAMESPACE": namespace, **self.family}
        self.lines: queue.Queue[str] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "marquee", "up", "--home", str(home), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.env,
        )
        self._readers = [threading.Thread(target=self._read, args=(pipe,), daemon=True) for pipe in self._pipes()]
        self.errors: list[str] = []
        for reader in self._readers:
            reader.start()

    def wait_ready(self) -> None:
        """Takes the one line of standard output."""
        assert self.lines.get(timeout=PATIENCE) == f"ready {self.info['url']}", self.errors

    @property
    def info(self) -> dict[str, Any]:
        """stack.json as it is now."""
        info: dict[str, Any] = json.loads((self.home / "stack.json").read_text())
        return info

    def get(self, path: str) -> int:
        """The status of an answer; 0 when there is none."""
        try:
            return httpx2.get(f"{self.info['url']}{path}", timeout=20).status_code
        except httpx2.HTTPError:
            return 0

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another `marquee` command of the same user."""
        argv = [sys.executable, "-m", "marquee", *words]
        return subprocess.run(argv, capture_output=True, text=True, env=self.env, timeout=PATIENCE, check=False)

    def close(self) -> None:
        self.process.kill()
        for pid in family(self.family):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        for reader, pipe in zip(self._readers, self._pipes(), strict=True):
            reader.join()
            pipe.close()

    def _pipes(self) -> list[Any]:
        return [self.process.stdout, self.process.stderr]

    def _read(self, pipe: Any) -> None:
        for line in pipe:
            if pipe is self.process.stdout:
                self.lines.put(line.strip())
            else:
                self.errors.append(line.strip())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack") / "home"


@pytest.fixture(scope="module")
def own_namespace(engine_urls: EngineUrls, namespace: str) -> Iterator[str]:
    """Other tests' services must not take these stacks' messages."""
    yield f"{namespace}up"
    remove_namespace(engine_urls, f"{namespace}up")


@pytest.fixture(scope="module")
def stack(home: Path, engine_urls: EngineUrls, own_namespace: str) -> Iterator[Stack]:
    running = Stack(home, engine_urls, own_namespace)
    try:
        running.wait_ready()
        yield running
    finally:
        running.close()


def test_stack_json_is_the_contracts_and_its_owners_alone(stack: Stack) -> None:
    assert set(stack.info) == {
        *("url", "adminToken", "serviceToken", "webhookSecret", "sandboxUrl", "partnerUrl"),
        *("mongoUrl", "amqpUrl", "elasticsearchUrl", "pids"),
    }
    assert stat.S_IMODE((stack.home / "stack.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(stack.home.stat().st_mode) == 0o700
    assert stack.info["webhookSecret"].startswith("whsec_")
    assert set(stack.info["pids"]) == {
        *("sandbox", "partner-sandbox", "api-1", "worker", "indexer", "webhooks", "partners")
    }
    assert stack.get("/readyz") == 200


def test_token_makes_tokens_that_the_published_key_verifies(stack: Stack) -> None:
    made = stack.command("token", "--role", "admin", "--home", str(stack.home))
    (key,) = httpx2.get(f"{stack.info['url']}/.well-known/jwks.json").json()["keys"]
    for token, role in ((made.stdout.strip(), "admin"), (stack.info["serviceToken"], "service")):
        claims = jwt.decode(token, jwt.PyJWK(key).key, algorithms=["EdDSA"], audience="marquee", issuer="marquee")
        assert claims["role"] == role
        assert jwt.get_unverified_header(token)["kid"] == key["kid"]


def test_status_lists_processes_and_dependencies(stack: Stack) -> None:
    status = stack.command("status", "--home", str(stack.home))
    assert status.returncode == 0
    for word in ("api-1", "worker", "sandbox", "venues.mongodb", str(stack.info["pids"]["api-1"])):
        assert word in status.stdout


def test_a_second_stack_on_the_same_home_is_refused(stack: Stack) -> None:
    second = stack.command("up", "--home", str(stack.home), "--port", "0")
    assert second.returncode == 1
    assert f"A stack is running on {stack.home} already" in second.stderr
    assert stack.get("/livez") == 200


def test_a_taken_port_is_told_before_anything_is_started(stack: Stack, tmp_path: Path) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = str(squatter.getsockname()[1])
        refused = stack.command("up", "--home", str(tmp_path / "other"), "--port", port)
    assert refused.returncode == 1
    assert f"Port {port} on 127.0.0.1 is not free" in refused.stderr
    assert refused.stdout == ""
    assert not any((tmp_path / "other" / "logs").iterdir())


@pytest.mark.parametrize("name", ["api-1", "worker", "indexer", "webhooks", "partners", "sandbox", "partner-sandbox"])
def test_a_killed_process_comes_back_and_stack_json_says_so(stack: Stack, name: str) -> None:
    before = stack.info["pids"]
    os.kill(before[name], signal.SIGKILL)
    wait_until(lambda: stack.info["pids"].get(name, before[name]) != before[name], PATIENCE, f"{name} is back")
    wait_until(lambda: stack.get("/readyz") == 200, PATIENCE, "the stack is ready")
    after = stack.info["pids"]
    assert {other: after[other] for other in before if other != name} == {
        other: before[other] for other in before if other != name
    }


def test_sigterm_stops_everything_and_the_next_start_has_the_same_secrets(
    stack: Stack, engine_urls: EngineUrls, own_namespace: str
) -> None:
    secret = stack.info["webhookSecret"]
    stack.process.terminate()
    assert stack.process.wait(PATIENCE) == 0
    assert family(stack.family) == {}
    assert not (stack.home / "stack.json").exists()
    assert stack.command("status", "--home", str(stack.home)).returncode == 1
    again = Stack(stack.home, engine_urls, own_namespace)
    try:
        again.wait_ready()
        assert again.info["webhookSecret"] == secret
        again.process.kill()
        wait_until_gone(again.family, 30)
    finally:
        again.close()


def test_sigterm_while_it_starts_leaves_no_process(tmp_path: Path, engine_urls: EngineUrls, own_namespace: str) -> None:
    starting = Stack(tmp_path / "home", engine_urls, own_namespace)
    try:
        wait_until(lambda: len(family(starting.family)) >= 3, PATIENCE, "its processes are starting")
        starting.process.terminate()
        assert starting.process.wait(PATIENCE) == 0
        assert starting.lines.empty()
        assert family(starting.family) == {}
    finally:
        starting.close()
