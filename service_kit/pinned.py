"""HTTP to hosts that somebody else named: to the very addresses that were looked up and checked, and to no others.

A name that leads elsewhere the next moment gains nothing. No proxy of the environment is used, no cookie kept, and no
connection used twice, as it was made to addresses that were looked up for one call. Following no redirect is left to
the call (`allow_redirects=False`).
"""

import socket
import ssl
from collections.abc import Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from service_kit.public_addresses import Address


def pinned_session(addresses: Sequence[Address], tls: ssl.SSLContext) -> aiohttp.ClientSession:
    """For one call. It has no time-out of its own, and leaves bodies packed as they come."""
    connector = aiohttp.TCPConnector(
        resolver=_Pinned(addresses), use_dns_cache=False, force_close=True, ssl=tls, limit=1
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
    )


class _Pinned(AbstractResolver):
    """Answers with the addresses that were checked, whatever is asked."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""
