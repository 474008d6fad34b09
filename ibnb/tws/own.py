"""What of the network is this machine itself: the loopback, its own addresses, its own names."""

from __future__ import annotations

import ipaddress
import socket
import time
from functools import lru_cache

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = frozenset(
    {"localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback"}
)
KEPT_SECONDS = 5.0
"""How long the list of interfaces is kept: networks come and go, and a report asks many times."""


def plain_address(text: str) -> IpAddress:
    """Return an address without its interface, and as IPv4 where IPv6 only wraps one.

    Raises:
        ValueError: the text is not an address.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(maxsize=64)
def plain_host(host: str) -> str:
    """Return the one way to write a host; the loopback's names and addresses are one host.

    Names are not resolved. The other addresses of the loopback's net stay apart: a port may be
    published on one of them alone.
    """
    name = _folded(host)
    try:
        address = plain_address(name)
    except ValueError:
        return LOOPBACK if name in LOOPBACK_NAMES else name
    is_sixth = address.version == 6 and address.is_loopback  # noqa: PLR2004 - of the protocol
    return LOOPBACK if is_sixth or address.is_unspecified else str(address)


def is_loopback(host: str) -> bool:
    """Say whether a host is the loopback: by address, unspecified ones too, or by its usual name.

    A connection to 0.0.0.0 or :: goes to the loopback.
    """
    try:
        address = plain_address(host)
    except ValueError:
        return _folded(host) in LOOPBACK_NAMES
    return address.is_loopback or address.is_unspecified


def is_own(host: str) -> bool:
    """Say whether a host is this machine, as far as that is known without any name service."""
    if is_loopback(host):
        return True
    try:
        return plain_address(host) in own_addresses()
    except ValueError:
        return _folded(host) in _own_names()


def own_addresses() -> frozenset[IpAddress]:
    """Return the addresses of this machine's interfaces; none if the system does not tell."""
    return _addresses_at(int(time.monotonic() / KEPT_SECONDS))


@lru_cache(maxsize=1)
def _addresses_at(_period: int) -> frozenset[IpAddress]:
    try:
        import psutil

        found = psutil.net_if_addrs()
    except Exception:  # noqa: BLE001 - no psutil, no right to ask, or an error of psutil's own
        return frozenset()
    families = {socket.AF_INET, socket.AF_INET6}
    listed = [one.address for rows in found.values() for one in rows if one.family in families]
    return frozenset(plain_address(address) for address in listed)


def _own_names() -> frozenset[str]:
    own = _folded(socket.gethostname())
    short = own.partition(".")[0]
    return frozenset({own, short, f"{short}.local"} if own else ())


def _folded(host: str) -> str:
    return host.lower().removesuffix(".")
