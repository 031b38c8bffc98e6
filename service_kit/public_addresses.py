"""Which addresses belong to the public internet: for whoever connects to where somebody else says."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

# The special-purpose registries of IANA, and what carries an IPv4 address within.
NOT_PUBLIC_4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
# Of IPv6 only this is given out at all, so that mapped, NAT64, local and multicast addresses are all outside.
GLOBAL_UNICAST = IPv6Network("2000::/3")
NOT_PUBLIC_6 = [
    IPv6Network(text)
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "3ffe::/16")
]

Address = IPv4Address | IPv6Address


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, and to it alone."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_4)
    return address in GLOBAL_UNICAST and not any(address in network for network in NOT_PUBLIC_6)
