"""Running a service's processes: an HTTP app under uvicorn, a worker until it is told to stop."""

import argparse
import asyncio
import gc
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import uvicorn
import uvloop
from prometheus_client import start_http_server
from uvicorn.config import STARTUP_FAILURE

from service_kit.logs import configure_logging, get_logger
from service_kit.settings import KitSettings
from service_kit.stopping import STOPPING, Stopping, is_endless

GRACE_SECONDS = 8
STALLED_SECONDS = 1.0


class Server(uvicorn.Server):
    """uvicorn that ends endless answers before it waits for all answers to end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = Stopping()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state[STOPPING] = self._stopping
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.begin()
        asyncio.get_running_loop().call_later(STALLED_SECONDS, self._drop_stalled)
        await super().shutdown(sockets)

    def _drop_stalled(self) -> None:
        """An endless answer whose client has stopped reading can't be ended, only dropped."""
        for connection in list(self.server_state.connections):
            cycle = getattr(connection, "cycle", None)
            if cycle is not None and is_endless(cycle.scope):
                connection.transport.abort()


def spare_collector() -> None:
    """Have the garbage collector leave alone what was loaded at start, and look less often at what is new.

    A busy process makes thousands of objects at a time that live as long as a request; going through them all, and
    through everything that was ever imported, took a tenth of the time of a hold.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def run_api(
    app: Any, settings: KitSettings, *, name: str, host: str = "127.0.0.1", port: int = 8000, fd: int | None = None
) -> None:
    """Serve `app` on host and port, or on a listening socket inherited as `fd`."""
    configure_logging(name, log_format=settings.log_format, level=settings.log_level)
    get_logger(name).info("starting", settings=repr(settings))
    # A shell gives 1,024 files by default, and every stream is one.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=2048,
    )
    server = Server(config)
    spare_collector()
    # Not by uvicorn's own `fd`, which takes it for a Unix socket: then nobody has an address, and answers on a
    # connection that is kept wait 40 ms for the acknowledgement of their own headers.
    listening = None if fd is None else [socket.socket(fileno=fd)]
    with suppress(KeyboardInterrupt):
        server.run(listening)
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def run_worker(worker: AbstractAsyncContextManager[Any], settings: KitSettings, *, name: str) -> None:
    """Enter `worker` and leave it on SIGTERM or SIGINT."""
    configure_logging(name, log_format=settings.log_format, level=settings.log_level)
    get_logger(name).info("starting", settings=repr(settings))
    if settings.metrics_address:
        host, _, port = settings.metrics_address.rpartition(":")
        start_http_server(int(port), host)

    async def main() -> None:
        stop, entered = asyncio.Event(), False
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def on_signal() -> None:
            stop.set()
            if task and not entered:
                task.cancel()  # it may wait for an engine that isn't there

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        with suppress(asyncio.CancelledError):
            async with worker:
                entered = True
                await stop.wait()

    uvloop.run(main())


def main(
    name: str,
    settings: KitSettings,
    *,
    api: Callable[[], Any] | None = None,
    worker: Callable[[], AbstractAsyncContextManager[Any]] | None = None,
) -> None:
    """The command line of a service: `python -m <service> api [--host H] [--port N]` or `… worker`."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}_service")
    commands = parser.add_subparsers(dest="command", required=True)
    if api:
        serve = commands.add_parser("api", help="serve HTTP")
        serve.add_argument("--host", default="127.0.0.1")
        serve.add_argument("--port", type=int, default=8000)
    if worker:
        commands.add_parser("worker", help="run consumers, relay and sweepers")
    chosen = parser.parse_args()
    if chosen.command == "api" and api:
        run_api(api(), settings, name=name, host=chosen.host, port=chosen.port)
    elif worker:
        run_worker(worker(), settings, name=f"{name}-worker")
