"""compose.yaml and nginx.conf against the table of services and their routes."""

from __future__ import annotations

from pathlib import Path

import yaml

from marquee.deploy import nginx_conf
from marquee.routing import RouteTable
from marquee.services import SERVICES, apps_to_read

ROOT = Path(__file__).parents[3]


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
                assert value.endswith(":?}"), f"{name}: {variable}"


def test_what_calls_strangers_shares_no_process_with_payments() -> None:
    processes = {service.name: service.worker_process for service in SERVICES if service.worker}
    assert processes["payment"] not in {processes["webhooks"], processes["partners"]}
