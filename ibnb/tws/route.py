"""The address of this machine that another one sees."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .names import Address

DISCARD = 9
"""A port that a route is asked for; which one makes no difference."""


def address_towards(addresses: Sequence[Address]) -> str | None:
    """Return the address from which a connection to these would come, or None.

    It is what a gateway there compares with its trusted IPs. Nothing is sent: a datagram socket
    that is connected only chooses its route.
    """
    for family, _, _, address in addresses:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect(address)
                return str(sock.getsockname()[0])
        except OSError:
            continue
    return None


def address_of_route(address: str) -> str | None:
    """Return the address from which a connection to another address would come, or None."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return address_towards([(family, 0, 0, (address, DISCARD))])
