"""The native engines under their supervisor: they come up, come back, and go without a trace."""

from __future__ import annotations

import ipaddress
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import httpx2
import psutil
import pytest
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPConnectionError
from pymongo import MongoClient

from marquee.engines.readiness import amqp_answers
from tests.servers.processes import family, family_env, wait_until, wait_until_gone


class Engines:
    """A running `python -m marquee.engines` of this test, with nothing given by URL."""

    def __init__(self, home: Path) -> None:
        self.env = family_env()
        env = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        argv = [sys.executable, "-m", "marquee.engines", "--home", str(home)]
        self.log = (home / "stderr").open("w")
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=self.log, text=True, env={**env, **self.env}
        )
        self.urls: dict[str, str] = {}
        for line in self.process.stdout or ():
            if line.strip() == "ready":
                return
            name, _, value = line.partition("=")
            self.urls[name] = "".join(shlex.split(value))
        self.close()
        raise RuntimeError((home / "stderr").read_text())

    def pid_of(self, program: str) -> int:
        (pid,) = [pid for pid in family(self.env) if psutil.Process(pid).name() == program]
        return pid

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.log.close()
        for pid in family(self.env):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="marquee-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def engines(home: Path) -> Iterator[Engines]:
    running = Engines(home)
    yield running
    running.close()


def test_everything_listens_on_the_loopback_only(engines: Engines) -> None:
    listening = [
        connection.laddr.ip
        for pid in family(engines.env)
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 5
    assert all(ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback for address in listening)


def test_passwords_are_asked_for_and_stand_on_no_command_line(engines: Engines) -> None:
    origin = "http://" + engines.urls["MARQUEE_ELASTICSEARCH_URL"].rpartition("@")[2]
    assert httpx2.get(f"{origin}/_cluster/health").status_code == 401
    passwords = [engines.urls[f"MARQUEE_{name}_URL"].split(":")[2].split("@")[0] for name in ("AMQP", "ELASTICSEARCH")]
    for line in family(engines.env).values():
        assert not any(password in line for password in passwords)


async def test_a_killed_mongod_comes_back_at_its_address_with_its_data(engines: Engines) -> None:
    with MongoClient[dict[str, object]](engines.urls["MARQUEE_MONGO_URL"]) as client:
        client.kept.notes.insert_one({"_id": "before the crash"})
        mongod = engines.pid_of("mongod")
        os.kill(mongod, signal.SIGKILL)
        assert client.kept.notes.find_one() == {"_id": "before the crash"}
        assert engines.pid_of("mongod") != mongod


async def test_a_killed_broker_comes_back_at_its_address_with_its_messages(engines: Engines, home: Path) -> None:
    url = engines.urls["MARQUEE_AMQP_URL"]
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        # A quorum queue outlives a kill once its name is on disk, half a second after it was first declared.
        (names,) = home.glob("amqp/mnesia/*/quorum/*/names.dets")
        wait_until(lambda: b"kept" in names.read_bytes(), 10, "the queue's name is on disk")
        await channel.default_exchange.publish(aio_pika.Message(b"before the crash"), "kept")
        broker = engines.pid_of("beam.smp")
        os.kill(broker, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(broker), 10, "the broker is dead")
    async with await connect_patiently(url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        message = await queue.get(timeout=10)
        assert message.body == b"before the crash"


async def connect_patiently(url: str) -> AbstractConnection:
    """A connection to a broker that is still starting."""
    deadline = time.monotonic() + 60
    while True:
        try:
            await amqp_answers(url)
            return await aio_pika.connect(url, timeout=5)
        except (OSError, AMQPConnectionError):
            assert time.monotonic() < deadline


def test_kill_9_of_the_supervisor_ends_every_engine_and_daemon(engines: Engines, home: Path) -> None:
    assert {psutil.Process(pid).name() for pid in family(engines.env)} >= {"mongod", "beam.smp", "epmd", "java"}
    engines.process.kill()
    wait_until_gone(engines.env, 40)


def test_started_again_on_that_home_it_has_the_same_addresses_and_sigterm_leaves_no_process(
    engines: Engines, home: Path
) -> None:
    again = Engines(home)
    try:
        assert again.urls == engines.urls
        again.process.terminate()
        assert again.process.wait(60) == 0
        assert family(again.env) == {}
    finally:
        again.close()
