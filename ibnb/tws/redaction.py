"""Taking out of a text what tells of a person, a machine or a login, so that others may read it.

What was there is named in its place, as in ``<address>``: whoever helps can still follow the text.
Patterns decide, so what has no shape of its own (another machine's name, say) has to be handed in.

What others wrote is redacted where it comes in. A sentence of ours that is made of it afterwards is
redacted once more, by shape; but a login that could be a word of it is not looked for there.
"""

from __future__ import annotations

import contextlib
import getpass
import ipaddress
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from .accounts import is_words, mask, mask_in
from .escaping import free_key

Put = Callable[[re.Match[str]], str]
_KINDS = ("address", "email", "host", "mac", "name", "secret", "token", "user")
_OPEN, _SHUT = "\ue000", "\ue001"
"""Around the number of a text that is kept, while the rules are at work."""
_PUT = rf"<(?:{'|'.join(_KINDS)})>"
_REPLACED = re.compile(f"({_PUT})")
_MASKED = r"[A-Za-z][A-Za-z0-9]•••[A-Za-z0-9]{1,3}"
_DONE = rf"(?P<done>{_PUT}|{_MASKED}|{_OPEN}[0-9]+{_SHUT})"
"""What an earlier rule left: no rule may look for anything inside it."""

_LOGIN_VARIABLES = ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER", "JUPYTERHUB_USER")
_SHORTEST_NAME = 2
_NOBODY = frozenset(
    {
        *("admin", "administrator", "daemon", "debian", "default", "demo", "dev", "docker"),
        *("ec2-user", "gateway", "guest", "home", "host", "ib", "ibgateway", "ibkr", "jovyan"),
        *("jupyter", "live", "localhost", "me", "nobody", "notebook", "paper", "pi", "public"),
        *("python", "root", "runner", "runneradmin", "shared", "system", "test", "trader"),
        *("trading", "tws", "ubuntu", "user", "users", "vagrant", "vm"),
    }
)
"""Logins and host names that are the same on thousands of machines, or words of this field."""

_PW = r"(?:(?<![a-z])|(?<=fix)|(?<=tws)|(?<=ib)|(?<=user)|(?-i:(?<=[a-z])(?=P)))pw"
"""IBC's own name of a password, as it is and at the end of another word, and no part of one."""
_OF_WHICH = r"(?:[-_]?(?:paper|live))?"
"""What the images of gateways write behind a key that there is of each kind of account."""
_SENSITIVE_KEY = (
    rf"(?:passwo?r?[dt]|passwd|passphrase|passcode|pwd|{_PW}|kennwort|secret|token|api[-_ ]?key"
    r"|access[-_ ]?key|private[-_ ]?key|authori[sz]ation|cookie|session[-_ ]?id|credential"
    rf"|(?<![a-z])(?:sid|otp|totp|jwt|pass(?==)))s?\d*{_OF_WHICH}"
)
_LOGIN_KEY = rf"(?:user[-_]?(?:name|id)|login[-_]?(?:name|id)|logname){_OF_WHICH}"
_ACCOUNT_KEY = r"acc(?:oun)?t(?:s|[-_ ]?(?:code|name|id|number)s?)?"
_SEPARATOR = r"\\?[\"']?\s?(?:[=:]|:=|=>|%3D)[ \t]*(?:\r?\n[ \t]+)?"
_QUOTED = r"[bru]?(?:\\\"(?:(?!\\\")[^\n])*(?:\\\")?|\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?)"
_HEADER = r"(?:[^\r\n\"']|\"[^\"\r\n]*\")+"
_NOTHING = frozenset({"", "none", "null"})

_HEX = r"[0-9A-Fa-f]"
_OCTET = r"(?:25[0-5]|2[0-4]\d|[01]?\d?\d)"
_SLASH = r"(?:[/\\]+|%2F|%5C)"
_LONG = 24
_CHANGES = 4
"""A random run changes between letter cases and digits at least once in so many characters."""
_FOUR_DIGITS = 0x10000


