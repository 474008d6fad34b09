"""The address of this machine that another one sees."""

from __future__ import annotations

import socket


def address_towards(host: str, port: int) -> str | None:
    """Return the address from which a connection to that host would come, or None.

    It is what a gateway there compares with its trusted IPs. Nothing is sent: a datagram socket
    that is connected only chooses its route. `host` should be an address already; a name is
    resolved, which may take a while.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, ValueError):
        return None
    for family, kind, proto, _, address in found:
        try:
            with socket.socket(family, kind, proto) as sock:
                sock.connect(address)
                return str(sock.getsockname()[0])
        except OSError:
            continue
    return None
