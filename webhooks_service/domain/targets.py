"""Which addresses a webhook may be sent to: a URL is an order to us to open a connection, given by somebody else.

Only public addresses, only https, no credentials, no privileged port but 443. Hosts are spelled in one way: a parser
that reads `0x7f.1` or `2130706433` as an address is never asked.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from service_kit.errors import Invalid
from service_kit.public_addresses import Address, is_public

LONGEST_URL = 2_000
HTTPS_PORT = 443
LEAST_UNPRIVILEGED = 1_024
URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::(?P<port>[1-9][0-9]{0,4}))?(?P<rest>[/?][!-~]*)?",
    re.IGNORECASE | re.ASCII,
)
LABEL = re.compile(r"[0-9a-z]([0-9a-z_-]{0,61}[0-9a-z])?", re.ASCII)
# What some resolver takes for a number, and thereby the whole host for an IPv4 address.
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


class TargetRefused(Invalid):
    """No webhook may be sent there."""

    slug, title = "webhook-url-refused", "Webhooks can't be sent to this URL"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, faults=[("/url", reason)])


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart; `url` is the spelling that is sent. `address` where the host is one."""

    url: str
    secure: bool
    host: str
    port: int
    address: Address | None


@dataclass(frozen=True, slots=True)
class PrivateTarget:
    """A network that is reached although it isn't public, on one port or (None) any."""

    network: IPv4Network | IPv6Network
    port: int | None

    def covers(self, address: Address, port: int) -> bool:
        return self.port in {None, port} and address.version == self.network.version and address in self.network


@dataclass(frozen=True, slots=True)
class Rules:
    """`private`: what is let through beside public addresses."""

    private: Sequence[PrivateTarget] = ()

    def read(self, url: str) -> Target:
        """The URL taken apart. Raises TargetRefused."""
        target = parse_url(url)
        if not target.secure and not self.private:
            raise TargetRefused("Must be https")
        return target

    def check(self, target: Target, addresses: Sequence[Address]) -> None:
        """Raise TargetRefused unless each of the addresses that the host has may be reached."""
        if not addresses:
            raise TargetRefused("The host has no address")
        others = [each for each in addresses if not any(own.covers(each, target.port) for own in self.private)]
        if not others:
            return
        if not target.secure:
            raise TargetRefused("Must be https")
        if target.port != HTTPS_PORT and target.port < LEAST_UNPRIVILEGED:
            raise TargetRefused(f"The port must be {HTTPS_PORT} or at least {LEAST_UNPRIVILEGED}")
        if not all(map(is_public, others)):
            raise TargetRefused("The host has an address that is not public")


def parse_url(url: str) -> Target:
    """Raises TargetRefused."""
    match = URL.fullmatch(url) if len(url) <= LONGEST_URL else None
    if match is None or "#" in url:
        raise TargetRefused("Must be an https URL in ASCII, with neither credentials nor a fragment")
    secure = match["scheme"].lower() == "https"
    host = match["host"].lower()
    address = _address(host)
    if address is None:
        _check_name(host)
    port = int(match["port"] or (HTTPS_PORT if secure else 80))
    if port > 65_535:
        raise TargetRefused("The port must be at most 65535")
    rest = match["rest"] or "/"
    place = f":{port}" if match["port"] else ""
    spelled = f"http{'s' if secure else ''}://{host}{place}{'' if rest.startswith('/') else '/'}{rest}"
    return Target(spelled, secure, host.strip("[]"), port, address)


def _address(host: str) -> Address | None:
    """The address that a host is; None for a name. Raises TargetRefused for an address in an odd spelling."""
    last = host.rpartition(".")[2]
    if not host.startswith("[") and not NUMBER.fullmatch(last):
        return None
    try:
        return IPv6Address(host.strip("[]")) if host.startswith("[") else IPv4Address(host)
    except ValueError as error:
        raise TargetRefused("The host is neither a name nor an address in its usual spelling") from error


def _check_name(host: str) -> None:
    if len(host) > 253 or not all(LABEL.fullmatch(label) for label in host.split(".")):
        raise TargetRefused("The host is not a name")


def parse_private(text: str) -> PrivateTarget:
    """`10.1.0.0/16`, `127.0.0.1:9000`, `fd00::/8` or `[fd00::/8]:9000`. Raises ValueError."""
    port = ""
    if text.startswith("["):
        network, _, port = text[1:].partition("]")
        if port and not port.startswith(":"):
            raise ValueError(f"{text} is no network with a port")
        port = port[1:]
    elif text.count(":") == 1:
        network, _, port = text.partition(":")
    else:
        network = text
    return PrivateTarget(ip_network(network), int(port) if port else None)


def parse_address(text: str) -> Address:
    return ip_address(text)
