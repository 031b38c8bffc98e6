"""Running a service's processes: an HTTP app under uvicorn, a worker until it is told to stop."""

import asyncio
import signal
from contextlib import AbstractAsyncContextManager
from typing import Any

import uvicorn
import uvloop

from service_kit.logs import configure_logging, get_logger
from service_kit.settings import KitSettings

GRACE_SECONDS = 8


def run_api(
    app: Any, settings: KitSettings, *, name: str, host: str = "127.0.0.1", port: int = 8000, fd: int | None = None
) -> None:
    """Serve `app` on host and port, or on a listening socket inherited as `fd`."""
    configure_logging(name, log_format=settings.log_format, level=settings.log_level)
    get_logger(name).info("starting", settings=repr(settings))
    uvicorn.run(
        app,
        host=host,
        port=port,
        fd=fd,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=2048,
    )


def run_worker(worker: AbstractAsyncContextManager[Any], settings: KitSettings, *, name: str) -> None:
    """Enter `worker` and leave it on SIGTERM or SIGINT."""
    configure_logging(name, log_format=settings.log_format, level=settings.log_level)
    get_logger(name).info("starting", settings=repr(settings))

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with worker:
            await stop.wait()

    uvloop.run(main())
