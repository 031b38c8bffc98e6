"""Password hashes: argon2id, computed beside the event loop."""

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

T = TypeVar("T")
# OWASP's choice (Password Storage Cheat Sheet): 19 MiB, two passes, one lane; about 25 ms of one core.
HASHER = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19 * 1024, parallelism=1),))


class Passwords:
    """Makes and checks hashes in a few threads: a rush of logins queues up instead of taking all memory."""

    def __init__(self, threads: ThreadPoolExecutor, nobodys_hash: str) -> None:
        self._threads = threads
        self._nobodys_hash = nobodys_hash

    async def hash(self, password: str) -> str:
        return await self._beside(lambda: HASHER.hash(password))

    async def check(self, password: str, hashed: str | None) -> tuple[bool, str | None]:
        """Whether it fits, and a new hash where the kept one is of an older strength.

        Without a hash (no such account) the work is done all the same, so that time doesn't tell.
        """
        fits, renewed = await self._beside(lambda: HASHER.verify_and_update(password, hashed or self._nobodys_hash))
        return (fits, renewed) if hashed else (False, None)

    async def _beside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


@contextmanager
def open_passwords() -> Iterator[Passwords]:
    with ThreadPoolExecutor(os.cpu_count() or 2, thread_name_prefix="argon2") as threads:
        yield Passwords(threads, HASHER.hash(os.urandom(16).hex()))
