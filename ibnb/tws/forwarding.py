"""Programs that listen on a port of this machine and pass on what comes, and whereto."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from .own import plain_address
from .programs import base_name

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOCAT_FROM = re.compile(r"TCP[46]?-L(?:ISTEN)?:(\d{1,5})\b", re.IGNORECASE | re.ASCII)
_SOCAT_TO = re.compile(
    r"TCP[46]?(?:-CONNECT)?:(?:\[([\da-f.:]+)\]|([\d.]+)):\d", re.IGNORECASE | re.ASCII
)
_PORT = re.compile(r"\d{1,5}", re.ASCII)


@dataclass(frozen=True)
class Forwarder:
    """A process that passes on what comes to a port; `towards` is the address it leads to.

    `is_hidden` says that it mostly belongs to the system, whose sockets other users may not see.
    """

    pid: int
    name: str
    port: int
    towards: str | None = None
    is_hidden: bool = False


def forwarder(pid: int, cmdline: Sequence[str]) -> Forwarder | None:
    """Return what a process passes on, as its command line tells; None if it is no such program.

    Known are Docker's own, which belongs to another user and whose sockets are hidden, and socat.
    """
    program = base_name(cmdline[0]) if cmdline else ""
    of_docker = program.startswith("docker-proxy")
    if of_docker:
        options = dict(pairwise(cmdline[1:]))
        port, towards = options.get("-host-port", ""), options.get("-container-ip", "")
    elif program.startswith("socat"):
        text = " ".join(cmdline[1:])
        begun, to = _SOCAT_FROM.search(text), _SOCAT_TO.search(text)
        port, towards = begun[1] if begun else "", (to[1] or to[2]) if to else ""
    else:
        return None
    if not _PORT.fullmatch(port):
        return None
    return Forwarder(pid, program, int(port), _address(towards), of_docker)


def _address(text: str) -> str | None:
    try:
        return str(plain_address(text))
    except ValueError:
        return None