def redact(
    text: str,
    names: Collection[str] = (),
    *,
    accounts: bool = True,
    keep: Collection[str] = (),
    ours: bool = False,
) -> str:
    """Return a text without what is nobody else's business.

    Replaced are account numbers (``DU•••567``), IP addresses except loopback and unspecified ones,
    MAC addresses, session ids and hashes, values of keys such as ``password``, logins in URLs and
    paths, e-mail addresses, the login name of this process, and `names`, matched as whole words in
    any case. Names that say nothing, as ``root`` and ``localhost``, stay. A version of four numbers
    cannot be told from an address and goes too.

    Args:
        text: any text; what was redacted before stays as it is.
        names: more words to take out, such as the name of the machine.
        accounts: False if account numbers may be shown.
        keep: hosts and addresses that stay as they are, such as those that the reader named.
        ours: True for a sentence of ours, and what we call things: the login of this process, and
            accounts that are known by name, stay in it if they could be words. They were taken out
            of what others wrote when that came in. `names` go in any case.
    """
    logins = (name for name in _own_names() if not (ours and is_words(name)))
    own = _word_rule(tuple(_telling(logins)))
    given = _word_rule(tuple(_telling(names)))
    text, kept = _without_kept(text, keep)
    # What one rule takes out can lay bare to another rule what stood beside it. Each round that
    # changes anything leaves fewer characters that are not done yet, so this ends.
    while (again := _once(text, own, given, accounts=accounts, ours=ours)) != text:
        text = again
    return re.sub(f"{_OPEN}([0-9]+){_SHUT}", lambda match: kept[int(match[1])], text)


def _without_kept(text: str, keep: Collection[str]) -> tuple[str, list[str]]:
    """Return a text with a mark in the place of each that is to be kept, and what each was."""
    kept: list[str] = []

    def put(match: re.Match[str]) -> str:
        kept.append(match.group())
        return f"{_OPEN}{len(kept) - 1}{_SHUT}"

    # A text that brings such marks along would be given what is not there.
    text = text.replace(_OPEN, "\ufffd").replace(_SHUT, "\ufffd")
    rule = _keep_rule(tuple(sorted(keep, key=lambda one: (-len(one), one))))
    return (text if rule is None else rule.sub(put, text)), kept


def redact_value(
    value: Any,
    names: Collection[str] = (),
    *,
    accounts: bool = True,
    keep: Collection[str] = (),
    ours: bool = False,
) -> Any:
    """Return a plain value (as JSON can carry) with every text in it redacted, keys too.

    Numbers, booleans and None stay, except a number under a key such as ``password``. Keys that
    become the same are numbered, so that nothing is lost. What is not a plain value becomes the
    redacted text of its ``repr``. `ours` says that the texts are sentences of ours; keys are what
    we call things anyhow.
    """
    no_words = [name for name in names if not is_words(name)]
    text = partial(redact, names=names, accounts=accounts, keep=keep, ours=ours)
    key = partial(redact, names=no_words, accounts=accounts, keep=keep, ours=True)
    return _Walk(text, key, accounts=accounts).value(value)


class _Walk:
    """Goes through one plain value and redacts every text in it."""

    def __init__(
        self, text: Callable[[str], str], key: Callable[[str], str], *, accounts: bool
    ) -> None:
        self._text = text
        self._key_text = key
        self._accounts = accounts

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            found: dict[Any, Any] = {}
            for key, item in value.items():
                found[free_key(found, self._key(key))] = self._below(key, item)
            return found
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, tuple):
            return tuple(self.value(item) for item in value)
        return self._text(repr(value))

    def _key(self, key: Any) -> Any:
        if key is None or isinstance(key, bool | int | float):
            return key
        return self._key_text(key if isinstance(key, str) else repr(key))

    def _below(self, key: Any, item: Any) -> Any:
        if item is None or isinstance(item, bool) or item == "":
            return item
        if isinstance(key, str):
            if _SECRET_BELOW.search(key):
                return "<secret>"
            if _LOGIN_BELOW.search(key):
                return "<user>"
            if self._accounts and _ACCOUNT_BELOW.search(key):
                return self._account(item)
        return self.value(item)

    def _account(self, item: Any) -> Any:
        """Return what stands under a key such as ``account``: it is one, whatever it looks like."""
        if isinstance(item, str | int):
            return mask(str(item))
        if isinstance(item, list | tuple):
            return type(item)(map(self._account, item))
        return self.value(item)


