"""`python -m payment_service api --port N [--host H]` and `python -m payment_service worker`."""

import argparse

from payment_service.app import create_app, worker
from payment_service.config import Settings
from service_kit.runtime import run_api, run_worker


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m payment_service")
    kinds = parser.add_subparsers(dest="kind", required=True)
    api = kinds.add_parser("api", help="the HTTP app")
    api.add_argument("--port", type=int, required=True)
    api.add_argument("--host", default="127.0.0.1")
    kinds.add_parser("worker", help="webhooks, refunds, the relay")
    options = parser.parse_args()
    settings = Settings()
    if options.kind == "worker":
        run_worker(worker(settings), settings, name="payments-worker")
    else:
        run_api(create_app(settings), settings, name="payments", host=options.host, port=options.port)


if __name__ == "__main__":
    main()
