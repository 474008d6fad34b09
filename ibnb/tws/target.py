"""Targets: where a TWS or Gateway should listen, and what is expected there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .likeness import did_you_mean
from .own import LOOPBACK, is_loopback, is_own, plain_address, plain_host

Expectation = Literal["paper", "live"]

HIGHEST_PORT = 65535
WELL_KNOWN: dict[int, tuple[Expectation, str]] = {
    4001: ("live", "Gateway"),
    4002: ("paper", "Gateway"),
    7496: ("live", "TWS"),
    7497: ("paper", "TWS"),
}
"""The ports that TWS and Gateway are set to when installed: what they trade, and which they are."""

NEVER_IN_A_HOST = frozenset(" /@[]\\?#")
WORDS = ("paper", "live", "sim")
ACCEPTED = "paper, live, sim, PORT or HOST:PORT"


class BadTargetError(ValueError):
    """A target that says nothing ibnb can connect to; its text is one line for the user."""


@dataclass(frozen=True)
class Target:
    """One address where a gateway should listen, and the kind of account expected behind it.

    `expects` is None if nothing is known of the port and nobody said.
    """

    host: str
    port: int
    expects: Expectation | None = None

    def __str__(self) -> str:
        """Return the address as a user may write it, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, the same for all the ways to write them: what to compare targets by."""
        return plain_host(self.host), self.port

    @property
    def short(self) -> str:
        """The address as `%ibconnect` takes it, as short as it can be."""
        return str(self.port) if self.host == LOOPBACK else str(self)

    @property
    def expectation_options(self) -> tuple[str, ...]:
        """The options that say what is expected, where the port does not."""
        usual = WELL_KNOWN[self.port][0] if self.port in WELL_KNOWN else None
        return () if self.expects in {None, usual} else ("--expect", str(self.expects))

    @property
    def is_local(self) -> bool:
        """Whether it is this machine: by the loopback, an interface's address or its own name."""
        return is_own(self.host)

    @property
    def is_loopback(self) -> bool:
        """Whether it is the loopback, which tells nothing of whose machine this is."""
        return is_loopback(self.host)


def parse_port(text: str) -> int:
    """Return a port number.

    Raises:
        BadTargetError: it is not a number, or none from 1 to 65535.
    """
    if not (text.isascii() and text.isdigit()):
        raise BadTargetError(f"port {text!r} is not a number: give one from 1 to {HIGHEST_PORT}")
    port = int(text) if len(text) <= len(str(HIGHEST_PORT)) else HIGHEST_PORT + 1
    if not 1 <= port <= HIGHEST_PORT:
        raise BadTargetError(f"port {text} is out of range: give one from 1 to {HIGHEST_PORT}")
    return port


def parse_target(text: str, expect: Expectation | None = None) -> tuple[Target, ...]:
    """Return the addresses that a target names, in the order in which to try them.

    A later one counts only where the one before refused. `expect` overrides what the port expects.

    Raises:
        BadTargetError: the text is none of ``paper``, ``live``, ``PORT``, ``HOST:PORT``.
    """
    text = _joined(text.strip())
    if text in {"paper", "live"}:
        ports = sorted(port for port, (kind, _) in WELL_KNOWN.items() if kind == text)
        return tuple(_target(LOOPBACK, port, expect) for port in ports)
    if text.isdigit():
        return (_target(LOOPBACK, parse_port(text), expect),)
    host, _, port_text = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if not host or any(not char.isprintable() or char in NEVER_IN_A_HOST for char in host):
        raise BadTargetError(f"unknown target {text!r}: give {ACCEPTED}.{_advice(text)}")
    if ":" in host and not bracketed:
        raise BadTargetError(
            f"target {text!r}: write an IPv6 address in brackets, as in [::1]:4002"
        )
    return (_target(host, parse_port(port_text), expect),)


def _joined(text: str) -> str:
    """Return HOST PORT as HOST:PORT."""
    host, _, port = text.partition(" ")
    port = port.strip()
    if not (port.isascii() and port.isdigit()) or host.isdigit():
        return text
    if ":" not in host:
        return f"{host}:{port}"
    try:
        plain_address(host)
    except ValueError:
        return text
    return f"[{host}]:{port}"


def _advice(text: str) -> str:
    """Return what may have been meant: another word, or a host whose port was left out."""
    meant = did_you_mean(text, WORDS)
    is_host = not meant and ":" not in text and all(c.isalnum() or c in "-." for c in text)
    return f" A host needs its port, as in {text}:4002." if text and is_host else meant


def _target(host: str, port: int, expect: Expectation | None) -> Target:
    known = WELL_KNOWN.get(port)
    return Target(host, port, expect or (known[0] if known else None))
