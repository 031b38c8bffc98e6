"""What engines need of the machine, and what they remember."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from marquee.engines import plan_engines, tools
from marquee.engines.home import remembered_ports, remembered_secret
from marquee.faults import ToolMissing

VARIABLES = ("MARQUEE_MONGO_URL", "MARQUEE_AMQP_URL", "MARQUEE_ELASTICSEARCH_URL")


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No engine given by URL, no Docker, no Maven, no RabbitMQ."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "RABBITMQ_SERVER", tmp_path / "rabbitmq-server")


@pytest.mark.usefixtures("bare_machine")
def test_missing_tools_are_one_message_with_the_packages_to_install(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing) as caught:
        plan_engines(tmp_path / "home")
    message = str(caught.value)
    assert "Missing on this machine: rabbitmq-server, epmd" in message
    assert "apt-get install" in message
    assert "rabbitmq-server" in message
    assert "maven" in message
    assert "start Docker" in message
    assert caught.value.exit_code == 2
    assert not (tmp_path / "home").exists()


@pytest.mark.usefixtures("bare_machine")
def test_engines_given_by_url_need_nothing_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, f"x://{variable}")
    plan = plan_engines(tmp_path / "home")
    assert plan.specs == []
    assert plan.urls.as_env() == {variable: f"x://{variable}" for variable in VARIABLES}


def test_ports_are_kept_from_run_to_run_unless_somebody_took_one(tmp_path: Path) -> None:
    first = remembered_ports(tmp_path, "one", "two")
    assert remembered_ports(tmp_path, "one", "two") == first
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", first["one"]))
        squatter.listen()
        moved = remembered_ports(tmp_path, "one", "two")
    assert moved["one"] != first["one"]
    assert moved["two"] == first["two"]


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secret"
    secret = remembered_secret(path, prefix="whsec_")
    assert secret.startswith("whsec_")
    assert len(secret) > 30
    assert remembered_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
