"""The engines as processes of this machine, without Docker. See docs/adr/0005-native-engines.md."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path
from urllib.parse import quote

from marquee.engines import artifacts, readiness, tools
from marquee.engines.home import remembered_ports, remembered_secret, write_private
from marquee.faults import StackError
from marquee.supervisor import ProcessSpec

TOOLS = {
    "mongo": (),
    "amqp": ("rabbitmq-server", "epmd"),
    "elasticsearch": ("java", "mvn", *(("setpriv",) if os.geteuid() == 0 else ())),
}

# Elasticsearch refuses to run with uid 0. As root it runs as `nobody`, yet keeps root's right to pass through
# directories: a home under /root (mode 0700) would be out of its reach otherwise. The other engines run as the
# user who starts the stack anyway, so nothing is given away that they don't have.
_NOT_AS_ROOT = [
    "setpriv",
    "--reuid=nobody",
    "--regid=nogroup",
    "--clear-groups",
    "--pdeathsig=TERM",  # the supervisor's own request is dropped by the change of user
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--securebits=+no_setuid_fixup",  # access(2) would ignore the right else
]


def mongo(home: Path) -> tuple[str, list[ProcessSpec]]:
    """A replica set of one mongod: change streams and majority writes work as in production."""
    data = home / "mongo"
    data.mkdir(parents=True, exist_ok=True)
    port = remembered_ports(home, "mongo")["mongo"]
    argv = [str(artifacts.mongod()), "--replSet=rs0", "--bind_ip=127.0.0.1", f"--port={port}", f"--dbpath={data}"]
    argv += [
        "--wiredTigerCacheSizeGB=1",
        f"--unixSocketPrefix={data}",
        "--setParameter=diagnosticDataCollectionEnabled=0",
    ]
    spec = ProcessSpec("mongo", argv, ready=partial(readiness.mongo_primary, port))
    return f"mongodb://127.0.0.1:{port}/?replicaSet=rs0&w=majority&journal=true", [spec]


def amqp(home: Path) -> tuple[str, list[ProcessSpec]]:
    """RabbitMQ with its own user, and its own epmd in the foreground: the usual one is a daemon that would stay."""
    base = home / "amqp"
    (base / "mnesia").mkdir(parents=True, exist_ok=True)
    ports = remembered_ports(home, "amqp", "amqp-dist", "epmd")
    password = remembered_secret(base / "password")
    cookie = base / ".erlang.cookie"
    if not cookie.exists():
        write_private(cookie, remembered_secret(base / "cookie-seed"))
        cookie.chmod(0o400)
    write_private(
        base / "rabbitmq.conf",
        f"listeners.tcp.1 = 127.0.0.1:{ports['amqp']}\ndefault_user = marquee\ndefault_pass = {password}\n"
        "log.console = true\nlog.console.level = warning\nlog.file = false\n",
    )
    (base / "enabled_plugins").write_text("[].\n")
    (base / "env.conf").write_text("")
    epmd = {"ERL_EPMD_PORT": str(ports["epmd"]), "ERL_EPMD_ADDRESS": "127.0.0.1"}
    env = epmd | {
        "HOME": str(base),
        "RABBITMQ_NODENAME": "marquee@localhost",
        "RABBITMQ_CONF_ENV_FILE": str(base / "env.conf"),
        "RABBITMQ_CONFIG_FILE": str(base / "rabbitmq.conf"),
        "RABBITMQ_DIST_PORT": str(ports["amqp-dist"]),
        "RABBITMQ_MNESIA_BASE": str(base / "mnesia"),
        "RABBITMQ_LOG_BASE": str(base),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(base / "enabled_plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
        # Makes the start script become the Erlang VM, so that signals and the pid are the broker's own.
        "RUNNING_UNDER_SYSTEMD": "true",
    }
    url = f"amqp://marquee:{quote(password, safe='')}@127.0.0.1:{ports['amqp']}/"
    epmd_argv = ["epmd", "-address", "127.0.0.1", "-port", str(ports["epmd"])]
    return url, [
        ProcessSpec("epmd", epmd_argv, env=epmd, ready=partial(readiness.port_answers, ports["epmd"])),
        ProcessSpec(
            "amqp",
            [str(tools.RABBITMQ_SERVER)],
            env=env,
            needs=("epmd",),
            cwd=base,
            ready=partial(readiness.amqp_answers, url),
        ),
    ]


def elasticsearch(home: Path) -> tuple[str, list[ProcessSpec]]:
    """A single node with security on: passwords are asked for, TLS is not, for it never leaves the loopback."""
    base = home / "elasticsearch"
    program = artifacts.elasticsearch()
    ports = remembered_ports(home, "elasticsearch", "elasticsearch-transport")
    env = {
        "ES_JAVA_HOME": str(tools.java_home()),
        "ES_PATH_CONF": str(base / "config"),
        "ES_JAVA_OPTS": "-Xms1g -Xmx1g",
        "ES_TMPDIR": str(base / "tmp"),
    }
    password = _configure_elasticsearch(base, program, ports, env)
    url = f"http://elastic:{quote(password, safe='')}@127.0.0.1:{ports['elasticsearch']}"
    argv = [*_unprivileged(), str(program / "bin" / "elasticsearch")]
    return url, [
        ProcessSpec(
            "elasticsearch", argv, env=env, ready=partial(readiness.elasticsearch_answers, url), ready_timeout=180
        )
    ]


def _configure_elasticsearch(base: Path, program: Path, ports: dict[str, int], env: dict[str, str]) -> str:
    config = base / "config"
    for folder in (config, base / "data", base / "logs", base / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    for name in ("jvm.options", "log4j2.properties", "roles.yml", "role_mapping.yml", "users", "users_roles"):
        if not (config / name).exists():
            shutil.copy(program / "config" / name, config / name)
    (config / "elasticsearch.yml").write_text(
        "cluster.name: marquee\nnode.name: local\ndiscovery.type: single-node\nnetwork.host: 127.0.0.1\n"
        f"http.port: {ports['elasticsearch']}\ntransport.port: {ports['elasticsearch-transport']}\n"
        f"path.data: {base / 'data'}\npath.logs: {base / 'logs'}\n"
        # A nearly full disk must not turn the index read-only: it is small and can be rebuilt.
        "cluster.routing.allocation.disk.threshold_enabled: false\n"
        "xpack.security.enabled: true\nxpack.security.autoconfiguration.enabled: false\n"
        "xpack.security.http.ssl.enabled: false\nxpack.security.transport.ssl.enabled: false\n"
    )
    password = remembered_secret(base / "password")
    if os.geteuid() == 0:
        for path in (base, *base.rglob("*")):
            shutil.chown(path, "nobody", "nogroup")
    if not (config / "elasticsearch.keystore").exists():
        keystore = [*_unprivileged(), str(program / "bin" / "elasticsearch-keystore")]
        done = subprocess.run(
            [*keystore, "add", "--stdin", "--force", "bootstrap.password"],
            input=password, env={**os.environ, **env}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise StackError(f"cannot make Elasticsearch's keystore in {config}: {(done.stdout + done.stderr).strip()}")
    return password


def _unprivileged() -> list[str]:
    return _NOT_AS_ROOT if os.geteuid() == 0 else []
