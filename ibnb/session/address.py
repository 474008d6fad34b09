"""What a gateway can have only one connection of: an address."""

from __future__ import annotations

from ibnb.tws.own import plain_host

Address = tuple[str, int, int]
"""Host, port and client ID."""


def address_of(host: str, port: int, client_id: int) -> Address:
    """Return what a gateway can hold only one connection of: host, port and client ID."""
    return plain_host(host), port, client_id


def where(address: Address) -> str:
    """Return an address for people."""
    host, port, client_id = address
    return f"{host}:{port} as client ID {client_id}"
