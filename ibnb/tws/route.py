"""The address of this machine that another one sees."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .names import Address


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
