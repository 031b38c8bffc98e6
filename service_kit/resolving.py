"""Looking up the addresses of hosts that strangers chose."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

# A look-up blocks a thread for as long as the name servers are silent; so many may at once, apart from other threads.
RESOLVER_THREADS = 32

# The addresses of a host name. Raises OSError.
Resolve = Callable[[str], Awaitable[Sequence[str]]]


@asynccontextmanager
async def system_resolver() -> AsyncIterator[Resolve]:
    """The machine's own resolver, in threads that nobody else waits for."""
    threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")

    def look_up(host: str) -> list[str]:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return [str(address[0]) for *_, address in found]

    async def resolve(host: str) -> Sequence[str]:
        return await asyncio.get_running_loop().run_in_executor(threads, look_up, host)

    try:
        yield resolve
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
