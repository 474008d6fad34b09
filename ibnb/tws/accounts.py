"""What an account number tells, and how it is shown.

Most accounts are known by their looks. Others, as those that an advisor names, are known because a
gateway gave them: `know` is told of every list of accounts that comes, and `mask_in` masks what it
knows, in any case of letters. This is a state of the process, on purpose: that a name must not be
read by others does not depend on who writes a sentence, and a name that is known too much only
hides too much. With the names handed from sentence to sentence, each one forgotten would tell.
"""

from __future__ import annotations

import json
import re
import threading
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

_KEPT_HEAD = 2
_KEPT_TAIL = 3
_LEAST_HIDDEN = 3
SHORTEST_NAME = 4
"""So many characters a known name has at least that is looked for in texts.

IBKR's own have six or more; one to three letters are a word, a currency or an exchange.
"""
SHORTEST_NUMBER = 6
"""The same of a name of digits alone: ports, years and the codes of notices have up to five."""
MOST_NAMES = 5000
"""So many names are known that do not look like accounts; no login has a tenth of them."""

_DIGITS = re.compile(r"\d{5}")
"""What every text holds in which something looks like an account."""
_ACCOUNT = re.compile(
    # The first character comes first, though looked at last: so the search is a quick one.
    r"[DFIUdfiu](?:(?<![A-Za-z0-9].)|(?<=\\[abefnrtv].)|(?<=\\x[\dA-Fa-f]{2}.)|(?<=\\u[\dA-Fa-f]{4}.))"
    r"(?:(?<=[Dd])[FIUfiu]|(?<![Dd]))[A-Za-z]?\d{5,9}[A-Za-z]?(?![A-Za-z0-9])"
)
"""What looks like an account, as a word of its own.

F, I or U (a D in front when paper), digits; a few kinds have one more letter on either side.
What stands for one character in the ``repr`` of a text, as ``\\n``, is not a letter before it.
"""
_BEFORE = r"(?:(?<![^\W_])|(?<=\\[abefnrtv])|(?<=\\x[\dA-Fa-f]{2})|(?<=\\u[\dA-Fa-f]{4}))"
_AFTER = r"(?![^\W_])"


class KnownAccounts:
    """The names of accounts that were heard of, for masking them whatever they look like.

    A name that is shorter than `SHORTEST_NAME`, or a number shorter than `SHORTEST_NUMBER`, is not
    looked for in texts: it would be found in half of them. It is masked where it is an account and
    nothing else, in the lists of them.
    """

    def __init__(self) -> None:
        self._adding = threading.Lock()
        self._names: set[str] = set()
        self._forms: tuple[tuple[str, str], ...] = ()

    def add(self, names: Iterable[str]) -> None:
        """Take names into account from now on; may be called on any thread."""
        fresh = {name.strip() for name in names} - self._names
        fresh = {name for name in fresh if _is_telling(name)}
        if not fresh:
            return
        with self._adding:
            self._names |= set(sorted(fresh)[: max(0, MOST_NAMES - len(self._names))])
            forms = {form for name in self._names for form in _forms(name)}
            # The longest first: one name may be a part of another.
            longest_first = sorted(forms, key=lambda form: (-len(form), form))
            self._forms = tuple((_needle(form), form) for form in longest_first)

    def mask_in(self, text: str, *, ours: bool = False) -> str:
        """Mask the known names in a text; in one of `ours`, those that may be words stay."""
        if not self._forms:
            return text
        folded = text.casefold()
        for needle, form in self._forms:
            if needle in folded and not (ours and is_words(form)):
                text = _pattern(form).sub(lambda match: mask(match.group()), text)
        return text


_known = KnownAccounts()


def know(names: Iterable[str]) -> None:
    """Take note that these are accounts: from now on `mask_in` masks them in this process."""
    _known.add(names)


def is_paper(accounts: Sequence[str]) -> bool:
    """Say whether a session with these accounts is paper: all of them begin with D.

    An empty list is not paper: nothing has shown that it is.
    """
    return bool(accounts) and all(account.startswith("D") for account in accounts)


def mask(account: str) -> str:
    """Return an account number that may be shown and saved: ``DU1234567`` -> ``DU•••567``.

    Of a short one less is left: three characters are hidden at least.
    """
    tail = min(_KEPT_TAIL, len(account) - _KEPT_HEAD - _LEAST_HIDDEN)
    if tail <= 0:
        return "•••"
    return f"{account[:_KEPT_HEAD]}•••{account[-tail:]}"


def mask_in(text: str, *, ours: bool = False) -> str:
    """Mask whatever looks like an account number inside a text, and every name that is known.

    In a sentence of `ours`, a known name that could be words of it stays: what others wrote was
    masked before it came into the sentence.
    """
    return replace_in(_known.mask_in(text, ours=ours), mask)


def is_words(name: str) -> bool:
    """Say whether a name could be words of an English sentence: plain letters and blanks alone."""
    return name.isascii() and all(part.isalpha() for part in name.split())


def replace_in(text: str, put: Callable[[str], str]) -> str:
    """Put something else in the place of each word of a text that looks like an account number."""
    if _DIGITS.search(text) is None:
        return text
    return _ACCOUNT.sub(lambda match: put(match.group()), text)


def _is_telling(name: str) -> bool:
    shortest = SHORTEST_NUMBER if name.isdigit() else SHORTEST_NAME
    return len(name) >= shortest and _ACCOUNT.fullmatch(name) is None


def _forms(name: str) -> set[str]:
    """Return the ways in which a text may have a name, letter case aside."""
    if name.isascii():
        plain = {name}
    else:
        normal = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
        # Of such letters neither a pattern nor an escape ignores the case.
        cases = (str, str.lower, str.upper, str.casefold)
        plain = {case(one) for one in (name, *normal) for case in cases}
    forms = set(plain)
    for one in plain:
        # Which quotes are escaped depends on those beside it.
        forms |= {repr(one)[1:-1], repr(one + '"')[1:-2], json.dumps(one)[1:-1]}
        forms.add(one.encode("ascii", "backslashreplace").decode())
        forms.add(one.encode(errors="replace").decode("ascii", "backslashreplace"))
    return forms


def _needle(form: str) -> str:
    """Return what every text holds that has a name in this form, when its case is folded."""
    # Between its words a text may have other blanks.
    return max(form.split(), key=len).casefold()


@lru_cache(maxsize=256)
def _pattern(form: str) -> re.Pattern[str]:
    spelt = r"\s+".join(map(re.escape, form.split()))
    return re.compile(f"{_BEFORE}{spelt}{_AFTER}", re.IGNORECASE)