def _rule(pattern: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile(f"{_DONE}|(?:{pattern})", flags)


def _below(key: str) -> re.Pattern[str]:
    return re.compile(rf"{key}\W*$", re.IGNORECASE)


_SECRET_BELOW, _LOGIN_BELOW, _ACCOUNT_BELOW = map(
    _below, (_SENSITIVE_KEY, _LOGIN_KEY, _ACCOUNT_KEY)
)
_LOGIN_IN_URL = _rule(
    r"(?<=://)(?P<user>[^\s/:@\"'<>]*)(?P<password>:[^\s/\"]*)?@"
    # Whatever a password there holds, as a slash, people write it as it is.
    r"|(?<=redis://|ediss://)(?P<store>[^\s\"]*)@"
    rf"|(?<![\w.+%:/@-])(?P<login>[\w.+%-]*):(?P<secret>[^\s:@/\"'<>]+)@"
    rf"(?=\[|localhost\b|(?:{_OCTET}\.){{3}}|{_OPEN}|[\w-]+(?:\.[\w-]+)*:\d{{2}})",
    re.IGNORECASE,
)
_IN_QUERY = _rule(
    rf"(?P<key>[?&;][\w.-]{{0,40}}?{_SENSITIVE_KEY}=)(?P<value>[^\s&#\"']+)", re.IGNORECASE
)
_IN_HEADER = _rule(
    rf"(?P<key>(?:cookie|authori[sz]ation){_SEPARATOR})(?P<value>{_QUOTED}|{_HEADER})",
    re.IGNORECASE,
)
_AFTER_KEY = _rule(
    rf"(?P<key>{_SENSITIVE_KEY}(?:\\?[\"']?,?\s+\\?[\"']?value)?{_SEPARATOR}"
    rf"|(?<![\w-])--?[\w-]{{0,40}}?(?:{_SENSITIVE_KEY}|pass)\s+)"
    rf"(?P<value>(?!<secret>(?:[^A-Za-z0-9]|$))(?:{_QUOTED}|\S+))",
    re.IGNORECASE,
)
_AFTER_LOGIN_KEY = _rule(
    rf"(?P<key>{_LOGIN_KEY}(?:\\?[\"']?,?\s+\\?[\"']?value)?{_SEPARATOR}"
    rf"|(?<![\w-])--?[\w-]{{0,40}}?{_LOGIN_KEY}\s+|(?<![^\W_])(?:user|login)=|(?<!\S)/(?:fix)?user:)"
    rf"(?P<value>{_QUOTED}|[^\s,;&)]+)",
    re.IGNORECASE,
)
_TO_IBC = _rule(
    rf"(?P<key>\bibcalpha\.ibc\.\w+\s+(?:{_QUOTED}|\S+)\s+)(?P<user>\S+)(?P<blank>\s+)\S+"
)
"""How the controller IBC is started: with its file, the login and the password, without keys."""
_BEARER = _rule(
    r"(?P<key>\bbearer\s+)(?P<value>(?=[^\s\d]*\d|\S{20})[\w.~+/=-]{6,})", re.IGNORECASE
)
_JWT = _rule(r"(?<![A-Za-z0-9])eyJ[\w-]{8,}(?:\.[\w-]+)+")
_EMAIL = _rule(r"(?<![\w.+%-])[\w.+%-]++@(?:[\w-]+\.)+[^\W\d_]{2,}(?![^\W_])")
_USER_AT_ADDRESS = _rule(
    rf"(?<![\w.+%-])[\w.+%-]++(?=@\[?(?:(?:{_OCTET}\.){{3}}|{_HEX}*:|{_OPEN}))"
)
_HOME = _rule(
    rf"(?P<key>{_SLASH}(?:home|Users|Documents and Settings){_SLASH})"
    rf"(?P<value>[^\\/:*?\"<>|\r\n]+?(?=\\)|(?:(?!%2F|%5C)[^\s\\/:*?\"'<>|,;)\]}}])+)",
    re.IGNORECASE,
)
_WIRE_ADDRESS = _rule(
    rf"(?P<mac>(?<![0-9A-Za-z]){_HEX}{{2}}(?P<by>[:-]){_HEX}{{2}}(?:(?P=by){_HEX}{{2}}){{4,}}"
    rf"(?![0-9A-Za-z])|(?<![0-9A-Za-z])(?:{_HEX}{{4}}\.){{2}}{_HEX}{{4}}(?![0-9A-Za-z]))"
    rf"|(?P<ipv6>(?<![0-9A-Za-z_])(?=[0-9A-Fa-f:]{{0,40}}?::|(?:{_HEX}{{1,4}}:){{7}}{_HEX})"
    rf"(?:{_HEX}{{1,4}})?(?::{_HEX}{{0,4}}){{2,9}}(?:(?<=\d)(?:\.\d{{1,3}}){{3}})?(?:%\w+(?:[.-]\w+)*)?"
    r"(?![0-9A-Za-z_]))"
)
_IPV4 = _rule(rf"(?<!\d)(?<!\d\.)(?:{_OCTET}\.){{3}}{_OCTET}(?!\d)(?!\.\d)")
_UUID = _rule(rf"(?<![0-9A-Za-z]){_HEX}{{8}}-?(?:{_HEX}{{4}}-?){{3}}{_HEX}{{12}}(?![0-9A-Za-z])")
_HEX_RUN = _rule(rf"(?<![0-9A-Za-z])(?:0[xX])?{_HEX}{{16,}}+(?![0-9A-Za-z])")
_PLAIN_RUN = _rule(rf"(?<![0-9A-Za-z])[0-9A-Za-z]{{{_LONG},}}+={{0,2}}")
_MIXED_RUN = _rule(rf"(?<![0-9A-Za-z+_-])[0-9A-Za-z][0-9A-Za-z+/_-]{{{_LONG - 1},}}+={{0,2}}")


def _once(
    text: str,
    own: re.Pattern[str] | None,
    given: re.Pattern[str] | None,
    *,
    accounts: bool,
    ours: bool,
) -> str:
    """Apply every rule."""
    for sign, rule, put in _RULES:
        if sign in text:
            text = _apply(rule, put, text)
    if accounts:
        parts = _REPLACED.split(text)
        parts[::2] = (mask_in(part, ours=ours) for part in parts[::2])
        text = "".join(parts)
    if own is not None:
        text = _apply(own, _as("<user>"), text)
    return text if given is None else _apply(given, _as("<name>"), text)


def _apply(rule: re.Pattern[str], put: Put, text: str) -> str:
    return rule.sub(lambda match: match.group() if match["done"] else put(match), text)


def _as(word: str) -> Put:
    return lambda _match: word


def _value_as(word: str) -> Put:
    def put(match: re.Match[str]) -> str:
        value = match["value"]
        begin = re.match(r"[bru]?(?:\\?\"|')", value)
        if begin is None:
            shown = value if value.strip(",;.)]}").lower() in _NOTHING else word
            return match["key"] + shown
        quote = begin.group().lstrip("bru")
        inside = value[begin.end() :]
        end = quote if inside.endswith(quote) else ""
        inside = inside.removesuffix(quote)
        return match["key"] + begin.group() + (word if inside else "") + end

    return put


def _login_in_url(match: re.Match[str]) -> str:
    if match["login"] is not None or match["password"]:
        return ("<user>" if match["user"] or match["login"] else "") + ":<secret>@"
    if match["store"]:
        return "<secret>@"
    return "<user>@" if match["user"] else "@"


def _to_ibc(match: re.Match[str]) -> str:
    return f"{match['key']}<user>{match['blank']}<secret>"


def _wire_address(match: re.Match[str]) -> str:
    if match["mac"]:
        return "<mac>"
    found = match["ipv6"]
    # A colon at either end belongs to the sentence: "fe80::1: refused".
    head = ":" if found.startswith(":") and not found.startswith("::") else ""
    tail = ":" if found.endswith(":") and not found.endswith("::") else ""
    bare = found.removeprefix(head).removesuffix(tail) if len(found) > 1 else found
    return found if _says_nothing(bare) else f"{head}<address>{tail}"


def _says_nothing(address: str) -> bool:
    if not address.strip(":"):
        return True
    with contextlib.suppress(ValueError):
        known = ipaddress.IPv6Address(address)
        inner = known.ipv4_mapped
        if inner is not None:
            return inner.is_loopback or inner.is_unspecified
        # Loopback, unspecified, and what is a step of a Python slice rather than an address.
        return int(known) < _FOUR_DIGITS
    return False


def _ipv4(match: re.Match[str]) -> str:
    numbers = [int(part) for part in match.group().split(".")]
    harmless = numbers[0] == 127 or not any(numbers)  # noqa: PLR2004 - the loopback network
    return match.group() if harmless else "<address>"


def _run(match: re.Match[str]) -> str:
    run = match.group()
    if match.re in (_UUID, _HEX_RUN):
        before = match.string[max(match.start() - 2, 0) : match.start()]
        is_fraction = re.fullmatch(r"\d\.", before) and re.fullmatch(r"\d+(?:[eE]\d*)?", run)
        return run if is_fraction else "<token>"
    if not (re.search(r"\d", run) and re.search(r"[A-Za-z]", run)):
        return run
    if match.re is _PLAIN_RUN:
        return "<token>"
    classes = [_class_of(char) for char in run]
    changes = sum(one != other and "" not in (one, other) for one, other in pairwise(classes))
    return "<token>" if changes * _CHANGES >= len(run) else run


def _class_of(char: str) -> str:
    if char.isdigit():
        return "digit"
    return "" if not char.isalpha() else "upper" if char.isupper() else "lower"


_RULES: tuple[tuple[str, re.Pattern[str], Put], ...] = (
    ("@", _LOGIN_IN_URL, _login_in_url),
    ("ibcalpha", _TO_IBC, _to_ibc),
    ("=", _IN_QUERY, _value_as("<secret>")),
    ("", _IN_HEADER, _value_as("<secret>")),
    ("", _AFTER_KEY, _value_as("<secret>")),
    ("", _BEARER, _value_as("<secret>")),
    ("", _AFTER_LOGIN_KEY, _value_as("<user>")),
    ("", _HOME, _value_as("<user>")),
    ("eyJ", _JWT, _as("<token>")),
    ("@", _EMAIL, _as("<email>")),
    ("@", _USER_AT_ADDRESS, _as("<user>")),
    ("", _WIRE_ADDRESS, _wire_address),
    ("", _UUID, _run),
    ("", _HEX_RUN, _run),
    ("", _PLAIN_RUN, _run),
    ("", _MIXED_RUN, _run),
    (".", _IPV4, _ipv4),
)
"""What is looked for, where a text holds a sign of it: most hold none, and that is quickly seen.

The rules that know from the words around it what a thing is come first.
"""


def _own_names() -> set[str]:
    """Return the names under which this process's user is known here."""
    found = {os.environ.get(name, "") for name in _LOGIN_VARIABLES}
    # If no variable is set and the system has no such user either, there is nothing to tell.
    with contextlib.suppress(OSError, KeyError, ImportError):
        found.add(getpass.getuser())
    found.add(PurePosixPath(os.environ.get("HOME", "")).name)
    found.add(PureWindowsPath(os.environ.get("USERPROFILE", "")).name)
    return found


def _telling(names: Iterable[str]) -> list[str]:
    kept = {name.strip() for name in names}
    return sorted(
        (name for name in kept if len(name) >= _SHORTEST_NAME and name.lower() not in _NOBODY),
        key=lambda name: (-len(name), name),
    )


@lru_cache(maxsize=16)
def _word_rule(names: tuple[str, ...]) -> re.Pattern[str] | None:
    if not names:
        return None
    # A report is wrapped at blanks, also at those of a name.
    words = (r"\s+".join(map(re.escape, name.split())) for name in names)
    return _rule(rf"(?<![^\W_])(?:{'|'.join(words)})(?![^\W_])", re.IGNORECASE)


@lru_cache(maxsize=64)
def _keep_rule(texts: tuple[str, ...]) -> re.Pattern[str] | None:
    found = [text for text in texts if text]
    if not found:
        return None
    # Nothing of an IPv6 address may be a part of a longer one; all others may have a port.
    rules = (
        rf"(?<![\w:.]){re.escape(text)}(?!:?[0-9A-Fa-f])"
        if ":" in text
        else rf"(?<![\w.-]){re.escape(text)}(?![\w-])(?!\.\w)"
        for text in found
    )
    return re.compile("|".join(rules), re.IGNORECASE)
