"""compose.yaml and nginx.conf against the table of services and their routes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from marquee.deploy import nginx_conf
from marquee.routing import RouteTable
from marquee.services import SERVICES, apps_to_read
from marquee.stack import private_hosts

ROOT = Path(__file__).parents[3]
PASSED_ON = ("partners", "webhooks", "payment")


def test_nginx_routes_as_the_services_say() -> None:
    """When this fails: `python -m marquee.deploy nginx > deploy/nginx.conf`."""
    assert (ROOT / "deploy" / "nginx.conf").read_text() == nginx_conf(RouteTable(apps_to_read()).patterns)


def test_compose_runs_each_service_of_the_table_in_containers_of_its_own() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    wanted = {(f"{s.name}-api", f"{s.package} api") for s in SERVICES if s.api}
    wanted |= {(f"{s.name}-worker", f"{s.package} worker") for s in SERVICES if s.worker}
    containers = {name: " ".join(service.get("command", [])) for name, service in compose["services"].items()}
    for name, command in wanted:
        assert containers.pop(name).startswith(command), name
    assert set(containers) == {"mongo", "amqp", "elasticsearch", "gateway", "sandbox", "partner-sandbox"}


def test_no_secret_stands_in_compose_and_every_one_is_demanded() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if any(word in variable for word in ("PASS", "SECRET", "TOKEN", "API_KEY")):
                assert value.startswith("${MARQUEE_"), f"{name}: {variable}"
                # Those of before are there only while they are being replaced.
                assert value.endswith(":-}" if variable.endswith("_BEFORE") else ":?}"), f"{name}: {variable}"


def test_what_a_site_allows_reaches_the_containers_and_nothing_is_allowed_by_default() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for kind in ("api", "worker"):
        partners, webhooks, payment = (services[f"{name}-{kind}"]["environment"] for name in PASSED_ON)
        assert partners["MARQUEE_PARTNER_HOSTS"] == "${MARQUEE_PARTNER_HOSTS:-}"
        own, _, given = partners["MARQUEE_PARTNER_PRIVATE_HOSTS"].partition(",")
        assert (own, given) == ("partner-sandbox:8000", "${MARQUEE_PARTNER_PRIVATE_HOSTS:-}")
        assert webhooks["MARQUEE_HOOKS_PRIVATE_TARGETS"] == "${MARQUEE_HOOKS_PRIVATE_TARGETS:-}"
        assert payment["MARQUEE_WEBHOOKS_ARE_HINTS"] == "${MARQUEE_WEBHOOKS_ARE_HINTS:-false}"


def test_settings_that_are_passed_on_empty_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARQUEE_PARTNER_PRIVATE_HOSTS", "partner-sandbox:8000,")
    monkeypatch.setenv("MARQUEE_HOOKS_PRIVATE_TARGETS", "")
    monkeypatch.setenv("MARQUEE_WEBHOOKS_ARE_HINTS", "false")
    monkeypatch.setenv("MARQUEE_HOOKS_SECRET_BEFORE", "")
    partners, webhooks, payment = (
        next(service for service in SERVICES if service.name == name).settings(
            partner_key="none" * 8, hooks_secret="none" * 8
        )
        for name in PASSED_ON
    )
    assert partners.partner_private_hosts == ("partner-sandbox:8000",)
    assert webhooks.hooks_private_targets == ()
    assert webhooks.keys_before(b"secrets") == []
    assert payment.webhooks_are_hints is False


def test_the_local_stack_allows_its_sandbox_beside_what_the_environment_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MARQUEE_PARTNER_PRIVATE_HOSTS", raising=False)
    assert private_hosts("http://127.0.0.1:8002") == "127.0.0.1:8002"
    monkeypatch.setenv("MARQUEE_PARTNER_PRIVATE_HOSTS", "127.0.0.1:9000,theatre:80")
    assert private_hosts("http://127.0.0.1:8002") == "127.0.0.1:8002,127.0.0.1:9000,theatre:80"


def test_what_calls_strangers_shares_no_process_with_payments() -> None:
    processes = {service.name: service.worker_process for service in SERVICES if service.worker}
    assert processes["payment"] not in {processes["webhooks"], processes["partners"]}
