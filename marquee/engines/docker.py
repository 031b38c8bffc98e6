"""The engines as containers of their official images, where a Docker engine answers."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

from marquee.engines import readiness
from marquee.engines.home import remembered_ports, remembered_secret
from marquee.supervisor import ProcessSpec, Ready

IMAGES = {"mongo": "mongo:7", "amqp": "rabbitmq:4-management", "elasticsearch": "elasticsearch:8.19.21"}


def answers() -> bool:
    """Whether there is a Docker client whose engine replies."""
    if shutil.which("docker") is None:
        return False
    return _ok(["docker", "version", "--format", "{{.Server.Version}}"], timeout=10)


def has_image(engine: str) -> bool:
    """Whether the engine's image is here, or could be pulled now."""
    image = IMAGES[engine]
    return _ok(["docker", "image", "inspect", image], timeout=30) or _ok(["docker", "pull", image], timeout=900)


def mongo(home: Path) -> tuple[str, list[ProcessSpec]]:
    """mongod listens inside on the very port it is published at, for a replica set's members have one address."""
    port = remembered_ports(home, "mongo")["mongo"]
    command = ["--replSet=rs0", "--bind_ip_all", f"--port={port}"]
    ready = partial(readiness.mongo_primary, port)
    spec = _container(home, "mongo", ports=(port, port), data="/data/db", env={}, ready=ready, command=command)
    return f"mongodb://127.0.0.1:{port}/?replicaSet=rs0&w=majority&journal=true", [spec]


def amqp(home: Path) -> tuple[str, list[ProcessSpec]]:
    """RabbitMQ under a fixed host name, for its data belongs to the node's name."""
    port = remembered_ports(home, "amqp")["amqp"]
    password = remembered_secret(home / "amqp" / "password")
    url = f"amqp://marquee:{quote(password, safe='')}@127.0.0.1:{port}/"
    secret = {"RABBITMQ_DEFAULT_USER": "marquee", "RABBITMQ_DEFAULT_PASS": password}
    ready = partial(readiness.amqp_answers, url)
    return url, [_container(home, "amqp", ports=(port, 5672), data="/var/lib/rabbitmq", env=secret, ready=ready)]


def elasticsearch(home: Path) -> tuple[str, list[ProcessSpec]]:
    """A single node with security on; TLS off, for it is published on the loopback only."""
    port = remembered_ports(home, "elasticsearch")["elasticsearch"]
    password = remembered_secret(home / "elasticsearch" / "password")
    url = f"http://elastic:{quote(password, safe='')}@127.0.0.1:{port}"
    env = {
        "ELASTIC_PASSWORD": password,
        "ES_JAVA_OPTS": "-Xms1g -Xmx1g",
        "discovery.type": "single-node",
        "xpack.security.http.ssl.enabled": "false",
        "xpack.security.transport.ssl.enabled": "false",
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }
    ready = partial(readiness.elasticsearch_answers, url)
    data = "/usr/share/elasticsearch/data"
    return url, [_container(home, "elasticsearch", ports=(port, 9200), data=data, env=env, ready=ready)]


def _container(
    home: Path,
    engine: str,
    *,
    ports: tuple[int, int],
    data: str,
    env: Mapping[str, str],
    ready: Ready,
    command: Sequence[str] = (),
) -> ProcessSpec:
    """`docker run` in the foreground: it passes SIGTERM on, and the container goes with it.

    Values of the environment are handed over by name, so that no password stands on a command line.
    """
    name = f"marquee-{hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:10]}-{engine}"
    argv = ["docker", "run", "--rm", f"--name={name}", f"--hostname={engine}"]
    argv += [f"--publish=127.0.0.1:{ports[0]}:{ports[1]}", f"--volume={name}:{data}"]
    argv += [word for key in env for word in ("--env", key)]
    return ProcessSpec(
        engine,
        [*argv, IMAGES[engine], *command],
        env=env,
        ready=ready,
        before=["docker", "rm", "--force", name],
        ready_timeout=180,
        stop_timeout=30,
    )


def _ok(argv: list[str], timeout: float) -> bool:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
