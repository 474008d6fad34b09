"""Host names: the addresses that they lead to, within a time limit."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

Address = tuple[socket.AddressFamily, int, int, Any]
"""Family, kind and protocol of a socket, and what to connect it to."""


class UnresolvedError(Exception):
    """A name leads to no address; the text says which and why, in a few words."""


async def resolve(host: str, port: int, timeout: float) -> tuple[Address, ...]:
    """Return the addresses of a TCP port, in the order in which they are to be tried.

    A name service that does not answer keeps a thread of the loop's executor for longer than that.

    Raises:
        UnresolvedError: the name does not resolve, or not within `timeout` seconds.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise UnresolvedError(f"the name {host!r} was not resolved within {timeout:g} s") from None
    except (OSError, ValueError) as error:
        # ValueError: a name that cannot even be asked for, such as one with an empty label.
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UnresolvedError(f"the name {host!r} does not resolve ({reason})") from None
    return tuple((family, kind, proto, address) for family, kind, proto, _, address in found)
