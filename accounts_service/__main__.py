"""`python -m accounts_service api [--port N] | worker | create-admin EMAIL [--name NAME]`."""

import argparse
import asyncio
import getpass
import sys

from accounts_service.admin import create_admin
from accounts_service.app import create_app, worker
from accounts_service.config import Settings
from service_kit.errors import DomainError
from service_kit.runtime import run_api, run_worker
from service_kit.settings import KitSettings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m accounts_service")
    commands = parser.add_subparsers(dest="command", required=True)
    api = commands.add_parser("api", help="serve HTTP")
    api.add_argument("--host", default="127.0.0.1")
    api.add_argument("--port", type=int, default=8000)
    commands.add_parser("worker", help="send events")
    admin = commands.add_parser("create-admin", help="make an admin; the password is asked for, or read from a pipe")
    admin.add_argument("email")
    admin.add_argument("--name", default="Admin")
    chosen = parser.parse_args()
    if chosen.command == "create-admin":
        return _create_admin(chosen.email, chosen.name)
    settings = Settings()
    if chosen.command == "api":
        run_api(create_app(settings), settings, name="accounts", host=chosen.host, port=chosen.port)
    else:
        run_worker(worker(settings), settings, name="accounts-worker")
    return 0


def _create_admin(email: str, name: str) -> int:
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        user_id = asyncio.run(create_admin(KitSettings(), email, password, name))
    except (DomainError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{user_id}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
