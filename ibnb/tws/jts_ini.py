"""What ``jts.ini``, the readable part of a gateway's settings, says.

The API port, the Read-Only switch and "localhost only" are in an encrypted store of each user and
cannot be read. Only the sections that belong to no user are looked at.
"""

from __future__ import annotations

import codecs
import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from . import files
from .target import BadTargetError, parse_port

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NAME = "jts.ini"
LIMIT = 1 << 20
"""So many bytes are read, or characters of a text looked at: real files have a few thousand."""
MOST_ENTRIES = 100
"""So many entries of the trusted addresses are kept."""

TradingMode = Literal["paper", "live"]

_SECTIONS = frozenset({"ibgateway", "logon", "communication"})
_MODES: dict[str, TradingMode] = {"p": "paper", "paper": "paper", "l": "live", "live": "live"}
_FLAGS = {"true": True, "false": False}
_SEPARATORS = re.compile(r"[,;\s]+")
# What is not of these forms is left out: it would be shown, and means nothing to anyone.
_LIKE_ADDRESSES = re.compile(r"[0-9a-fA-F.:*/-]{1,64}")
_TIME_ZONE = re.compile(r"[A-Za-z0-9_+/:-]{1,64}")
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{0,15}")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")


@dataclass(frozen=True)
class JtsSettings:
    """What of the settings is of use to somebody who cannot connect.

    A field is None if the file says nothing of it, or nothing that can be understood. A
    running gateway may have other settings than those that it wrote last.

    Attributes:
        path: The file. It may lead through the user's home folder.
        trusted_ips: The addresses from which the API may be used without asking a person.
        trusted_known: Whether the file has such a list at all; an empty one is known.
        not_addresses: Entries of that list that match nobody, such as ranges.
        api_only: Whether Gateway was set to the API only, and not to FIX.
        trading_mode: What the login window was last set to.
        time_zone: The zone that the login window was last set to.
        locale: The language, as in ``en``.
        region: The region of IBKR's servers, as in ``us``.
        remote_order_routing: The IBKR server that takes the orders.
        local_server_port: A port that the gateway listens on for its own use: no API port.
    """

    path: Path = field(repr=False)
    trusted_ips: tuple[str, ...] = ()
    trusted_known: bool = False
    not_addresses: tuple[str, ...] = ()
    api_only: bool | None = None
    trading_mode: TradingMode | None = None
    time_zone: str | None = None
    locale: str | None = None
    region: str | None = None
    remote_order_routing: str | None = None
    local_server_port: int | None = None

    def is_trusted(self, address: str) -> bool:
        """Say whether an address is on the list: as it is, for Gateway knows no ranges there.

        False also where the list is not known: see `trusted_known`.
        """
        normal = _normal(address)
        return normal is not None and normal in self.trusted_ips


def read_jts_ini(folder: Path) -> JtsSettings | None:
    """Return what the ``jts.ini`` of a settings folder says, or None if none can be read."""
    path = folder / NAME
    data = files.head(path, LIMIT)
    return None if data is None else parse_jts_ini(data, path)


def parse_jts_ini(text: str | bytes, path: Path) -> JtsSettings:
    """Return what the content of a ``jts.ini`` says, whatever it is; of doubles the last counts."""
    seen = text[:LIMIT]
    lines = (
        _decoded(seen) if isinstance(seen, bytes) else seen.removeprefix("\ufeff")
    ).splitlines()
    if len(text) >= LIMIT:
        del lines[-1:]  # half a line could be half an address
    values = _values(lines)
    listed = values.get(("ibgateway", "trustedips"))
    entries = [one for one in _SEPARATORS.split(listed or "") if one][:MOST_ENTRIES]
    return JtsSettings(
        path=path,
        trusted_ips=tuple(dict.fromkeys(filter(None, map(_normal, entries)))),
        trusted_known=listed is not None,
        not_addresses=tuple(
            one for one in entries if _normal(one) is None and _LIKE_ADDRESSES.fullmatch(one)
        ),
        api_only=_FLAGS.get(values.get(("ibgateway", "apionly"), "").lower()),
        trading_mode=_MODES.get(values.get(("logon", "tradingmode"), "").lower()),
        time_zone=_of_form(_TIME_ZONE, values.get(("logon", "timezone"))),
        locale=_of_form(_WORD, values.get(("logon", "locale"))),
        region=_of_form(_WORD, values.get(("communication", "region"))),
        remote_order_routing=_of_form(_HOST, values.get(("ibgateway", "remotehostorderrouting"))),
        local_server_port=_port(values.get(("ibgateway", "localserverport"), "")),
    )


def _decoded(data: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    # All that is looked for is ASCII, so what is in a code page of old may be lost.
    return data.decode(errors="replace")


def _values(lines: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return the values of the sections that are looked at, by section and key in lower case."""
    # configparser raises on many a file that Gateway itself reads, and this is all there is to it.
    section = ""
    values: dict[tuple[str, str], str] = {}
    for line in map(str.strip, lines):
        if line.startswith("["):
            section = line[1:].partition("]")[0].strip().lower()
        elif section in _SECTIONS:
            key, equals, value = line.partition("=")
            if equals:
                values[section, key.strip().lower()] = value.strip()
    return values


def _normal(address: str) -> str | None:
    """Return an address in the one way to write it, without a zone, or None if it is none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found).partition("%")[0]


def _port(text: str) -> int | None:
    try:
        return parse_port(text)
    except BadTargetError:
        return None


def _of_form(form: re.Pattern[str], value: str | None) -> str | None:
    return value if value is not None and form.fullmatch(value) else None
