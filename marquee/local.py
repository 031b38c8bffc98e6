"""`python -m marquee.local api --fd N|--port N` and `… worker [NAME]`: many services in few processes.

The same apps and workers that compose.yaml runs one per container.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from marquee.gateway import create_gateway
from marquee.services import with_api, with_worker, worker_processes
from service_kit.runtime import run_api, run_worker
from service_kit.settings import KitSettings


@asynccontextmanager
async def workers(process: str, started: Callable[[], object]) -> AsyncIterator[None]:
    """The background work of one local process, ended in reverse order."""
    async with AsyncExitStack() as stack:
        for service in with_worker(process):
            await stack.enter_async_context(service.open_worker())
        started()
        yield


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m marquee.local")
    kinds = parser.add_subparsers(dest="kind", required=True)
    api = kinds.add_parser("api", help="every HTTP app behind one origin")
    where = api.add_mutually_exclusive_group(required=True)
    where.add_argument("--fd", type=int, help="a listening socket inherited from the supervisor")
    where.add_argument("--port", type=int)
    worker = kinds.add_parser("worker", help="consumers, relays and sweepers")
    worker.add_argument("name", choices=worker_processes(), default="worker", nargs="?")
    for kind in (api, worker):
        kind.add_argument("--mark", type=Path, help="a file to make once started, for the supervisor to see")
    options = parser.parse_args()
    started = options.mark.touch if options.mark else lambda: None
    settings = KitSettings()
    if options.kind == "worker":
        run_worker(workers(options.name, started), settings, name=options.name)
    else:
        gateway = create_gateway({service.name: service.create_app() for service in with_api()}, started)
        run_api(gateway, settings, name="api", port=options.port or 0, fd=options.fd)


if __name__ == "__main__":
    main()
