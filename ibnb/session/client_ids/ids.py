"""Client IDs: stable per notebook, so that orders stay with the workflow that placed them."""

from __future__ import annotations

import getpass
import hashlib
import platform
from functools import cache
from pathlib import Path
from typing import Literal

from ibnb.session.errors import BadInputError

AUTO = "auto"
LOWEST = 1000
HIGHEST = 9999
LARGEST = 2**31 - 1
"""The protocol's client ID is a signed 32-bit number."""


@cache
def stable_client_id(notebook: str) -> int:
    """Return this notebook's client ID, from 1000 to 9999: the same for the same user and machine.

    `notebook` is the notebook's path, or whatever names the workflow where there is none.
    """
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = ""
    origin = f"{user}\0{platform.node()}\0{notebook}"
    digest = hashlib.sha256(origin.encode(errors="surrogatepass")).digest()
    return LOWEST + int.from_bytes(digest[:8], "big") % (HIGHEST - LOWEST + 1)


def parse_client_id(text: str) -> int | Literal["auto"]:
    """Return a client ID, or ``auto`` for the next one that is free.

    Raises:
        BadInputError: it is neither ``auto`` nor a number from 0 to 2147483647.
    """
    text = text.strip()
    if text == AUTO:
        return "auto"
    if text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST)):
        number = int(text)
        if number <= LARGEST:
            return number
    raise BadInputError(f"client ID {text!r}: give a number from 0 to {LARGEST}, or auto")


def next_client_id(client_id: int) -> int:
    """Return the ID to try after this one, within those that notebooks get."""
    return LOWEST if client_id >= HIGHEST or client_id < LOWEST else client_id + 1


def working_directory() -> str:
    """Return the working directory, which names a workflow without a notebook; empty if gone."""
    try:
        return str(Path.cwd())
    except OSError:
        return ""
