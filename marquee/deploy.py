"""What compose.yaml needs from us: `python -m marquee.deploy nginx`, `… env`, `… site DIR`.

`nginx` prints deploy/nginx.conf, made from the services' own routes. `env` prints the secrets of this checkout's home
for a file `.env` beside compose.yaml. `site` writes the merged OpenAPI document and its pages for the gateway image.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from swagger_ui_bundle import swagger_ui_path

from marquee.gateway import DOCS_ASSETS, docs_page
from marquee.openapi import merged_openapi
from marquee.routing import RoutePattern, RouteTable
from marquee.services import apps_to_read
from marquee.stack import Home

_API_PORT = 8000
_NGINX = """\
# Made by `python -m marquee.deploy nginx` from the services' routes; a test compares the two.
events {{
    # Two for every open stream of a seat map.
    worker_connections 4096;
}}

http {{
    include /etc/nginx/mime.types;
    access_log off;
    client_max_body_size 17m;
    map_hash_bucket_size 512;

{upstreams}

    # By method and path; the second map finds who has the path at all, and will answer 405.
    map "$request_method $uri" $service_of_method {{
{by_method}
        default "";
    }}
    map $uri $service_of_path {{
{by_path}
        default "";
    }}
    map $service_of_method $service {{
        "" $service_of_path;
        default $service_of_method;
    }}

    server {{
        listen 80;

        location = /livez {{
            default_type application/json;
            return 200 '{{"status":"alive"}}';
        }}
        location = /openapi.json {{
            root /site;
        }}
        location = /docs {{
            default_type text/html;
            alias /site/docs.html;
        }}
        location {assets}/ {{
            alias /site/assets/;
        }}
        location / {{
            default_type application/problem+json;
            if ($service = "") {{
                return 404 '{{"type":"https://marquee.example/problems/not-found","title":"Not Found","status":404}}';
            }}
            proxy_pass http://$service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            # Event streams are long and must not wait for a buffer to fill.
            proxy_buffering off;
            proxy_read_timeout 1h;
        }}
    }}
}}
"""


def nginx_conf(patterns: Iterable[RoutePattern]) -> str:
    """The gateway's configuration for these routes."""
    patterns = list(patterns)
    services = sorted({pattern.service for pattern in patterns})
    return _NGINX.format(
        upstreams="\n".join(
            f"    upstream {name} {{\n        server {name}-api:{_API_PORT};\n        keepalive 32;\n    }}"
            for name in services
        ),
        by_method="\n".join(_entry(f"(?:{_methods(p)}) {_bare(p)}", p.service) for p in patterns),
        by_path="\n".join(dict.fromkeys(_entry(_bare(p), p.service) for p in patterns)),
        assets=DOCS_ASSETS,
    )


def _bare(pattern: RoutePattern) -> str:
    return pattern.expression.removeprefix("^").removesuffix("$")


def _methods(pattern: RoutePattern) -> str:
    return "|".join(sorted(pattern.methods)).replace("*", "[A-Z]+")


def _entry(expression: str, service: str) -> str:
    return f'        "~^{expression}$" {service};'


def env_lines(home: Home) -> Iterator[str]:
    """The variables that compose.yaml asks for; the secrets are those of this home."""
    yield f"MARQUEE_UID={os.getuid()}"
    yield f"MARQUEE_SIGNING_KEY_FILE={home.signing_key}"
    yield f"MARQUEE_SERVICE_TOKEN={home.token('service')}"
    yield f"MARQUEE_WEBHOOK_SECRETS={home.secret('webhook-secret', 'whsec_')}"
    yield f"MARQUEE_STRIPE_API_KEY={home.secret('stripe-key', 'sk_test_')}"
    yield f"MARQUEE_PARTNER_SANDBOX_SECRET={home.secret('partner-sandbox-secret', 'psk_')}"
    for name in ("ticket-secret", "hooks-secret", "partner-key", "amqp-password", "elastic-password"):
        yield f"MARQUEE_{name.replace('-', '_').upper()}={home.secret(name)}"


def write_site(folder: Path, openapi: dict[str, object]) -> None:
    """The documentation as plain files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "openapi.json").write_text(json.dumps(openapi))
    (folder / "docs.html").write_bytes(bytes(docs_page().body))
    shutil.copytree(swagger_ui_path, folder / "assets", dirs_exist_ok=True)


def main() -> None:
    """Prints or writes the part asked for."""
    parser = argparse.ArgumentParser(prog="python -m marquee.deploy")
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("nginx")
    env = parts.add_parser("env")
    env.add_argument("--home", type=Path, default=Path(".marquee"))
    parts.add_parser("site").add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.part == "env":
        sys.stdout.writelines(f"{line}\n" for line in env_lines(Home(options.home)))
        return
    apps = apps_to_read()
    if options.part == "nginx":
        sys.stdout.write(nginx_conf(RouteTable(apps).patterns))
    else:
        write_site(options.folder, merged_openapi(apps))


if __name__ == "__main__":
    main()
