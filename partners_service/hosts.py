"""Whom we call: hosts of the allow-list alone, and only where their names lead to where they should.

A name is looked up once for each call, and the connection is made to one of those very addresses.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from service_kit.errors import Invalid
from service_kit.public_addresses import Address, is_public
from service_kit.resolving import Resolve

PORTS = {"https": 443, "http": 80}
# What is signed is the path as it stands here: clients encode all else on the way, each in its own manner (RFC 3986).
PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
DOTS = {".", ".."}


class HostNotAllowed(Invalid):
    slug, title = "host-not-allowed", "This host is not on the list of those that may be called"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, faults=[("/url", detail)])


@dataclass(frozen=True, slots=True)
class Place:
    """What to ask for, and the addresses where its host is now; `path` is that of the URL."""

    url: str
    path: str
    addresses: Sequence[Address]


class Hosts:
    """`allowed` over HTTPS at public addresses, `private` anywhere; each `host` or `host:port`."""

    def __init__(self, allowed: Collection[str], private: Collection[str]) -> None:
        self._allowed = {_with_port(host) for host in allowed}
        self._private = {_with_port(host) for host in private}

    def require(self, url: str) -> tuple[str, str, int, str]:
        """Scheme, host, port and path of an address that may be called. Raises HostNotAllowed."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").encode("idna").decode(), parts.port
        except ValueError as error:
            raise HostNotAllowed("This is no web address") from error
        if parts.scheme not in PORTS or not host or parts.username is not None or parts.query or parts.fragment:
            raise HostNotAllowed("Give https://host[:port][/path] and nothing more")
        if not PATH.fullmatch(parts.path) or not DOTS.isdisjoint(unquote(parts.path).split("/")):
            raise HostNotAllowed("The path may have letters, digits, usual signs and %XX, and no steps such as ..")
        port = port or PORTS[parts.scheme]
        private = (host, port) in self._private
        if not private and (host, port) not in self._allowed:
            raise HostNotAllowed(f"{host}:{port} is not on the list of those that may be called")
        if parts.scheme != "https" and not private:
            raise HostNotAllowed("Only HTTPS is safe on the way there")
        return parts.scheme, host, port, parts.path.rstrip("/")

    async def find(self, url: str, path: str, resolve: Resolve) -> Place:
        """Where `path` below `url` is now. Raises HostNotAllowed, and OSError for a name that leads nowhere."""
        scheme, host, port, base = self.require(url)
        addresses = [ip_address(address) for address in await resolve(host)]
        if (host, port) not in self._private:
            for address in addresses:
                if not is_public(address):
                    raise HostNotAllowed(f"{host} leads to {address}, which is not a public address")
        named = f"[{host}]" if ":" in host else host
        return Place(f"{scheme}://{named}:{port}{base}{path}", base + path, addresses)


def _with_port(host: str) -> tuple[str, int]:
    name, _, port = host.rpartition(":")
    bare = ":" in name and not name.endswith("]")  # an IPv6 address without brackets has no port
    return (name.strip("[]"), int(port)) if port.isdigit() and name and not bare else (host.strip("[]"), PORTS["https"])
