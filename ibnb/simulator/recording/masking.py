"""What a recording has in the place of accounts, names and addresses: the same for the same."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence

from ibnb.tws.accounts import SHORTEST_NAME, SHORTEST_NUMBER, replace_in
from ibnb.tws.own import is_loopback
from ibnb.tws.redaction import redact

from .places import Places

_ACCOUNT = re.compile(r"(D?[FIU])[A-Z]?\d{5,9}[A-Z]?", re.IGNORECASE)
_MASKED = re.compile(r"D?[FIUX]0\d{6}|masked-\d+")
_NOT_ONE_ACCOUNT = frozenset({"", "All", "0"})
_SIGN = re.compile(r"@|::|(?<!\d)(?:\d{1,3}\.){3}\d{1,3}(?!\d)|(?:[0-9A-Fa-f]{2}[:-]){5}")
"""What a field has that may hold an address, wherever it stands."""
_IN_XML = re.compile(
    r"(<(name|alias|account|acct|string)\b[^<>]*>)([^<>]+)(?=</)", re.IGNORECASE | re.DOTALL
)
_OF_ACCOUNTS = frozenset({"account", "acct", "string"})
_SENTENCE = 20
"""What has blanks, begins with a letter and is longer than this may be a sentence."""
_SAYS_NOTHING = frozenset({"", "0", "none"})


def is_masked(field: str) -> bool:
    """Say whether a field is what stands for an account or a name."""
    return _MASKED.fullmatch(field) is not None


class Masks:
    """Puts replacements in the place of what must not be written, in both directions.

    Args:
        hosts: names of machines that are not to be found in a text.
    """

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        known = {*hosts, socket.gethostname(), socket.getfqdn(socket.gethostname())}
        self._hosts = tuple(sorted(host for host in known if host and not is_loopback(host)))
        self._accounts: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._given: set[str] = set()

    def fields(self, fields: Sequence[str], places: Places) -> tuple[str, ...]:
        """Return the fields of a message as they may be written."""
        masked = list(fields)
        for place, kind in places.items():
            # Accounts first: that they are known lets them be found in the texts.
            if kind == "account" and 0 < place < len(masked):
                masked[place] = self.accounts(masked[place])
        for place, kind in places.items():
            if kind in _PUTS and 0 < place < len(masked):
                masked[place] = _PUTS[kind](self, masked[place])
        told = set(places)
        for place, field in enumerate(masked):
            if place and place not in told and field:
                masked[place] = self._anywhere(field)
        return tuple(masked)

    def accounts(self, field: str) -> str:
        """Return what stands for a list of accounts."""
        return ",".join(self._account(one) for one in field.split(","))

    def name(self, field: str) -> str:
        """Return what stands for a name that somebody has given."""
        if field.strip().lower() in _SAYS_NOTHING:
            return field
        if field in self._accounts or _ACCOUNT.fullmatch(field):
            return self._account(field)
        return self._names.setdefault(field, f"masked-{len(self._names) + 1}")

    def text(self, text: str) -> str:
        """Return a sentence or a document without accounts, names and addresses."""
        text = _IN_XML.sub(self._element, text)
        text = replace_in(text, self._account)
        known = {
            name: put
            for name, put in {**self._names, **self._accounts}.items()
            if _is_telling(name) or (name in self._accounts and len(name) >= SHORTEST_NUMBER)
        }
        there = sorted((name for name in known if name in text), key=len, reverse=True)
        if there:
            either = "|".join(map(re.escape, there))
            rule = rf"(?<![^\W_])(?:{either})(?![^\W_])"
            text = re.sub(rule, lambda match: known[match.group()], text)
        return redact(text, self._hosts, accounts=False)

    def _element(self, match: re.Match[str]) -> str:
        put = self._account if match[2].lower() in _OF_ACCOUNTS else self.name
        return match[1] + put(match[3].strip())

    def _anywhere(self, field: str) -> str:
        """What is known or looks like what is masked goes from the other fields, too."""
        if _is_telling(field):
            known = self._accounts.get(field) or self._names.get(field)
            if known is not None:
                return known
        if _SIGN.search(field) or (len(field) > _SENTENCE and field[0].isalpha() and " " in field):
            return self.text(field)
        return replace_in(field, self._account)

    def _account(self, account: str) -> str:
        if account in _NOT_ONE_ACCOUNT or account in self._given:
            return account
        if account not in self._accounts:
            looks = _ACCOUNT.fullmatch(account)
            # What an account is of is told by its first letters: a D is a paper account.
            head = looks[1].upper() if looks else "DX" if account.startswith("D") else "X"
            put = f"{head}{len(self._accounts) + 1:07}"
            self._accounts[account] = put
            self._given.add(put)
        return self._accounts[account]


_PUTS: Mapping[str, Callable[[Masks, str], str]] = {"name": Masks.name, "text": Masks.text}


def _is_telling(name: str) -> bool:
    """Say whether what has this name is told by it wherever it stands: numbers are anything."""
    is_number = name.lstrip("+-").replace(".", "", 1).isdigit()
    return len(name) >= SHORTEST_NAME and not is_number
